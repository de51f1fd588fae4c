"""`manualnst run` as people use it: files, options, interrupts."""

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from proofs import RECOMMENDED, small_weights

from manualnst.__main__ import main as start_of_all
from manualnst.api import prepare, settings_from
from manualnst.cli import main
from manualnst.errors import InputError
from manualnst.pictures.colours import COLOURS
from manualnst.pictures.images import load_picture
from manualnst.pictures.saving import save_picture
from manualnst.runs.checkpoint import load_checkpoint
from manualnst.runs.settings import Settings
from manualnst.system.files import write_atomically
from manualnst.weights import save_weights

TINY = ["--size", "40", "--steps", "3", "--quiet"]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Every test runs in an empty folder with two pictures."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    save_picture(tmp_path / "photo.png", rng.random((40, 33, 3)).astype(np.float32))
    save_picture(tmp_path / "painting.jpg", rng.random((30, 36, 3)).astype(np.float32))
    return tmp_path


def run(*arguments):
    return main(["run", *arguments])


def written(folder):
    return sorted(p.name for p in folder.iterdir() if p.name != "cache")


def refused(capsys, *arguments):
    """The one line that a refused command leaves on standard error."""
    before = written(Path.cwd())
    try:
        code = run(*arguments)
    except SystemExit as error:  # argparse
        code = error.code
    captured = capsys.readouterr()
    assert code == 2
    assert captured.err.count("\n") == 1, captured.err
    assert captured.err.startswith("manualnst")
    assert written(Path.cwd()) == before
    return captured.err


def test_two_pictures_give_a_third_and_its_record(folder):
    assert run("photo.png", "painting.jpg", *TINY) == 0
    assert load_picture("photo-painting.png").pixels.shape == (40, 33, 3)
    record = json.loads((folder / "photo-painting.json").read_text())
    assert record["settings"]["steps"] == record["steps"] == 3
    assert written(folder) == [
        "painting.jpg",
        "photo-painting.json",
        "photo-painting.png",
        "photo.png",
    ]


def test_without_a_name_nothing_is_overwritten(folder):
    for _ in range(3):
        assert run("photo.png", "painting.jpg", *TINY) == 0
    assert {f"photo-painting{n}.png" for n in ("", "-2", "-3")} <= set(written(folder))


def test_an_existing_output_is_kept_unless_told(folder, capsys):
    (folder / "out.png").write_text("precious")
    assert "--overwrite" in refused(capsys, "photo.png", "-o", "out.png", *TINY)
    assert (folder / "out.png").read_text() == "precious"
    (folder / "other.json").write_text("precious")
    assert "other.json exists" in refused(capsys, "photo.png", "-o", "other.png", *TINY)
    assert run("photo.png", "-o", "out.png", "--overwrite", *TINY) == 0
    assert load_picture("out.png").pixels.shape == (40, 33, 3)


def test_the_record_repeats_the_run(folder):
    options = ["--optimizer", "momentum", "--style-layers", "relu1_1:2,relu2_1", "--tv-weight", "1"]
    assert run("photo.png", "painting.jpg", "-o", "a.png", *options, *TINY) == 0
    assert run("--repeat", "a.json", "-o", "b.png", "--quiet") == 0
    assert (folder / "a.png").read_bytes() == (folder / "b.png").read_bytes()
    changes = ["--pool", "max", "--size", "32"]
    assert run("--repeat", "a.json", "-o", "c.png", *changes, "--quiet") == 0
    assert json.loads((folder / "c.json").read_text())["settings"]["pool"] == "max"
    assert (folder / "a.png").read_bytes() != (folder / "c.png").read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("colours", COLOURS)
def test_several_styles_and_their_colours_repeat(folder, capsys, colours):
    options = ["--style-weights", "0.7,0.3", "--style-scale", "0.8", "--colours", colours]
    assert run("photo.png", "painting.jpg", "sample:waves", *options, *TINY) == 0
    name = "photo-painting-waves"
    record = json.loads((folder / f"{name}.json").read_text())
    assert record["settings"]["colours"] == colours
    assert record["settings"]["style_weights"] == [0.7, 0.3]
    assert record["style 2"]["name"] == "sample:waves"
    assert run("--repeat", f"{name}.json", "-o", "b.png", "--quiet") == 0
    assert (folder / f"{name}.png").read_bytes() == (folder / "b.png").read_bytes()
    assert "2 numbers for 1 style" in refused(
        capsys, "photo.png", "sample:waves", "--repeat", f"{name}.json", "-o", "c.png", "--quiet"
    )


@pytest.mark.slow
def test_style_losses_and_shorthands_by_option(folder):
    options = ["--style-losses", "gram:1,histogram:0.2", "--style-layers", "all,pixels:2"]
    assert run("photo.png", "painting.jpg", "-o", "a.png", *options, *TINY) == 0
    settings = json.loads((folder / "a.json").read_text())["settings"]
    assert settings["style_losses"] == {"gram": 1.0, "histogram": 0.2}
    assert settings["style_layers"]["relu3_3"] == 1 and settings["style_layers"]["pixels"] == 2
    assert run("--repeat", "a.json", "-o", "b.png", "--quiet") == 0
    assert (folder / "a.png").read_bytes() == (folder / "b.png").read_bytes()


