"""`manualnst sweep` and `manualnst batch` as people use them: folders, interrupts, going on."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from proofs import small_weights

import manualnst
from manualnst import InputError
from manualnst.api import prepare
from manualnst.cli import main
from manualnst.pictures.images import load_picture
from manualnst.pictures.saving import save_picture
from manualnst.runs.checkpoint import load_checkpoint, save_checkpoint
from manualnst.runs.settings import Settings
from manualnst.weights import save_weights

SMALL = ["--size", "32", "--style-layers", "relu1_1", "--content-layers", "relu1_1"]
TINY = [*SMALL, "--steps", "2"]
QUIET = ["--quiet"]
WEIGHTS = ["--vary", "content-weight", "0.01", "1"]
POOLS = ["--vary", "pool", "average", "max"]
ADAM = ["--optimizer", "adam"]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Every test runs in an empty folder with two pictures."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    save_picture(tmp_path / "photo.png", rng.random((32, 29, 3)).astype(np.float32))
    save_picture(tmp_path / "painting.jpg", rng.random((24, 30, 3)).astype(np.float32))
    return tmp_path


def sweep(*arguments):
    return main(["sweep", "photo.png", "painting.jpg", *arguments])


def table(folder):
    return json.loads(Path(folder, "table.json").read_text())["rows"]


def refused(capsys, *arguments):
    """The one line of a refused command, which leaves nothing."""
    there = sorted(Path.cwd().rglob("*"))
    try:
        code = main(list(arguments))
    except SystemExit as error:  # argparse
        code = error.code
    captured = capsys.readouterr()
    assert code == 2
    assert captured.err.count("\n") == 1, captured.err
    assert sorted(Path.cwd().rglob("*")) == there
    return captured.err


def stamps(folder):
    return {path.name: path.stat().st_mtime_ns for path in Path(folder).glob("*=*")}


def test_a_sweep_paints_every_combination_and_shows_them(folder):
    assert sweep(*WEIGHTS, *POOLS, *TINY, *QUIET) == 0
    made = folder / "photo-painting-sweep"
    names = [f"content_weight={w}-pool={p}" for w in ("0.01", "1") for p in ("average", "max")]
    files = {f"{name}{suffix}" for name in names for suffix in (".png", ".json")}
    assert {path.name for path in made.iterdir()} == files | {
        "sheet.png",
        "table.csv",
        "table.json",
    }
    with open(made / "table.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["picture"] for row in rows] == [f"{name}.png" for name in names]
    for row, name in zip(rows, names, strict=True):
        record = json.loads((made / f"{name}.json").read_text())
        assert float(row["loss"]) == record["best_loss"]
        assert str(record["settings"]["content_weight"]).rstrip("0.") == row[
            "content_weight"
        ].rstrip("0.")
        terms = sum(float(value) for key, value in row.items() if key.startswith("weighted"))
        assert terms == pytest.approx(float(row["loss"]))
        by_kind = {kind: float(row[f"{kind} loss"]) for kind in ("content", "style", "tv")}
        weight = record["settings"]["content_weight"]
        whole = weight * by_kind["content"] + by_kind["style"] + 0.1 * by_kind["tv"]
        assert whole == pytest.approx(float(row["loss"]))


def test_each_picture_is_that_of_a_run_of_its_own(folder):
    assert sweep(*WEIGHTS, *POOLS, *TINY, *QUIET, "-o", "many") == 0
    for weight in ("0.01", "1"):
        one = ["photo.png", "painting.jpg", "--content-weight", weight, "--pool", "max", *TINY]
        assert main(["run", *one, "-o", "one.png", "--overwrite", *QUIET]) == 0
        many = load_picture(f"many/content_weight={weight}-pool=max.png").pixels
        assert np.array_equal(many, load_picture("one.png").pixels)


def test_the_same_command_again_paints_only_what_is_not_there(folder, capsys):
    assert sweep(*WEIGHTS, *TINY, *QUIET, "-o", "many") == 0
    before = stamps("many")
    Path("many/content_weight=1.png").unlink()
    assert sweep(*WEIGHTS, "0.1", *TINY, "-o", "many") == 0
    assert "pictures: 3, finished already: 1" in capsys.readouterr().err
    after = stamps("many")
    assert after["content_weight=0.01.png"] == before["content_weight=0.01.png"]
    assert {"content_weight=1.png", "content_weight=0.1.png"} <= after.keys()
    assert len(table("many")) == 3


def test_what_is_of_another_run_is_refused_or_replaced(folder, capsys):
    assert sweep(*WEIGHTS, *TINY, *QUIET, "-o", "many") == 0
    again = ["sweep", "photo.png", "painting.jpg", *WEIGHTS, *TINY, "-o", "many"]
    assert "seed was 0 then, 7 now" in refused(capsys, *again, "--seed", "7")
    save_picture(folder / "photo.png", np.ones((32, 29, 3), np.float32))
    assert "the content is not that of the earlier run" in refused(capsys, *again)
    old = stamps("many")
    assert main([*again, *QUIET, "--overwrite"]) == 0
    assert all(old[name] != stamp for name, stamp in stamps("many").items())


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_damaged_picture_is_painted_anew(folder, capsys, jobs):
    again = ["sweep", "photo.png", "painting.jpg", *WEIGHTS, "0.1", *TINY, "-o", "many"]
    assert main([*again, *QUIET]) == 0
    cut, small = Path("many/content_weight=1.png"), Path("many/content_weight=0.1.png")
    whole = [path.read_bytes() for path in (cut, small)]
    cut.write_bytes(whole[0][:300])
    save_picture(small, np.ones((31, 29, 3), np.float32))
    assert main([*again, "--jobs", jobs]) == 0
    assert "finished already: 1" in capsys.readouterr().err
    assert [path.read_bytes() for path in (cut, small)] == whole


@pytest.mark.parametrize("name", ["history", "scales", "stop_reason", "best_loss"])
def test_a_damaged_record_is_refused_or_replaced(folder, capsys, name):
    again = ["sweep", "photo.png", "painting.jpg", *WEIGHTS, *TINY, "-o", "many"]
    assert main([*again, *QUIET]) == 0
    path = Path("many/content_weight=1.json")
    record = json.loads(path.read_text())
    path.write_text(json.dumps(record | {name: {}}))
    assert f"its {name} is missing, or not what" in refused(capsys, *again)
    assert main([*again, *QUIET, "--overwrite"]) == 0
    assert json.loads(path.read_text())["history"] == record["history"]


def test_a_record_from_before_there_were_scales_is_of_a_finished_picture(folder, capsys):
    again = ["sweep", "photo.png", "painting.jpg", *WEIGHTS, *TINY, "--scales", "1", "-o", "many"]
    assert main([*again, *QUIET]) == 0
    rows = table("many")
    path = Path("many/content_weight=1.json")
    record = json.loads(path.read_text()) | {"format": "manualnst record 1"}
    del record["settings"]["scales"], record["scales"]
    path.write_text(json.dumps(record))
    assert main(again) == 0
    assert "finished already: 2" in capsys.readouterr().err
    assert table("many") == rows


@pytest.mark.parametrize("name", ["sheet.png", "table.json", "content_weight=1.png"])
def test_no_file_of_somebody_else_is_replaced(folder, capsys, name):
    Path("many").mkdir()
    Path("many", name).write_text("precious")
    refused(capsys, "sweep", "photo.png", "painting.jpg", *WEIGHTS, *TINY, "-o", "many")
    assert Path("many", name).read_text() == "precious"


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--vary", "content-weight"],
        ["--vary", "frobnication", "1"],
        ["--vary", "content-weight", "1", "x"],
        ["--vary", "content-weight", "1", "-1"],
        ["--vary", "content-weight", "1", "1.0"],
        ["--vary", "pool", "average", "min"],
        ["--vary", "size", "32", "3"],
        ["--vary", "weights", "builtin", "missing.h5"],
        ["--vary", "style-layers", "relu1_1", "+relu9_9"],
        ["--vary", "style-layers", "relu1_1", "+relu1_1"],
        ["--vary", "content-weight", "1", "2", "--content-weight", "1"],
        ["--vary", "seed", "1", "2", "--vary", "seed", "3"],
        ["--vary", "seed", "1", "2", "--jobs", "0"],
        ["--vary", "seed", "1", "2", "-o", "missing/folder", "--vary", "size", "32", "3"],
        ["--vary", "seed", "1", "2", "-o", "photo.png/folder"],
        ["--vary", "seed", "1", "2", "-o", "photo.png"],
        ["--vary", "init", "noise", "missing.png"],
    ],
)
def test_nonsense_is_refused_before_anything_begins(folder, capsys, arguments):
    refused(capsys, "sweep", "photo.png", "painting.jpg", "--size", "32", *arguments)


def test_folders_are_made(folder):
    assert sweep(*WEIGHTS, *TINY, *QUIET, "-o", "new/deeper") == 0
    assert len(table("new/deeper")) == 2


def test_layers_that_grow_are_typed_with_a_plus(folder):
    layers = ["--vary", "style_layers", "relu1_1:2", "+relu1_2", "+pixels"]
    size = ["--size", "32", "--steps", "2", "--content-layers", "relu1_1"]
    assert sweep(*layers, *size, *QUIET, "-o", "many") == 0
    typed = [row["style_layers"] for row in table("many")]
    assert typed == ["relu1_1:2", "relu1_1:2,relu1_2", "relu1_1:2,relu1_2,pixels"]


def test_json_lines_and_the_lines_of_a_log(folder, capsys):
    assert sweep(*WEIGHTS, *TINY, "--json", "-o", "a") == 0
    captured = capsys.readouterr()
    events = [json.loads(line) for line in captured.out.splitlines()]
    kinds = [event["event"] for event in events]
    assert kinds.count("step") == 4 and kinds.count("picture") == 2
    assert kinds[-1] == "result" and captured.err == ""
    shares = [event["share"] for event in events if event["event"] == "step"]
    assert shares == sorted(shares) and shares[-1] == 1
    assert sweep(*WEIGHTS, *TINY, "-o", "b") == 0
    lines = capsys.readouterr().err.splitlines()
    assert sum(line.startswith(("1/2  ", "2/2  ")) for line in lines) == 2
    assert sum("photo.png, 29 × 32" in line for line in lines) == 1
    assert sweep(*WEIGHTS, *TINY, "-o", "c", *QUIET) == 0
    assert capsys.readouterr() == ("", "")


# Real processes and real signals


def start(*arguments):
    return subprocess.Popen(
        [sys.executable, "-m", "manualnst", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        start_new_session=True,
    )


def wait_for(process, enough):
    """Read the JSON lines until one of them is."""
    for line in process.stdout:
        if enough(json.loads(line)):
            return
    raise AssertionError(process.stderr.read())


def test_two_at_once_do_not_paint_in_one_folder(folder, capsys):
    pytest.importorskip("fcntl")
    command = ["sweep", "photo.png", "painting.jpg", "-o", "many", *ADAM, *SMALL]
    command += ["--vary", "steps", "100000", "2"]
    process = start(*command, "--json")
    try:
        wait_for(process, lambda event: event.get("picture_step", 0) > 0)
        assert "another command is painting in many" in refused(capsys, *command)
    finally:
        process.kill()
        process.communicate(timeout=60)
    assert not any(path.suffix != ".checkpoint" for path in Path("many").iterdir())
    assert main([*command[:-2], "2", *QUIET]) == 0  # what was killed is in nobody's way


@pytest.mark.slow
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_an_interrupted_sweep_goes_on_where_it_was(folder, jobs):
    command = ["sweep", "photo.png", "painting.jpg", "-o", "many", "--jobs", jobs, *ADAM, *SMALL]
    steps = ["--vary", "steps", "2", "3000", "3001"]
    process = start(*command, *steps, "--json")
    begun = {"steps=3000"} if jobs == "1" else {"steps=3000", "steps=3001"}
    waiting = begun.copy()
    wait_for(process, lambda event: waiting.discard(event.get("picture")) or not waiting)
    for _ in range(5):
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: all of the group
        time.sleep(0.005)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert err == ""
    assert "1 of 3 are finished, and the same command goes on" in out
    there = {path.name for path in Path("many").iterdir()}
    assert {"steps=2.png", "steps=2.json", "sheet.png", "table.csv"} <= there
    assert {name for name in there if "checkpoint" in name} == {
        f"{name}.png.checkpoint" for name in begun
    }
    done = load_checkpoint("many/steps=3000.png.checkpoint")[0]["iterations"]
    assert done > 0
    stopped = [row["stopped"] for row in table("many")]
    assert stopped == ["all 2 steps are done", "not finished", "not finished"]


@pytest.mark.slow
def test_what_was_interrupted_ends_as_if_it_had_not_been(folder):
    command = ["sweep", "photo.png", "painting.jpg", *ADAM, *SMALL]
    command += ["--vary", "seed", "1", "--steps", "300", "--init", "noise"]
    process = start(*command, "-o", "many", "--json")
    wait_for(process, lambda event: event.get("picture_step", 0) > 20)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 143
    assert Path("many/seed=1.png.checkpoint").exists()
    assert main([*command, "-o", "many", *QUIET]) == 0
    assert main([*command, "-o", "whole", *QUIET]) == 0
    assert Path("many/seed=1.png").read_bytes() == Path("whole/seed=1.png").read_bytes()
    assert not list(Path("many").glob("*checkpoint"))


def test_processes_make_the_same_pictures(folder):
    assert sweep(*WEIGHTS, *POOLS, *TINY, *QUIET, "-o", "one") == 0
    assert sweep(*WEIGHTS, *POOLS, *TINY, *QUIET, "-o", "two", "--jobs", "2") == 0
    for path in Path("one").glob("*.png"):
        assert path.read_bytes() == Path("two", path.name).read_bytes()


@pytest.mark.skipif(not os.path.exists("/proc/self/task"), reason="no /proc here")
def test_the_processes_of_a_parent_that_was_killed_end_at_once(folder):
    """A step of the naive backend takes a minute, at the end of which they would notice."""
    seeds = ["--vary", "seed", "1", "2", "--backend", "naive", "--size", "160", "--steps", "3"]
    command = [sys.executable, "-m", "manualnst", "sweep", "photo.png", "-o", "many", *seeds]
    process = subprocess.Popen([*command, "--jobs", "2", "--quiet"])
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    wait_until(lambda: sum(map(is_painting, children.read_text().split())) == 2)
    pids = children.read_text().split()
    process.kill()
    process.wait()
    wait_until(lambda: not any(map(is_painting, pids)), seconds=10)


def is_painting(pid):
    """Whether it lives and has used a second of processor time, so is in its first step."""
    try:
        state, *numbers = Path(f"/proc/{pid}/stat").read_text().rsplit(")")[1].split()
    except OSError:
        return False
    return state != "Z" and int(numbers[10]) > 100


def wait_until(holds, seconds=60):
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.1)


def test_a_process_that_is_killed_costs_one_picture(folder):
    command = ["sweep", "photo.png", "painting.jpg", "-o", "many", "--jobs", "2", *ADAM, *SMALL]
    process = start(*command, "--vary", "steps", "100000", "2", "3", "--json")
    kinds = []
    wait_for(process, lambda event: kinds.append(event["event"]) or kinds.count("picture") == 2)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    if not children.exists():
        process.kill()
        pytest.skip("this system does not tell the children of a process")
    for pid in children.read_text().split():
        if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes():
            os.kill(int(pid), signal.SIGKILL)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "steps=100000: its process ended by signal 9" in err
    assert Path("many/steps=2.png").exists()


# Batches


def test_a_batch_paints_every_content_in_every_style(folder):
    Path("styles").mkdir()
    os.rename("painting.jpg", "styles/painting.jpg")
    Path("styles/notes.txt").write_text("no picture")
    pictures = ["--contents", "photo.png", "sample:harbour", "--styles", "styles", "sample:waves"]
    assert main(["batch", *pictures, "-o", "many", *TINY, *QUIET]) == 0
    rows = {(row["content"], row["style"]): row["picture"] for row in table("many")}
    assert rows == {
        (content, style): f"{content}-{style}.png"
        for content in ("photo", "harbour")
        for style in ("painting", "waves")
    }
    assert main(["run", "photo.png", "styles/painting.jpg", "-o", "one.png", *TINY, *QUIET]) == 0
    one = load_picture("one.png").pixels
    assert np.array_equal(load_picture("many/photo-painting.png").pixels, one)


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_what_fails_is_told_at_the_end_and_stops_nothing(folder, capsys, jobs):
    Path("broken.jpg").write_text("no picture")
    save_picture(folder / "thin.png", np.ones((200, 1, 3), np.float32))
    pictures = ["--contents", "broken.jpg", "photo.png", "thin.png", "--styles", "painting.jpg"]
    batch = ["batch", *pictures, "-o", "many", "--jobs", jobs, *TINY]
    batch += ["--content-layers", "relu2_1"]
    assert main([*batch, *QUIET]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert "broken-painting: cannot read broken.jpg" in lines[0]
    assert "thin-painting: " in lines[1] and "too small" in lines[1]
    assert Path("many/photo-painting.png").exists()
    assert "cannot read" in table("many")[0]["stopped"]
    save_picture(folder / "broken.jpg", np.ones((32, 32, 3), np.float32))  # mended
    before = Path("many/photo-painting.png").stat().st_mtime_ns
    assert main([*batch, *QUIET]) == 1
    assert Path("many/broken-painting.png").exists()
    assert Path("many/photo-painting.png").stat().st_mtime_ns == before


def test_if_all_fails_each_is_told_and_nothing_written(folder, capsys):
    Path("broken.jpg").write_text("no picture")
    contents = ["--contents", "missing.png", "broken.jpg"]
    batch = ["batch", *contents, "--styles", "painting.jpg", "-o", "many", *TINY]
    assert main(batch) == 2
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(": ")[1] for line in lines] == ["missing-painting", "broken-painting"]
    assert "No such file" in lines[0] and "not a picture" in lines[1]
    assert not Path("many").exists()
    assert main([*batch, "--json"]) == 2
    event = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert event["failed"] == ["missing-painting", "broken-painting"] and event["written"] == []


@pytest.mark.parametrize("facts", [{"settings": {}}, {"facts": [1]}, {"facts": {"content": 3}}])
def test_a_strange_checkpoint_is_refused(folder, capsys, facts):
    command = ["sweep", "photo.png", "painting.jpg", *WEIGHTS, *TINY, "-o", "many"]
    Path("many").mkdir()
    path = Path("many/content_weight=1.png.checkpoint")
    layers = {"style_layers": {"relu1_1": 1.0}, "content_layers": {"relu1_1": 1.0}}
    settings = Settings(size=32, steps=2, content_weight=1.0, **layers)
    prepare("photo.png", "painting.jpg", settings).save(path)
    stored, arrays = load_checkpoint(path)
    save_checkpoint(path, stored | facts, arrays)
    assert "is of another run" in refused(capsys, *command)


def test_a_batch_of_other_settings_is_refused_as_a_whole(folder, capsys):
    batch = ["batch", "--styles", "painting.jpg", "-o", "many", *TINY, "--contents", "photo.png"]
    assert main([*batch, *QUIET]) == 0
    assert "seed was 0 then, 1 now" in refused(capsys, *batch, "sample:harbour", "--seed", "1")


@pytest.mark.parametrize(
    ("contents", "styles", "more", "told"),
    [
        (["missing.png"], ["painting.jpg"], [], "missing.png: No such file"),
        (["photo.png", "photo.png"], ["painting.jpg"], [], "photo.png is given twice"),
        (["photo.png", "./photo.png"], ["painting.jpg"], [], "photo.png is given twice"),
        (["photo.png"], ["empty"], [], "in the folder empty there are no pictures"),
        (["photo.png"], ["painting.jpg"], ["--weights", "missing.h5"], "missing.h5"),
        (["photo.png"], ["painting.jpg"], ["--style-weight", "-1"], "style_weight must be"),
    ],
)
def test_a_batch_without_anything_to_paint_is_refused(folder, capsys, contents, styles, more, told):
    Path("empty").mkdir()
    Path("empty/notes.txt").touch()
    pictures = ["--contents", *contents, "--styles", *styles]
    assert told in refused(capsys, "batch", *pictures, *more, "-o", "many", "--size", "32")
    assert "required: --styles" in refused(capsys, "batch", *pictures[:2], "-o", "many")


@pytest.mark.parametrize("role", ["contents", "styles", "masks"])
def test_a_batch_does_not_paint_among_its_own_pictures(folder, capsys, role):
    Path("many").mkdir()
    save_picture("many/photo.png", np.ones((32, 29, 3), np.float32))
    pictures = {"contents": "photo.png", "styles": "painting.jpg"} | {role: "many"}
    arguments = [text for name, path in pictures.items() for text in (f"--{name}", path)]
    told = refused(capsys, "batch", *arguments, *TINY, "-o", "./many/")
    assert "where pictures come from" in told
    with pytest.raises(InputError, match="where pictures come from"):
        manualnst.batch(**pictures, folder="many")


def test_pictures_of_one_name_are_told_apart_and_the_first_keeps_it(folder, capsys):
    Path("other").mkdir()
    save_picture("other/photo.png", np.zeros((32, 32, 3), np.float32))
    batch = ["batch", "--styles", "painting.jpg", "-o", "many", *TINY]
    assert main([*batch, "--contents", "photo.png", *QUIET]) == 0
    before = Path("many/photo-painting.png").stat().st_mtime_ns
    assert main([*batch, "--contents", "photo.png", "other/photo.png"]) == 0
    assert "pictures: 2, finished already: 1" in capsys.readouterr().err
    assert Path("many/photo-painting.png").stat().st_mtime_ns == before
    first, second = table("many")
    assert (first["content"], first["picture"]) == ("photo", "photo-painting.png")
    record = json.loads(Path("many", second["picture"]).with_suffix(".json").read_text())
    assert record["content"]["name"] == "other/photo.png"


# Networks


def test_networks_are_compared_normalised_or_not_with_both_poolings(folder):
    for seed, architecture in enumerate(("vgg16", "vgg19")):
        file, normalised = f"{architecture}.h5", f"{architecture}-normalised.h5"
        weights = small_weights(seed, architecture=architecture, last="conv5_3")
        save_weights(weights, file)
        assert main(["weights", "normalise", file, "photo.png", "-o", normalised]) == 0
    files = [f"vgg{n}{kind}.h5" for n in (16, 19) for kind in ("", "-normalised")]
    layers = ["--style-layers", "relu1_1,relu3_3", "--content-layers", "relu2_2"]
    networks = ["--vary", "weights", *files, *POOLS, *layers, "--size", "32", "--steps", "2"]
    assert sweep(*networks, "-o", "many", *QUIET) == 0
    rows = table("many")
    assert [(row["weights"], row["pool"]) for row in rows] == [
        (file, pool) for file in files for pool in ("average", "max")
    ]
    assert len({row["loss"] for row in rows}) == 8
    for row in rows:
        record = json.loads(Path("many", row["picture"]).with_suffix(".json").read_text())
        assert record["weights"]["architecture"] == row["weights"][:5]
        assert ("normalised" in record["weights"]["provenance"]) == ("normalised" in row["weights"])
