"""`manualnst reconstruct` as people use it: folders, options, interrupts; and its function."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from proofs import RECOMMENDED, small_weights

from manualnst import InputError, reconstruct
from manualnst.cli import main
from manualnst.pictures.images import load_picture
from manualnst.pictures.saving import save_picture
from manualnst.studies.many.alone import alone_in
from manualnst.studies.reconstruction import draw_reconstructions, most_detailed
from manualnst.weights import save_weights

TINY = ["--size", "40", "--steps", "3", "--layers", "relu1_1,relu2_1", "--quiet"]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Every test runs in an empty folder with a picture."""
    monkeypatch.chdir(tmp_path)
    smooth = np.add.outer(np.sin(np.arange(40) / 4), np.cos(np.arange(33) / 3)) / 4 + 0.5
    save_picture(tmp_path / "photo.png", np.dstack([smooth, 1 - smooth, smooth**2]))
    return tmp_path


def content(*arguments):
    return main(["reconstruct", "content", "photo.png", *arguments])


def style(*arguments):
    return main(["reconstruct", "style", "photo.png", *arguments])


def record(path):
    return json.loads(path.read_text())


def written(folder):
    return sorted(path.name for path in folder.iterdir())


def test_content_by_layers(folder):
    assert content(*TINY, "--sheet", "sheet.jpg") == 0
    made = folder / "photo-content"
    names = ["relu1_1.json", "relu1_1.png", "relu2_1.json", "relu2_1.png", "sheet.png"]
    assert written(made) == names
    assert load_picture(made / "relu2_1.png").pixels.shape == (40, 33, 3)
    found = record(made / "relu2_1.json")
    assert found["settings"]["content_layers"] == {"relu2_1": 1.0}
    assert list(found["history"]) == ["total", "content relu2_1"]  # and nothing else is asked
    assert found["start"]["name"] == "noise"
    sheet = load_picture(made / "sheet.png").pixels
    assert sheet.shape == load_picture("sheet.jpg").pixels.shape
    assert sheet.shape[0] > 2 * 40 and sheet.shape[1] > 3 * 33  # with the original, twice


def test_every_option_of_the_network_counts(folder, capsys):
    """--margin was accepted once, and ignored."""
    assert content(*TINY, "--margin", "0", "--pool", "max") == 0
    settings = record(folder / "photo-content" / "relu2_1.json")["settings"]
    assert (settings["margin"], settings["pool"]) == (0, "max")
    assert content(*TINY, "-o", "other", "--precision", "tf32") == 2
    assert "precision tf32 is for the cuda backend" in capsys.readouterr().err


def test_style_by_growing_subsets(folder):
    assert style(*TINY, "--pool", "max") == 0
    made = folder / "photo-style"
    assert {"to-relu1_1.png", "to-relu2_1.png", "sheet.png"} <= set(written(made))
    terms = [list(record(made / f"to-relu{n}_1.json")["history"]) for n in (1, 2)]
    assert terms == [["total", "style relu1_1"], ["total", "style relu1_1", "style relu2_1"]]
    assert record(made / "to-relu1_1.json")["settings"]["pool"] == "max"


def test_shallow_layers_tell_all_and_deep_ones_less(folder, capsys):
    options = ["--size", "40", "--min-size", "20", "--steps", "90"]
    assert content(*options, "--layers", "relu1_1,relu5_1") == 0
    told = capsys.readouterr().err
    likeness = [
        record(folder / "photo-content" / f"relu{n}_1.json")["likeness"]["structural_similarity"]
        for n in (1, 5)
    ]
    assert likeness[0] > 0.99 > likeness[1] + 0.05
    assert f"SSIM {likeness[0]:.4f}" in told and "style:" not in told