def test_masks_by_option_repeat(folder, capsys):
    mask = np.zeros((40, 33, 3), np.float32)
    mask[:20] = 1
    save_picture(folder / "top.png", mask)
    save_picture(folder / "bottom.png", 1 - mask)
    styles = ["painting.jpg", "sample:waves", "--masks", "top.png", "bottom.png"]
    assert run("photo.png", *styles, "-o", "a.png", "--mask-form", "product", *TINY) == 0
    assert json.loads((folder / "a.json").read_text())["mask 2"]["name"] == "bottom.png"
    assert run("--repeat", "a.json", "-o", "b.png", "--quiet") == 0
    assert (folder / "a.png").read_bytes() == (folder / "b.png").read_bytes()
    assert run("--repeat", "a.json", "--masks", "top.png", "-o", "c.png", "--quiet") == 0
    assert "3 masks for 2 style" in refused(
        capsys, "--repeat", "a.json", "-o", "d.png", "--masks", *["top.png"] * 3
    )
    save_picture(folder / "bottom.png", mask)
    assert "mask 2 is not that of the earlier run" in refused(
        capsys, "--repeat", "a.json", "-o", "d.png"
    )


def test_pictures_on_the_way_keep_what_is_masked(folder):
    mask = np.zeros((40, 33, 3), np.float32)
    mask[:20] = 1
    save_picture(folder / "top.png", mask)
    more = ["--masks", "top.png", "--min-size", "24", "--save-every", "1", *TINY]
    assert run("photo.png", "painting.jpg", "-o", "a.png", *more) == 0
    content = load_picture(folder / "photo.png").pixels
    steps = sorted(folder.glob("a.step-*.png"))
    assert steps and len(json.loads((folder / "a.json").read_text())["scales"]) > 1
    for path in steps:
        assert np.array_equal(load_picture(path).pixels[20:], content[20:])


def test_a_repeated_run_takes_another_optimiser_and_keeps_its_strength(folder):
    adam = ["--optimizer", "adam", "--rate", "0.03", "--style-strength", "0.7"]
    assert run("photo.png", "painting.jpg", "-o", "a.png", *adam, *TINY) == 0
    changed = ["--optimizer", "lbfgs", "--content-weight", "1"]
    assert run("--repeat", "a.json", "-o", "b.png", *changed) == 0
    settings = json.loads((folder / "b.json").read_text())["settings"]
    assert settings["rate"] is None
    assert (settings["style_strength"], settings["content_weight"]) == (0.7, 1.0)


# What the network recommends


def settings_of(name):
    return json.loads(Path(name).with_suffix(".json").read_text())["settings"]


def test_a_run_takes_what_the_network_recommends_and_says_so(recommending, capsys):
    network = ["--weights", str(recommending), "--size", "40"]
    assert run("photo.png", "painting.jpg", "-o", "a.png", *network) == 0
    assert settings_of("a.png") == settings_of("a.png") | RECOMMENDED
    [told] = [line for line in capsys.readouterr().err.splitlines() if line.startswith("settings:")]
    assert told.startswith("settings: those recommended for the network (content layers relu2_1; ")
    assert "content weight 0.7; " in told and told.endswith("; min size 24)")
    options = ["--content-weight", "0.5", "--steps", "2", "-o", "b.png"]
    assert run("photo.png", "painting.jpg", *network, *options) == 0
    given = {"content_weight": 0.5, "steps": 2, "first_steps": None}
    assert settings_of("b.png") == settings_of("b.png") | RECOMMENDED | given
    told = capsys.readouterr().err
    assert "min size 24); others for content weight, steps, first steps\n" in told
    assert "content weight 0." not in told


def test_settings_that_are_not_recommended_are_told_of(recommending, capsys):
    save_weights(small_weights(), "bare.h5")
    assert run("photo.png", "--weights", "bare.h5", "-o", "a.png", *TINY[:-1]) == 0
    assert "settings: the network recommends none" in capsys.readouterr().err
    preset = ["--preset", "crowsonkb", "--weights", str(recommending)]
    assert run("photo.png", *preset, "-o", "b.png", *TINY[:-1]) == 0
    assert "settings: none is as recommended for the network\n" in capsys.readouterr().err


