"""The built-in network: the file that is shipped, and the recipe that makes it."""

import runpy
from pathlib import Path

import numpy as np
import pytest

from manualnst.backends import get_backend
from manualnst.network import Network, available_layers, normalise_filters
from manualnst.weights import BUILTIN, load_weights

RECIPE = Path(__file__).parents[2] / "weights" / "make_builtin.py"


@pytest.fixture(scope="module")
def recipe():
    return runpy.run_path(str(RECIPE))


@pytest.fixture(scope="module")
def pictures(recipe):
    return recipe["sample_pictures"](recipe["PIXELS"])


@pytest.fixture(scope="module")
def weights():
    return load_weights(BUILTIN)


@pytest.fixture(scope="module")
def maps(weights, pictures):
    """{relu: its maps of all sample pictures, (positions, filters)}."""
    network = Network(weights, backend=get_backend("numpy"))
    relus = [name for name in available_layers(weights) if name.startswith("relu")]
    forwards = [network.forward(picture, relus)[0] for picture in pictures]
    return {
        name: np.concatenate([F[name].reshape(-1, F[name].shape[2]) for F in forwards])
        for name in relus
    }


def test_it_reaches_the_deepest_style_layer_and_stays_small(weights):
    assert list(weights.layers)[-1] == "conv5_1"
    assert BUILTIN.stat().st_size < 4_000_000


def test_it_says_where_it_comes_from(weights, recipe):
    assert weights.provenance["name"] == "built-in"
    assert "make_builtin.py" in weights.provenance["recipe"]
    assert weights.provenance["seed"] == str(recipe["SEED"])


def test_every_filter_has_mean_activation_one_on_the_samples(maps):
    for name, F in maps.items():
        mean = F.mean(axis=0, dtype=np.float64)
        np.testing.assert_allclose(mean, 1, atol=0.01, err_msg=name)  # stored as float16


def test_every_filter_is_active_at_a_fair_share_of_positions(maps):
    for name, F in maps.items():
        share = (F > 0).mean(axis=0)
        assert share.min() > 0.15 and share.max() < 0.85, name


def test_filters_come_in_pairs_of_opposites(maps):
    for name, F in maps.items():
        above, below = np.split(F, 2, axis=1)
        # Rounding to float16 shifts the two apart a little: both may be active where both are weak.
        assert np.minimum(above, below).max() < 0.1, name
        assert np.all(np.maximum(above, below).max(axis=0) > 1), name


def test_the_file_is_what_the_recipe_makes(weights, recipe, pictures):
    made = normalise_filters(recipe["make_network"](pictures, "conv2_1"), pictures)
    for name, (w, b) in made.layers.items():
        for new, stored in zip((w, b), weights.layers[name], strict=True):
            np.testing.assert_allclose(new, stored, rtol=2e-3, atol=1e-4, err_msg=name)


def test_the_recipe_gives_the_same_network_every_time(recipe):
    pictures = recipe["sample_pictures"](32)
    first, second = (recipe["make_network"](pictures, "conv5_1") for _ in range(2))
    assert first.fingerprint() == second.fingerprint()
