import json
import typing
from dataclasses import fields

import pytest
from proofs import RECOMMENDED

from manualnst import losses
from manualnst.errors import InputError
from manualnst.objective.terms import LossSettings, named_layers
from manualnst.pictures.images import Source
from manualnst.runs.declared import declared_of, default_of, in_words, parse_layers, parse_numbers
from manualnst.runs.given import Given
from manualnst.runs.recommended import RECOMMENDABLE, listed, recommended_settings
from manualnst.runs.settings import Settings


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"shift": -2.0}, "shift is for style losses shifted and chained"),
        ({"style_losses": {"gram": 1.0, "shifted": 0.0}, "shift": -2.0}, "shift is for"),
        ({"tv_power": 2.0}, "tv_power is for tv power"),
        ({"tv": "power", "tv_smoothing": 0.1}, "tv_smoothing is for tv smoothed"),
        ({"beta1": 0.5}, "beta1 is for optimizer adam"),
        ({"optimizer": "momentum", "beta2": 0.5}, "beta2 is for optimizer adam"),
        ({"averages": "kept"}, "averages is for optimizer adam and momentum"),
        ({"style_layers": {"all": 2.0, "geometric": 1.0}}, "both stand for all layers"),
        ({"first_steps": 150}, "first_steps is 150, of 150 steps"),
    ],
)
def test_what_would_have_no_effect_is_refused(given, message):
    with pytest.raises(InputError, match=message):
        Settings(**given)


def test_an_unknown_setting_is_named():
    with pytest.raises(InputError, match="unknown setting 'poll'; choose among size, steps"):
        Settings.from_json({"poll": "max"})


def test_settings_survive_json():
    settings = Settings(
        size=100,
        style_layers={"relu1_1": 2.0},
        style_weights=[0.7, 0.3],
        colours="match-pca",
        optimizer="adam",
        rate=0.1,
    )
    assert Settings.from_json(json.loads(json.dumps(settings.to_json()))) == settings


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("size", 0),
        ("size", -5),
        ("size", 3.5),
        ("size", True),
        ("steps", 0),
        ("scales", 0),
        ("scales", 2.5),
        ("min_size", 0),
        ("min_size", None),
        ("margin", -16),
        ("margin", 4),
        ("seed", -1),
        ("content_weight", -1.0),
        ("style_weight", float("nan")),
        ("tv_weight", float("inf")),
        ("tv_weight", "much"),
        ("content_layers", {}),
        ("style_layers", {"relu1_1": -1.0}),
        ("style_layers", {"relu1_1": 0.0}),
        ("style_layers", {"": 1.0}),
        ("style_layers", ["relu1_1"]),
        ("style_losses", {}),
        ("style_losses", {"gramm": 1.0}),
        ("style_losses", {"guided": 1.0}),  # masks choose that
        ("style_losses", {"gram": 0.0}),
        ("style_losses", {"gram": -1.0}),
        ("style_losses", "gram"),
        ("shift", float("nan")),
        ("shift", -1e13),
        ("beta1", 1.0),
        ("beta2", -0.1),
        ("average", 1.0),
        ("average", 0.9),  # lbfgs has none
        ("averages", "lost"),
        ("mask_form", "none"),
        ("tv", "cubed"),
        ("tv_power", 0.5),
        ("tv_power", 1e9),
        ("tv_smoothing", 0.0),
        ("tv_smoothing", -1.0),
        ("normalisation", "none"),
        ("pool", "median"),
        ("optimizer", "sgd"),
        ("backend", "abacus"),
        ("init", ""),
        ("weights", ""),
        ("rate", 0.1),  # lbfgs has none
        ("steps", 10**400),
        ("content_weight", 10**400),
        ("style_weight", 1e300),
        ("style_weight", 1e-300),
        ("colours", "sepia"),
        ("style_strength", -0.1),
        ("style_strength", 1.1),
        ("style_strength", "half"),
        ("style_weights", []),
        ("style_weights", [0.0, 0.0]),
        ("style_weights", [1.0, -1.0]),
        ("style_weights", [1.0, "much"]),
        ("style_weights", (1.0, 2.0)),
        ("style_scale", 0.0),
        ("style_scale", [1.0, 0.0]),
        ("style_scale", float("nan")),
        ("style_scale", "small"),
    ],
)
def test_bad_values_are_refused_by_name(name, value):
    with pytest.raises(InputError) as error:
        Settings(**{name: value})
    assert name in str(error.value).replace("style loss ", "style_losses ")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("data", [None, [], {"sise": 3}, {"size": [512]}, {"pool": {"a": 1}}])
def test_strange_json_is_refused(data):
    with pytest.raises(InputError):
        Settings.from_json(data)


def test_a_chain_needs_two_layers():
    chained = {"style_losses": {"gram": 1.0, "chained": 1.0}}
    for layers in ({"relu1_1": 1.0}, {"relu1_1": 1.0, "pixels": 1.0}):
        with pytest.raises(InputError, match="chained"):
            Settings(style_layers=layers, **chained)
    Settings(style_layers={"relu1_1": 1.0}, style_losses={"gram": 1.0, "chained": 0.0})
    Settings(style_layers={"all": 1.0}, **chained)


def test_shorthands_for_layers():
    network = ["conv1_1", "relu1_1", "conv1_2", "relu1_2", "pool1", "conv2_1", "relu2_1"]
    assert named_layers({"relu1_1": 2.0, "pixels": 1.0}, network) == {"relu1_1": 2.0, "pixels": 1.0}
    assert named_layers({"all": 3.0}, network) == {"relu1_1": 3, "relu1_2": 3, "relu2_1": 3}
    geometric = named_layers(parse_layers("geometric:4,pixels,relu1_2:0"), network)
    assert geometric == {"relu1_1": 4, "relu1_2": 0, "relu2_1": 1, "pixels": 1}