def test_a_repeated_and_a_resumed_run_keep_their_settings_whatever_is_recommended_now(
    folder, recommending
):
    network = ["--weights", str(recommending), "--size", "40", "--quiet"]
    assert run("photo.png", "painting.jpg", "-o", "a.png", *network) == 0
    settings = settings_from({"weights": str(recommending), "size": 40})
    prepare("photo.png", "painting.jpg", settings).finish(
        lambda progress: progress.step == 3, "c.png.checkpoint", checkpoint_every=1
    )
    save_weights(small_weights(), recommending)
    assert run("--repeat", "a.json", "-o", "b.png", "--quiet") == 0
    assert settings_of("b.png") == settings_of("a.png")
    assert run("--resume", "c.png.checkpoint", "--quiet") == 0
    assert settings_of("c.png") == settings_of("a.png")
    assert (folder / "b.png").read_bytes() == (folder / "a.png").read_bytes()
    assert (folder / "c.png").read_bytes() == (folder / "a.png").read_bytes()
    record = json.loads((folder / "a.json").read_text())
    del record["settings"]["tv_weight"]  # as in a record of before there was one
    (folder / "a.json").write_text(json.dumps(record))
    save_weights(replace(small_weights(), recommended={"tv_weight": 9.0}), recommending)
    assert run("--repeat", "a.json", "-o", "d.png", "--quiet") == 0
    assert settings_of("d.png")["tv_weight"] == Settings.tv_weight


def test_wrong_recommendations_are_refused_in_one_line(folder, capsys):
    save_weights(replace(small_weights(), recommended={"init": "photo.png"}), "a.h5")
    told = refused(capsys, "--weights", "a.h5", "-o", "a.png")
    assert told.startswith("manualnst: a.h5: recommended settings: 'init' is not one of")


def test_the_help_tells_the_default_of_a_vgg(capsys):
    with pytest.raises(SystemExit):
        run("--help-all")
    told = " ".join(capsys.readouterr().out.split())
    assert f"default: the network's own; {Settings.content_weight:g} for a VGG" in told
    assert told.count("default: the network's own; ") == len(RECOMMENDED)


def test_nonsense_of_styles_is_refused(capsys):
    chained = ["--style-losses", "chained", "--style-layers", "relu1_1"]
    assert "at least two layers" in refused(capsys, "photo.png", *chained)
    assert "unknown style loss 'gramm'" in refused(capsys, "--style-losses", "gramm")
    assert "and it needs 3 × 3" in refused(capsys, "--style-losses", "patches", *TINY)


def test_repeating_with_a_changed_second_style_is_refused(folder, capsys):
    assert run("photo.png", "sample:waves", "painting.jpg", "-o", "a.png", *TINY) == 0
    save_picture(folder / "painting.jpg", np.zeros((40, 33, 3), np.float32))
    assert "style 2 is not that of the earlier run" in refused(
        capsys, "--repeat", "a.json", "-o", "b.png"
    )
    assert run("photo.png", "sample:mosaic", "--repeat", "a.json", "-o", "b.png", "--quiet") == 0


def test_records_from_before_there_were_several_styles_repeat(folder):
    assert run("photo.png", "painting.jpg", "-o", "a.png", *TINY) == 0
    record = json.loads((folder / "a.json").read_text())
    for name in ("style_weights", "style_scale", "colours"):
        del record["settings"][name]
    (folder / "a.json").write_text(json.dumps(record))
    assert run("--repeat", "a.json", "-o", "b.png", "--quiet") == 0
    assert (folder / "a.png").read_bytes() == (folder / "b.png").read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("colours", ["content", "match-histogram"])
def test_colours_and_several_styles_go_on_after_an_interrupt(folder, colours):
    options = ["--colours", colours, "--style-weights", "2,1", *ADAM]
    process = start("photo.png", "painting.jpg", "sample:waves", *LONG[1:], *options)
    wait_for_step(process, 2)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    steps = str(_steps_in("out.png.checkpoint") + 2)
    assert run("--resume", "out.png.checkpoint", "--steps", steps, "--quiet") == 0
    whole = ["photo.png", "painting.jpg", "sample:waves", "-o", "whole.png", "--size", "40"]
    assert run(*whole, "--steps", steps, "--quiet", *options) == 0
    assert (folder / "out.png").read_bytes() == (folder / "whole.png").read_bytes()


def test_repeating_with_a_changed_picture_is_refused(folder, capsys):
    assert run("photo.png", "painting.jpg", "-o", "a.png", *TINY) == 0
    save_picture(folder / "photo.png", np.zeros((40, 33, 3), np.float32))
    assert "content is not that of the earlier run" in refused(
        capsys, "--repeat", "a.json", "-o", "b.png"
    )
    assert run("photo.png", "--repeat", "a.json", "-o", "b.png", "--quiet") == 0


def test_repeating_from_a_changed_start_is_refused(folder, capsys):
    save_picture(folder / "start.png", np.zeros((9, 9, 3), np.float32))
    assert run("photo.png", "-o", "a.png", "--init", "start.png", *TINY) == 0
    save_picture(folder / "start.png", np.ones((9, 9, 3), np.float32))
    assert "start is not that of the earlier run" in refused(
        capsys, "--repeat", "a.json", "-o", "b.png"
    )
    assert run("--repeat", "a.json", "-o", "b.png", "--init", "noise", "--quiet") == 0