def test_what_is_there_is_not_made_again(folder):
    assert content(*TINY) == 0
    made = folder / "photo-content"
    before = (made / "relu2_1.png").stat().st_mtime_ns
    (made / "relu1_1.png").unlink()
    assert content(*TINY, "--crop", "0,0,8,9") == 0
    assert (made / "relu2_1.png").stat().st_mtime_ns == before
    assert (made / "relu1_1.png").exists()
    assert content(*TINY[:-2], "relu1_1,relu2_1,relu3_1", "--quiet") == 0
    assert (made / "relu2_1.png").stat().st_mtime_ns == before
    assert content(*TINY, "--seed", "1", "--overwrite") == 0
    assert (made / "relu2_1.png").stat().st_mtime_ns != before


def refused(capsys, command, *arguments):
    try:
        code = command(*arguments)
    except SystemExit as error:  # argparse
        code = error.code
    captured = capsys.readouterr()
    assert code == 2 and captured.err.count("\n") == 1, captured.err
    return captured.err


@pytest.mark.parametrize("option", [["--seed", "1"], ["--pool", "max"], ["--size", "36"]])
def test_other_settings_do_not_go_into_the_same_folder(folder, capsys, option):
    assert content(*TINY) == 0
    assert "--overwrite" in refused(capsys, content, *TINY, *option)


@pytest.mark.parametrize("likeness", [None, 3, {"structural_similarity": 0.5}])
def test_nor_does_a_run_that_is_no_reconstruction(folder, capsys, likeness):
    assert content(*TINY) == 0
    path = folder / "photo-content" / "relu1_1.json"
    path.write_text(json.dumps(record(path) | {"likeness": likeness}))
    assert "is not of a reconstruction" in refused(capsys, content, *TINY)
    repeated = ["run", "--repeat", "photo-content/relu2_1.json", "--quiet", "-o", "out/relu2_1.png"]
    (folder / "out").mkdir()
    assert main(repeated) == 0
    assert "is not of a reconstruction" in refused(capsys, content, *TINY, "-o", "out")


def test_nor_does_another_picture(folder, capsys):
    assert content(*TINY) == 0
    save_picture(folder / "photo.png", np.zeros((40, 33, 3)))
    assert "the content is not that of the earlier run" in refused(capsys, content, *TINY)


@pytest.mark.parametrize("name", ["relu2_1.png", "sheet.png", "relu1_1.json"])
def test_files_of_others_are_kept(folder, capsys, name):
    (folder / "out").mkdir()
    (folder / "out" / name).write_text("precious")
    refused(capsys, content, *TINY, "-o", "out")
    assert written(folder / "out") == [name]
    assert (folder / "out" / name).read_text() == "precious"


