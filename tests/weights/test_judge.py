"""Paintings judged: their grain, and a whole small run of the command."""

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from proofs import small_weights

from manualnst.errors import InputError
from manualnst.pictures.images import load_picture
from manualnst.pictures.saving import save_picture
from manualnst.runs.inputs import load_source
from manualnst.studies.judge import VARIABLE, Judge, Verdict
from manualnst.studies.many import painting
from manualnst.weights import find_weights, save_weights

sys.path.append(str(Path(__file__).parents[2]))  # the root, in which `weights` lies
from weights.quality import __main__ as command
from weights.quality import networks, paintings, report
from weights.quality.grain import grain, relative_grain

SHAPE = (48, 40, 3)
GRAINS = ("grain_of_luminance", "grain_of_chroma")


def noise(seed, shape=SHAPE):
    return np.random.default_rng(seed).random(shape, np.float32)


@pytest.fixture(scope="module")
def weights():
    return small_weights(architecture="vgg16")


# Grain


def checks(colour):
    """Grey, with squares of a pixel a side in this colour's direction."""
    rows, columns = np.indices(SHAPE[:2])
    signs = (-1.0) ** (rows + columns)
    return 0.5 + 0.1 * signs[..., None] * np.array(colour)


@pytest.mark.parametrize(
    ("colour", "which"), [((1, 1, 1), 0), ((0.587, -0.299, 0), 1)], ids=["luminance", "chroma"]
)
def test_grain_is_found_where_it_is(colour, which):
    found = grain(checks(colour))
    root_mean_square = 0.1 * np.sqrt(np.mean(np.square(colour)))
    assert found[which] == pytest.approx(root_mean_square, rel=1e-6)
    assert found[1 - which] == pytest.approx(0, abs=1e-12)


def test_grain_counts_in_units_of_the_style_s():
    painting, style = checks((1, 1, 1)), 0.5 + 0.5 * (checks((1, 1, 1)) - 0.5)
    found = relative_grain(*(p.astype(np.float32) for p in (painting, style)))
    assert found["grain_of_luminance"] == pytest.approx(2, rel=1e-3)
    assert found["grain_of_chroma"] < 0.01  # of a style without
    own = relative_grain(*2 * (noise(0),))
    assert list(own.values()) == pytest.approx([1, 1])


def test_what_is_coarse_is_no_grain():
    x = np.arange(SHAPE[1])[None, :, None]
    waves = 0.5 + 0.3 * np.sin(2 * np.pi * x / 20) * np.ones(SHAPE)
    assert grain(waves)[0] < 0.15 * np.std(waves)


# Columns and tables


def test_every_network_paints_with_every_variant(weights):
    named = [networks.Named("a", weights), networks.Named("b", weights)]
    found = paintings.find_columns(named, ["size=64", "  preset=gatys-notebook  min_size=32"])
    assert [column.name for column in found] == [
        "a size=64",
        "a preset=gatys-notebook min_size=32",
        "b size=64",
        "b preset=gatys-notebook min_size=32",
    ]
    assert found[3].settings == {"preset": "gatys-notebook", "min_size": 32}
    assert [column.name for column in paintings.find_columns(named, [""])] == ["a", "b"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("size", "size is not of the form size=512"),
        ("size=large", "size"),
        ("colour=blue", "no option colour"),
        ("weights=builtin", "--networks"),
        ("min_size=64 min-size=32", "twice"),
    ],
)
def test_variants_that_are_none_are_refused(text, expected):
    with pytest.raises(InputError, match=expected):
        paintings.parse_variant(text)


def verdict(style, seconds=1.0):
    grains = {"grain_of_luminance": 1.0, "grain_of_chroma": 1.0}
    return Verdict(style, {}, 0.5, 2.0)._asdict() | grains | {"seconds": seconds}


def test_ratios_are_to_the_first_column():
    found = {
        "one": {"a": verdict(0.5), "b": verdict(1.0)},
        "other": {"a": verdict(1.0), "b": verdict(0.8, None)},
    }
    table = report.judged_means(found)
    assert table["a"]["ratio"] == table["a"]["worst"] == 1
    assert table["b"]["ratio"] == pytest.approx(1.4) and table["b"]["worst"] == 2
    assert table["b"]["style"] == pytest.approx(0.9)
    assert table["a"]["seconds"] == 1 and table["b"]["seconds"] is None
    text = report.judged_table(found)
    assert "1: a\n2: b" in text and "1.400" in text and text.splitlines()[-1].count("-") == 1


# The whole


@pytest.fixture
def files(tmp_path, weights):
    """Two contents and a style, a network that paints, and one that judges."""
    (tmp_path / "contents").mkdir()
    for name, picture in {
        "contents/one": noise(0),
        "contents/two": noise(1),
        "s": noise(2),
    }.items():
        save_picture(tmp_path / f"{name}.png", picture)
    save_weights(weights, tmp_path / "judge.h5")
    save_weights(small_weights(seed=1), tmp_path / "painter.h5")
    return tmp_path