@pytest.fixture(scope="module")
def a_record(tmp_path_factory):
    """The text of a good one."""
    there = tmp_path_factory.mktemp("record")
    rng = np.random.default_rng(0)
    for name in ("photo.png", "painting.jpg"):
        save_picture(there / name, rng.random((30, 33, 3)).astype(np.float32))
    pictures = [str(there / name) for name in ("photo.png", "painting.jpg")]
    assert run(*pictures, "-o", str(there / "a.png"), *TINY) == 0
    return (there / "a.json").read_text()


@pytest.mark.parametrize(
    "change",
    [
        lambda record: record.pop("settings"),
        lambda record: record.update(settings=[1]),
        lambda record: record["settings"].update(size="big"),
        lambda record: record["settings"].update(unknown=1),
        lambda record: record.update(content="photo.png"),
        lambda record: record["style"].update(name=["x"]),
        lambda record: record.update(start={}),
        lambda record: record["weights"].update(fingerprint=3),
        lambda record: record.update(format="another"),
        lambda record: record.pop("history"),
        lambda record: record.update(history={"total": 3}),
        lambda record: record["history"].pop("total"),
        lambda record: record["history"]["total"].append(1.0),
        lambda record: record["history"]["total"].__setitem__(0, float("nan")),
        lambda record: record.update(scales=[]),
        lambda record: record["scales"][-1].pop("size"),
        lambda record: record["scales"][-1].update(size=[0, "x"]),
        lambda record: record["scales"][-1].update(evaluations=-1),
        lambda record: record.update(best_loss="low"),
        lambda record: record.update(steps=None),
        lambda record: record.update(evaluations=None),
        lambda record: record.update(seconds=10**400),
        lambda record: record.pop("stop_reason"),
    ],
)
def test_a_strange_record_is_refused(folder, capsys, a_record, change):
    record = json.loads(a_record)
    change(record)
    (folder / "a.json").write_text(json.dumps(record))
    refused(capsys, "--repeat", "a.json", "-o", "b.png")


def test_pictures_on_the_way_and_the_curve(folder):
    assert run("-o", "out.png", "--save-every", "2", "--curve", "curve.png", *TINY) == 0
    assert load_picture("out.step-00002.png").pixels.shape == (28, 40, 3)
    assert [name for name in written(folder) if "step" in name] == ["out.step-00002.png"]
    assert load_picture("curve.png").pixels.shape[2] == 3


@pytest.mark.slow
@pytest.mark.parametrize("name", ["way.gif", "way.webp"])
def test_an_animation(folder, capsys, name):
    options = ["--size", "48", "--min-size", "24", "--scales", "2", "--steps", "4"]
    assert run("-o", "out.png", *options, "--animate", name) == 0
    assert f"wrote {name} (4 frames, " in capsys.readouterr().err
    with Image.open(name) as animation:
        assert (animation.n_frames, animation.size) == (4, (48, 34))
    assert written(folder) == sorted(["out.json", "out.png", "painting.jpg", "photo.png", name])
    assert "exists" in refused(capsys, "-o", "b.png", *options, "--animate", name)
    assert "frames" in refused(capsys, "--steps", "9999", "--save-every", "1", "--animate", "b.gif")
    both = ["-o", "c.webp", "--animate", "c.webp"]
    assert "picture of this run" in refused(capsys, *both, *options)


@pytest.mark.slow
def test_an_animation_goes_on_after_an_interrupt(folder):
    animate = ["--animate", "way.gif", "--save-every", "2"]
    process = start(*LONG[:-3], "--steps", "900", "--json", *ADAM, *animate)
    wait_for_step(process, 5)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert "--resume=out.png.checkpoint --animate=way.gif --save-every=2" in out
    kept = sorted(path.name for path in (folder / "way.gif.frames").iterdir())
    assert kept[:3] == ["000001.png", "000002.png", "000004.png"]
    steps = _steps_in("out.png.checkpoint") + 3
    resumed = ["--resume", "out.png.checkpoint", "--steps", str(steps), "--quiet"]
    assert run(*resumed, *animate) == 0
    whole = ["photo.png", "-o", "whole.png", "--size", "40", "--steps", str(steps), "--quiet"]
    assert run(*whole, *ADAM, "--animate", "whole.gif", "--save-every", "2") == 0
    assert (folder / "way.gif").read_bytes() == (folder / "whole.gif").read_bytes()
    assert not (folder / "way.gif.frames").exists()


def test_from_coarse_to_fine(folder, capsys):
    options = ["--size", "48", "--min-size", "24", "--scales", "2", "--steps", "4"]
    assert run("-o", "out.png", *options, "--save-every", "2", "--curve", "curve.png") == 0
    told = capsys.readouterr().err
    assert "coarse to fine: 24 × 17 (2 steps), 48 × 34 (2 steps)" in told
    assert "24 × 17  " in told and "step 4/4" in told
    for name in ("out.png", "out.step-00002.png", "out.step-00004.png"):
        assert load_picture(name).pixels.shape == (34, 48, 3)
    assert run("--repeat", "out.json", "-o", "again.png", "--quiet") == 0
    assert (folder / "again.png").read_bytes() == (folder / "out.png").read_bytes()