@pytest.mark.parametrize(
    "arguments",
    [
        ["--layers", "relu9_9"],
        ["--layers", "relu1_1,relu1_1"],
        ["--size", "10"],
        ["--steps", "0"],
        ["--crop", "30,0,8,8"],
        ["--crop", "0,0,0,8"],
        ["--crop", "1,2,3"],
        ["--set", "5"],
        ["--weights", "missing.h5"],
        ["--sheet", "photo.png"],
        ["--sheet", "sheet.xyz"],
        ["-o", "photo.png"],
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(folder, capsys, arguments):
    options = ["--size", "40", "--steps", "3", "--weights", "builtin", "--quiet"]
    refused(capsys, content, *options, *arguments)
    assert written(folder) == ["photo.png"]


def test_layers_that_the_network_lacks_are_left_out(folder, capsys):
    assert content(*TINY[:4], "--set", "2") == 0  # the built-in network ends with relu5_1
    assert "left out: relu5_2" in capsys.readouterr().err
    made = written(folder / "photo-content")
    assert "relu4_2.png" in made and "relu5_2.png" not in made


def test_interrupted_it_keeps_what_is_there_and_goes_on(folder):
    arguments = ["content", "photo.png", "--size", "40", "--layers", "relu1_1,relu3_1"]
    arguments += ["--steps", "40", "--json"]
    process = subprocess.Popen(
        [sys.executable, "-m", "manualnst", "reconstruct", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    done = 0
    for line in process.stdout:
        event = json.loads(line)
        done += event["event"] == "reconstruction"
        if done and event["event"] == "step" and event["step"] >= 3:
            break
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130 and err == ""
    assert "the same command" in out
    made = folder / "photo-content"
    assert written(made) == ["relu1_1.json", "relu1_1.png", "relu3_1.png.checkpoint", "sheet.png"]
    assert main(["reconstruct", *arguments]) == 0
    assert main(["reconstruct", *arguments, "-o", "whole"]) == 0
    assert written(made) == written(folder / "whole")
    for name in ("relu1_1.png", "relu3_1.png", "sheet.png"):
        assert (made / name).read_bytes() == (folder / "whole" / name).read_bytes()


def test_a_damaged_picture_is_made_anew(folder):
    assert content(*TINY) == 0
    path = folder / "photo-content" / "relu1_1.png"
    whole = path.read_bytes()
    path.write_bytes(whole[:300])
    assert content(*TINY) == 0
    assert path.read_bytes() == whole


def test_two_at_once_do_not_make_theirs_in_one_folder(folder, capsys):
    pytest.importorskip("fcntl")
    assert content(*TINY) == 0
    with alone_in(folder / "photo-content"):
        told = refused(capsys, content, *TINY, "--overwrite")
    assert "another command is painting" in told
    assert (folder / "photo-content" / "relu1_1.png").exists()
    assert content(*TINY) == 0


def test_a_checkpoint_of_other_settings_is_not_gone_on_with(folder, capsys):
    (folder / "photo-content").mkdir()
    path = folder / "photo-content" / "relu1_1.png.checkpoint"
    path.write_text("precious")
    assert "not a checkpoint" in refused(capsys, content, *TINY)
    assert path.read_text() == "precious"


# From Python


def test_the_function():
    of_content = reconstruct("photo.png", content="relu1_1", size=32, steps=2)
    assert of_content.image.shape == (32, 26, 3)
    assert list(of_content.record["history"]) == ["total", "content relu1_1"]
    of_style = reconstruct("photo.png", style=["relu1_1", "relu1_2"], size=32, steps=2)
    assert list(of_style.record["history"]) == ["total", "style relu1_1", "style relu1_2"]


@pytest.mark.parametrize("asked", [{"content": "relu1_1"}, {"style": ["relu1_1", "relu1_2"]}])
def test_every_network_is_asked_in_the_same_way(recommending, asked):
    steps = {"size": 32, "steps": RECOMMENDED["steps"]}
    first = reconstruct("photo.png", **asked, **steps, weights=recommending)
    save_weights(small_weights(), recommending)
    second = reconstruct("photo.png", **asked, **steps, weights=recommending)
    assert first.record["settings"] == second.record["settings"]
    [kind] = asked
    layers = ["--layers", "relu1_1,relu1_2", "--size", "32", "--steps", str(steps["steps"])]
    command = ["reconstruct", kind, "photo.png", "--weights", str(recommending), "-o", "made"]
    save_weights(replace(small_weights(), recommended=RECOMMENDED), recommending)
    assert main([*command, *layers, "--quiet"]) == 0
    name = {"content": "relu1_1", "style": "to-relu1_2"}[kind]
    assert record(Path("made", f"{name}.json"))["settings"] == first.record["settings"]


@pytest.mark.parametrize(
    "arguments",
    [{}, {"content": "relu1_1", "style": ["relu1_1"]}, {"content": "relu1_1", "init": "content"}],
)
def test_the_function_refuses_what_makes_no_sense(arguments):
    with pytest.raises(InputError):
        reconstruct("photo.png", **arguments)


def test_the_close_up_is_where_most_detail_is():
    picture = np.full((40, 80, 3), 0.5, np.float32)
    picture[22:32, 50:70] = np.random.default_rng(0).random((10, 20, 3))
    x, y, width, height = most_detailed(picture)
    assert (width, height) == (20, 10)
    assert abs(x - 50) <= 1 and abs(y - 22) <= 1
    sheet = draw_reconstructions(picture, {"a": picture}, [""], title="", crop=(50, 22, 20, 10))
    noisy = np.ptp(sheet, axis=2) > 0.2
    assert noisy[: sheet.shape[0] // 2].sum() < 0.2 * noisy[sheet.shape[0] // 2 :].sum()