@pytest.fixture
def run(files):
    pictures = ["--contents", files / "contents", "--styles", files / "s.png"]
    always = [*pictures, "--judge", files / "judge.h5", "--output", files / "judged"]

    def run(*more):
        return command.main(["judge", *map(str, [*always, *more])])

    return run


@pytest.fixture
def paint_and_judge(run, files):
    def paint_and_judge(*more_networks):
        variants = ["--with", "size=48 steps=2", "--with", "size=48 steps=2 pool=max"]
        return run("--networks", files / "painter.h5", *more_networks, *variants)

    return paint_and_judge


def test_a_whole_run(paint_and_judge, files, weights, capsys):
    assert paint_and_judge("random:0") == 0
    printed = capsys.readouterr().out
    assert "8 of 8" in printed and "4: random:0 size=48 steps=2 pool=max" in printed
    result = json.loads((files / "judged" / "judge.json").read_text())
    assert list(result["found"]) == list(result["pictures"]) == ["one-s", "two-s"]
    assert len(result["columns"]) == len(result["means"]) == 4
    column = result["columns"]["random:0 size=48 steps=2 pool=max"]
    assert column["settings"]["pool"] == "max" and len(column["weights"]["fingerprint"]) == 64
    first = result["found"]["one-s"][f"{files / 'painter.h5'} size=48 steps=2"]
    assert first.keys() == {*Verdict._fields, *GRAINS, "seconds"} and first["style"] > 0
    assert result["pictures"]["two-s"]["content"]["name"].endswith("two.png")
    assert load_picture(files / "judged" / "sheet.png").pixels.shape[1] > 6 * 40
    assert len([*(files / "judged" / "paintings").glob("*-s.png")]) == 8


def test_what_is_painted_is_judged_again_and_not_painted(paint_and_judge, files, monkeypatch):
    assert paint_and_judge() == 0
    first = (files / "judged" / "judge.json").read_text()
    monkeypatch.setattr(painting, "begun", None)
    assert paint_and_judge() == 0
    assert (files / "judged" / "judge.json").read_text() == first


def test_an_interrupted_run_goes_on(paint_and_judge, monkeypatch, capsys):
    begun, calls = painting.begun, []

    def interrupted_once(*arguments):
        calls.append(arguments)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return begun(*arguments)

    monkeypatch.setattr(painting, "begun", interrupted_once)
    assert paint_and_judge() == 130
    assert "goes on" in capsys.readouterr().err
    assert paint_and_judge() == 0
    assert len(calls) == 4 + 1


def test_paintings_that_are_there_are_judged_and_nothing_is_painted(run, files, capsys):
    content = files / "contents" / "one.png"
    only = ["--contents", content, "--paintings", files / "s.png", content]
    assert run(*only) == 0
    result = json.loads((files / "judged" / "judge.json").read_text())
    of_style, of_content = result["found"]["paintings"].values()
    assert of_content["content"] == of_style["style"] == 0 < of_style["content"]
    assert of_content["style"] == of_content["style_of_content"] > 0
    assert of_content["seconds"] is None
    assert not (files / "judged" / "paintings").exists()


def test_what_cannot_be_judged_is_refused_in_one_line(run, files, capsys):
    def refused(*arguments):
        assert run(*arguments) == 2
        message = capsys.readouterr().err
        assert message.count("\n") == 1
        return message

    small = ["--with", "size=48 steps=2"]
    assert "give each once" in refused("--with", "steps=2", "--with", "steps=2 size=512")
    assert "no --with" in refused("--paintings", files / "s.png", *small)
    assert "cannot read" in refused("--contents", files / "s.png", "--paintings", files / "no.png")
    assert "no.h5" in refused("--judge", files / "no.h5")
    assert "cannot read" in refused("--styles", files / "no.png", *small)
    save_weights(small_weights(last="conv4_2"), files / "short.h5")
    assert "at least 32" in refused("--with", "size=32 steps=1", "--networks", files / "painter.h5")
    assert "relu5_1" in refused("--judge", files / "short.h5", *small)


def test_without_a_judge_it_is_told_how_to_have_one(files, monkeypatch, capsys):
    monkeypatch.delenv(VARIABLE, raising=False)
    pair = ["--contents", str(files / "s.png"), "--styles", str(files / "s.png")]
    assert command.main(["judge", *pair]) == 2
    message = capsys.readouterr().err
    assert "--judge" in message and VARIABLE in message
    assert not Path("judged").exists()


# By a network that has learned from photographs


@pytest.mark.skipif(VARIABLE not in os.environ, reason=f"{VARIABLE} names no VGG-16's weights file")
def test_a_style_is_in_the_strokes_and_not_in_the_colours_alone():
    style = load_source("sample:waves").pixels[::4, ::4]  # 128 × 128
    mirrored = style[:, ::-1]
    shuffled = np.random.default_rng(0).permutation(style.reshape(-1, 3)).reshape(style.shape)
    trained = Judge(find_weights(os.environ[VARIABLE]))
    of_mirrored, of_shuffled = (
        trained.verdict(picture, style, style).style for picture in (mirrored, shuffled)
    )
    assert 0 < 4 * of_mirrored < of_shuffled