def test_a_record_from_before_there_were_scales_has_one(folder):
    assert run("-o", "one.png", "--min-size", "20", "--scales", "1", *TINY) == 0
    record = json.loads((folder / "one.json").read_text())
    del record["settings"]["scales"], record["scales"]
    (folder / "old.json").write_text(json.dumps(record | {"format": "manualnst record 1"}))
    assert run("--repeat", "old.json", "-o", "again.png", "--quiet") == 0
    assert (folder / "again.png").read_bytes() == (folder / "one.png").read_bytes()


@pytest.mark.parametrize(
    "name", ["out.partial.png", "out.step-00007.png", "out.png.checkpoint", "out.json", "curve.png"]
)
def test_no_file_of_a_run_replaces_another(folder, capsys, name):
    (folder / name).write_text("precious")
    refused(capsys, "photo.png", "-o", "out.png", "--curve", "curve.png", *TINY)
    assert (folder / name).read_text() == "precious"


def test_the_curve_must_not_be_the_picture(folder, capsys):
    (folder / "sub").mkdir()
    refused(capsys, "-o", "out.png", "--curve", "sub/../out.png", *TINY)
    refused(capsys, "-o", "out.png", "--curve", "out.partial.png", *TINY)


@pytest.mark.slow
def test_resuming_under_another_name_leaves_that_names_checkpoint_alone(folder, capsys):
    process = start(*LONG, *ADAM)
    wait_for_step(process, 2)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    steps = str(_steps_in("out.png.checkpoint") + 1)
    (folder / "b.png.checkpoint").write_text("precious")
    assert "unfinished" in refused(
        capsys, "--resume", "out.png.checkpoint", "-o", "b.png", "--steps", steps
    )
    resumed = ["--resume", "out.png.checkpoint", "--steps", steps, "--quiet"]
    assert run(*resumed, "-o", "c.png", "--curve", "curve.png") == 0
    assert (folder / "b.png.checkpoint").read_text() == "precious"
    assert {"c.png", "c.json", "curve.png"} <= set(written(folder))
    assert "out.png.checkpoint" not in written(folder)


def test_going_on_needs_steps_to_go(folder, capsys):
    process = start(*LONG, *ADAM)
    wait_for_step(process, 2)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert "done already" in refused(capsys, "--resume", "out.png.checkpoint", "--steps", "1")


def test_json_lines(capsys):
    assert run("photo.png", "--json", *TINY) == 0
    captured = capsys.readouterr()
    events = [json.loads(line) for line in captured.out.splitlines()]
    kinds = [event["event"] for event in events]
    assert kinds.count("step") == 3
    assert {"begin", "message", "result"} <= set(kinds)
    [result] = [event for event in events if event["event"] == "result"]
    assert result["output"] == "photo-mosaic.png"
    assert captured.err == ""


def test_quiet_says_nothing(capsys):
    assert run(*TINY) == 0
    captured = capsys.readouterr()
    assert captured.out == captured.err == ""


def test_plain_lines_tell_sizes_weights_memory_and_time(capsys):
    assert run("--size", "40", "--steps", "3") == 0
    told = capsys.readouterr().err
    for part in ("640 × 448 → 40 × 28", "weights get vgg19", "memory: about", "time: about"):
        assert part in told
    assert "stopped: all 3 steps are done" in told
    assert "wrote harbour-mosaic.png" in told