def test_layers_are_parsed():
    assert parse_layers("relu1_1:2, conv2_1") == {"relu1_1": 2.0, "conv2_1": 1.0}
    with pytest.raises(InputError, match="named twice"):
        parse_layers("relu1_1,relu1_1:5")
    with pytest.raises(InputError, match="relu1_1:x"):
        parse_layers("relu1_1:x")


def test_numbers_are_parsed():
    assert parse_numbers("0.7, 3") == [0.7, 3.0]
    for text in ("", "0.7,", "a", "1;2"):
        with pytest.raises(InputError, match="expected numbers"):
            parse_numbers(text)


WEIGHTS = [(0.2, 1.0), (0.03, 1.0), (1e-3, 70.0), (1e-12, 1e12 / 3), (0.0, 0.7), (0.7, 0.0), (0, 0)]


def weights_at(strength, weights):
    """Of content and style."""
    content, style = weights
    losses = Settings(
        style_strength=strength, content_weight=content, style_weight=style, normalisation="paper"
    ).losses
    return losses.content_weight, losses.style_weight


@pytest.mark.parametrize("weights", WEIGHTS, ids=str)
def test_the_middle_strength_leaves_the_weights_as_they_are_to_the_bit(weights):
    assert weights_at(0.5, weights) == weights
    assert Settings().style_strength == 0.5


@pytest.mark.parametrize("weights", WEIGHTS[:3], ids=str)
def test_a_style_strength_multiplies_the_ratio_and_keeps_the_sum(weights):
    assert weights_at(0, weights) == (pytest.approx(sum(weights)), 0)
    assert weights_at(1, weights) == (0, pytest.approx(sum(weights)))
    found = [weights_at(strength, weights) for strength in (0.2, 0.4, 0.5, 0.6, 0.8)]
    ratios = [style / content for content, style in found]
    assert ratios == sorted(set(ratios))
    assert ratios[-1] == pytest.approx(16 * weights[1] / weights[0])  # (0.8 / 0.2)²
    assert list(map(sum, found)) == pytest.approx([sum(weights)] * len(found))


@pytest.mark.parametrize(("strength", "weights"), [(0, (0.0, 1.0)), (1, (1.0, 0.0))])
def test_a_style_strength_does_not_leave_alone_what_has_no_weight(strength, weights):
    with pytest.raises(InputError, match=f"style_strength {strength} leaves .*, which is 0"):
        weights_at(strength, weights)


def test_a_record_of_before_strengths_were_numbers_has_the_weights_as_they_are():
    older = Settings(content_weight=0.7).to_json() | {"style_strength": None}
    assert Settings.from_json(older) == Settings(content_weight=0.7)


# What a network recommends


def test_the_recommendable_are_settings():
    assert set(RECOMMENDED) == set(RECOMMENDABLE)
    assert recommended_settings(RECOMMENDED, "a.h5") == Settings(**RECOMMENDED)
    few = {"style_layers": {"relu1_1": 2.0}, "content_weight": 0.7}
    assert listed(few) == "style layers relu1_1:2; content weight 0.7"


@pytest.mark.parametrize(
    ("found", "message"),
    [
        ({"content_weigth": 1.0}, "'content_weigth' is not one of steps, first_steps"),
        ({"weights": "other.h5"}, "'weights' is not one of"),
        ({"init": "/etc/passwd"}, "'init' is not one of"),
        ({"size": 10**9}, "'size' is not one of"),
        ({"a\nb" * 100: 1}, "is not one of"),
        ({"content_weight": -1.0}, "content_weight must be"),
        ({"content_weight": float("nan")}, "content_weight must be"),
        ({"tv_weight": "much"}, "tv_weight is 'much'; it must be a number"),
        ({"style_layers": {}}, "style_layers is {}"),
        ({"style_layers": ["relu1_1"]}, "style_layers is"),
        ({"tv": {"a": 1}}, "unknown tv"),
        ({"steps": 10, "first_steps": 10}, "first_steps is 10"),
    ],
)
def test_what_a_stranger_recommends_is_checked_and_refused_with_the_networks_name(found, message):
    with pytest.raises(InputError, match=f"^a.h5: recommended settings: .*{message}") as error:
        recommended_settings(found, "a.h5")
    assert "\n" not in str(error.value) and len(str(error.value)) < 300


def test_help_tells_of_every_setting():
    for each in fields(Settings):
        declared = declared_of(each)
        assert f"{each.name} = " in Settings.__doc__ and declared.words in Settings.__doc__
        assert declared.group in ("size", "look", "network", "optimiser")


@pytest.mark.parametrize("name", [f.name for f in fields(Settings)])
def test_a_default_in_words_is_read_back(name):
    """What a table or the help shows can be typed."""
    [own] = (f for f in fields(Settings) if f.name == name)
    default = default_of(own)
    if default is not None:
        read = declared_of(own).parse(in_words(default))
        assert read == ([default] if name in ("style_weights", "style_scale") else default)


def test_editors_know_the_settings():
    init = {"init": Source}  # which is a str, too
    assert typing.get_type_hints(Given) == typing.get_type_hints(Settings) | init


def test_defaults_are_those_of_the_losses():
    assert Settings().tv_smoothing == losses.SMOOTHING == LossSettings.tv_smoothing == 1 / 255
    assert Settings().tv_power == LossSettings.tv_power == 1.5
    assert Settings().shift == LossSettings.shift == -1
