"""Presets: every one a run that can be had, changed, and recorded."""

import json

import numpy as np
import pytest

import manualnst
from manualnst.api import prepare, settings_from
from manualnst.cli import main
from manualnst.errors import InputError
from manualnst.runs.presets import PRESETS, described, over, with_preset
from manualnst.runs.settings import Settings

each_preset = pytest.mark.parametrize("name", PRESETS)


@each_preset
def test_a_preset_is_settings_and_a_line_for_each_of_what_it_is_and_is_not(name):
    preset = PRESETS[name]
    settings = Settings(**preset.settings)
    assert Settings.from_json(json.loads(json.dumps(settings.to_json()))) == settings
    for line in (preset.system, preset.differs):
        assert line and "\n" not in line
    assert "weights" in preset.settings and "normalisation" in preset.settings


@pytest.mark.slow
@each_preset
def test_a_preset_paints_with_other_weights_and_is_recorded(name, tmp_path):
    rng = np.random.default_rng(0)
    pictures = rng.random((33, 40, 3)), rng.random((36, 32, 3))
    given = dict(weights="builtin", size=40, steps=3)
    result = manualnst.stylize(*pictures, preset=name, **given)
    assert result.record["steps"] == 3
    expected = Settings(**with_preset(name, given)).to_json()
    spelt = result.record["settings"]["style_layers"]
    assert result.record["settings"] == expected | {"style_layers": spelt}
    again = manualnst.stylize(*pictures, **result.record["settings"])
    assert np.array_equal(again.image, result.image)


def test_what_is_given_goes_before_the_preset():
    fields = with_preset("crowsonkb", {"tv_weight": 7.0})
    assert fields == PRESETS["crowsonkb"].settings | {"tv_weight": 7.0}
    other = with_preset("crowsonkb", {"optimizer": "lbfgs"})
    assert Settings(**other).make_optimizer().resumes_exactly
    assert not {"rate", "average", "beta2"} & set(other)
    assert with_preset("crowsonkb", {"optimizer": "adam"})["rate"] == 0.02


@pytest.mark.parametrize(
    ("name", "size", "steps"),
    [("gatys-notebook", 1024, [500, 200]), ("crowsonkb", 512, [1000, 500, 500, 500, 500])],
)
def test_sizes_have_the_steps_that_the_system_gives_them(name, size, steps):
    pictures = np.zeros((size, 32, 3)), np.zeros((32, 32, 3))
    layers = dict(style_layers={"relu1_1": 1.0}, content_layers={"relu1_1": 1.0})
    chosen = settings_from({"preset": name, "weights": "builtin", **layers})
    assert [scale.steps for scale in prepare(*pictures, chosen).scales] == steps
    fewer = settings_from({"preset": name, "weights": "builtin", "steps": 10, **layers})
    assert sum(scale.steps for scale in prepare(*pictures, fewer).scales) == 10


@each_preset
def test_a_preset_means_the_same_with_every_network(name, recommending):
    given = {"weights": str(recommending), "content_weight": 3.0, "style_strength": 0.7}
    assert settings_from({"preset": name, **given}) == Settings(**with_preset(name, given))


def test_what_is_given_takes_with_it_what_belonged_to_the_old():
    powers = Settings(tv="power", tv_power=2.0).to_json()
    assert Settings(**over(powers, {"tv": "squared"})).tv_power == Settings.tv_power
    adam = Settings(optimizer="adam", rate=0.03, averages="kept").to_json()
    assert Settings(**over(adam, {"optimizer": "momentum"})).rate is None
    assert Settings(**over(adam, {"optimizer": "adam"})).rate == 0.03


def test_presets_have_the_optimisers_numbers_of_their_systems():
    """In pixels from 0 to 1; Adam's own β₂ is 0.999."""
    numbers = {
        name: (made.rate, getattr(made, "beta2", None), made.average)
        for name, preset in PRESETS.items()
        if hasattr(made := Settings(**preset.settings).make_optimizer(), "rate")
    }
    assert numbers == {
        "crowsonkb": (0.02, 0.99, 0.99),
        "keras-adam": (0.02, 0.999, 0.0),
        "vgg16-adam": (0.002, 0.999, 0.0),
        "momentum-grid": (0.01, None, 0.0),
    }


def test_every_setting_of_a_preset_is_told():
    told = described("neural-style")
    assert set(told) == set(Settings().to_json())
    assert told["content_weight"] == (5.0, True)
    assert told["colours"] == ("style", False)


def test_an_unknown_preset_is_refused():
    with pytest.raises(InputError, match="unknown preset 'gatys'; choose one of paper-2015"):
        manualnst.stylize(preset="gatys")


def test_weights_that_are_not_there_are_told_with_the_command_that_fetches_them():
    with pytest.raises(
        InputError, match=r"weights get vgg16-pytorch, or choose others \(--weights"
    ):
        manualnst.stylize(preset="vgg16-adam")


def test_presets_are_listed_and_shown(capsys):
    assert main(["presets"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(PRESETS)
    assert main(["presets", "show", "lbfgs-tv"]) == 0
    shown = capsys.readouterr().out
    assert "* --content-layers   relu3_2,relu4_2" in shown
    assert "  --colours          style" in shown
    assert PRESETS["lbfgs-tv"].differs in shown


def test_a_preset_by_option(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    small = ["--weights", "builtin", "--size", "40", "--steps", "2", "--quiet", "-o", "a.png"]
    assert main(["run", "--preset", "lbfgs-tv", "--tv-weight", "0.5", *small]) == 0
    settings = json.loads((tmp_path / "a.json").read_text())["settings"]
    assert settings["content_layers"] == {"relu3_2": 1.0, "relu4_2": 1.0}
    assert (settings["tv_weight"], settings["init"]) == (0.5, "noise")
    assert main(["run", "--repeat", "a.json", "--preset", "lbfgs-tv"]) == 2
    assert "give one of --resume, --repeat and --preset" in capsys.readouterr().err