@pytest.mark.parametrize(
    "arguments",
    [
        ["missing.png"],
        ["."],
        ["empty.png"],
        ["text.png"],
        ["truncated.png"],
        ["photo.png", "missing.jpg"],
        ["--size", "-3"],
        ["--size", "5"],
        ["--size", "17"],
        ["--margin", "4"],
        ["--steps", "9" * 400],
        ["--style-layers", "relu1_1,relu1_1:5"],
        ["--style-weight", "1e308"],
        ["--size", "many"],
        ["--steps", "0"],
        ["--scales", "0"],
        ["--min-size", "-1"],
        ["--style-weight", "-1"],
        ["--tv-weight", "nan"],
        ["--style-layers", "relu9_9"],
        ["--style-layers", "relu1_1:x"],
        ["--content-layers", ""],
        ["--init", "missing.png"],
        ["--weights", "missing.h5"],
        ["--weights", "vgg19"],
        ["--weights", "text.png"],
        ["--backend", "abacus"],
        ["--rate", "1"],
        ["-o", "missing/out.png"],
        ["-o", "out.xyz"],
        ["-o", "."],
        ["--curve", "missing/curve.png"],
        ["--curve", "same.png", "-o", "same.png"],
        ["--save-every", "0"],
        ["--animate", "way.mp4"],
        ["--animate", "missing/way.gif"],
        ["--checkpoint-every", "-1"],
        ["--resume", "missing.png.checkpoint"],
        ["--resume", "text.png", "-o", "out.png"],
        ["--resume", "text.png"],
        ["--repeat", "text.png"],
        ["--repeat", "empty.json"],
        ["--repeat", "a.json", "--resume", "b"],
        ["--frobnicate"],
        ["--colours", "sepia"],
        ["--style-weights", "1,x"],
        ["--style-weights", "1,2"],
        ["photo.png", "painting.jpg", "painting.jpg", "--style-weights", "0,0"],
        ["photo.png", "painting.jpg", "missing.jpg"],
        ["--style-scale", "0"],
        ["--style-scale", "0.01"],
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(folder, capsys, arguments):
    (folder / "empty.png").touch()
    (folder / "empty.json").write_text("{}")
    (folder / "text.png").write_text("not a picture")
    (folder / "truncated.png").write_bytes((folder / "photo.png").read_bytes()[:500])
    refused(capsys, *arguments)


def test_a_folder_that_cannot_be_written_is_refused(folder, capsys, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write anywhere
    assert "permission" in refused(capsys, "-o", "out.png", *TINY)


# Real processes and real signals


def start(*arguments, **options):
    command = [sys.executable, "-m", "manualnst", "run", *arguments]
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        **options,
    )


def wait_for_step(process, step):
    """Read the JSON lines until that step is reported."""
    for line in process.stdout:
        event = json.loads(line)
        if event["event"] == "step" and event["step"] >= step:
            return
    raise AssertionError(process.stderr.read())


LONG = ["photo.png", "-o", "out.png", "--size", "40", "--steps", "100000", "--json"]
ADAM = ["--optimizer", "adam"]


@pytest.mark.slow
@pytest.mark.parametrize(("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupt_saves_the_best_picture_and_says_how_to_go_on(folder, signum, code):
    process = start(*LONG, *ADAM)
    wait_for_step(process, 3)
    process.send_signal(signum)
    out, err = process.communicate(timeout=60)
    assert process.returncode == code, err
    assert err == ""
    assert load_picture("out.partial.png").pixels.shape == (40, 33, 3)
    assert "--resume=out.png.checkpoint" in out
    assert (folder / "out.png.checkpoint").exists()
    assert not (folder / "out.png").exists()
    assert not [name for name in written(folder) if name.startswith(".")]


def test_impatience_costs_nothing(folder):
    process = start(*LONG, *ADAM)
    wait_for_step(process, 3)
    for _ in range(20):
        process.send_signal(signal.SIGINT)
        time.sleep(0.002)
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert {"out.partial.png", "out.png.checkpoint"} <= set(written(folder))


def test_going_on_after_an_interrupt_is_exact(folder):
    process = start(*LONG, *ADAM)
    wait_for_step(process, 4)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    done = 4
    assert run("--resume", "out.png.checkpoint", "--steps", "100000", "--size", "3") == 2
    steps = str(_steps_in("out.png.checkpoint") + 5)
    assert int(steps) >= done + 5
    assert run("--resume", "out.png.checkpoint", "--steps", steps, "--quiet") == 0
    assert "out.png.checkpoint" not in written(folder)
    assert "out.partial.png" not in written(folder)
    whole = ["photo.png", "-o", "whole.png", "--size", "40", "--steps", steps, "--quiet", *ADAM]
    assert run(*whole) == 0
    assert (folder / "out.png").read_bytes() == (folder / "whole.png").read_bytes()


def _steps_in(checkpoint):
    return load_checkpoint(checkpoint)[0]["iterations"]


def test_a_kill_loses_no_more_than_since_the_last_checkpoint(folder):
    process = start(*LONG, "--checkpoint-every", "2")
    wait_for_step(process, 6)
    process.kill()
    process.communicate(timeout=60)
    assert _steps_in("out.png.checkpoint") >= 4
    assert run(*LONG[:-3], "--steps", "3", "--quiet") == 2  # not silently begun anew
    steps = str(_steps_in("out.png.checkpoint") + 2)
    assert run("--resume", "out.png.checkpoint", "--steps", steps, "--quiet") == 0
    assert (folder / "out.png").exists()


def test_a_full_disk_is_told_and_leaves_nothing_half_written(folder):
    def little_room():
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))

    process = start("photo.png", "-o", "out.png", *TINY, preexec_fn=little_room)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 2
    assert err.count("\n") == 1
    assert "cannot write" in err
    assert written(folder) == ["painting.jpg", "photo.png"]


def test_a_checkpoint_that_cannot_be_written_does_not_cost_the_run(folder):
    def room_for_the_picture_alone():
        resource.setrlimit(resource.RLIMIT_FSIZE, (12_000, 12_000))

    options = ["--size", "40", "--steps", "5", "--checkpoint-every", "1"]
    process = start("photo.png", "-o", "out.png", *options, preexec_fn=room_for_the_picture_alone)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert err.count("cannot write out.png.checkpoint") == 1
    assert (folder / "out.png").exists()


# What a process that is killed at its end, or in the middle of a write, leaves behind.
KILLED = """
import os, sys
from manualnst.runs import result
from manualnst.system import files
from manualnst.cli import main

def dies(function, at):
    calls = []
    def dying(*arguments):
        calls.append(1)
        if len(calls) == at:
            os.kill(os.getpid(), 9)
        return function(*arguments)
    return dying

where, at = sys.argv[1], int(sys.argv[2])
place = files if hasattr(files, where) else result.Result
setattr(place, where, dies(getattr(place, where), at))
main(sys.argv[3:])
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("where", "at"),
    [
        ("save", 1),  # after the last step and its checkpoint
        ("_flush_to_disk", 3),  # with the picture half written
        ("save_record", 1),  # between picture and record
        ("_flush_to_disk", 4),
        ("check_writable_folder", 2),  # between the first checkpoint and the second
    ],
)
def test_a_run_that_is_killed_at_its_end_is_not_lost(folder, where, at):
    """With checkpoints after steps 2 and 4, the last."""
    options = ["--size", "40", "--steps", "4", "--scales", "1", "--quiet", *ADAM]
    command = [sys.executable, "-c", KILLED, where, str(at), "run", "photo.png", "-o", "out.png"]
    killed = subprocess.run([*command, *options, "--checkpoint-every", "2"])
    assert killed.returncode == -signal.SIGKILL
    assert run("--resume", "out.png.checkpoint", "--quiet") == 0
    assert run("photo.png", "-o", "whole.png", *options) == 0
    assert (folder / "out.png").read_bytes() == (folder / "whole.png").read_bytes()
    records = [json.loads((folder / f"{name}.json").read_text()) for name in ("out", "whole")]
    for name in ("history", "settings", "scales", "stop_reason", "best_loss"):
        assert records[0][name] == records[1][name]
    others = ["painting.jpg", "photo.png"]
    assert written(folder) == sorted(["out.json", "out.png", "whole.json", "whole.png", *others])


def test_a_picture_of_another_than_the_killed_run_is_kept(folder):
    options = ["photo.png", "-o", "out.png", "--size", "40", "--steps", "4", "--quiet"]
    command = [sys.executable, "-c", KILLED, "save", "1", "run", *options]
    subprocess.run([*command, "--checkpoint-every", "2"])
    (folder / "out.png").write_text("precious")
    assert run("--resume", "out.png.checkpoint", "--quiet") == 0
    assert (folder / "out.png").read_text() == "precious"
    assert (folder / "out-2.json").exists() and (folder / "out-2.png").exists()


def test_pictures_on_the_way_are_never_without_a_checkpoint(folder):
    process = start(*LONG, "--save-every", "1")
    wait_for_step(process, 3)
    process.kill()
    process.communicate(timeout=60)
    assert (folder / "out.step-00001.png").exists()
    steps = str(_steps_in("out.png.checkpoint") + 2)
    assert run("--resume", "out.png.checkpoint", "--steps", steps, "--quiet") == 0


def test_a_full_disk_on_the_way_is_told_once_and_tried_again(folder, capsys, monkeypatch):
    tries = []

    def full_at_first(path, *picture):
        tries.append(path)
        if len(tries) < 3:
            raise InputError(f"cannot write {path}: No space left on device")
        save_picture(path, *picture)

    monkeypatch.setattr("manualnst.cli.run.save_picture", full_at_first)
    options = ["--size", "40", "--steps", "4", "--save-every", "1", "--quiet"]
    assert run("photo.png", "-o", "out.png", *options) == 0
    assert capsys.readouterr().err.count("No space left") == 1
    assert [(folder / f"out.step-0000{n}.png").exists() for n in range(1, 5)] == [False] * 2 + [
        True
    ] * 2


@pytest.mark.slow
def test_a_folder_that_vanishes_is_made_anew(folder):
    (folder / "sub").mkdir()
    options = ["photo.png", "-o", "sub/out.png", "--size", "40", "--steps", "60", "--json"]
    process = start(*options, "--checkpoint-every", "1")
    wait_for_step(process, 2)
    shutil.rmtree(folder / "sub")
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert (folder / "sub" / "out.png").exists() and (folder / "sub" / "out.json").exists()


def test_a_result_that_cannot_be_written_there_is_written_elsewhere(folder, capsys, monkeypatch):
    def full(path, write):
        if Path(path).name.startswith("out") and Path(path).parent == Path():
            raise InputError(f"cannot write {path}: No space left on device")
        return write_atomically(path, write)

    monkeypatch.setattr("manualnst.pictures.saving.write_atomically", full)
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    assert run("photo.png", "-o", "out.png", *TINY) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    there = Path(told.strip().split(" are in ")[1])
    assert {path.name for path in there.iterdir()} == {"out.png", "out.json"}


def test_an_interrupt_while_all_is_loaded_is_one_line(capsys, monkeypatch):
    def interrupted():
        raise KeyboardInterrupt

    monkeypatch.setattr("manualnst.system.blas.choose_kernels", interrupted)
    assert start_of_all() == 130
    assert capsys.readouterr().err == "manualnst: interrupted\n"


def test_under_nohup_a_closed_terminal_changes_nothing(folder):
    def ignoring():
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    process = start(
        "photo.png", "-o", "out.png", *LONG[3:5], "--steps", "30", "--json", preexec_fn=ignoring
    )
    wait_for_step(process, 2)
    process.send_signal(signal.SIGHUP)
    process.communicate(timeout=60)
    assert process.returncode == 0
    assert (folder / "out.png").exists()


@pytest.mark.slow
def test_an_output_that_appears_meanwhile_is_kept(folder):
    process = start("photo.png", "-o", "out.png", "--size", "40", "--steps", "150", "--json")
    wait_for_step(process, 1)
    (folder / "out.png").write_text("precious")
    process.communicate(timeout=60)
    assert (folder / "out.png").read_text() == "precious"
    assert (folder / "out-2.png").exists()


def test_a_closed_pipe_does_not_stop_the_run(folder):
    process = start(*LONG[:-3], "--steps", "20", "--json")
    process.stdout.close()
    assert process.wait(timeout=60) == 0
    assert process.stderr.read() == ""
    assert (folder / "out.png").exists()


def test_an_interrupt_before_the_first_step_leaves_nothing(folder):
    process = start("--size", "640", "--backend", "naive", "-o", "out.png", "--json")
    assert json.loads(process.stdout.readline())["event"] == "message"
    process.send_signal(signal.SIGINT)  # in the first evaluation, which would take minutes
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert written(folder) == ["painting.jpg", "photo.png"]


# What people type who know other programs


def test_pictures_alone_are_painted(folder):
    assert main(["photo.png", "painting.jpg", "-o", "out", *TINY]) == 0
    assert (folder / "out.png").exists()


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("--content photo.png --style painting.jpg", "as in `run CONTENT STYLE`"),
        ("photo.png --stepz 3", "did you mean --steps; see manualnst run --help"),
        ("photo.png --style-str 3", "did you mean --style-strength;"),
        ("photo.png --gpu", "--backend cuda"),
        ("--conten photo.png", "pictures have no option"),
        ("photo.png painting.jpg out.png", "give it as -o out.png"),
        ("https://example.org/a.jpg", "https://example.org/a.jpg is an address"),
        ("--resume photo.png", "photo.png: it is not a checkpoint"),
        ("--resume nothing.checkpoint", "No such file"),
    ],
)
def test_what_other_programs_call_otherwise_is_pointed_out(capsys, typed, told):
    assert told in refused(capsys, *typed.split())


def test_other_names_of_options_are_understood(folder):
    options = ["--iterations", "2", "--colors", "content", "--size", "40", "--quiet"]
    assert run("photo.png", "-o", "out.png", *options) == 0
    settings = json.loads((folder / "out.json").read_text())["settings"]
    assert (settings["steps"], settings["colours"]) == (2, "content")


def test_a_tilde_that_quotes_kept_is_home(folder, monkeypatch):
    monkeypatch.setenv("HOME", str(folder))
    assert run("~/photo.png", "-o", "~/out.png", *TINY) == 0
    assert (folder / "out.png").exists()


def test_a_checkpoint_beside_a_picture_is_named(folder, capsys):
    (folder / "photo.png.checkpoint").touch()
    assert "its is photo.png.checkpoint" in refused(capsys, "--resume", "photo.png")


def test_the_short_help_shows_little_and_the_other_all(capsys):
    texts = []
    for option in ("--help", "--help-all"):
        with pytest.raises(SystemExit) as ended:
            run(option)
        assert ended.value.code == 0
        texts.append(capsys.readouterr().out)
    short, whole = texts
    assert "manualnst run photo.jpg painting.jpg" in short and "--help-all" in short
    assert "--style-strength" in short and "--beta1" not in short
    assert all(f"--{f.name.replace('_', '-')} " in whole for f in fields(Settings))
    assert "0.00392" not in whole and short.count("\n") < 90


def test_shells_are_told_what_could_come_next(folder):
    pytest.importorskip("argcomplete")
    line = "manualnst run --style-str"
    environment = {"_ARGCOMPLETE": "1", "COMP_LINE": line, "COMP_POINT": str(len(line))}
    command = "import sys; sys.argv[0] = 'manualnst'; from manualnst.cli import main; main([])"
    done = subprocess.run(
        ["sh", "-c", f'"{sys.executable}" -c "{command}" 8>completions'],
        env=os.environ | environment,
    )
    assert done.returncode == 0
    assert "--style-strength" in (folder / "completions").read_text()
