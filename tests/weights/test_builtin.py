"""The built-in network: the file that is shipped, and the recipe that makes it."""

import sys
from pathlib import Path

import numpy as np
import pytest

from manualnst.backends import get_backend
from manualnst.network import Network, available_layers
from manualnst.settings import recommended_settings
from manualnst.vgg import Weights
from manualnst.weights import BUILTIN, load_weights

sys.path.append(str(Path(__file__).parents[2]))  # the root, in which `weights` lies
from weights import make_builtin
from weights.calibrated import sample_pictures
from weights.make_builtin import (
    PIXELS,
    SEED,
    TONE_MEAN,
    TONES,
    WIDTHS,
    make_drawn,
    side_by_side,
    with_tones,
)


@pytest.fixture(scope="module")
def pictures():
    return sample_pictures(PIXELS)


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
    assert BUILTIN.stat().st_size < 8_000_000


def drawn(name, array):
    """Of the last axis the drawn filters; the learned ones stand before them."""
    return array[..., -WIDTHS[int(name[4])] :]


def learned(name, array):
    return array[..., : -WIDTHS[int(name[4])]]


def test_it_says_where_it_comes_from(weights):
    assert weights.provenance["name"] == "built-in"
    assert "make_builtin" in weights.provenance["recipe"]
    assert weights.provenance["seed"] == str(SEED)
    for fact in ("recipe", "seed", "batches", "time", "commit", "unseen pictures"):
        assert weights.provenance[f"learned: {fact}"]


def test_it_recommends_what_the_recipe_says(weights):
    assert weights.recommended == make_builtin.RECOMMENDED
    assert recommended_settings(weights.recommended, "builtin")


def test_filters_have_one_scale(maps):
    """Drawn ones have a mean activation of 1 on the samples; learned ones on further pictures too,
    and less if they respond seldom."""
    for name, F in maps.items():
        mean = F.mean(axis=0, dtype=np.float64)
        np.testing.assert_allclose(drawn(name, mean), 1, atol=0.01, err_msg=name)  # float16
        others = learned(name, mean)
        assert 0.3 < np.median(others) < 1.5 and others.max() < 4, name


def test_filters_are_active_at_a_fair_share_of_positions(maps):
    for name, F in maps.items():
        share = (F > 0).mean(axis=0)
        assert drawn(name, share).min() > 0.15 and share.max() < 0.99, name
        assert np.median(learned(name, share)) > 0.1, name


def test_drawn_filters_come_in_pairs_of_opposites(maps):
    for name, F in maps.items():
        above, below = np.split(drawn(name, F), 2, axis=1)
        # Rounding to float16 shifts the two apart a little: both may be active where both are weak.
        assert np.minimum(above, below).max() < 0.1, name
        assert np.all(np.maximum(above, below).max(axis=0) > 1), name


def test_neither_kind_reads_the_others_maps(weights):
    before = "conv1_1"
    for name, (w, _) in list(weights.layers.items())[1:]:
        from_drawn = drawn(before, w.swapaxes(2, 3)).swapaxes(2, 3)
        from_learned = learned(before, w.swapaxes(2, 3)).swapaxes(2, 3)
        assert not learned(name, from_drawn).any(), name
        assert not drawn(name, from_learned).any(), name
        before = name


def test_the_drawn_filters_are_what_the_recipe_makes(weights, pictures):
    made = make_drawn(pictures, "conv2_1")
    for name, (w, b) in made.layers.items():
        stored_w, stored_b = (drawn(name, stored) for stored in weights.layers[name])
        np.testing.assert_allclose(
            w, stored_w[:, :, -w.shape[2] :], rtol=2e-3, atol=1e-4, err_msg=name
        )
        np.testing.assert_allclose(b, stored_b, rtol=2e-3, atol=1e-4, err_msg=name)


def test_side_by_side_both_compute_what_they_did_alone():
    pictures = sample_pictures(32)
    one, other = (make_drawn(pictures, "conv2_1") for _ in range(2))
    both = Network(side_by_side(one, other), backend=get_backend("numpy"))
    alone = Network(one, backend=get_backend("numpy"))
    F = alone.forward(pictures[0], ["relu2_1"])[0]["relu2_1"]
    twice = both.forward(pictures[0], ["relu2_1"])[0]["relu2_1"]
    np.testing.assert_allclose(twice, np.concatenate([F, F], axis=2), atol=1e-4)


def test_the_recipe_gives_the_same_network_every_time():
    pictures = sample_pictures(32)
    first, second = (make_drawn(pictures, "conv5_1") for _ in range(2))
    assert first.fingerprint() == second.fingerprint()


def test_tones_are_shares_of_the_pixels(weights, pictures):
    """As the recipe makes them, and as they are stored: after the learned ones."""
    few = Weights(
        weights.architecture,
        {
            "conv1_1": (np.zeros((3, 3, 3, 1), np.float32), np.zeros(1, np.float32)),
            "conv1_2": (np.zeros((3, 3, 1, 1), np.float32), np.zeros(1, np.float32)),
        },
        weights.preprocessing,
    )
    w, b = (array[..., 1:] for array in with_tones(few, pictures).layers["conv1_1"])
    count = len(b)
    assert count == 12 * len(TONES)
    stored_w, stored_b = (
        learned("conv1_1", each)[..., -count:] for each in weights.layers["conv1_1"]
    )
    np.testing.assert_allclose(stored_w, w, rtol=2e-3)
    np.testing.assert_allclose(stored_b, b, rtol=2e-3, atol=1e-4)
    assert not np.delete(w.reshape(9, 3, count), 4, axis=0).any()  # one pixel each


def test_tones_respond_to_their_share(maps, weights):
    count = 12 * len(TONES)
    F = learned("conv1_1", maps["relu1_1"])[:, -count:]
    np.testing.assert_allclose(F.mean(axis=0, dtype=np.float64), TONE_MEAN, rtol=0.02)
    np.testing.assert_allclose((F > 0).mean(axis=0), np.tile(TONES, 12), atol=0.01)
    w_next, _ = weights.layers["conv1_2"]
    assert not learned("conv1_1", w_next.swapaxes(2, 3))[..., -count:].any()  # nobody reads them


def test_only_a_learned_network_is_put_beside_the_drawn_one(tmp_path, capsys):
    before = BUILTIN.read_bytes()
    for path in (BUILTIN, tmp_path / "missing.h5"):
        assert make_builtin.main([str(path)]) == 2
        assert capsys.readouterr().err.count("\n") == 1
    assert BUILTIN.read_bytes() == before
