"""`manualnst compare-optimizers`: its courses are those of real runs, and are told rightly."""

import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from proofs import RECOMMENDED

from manualnst import InputError, compare_optimizers, stylize
from manualnst.cli import main
from manualnst.pictures.images import load_picture
from manualnst.pictures.plots import _round_numbers, draw_lines
from manualnst.pictures.saving import save_picture
from manualnst.studies.comparison import Course, Point, contenders, summary

TINY = ["--size", "32", "--evaluations", "6", "--quiet"]
NAMES = ["lbfgs", "lbfgsb", "adam 0.02", "momentum 0.01"]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    save_picture(tmp_path / "photo.png", rng.random((32, 29, 3)).astype(np.float32))
    return tmp_path


def compare(*arguments):
    return main(["compare-optimizers", "photo.png", *arguments])


def test_a_plot_and_its_numbers(folder):
    options = ["--rates", "adam=0.02,0.1", "momentum=0.05", "--pool", "max"]
    assert compare("sample:waves", *options, *TINY) == 0
    assert load_picture("photo-waves-optimizers.png").pixels.shape == (1080, 960, 3)
    found = json.loads((folder / "photo-waves-optimizers.json").read_text())
    names = ["lbfgs", "lbfgsb", "adam 0.02", "adam 0.1", "momentum 0.05"]
    assert [course["name"] for course in found["courses"]] == names
    assert [row["name"] for row in found["summary"]] == names
    assert found["settings"]["pool"] == "max" and found["settings"]["scales"] == 1
    for course in found["courses"]:
        evaluations, seconds, losses = zip(*course["points"], strict=True)
        assert evaluations[0] == 1 and evaluations[-1] >= 6
        assert list(evaluations) == sorted(set(evaluations))
        assert seconds[0] == 0 and list(seconds) == sorted(seconds)
        assert losses[0] == found["courses"][0]["points"][0][2]  # they start from the same
        assert losses[-1] < losses[0]


def test_the_table_is_told(folder, capsys):
    assert compare(*TINY[:-1]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert "loss within 6 evaluations" in printed[0]
    assert sorted(line.split("  ")[0].strip() for line in printed[1:]) == sorted(NAMES)


def test_the_losses_are_those_of_runs(folder):
    courses = compare_optimizers("photo.png", size=32, evaluations=5, rates={"adam": [0.1]})
    for course in courses:
        settings = {"size": 32, "scales": 1, "steps": 5, "optimizer": course.optimizer}
        result = stylize("photo.png", rate=course.rate, **settings)
        history = result.record["history"]["total"]
        assert all(point.loss == history[point.evaluations - 1] for point in course.points)


def test_the_network_says_what_is_best_for_it(folder, recommending):
    recommending.rename("w.h5")
    assert compare("--weights", "w.h5", *TINY) == 0
    settings = json.loads((folder / "photo-mosaic-optimizers.json").read_text())["settings"]
    of_one_size = {"steps": 6, "first_steps": None, "scales": 1}
    assert settings == settings | RECOMMENDED | of_one_size


def course(name, *points):
    return Course(name, name, None, "done", [Point(*point) for point in points])


def test_equal_evaluations_and_equal_time():
    quick = course("quick", (1, 0, 9.0), (2, 1, 5.0), (3, 2, 6.0))
    slow = course("slow", (1, 0, 9.0), (2, 2.5, 3.0), (4, 8, 1.0))
    of_quick, of_slow = summary([quick, slow], 3)
    assert (of_quick["final_loss"], of_quick["equal_evaluations"]) == (6, 5)
    assert (of_slow["final_loss"], of_slow["equal_evaluations"]) == (1, 3)
    assert (of_quick["equal_seconds"], of_slow["equal_seconds"]) == (5, 9)  # within 2 s


@pytest.mark.parametrize("rates", [{"lbfgs": [0.1]}, {"sgd": [0.1]}, {"adam": [0.1, 0.1]}], ids=str)
def test_rates_that_make_no_sense(rates):
    with pytest.raises(InputError):
        contenders(rates)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--rates", "adam"],
        ["--rates", "adam=x"],
        ["--rates", "adam=0"],
        ["--rates", "adam=0.1", "adam=0.2"],
        ["--rates", "lbfgs=0.1"],
        ["--evaluations", "1"],
        ["--size", "5"],
        ["--optimizer", "adam"],
        ["-o", "photo.png"],
        ["-o", "plot.xyz"],
        ["missing.png"],
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(folder, capsys, arguments):
    try:
        code = compare(*TINY, *arguments)
    except SystemExit as error:  # argparse
        code = error.code
    err = capsys.readouterr().err
    assert code == 2 and err.count("\n") == 1, err
    assert [path.name for path in folder.iterdir()] == ["photo.png"]


def test_interrupted_it_leaves_nothing(folder):
    command = [sys.executable, "-m", "manualnst", "compare-optimizers", "photo.png", "--json"]
    process = subprocess.Popen(
        [*command, "--size", "32", "--evaluations", "100000"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    for line in process.stdout:
        if json.loads(line)["event"] == "step":
            break
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130 and err == ""
    assert "nothing was written" in out
    assert [path.name for path in folder.iterdir()] == ["photo.png"]


@pytest.mark.parametrize("seconds", [0.004, 0.7, 30, 9000])
def test_lines_of_any_range_have_round_ticks(seconds):
    ticks = _round_numbers(0, seconds)
    assert 4 <= len(ticks) <= 10
    assert all(float(label) == pytest.approx(value) for value, label, _ in ticks)
    plot = draw_lines(
        {"a": [(0, 1.0), (seconds, 0.1)]}, title="t", caption=["c"], x_label="seconds"
    )
    assert plot.shape == (540, 960, 3)
