"""The walk through the network and back, and the paper's normalised form."""

import tracemalloc
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from proofs import assert_close, check_pair, random_array, small_weights

from manualnst import ops
from manualnst.backends import NAMES, get_backend
from manualnst.errors import InputError
from manualnst.losses.accumulated import accumulated
from manualnst.network import network as network_module
from manualnst.network.network import (
    Network,
    available_layers,
    map_shapes,
    normalise_filters,
    with_margin,
)
from manualnst.network.vgg import BLOCKS, Weights, convolution_names, halvings, layer_names

NUMPY = get_backend("numpy")


def network(weights=None, backend="numpy", **options):
    weights = weights or small_weights()
    return Network(weights, backend=get_backend(backend), **({"dtype": np.float64} | options))


def test_the_tables_are_vgg():
    assert len(convolution_names("vgg16")) == 13
    assert len(convolution_names("vgg19")) == 16
    names = layer_names("vgg19")
    assert names[:6] == ["conv1_1", "relu1_1", "conv1_2", "relu1_2", "pool1", "conv2_1"]
    assert names[-3:] == ["conv5_4", "relu5_4", "pool5"]


@pytest.mark.parametrize("architecture", BLOCKS)
@pytest.mark.parametrize("pool", ["average", "max"])
@pytest.mark.parametrize("backend", NAMES)
@pytest.mark.parametrize("margin", [0, 4])
def test_backward_is_the_derivative_of_forward(architecture, pool, backend, margin, monkeypatch):
    monkeypatch.setattr(network_module, "UNIT", 4)  # enough for two poolings
    options = {"pool": pool, "margin": margin}
    weights = small_weights(architecture=architecture, last="conv3_1", widths=(2, 3, 4))
    taps = ["pixels", "conv1_2", "relu2_1", "relu3_1"]
    cotangents = {}

    def weighted_taps(x):
        features, tape = network(weights, backend, dtype=x.dtype, **options).forward(x, taps)
        cotangents.update({t: random_array(n, features[t].shape) for n, t in enumerate(taps)})
        loss = sum(np.sum(cotangents[t] * features[t]) for t in taps)
        return np.array([loss]), tape

    def backward(dL_dy, tape):
        # The tape was recorded in float64 by check_pair's own forward.
        return dL_dy[0] * network(weights, backend, **options).backward(cotangents, tape)

    check_pair(weighted_taps, backward, np.random.default_rng(0).random((5, 7, 3)))


@pytest.mark.parametrize("pool", ["average", "max"])
@pytest.mark.parametrize(("given", "margin"), [(16, 16), (50, 32)])
def test_with_a_margin_a_picture_is_seen_to_go_on(given, margin, pool):
    x = np.random.default_rng(1).random((37, 50, 3))  # odd edges; no more than 36 can be mirrored
    larger = np.pad(x, ((margin, margin), (margin, margin), (0, 0)), mode="reflect")
    taps = ["relu1_1", "conv1_2", "relu2_1", "relu3_3", "relu5_1"]
    seen, _ = network(margin=given, pool=pool).forward(x, [*taps, "pixels"])
    whole, _ = network(pool=pool).forward(larger, taps)
    for tap in taps:
        m = margin >> halvings(tap)
        assert_close(seen[tap], whole[tap][m:-m, m:-m], 1e-14)
    assert seen["pixels"] is x


@pytest.mark.parametrize(
    "given",
    [lambda F: F, lambda F: partial(accumulated, F), lambda F: lambda g: F if g is None else g + F],
    ids=["an array", "adds in place", "adds elsewhere"],
)
def test_a_gradient_is_that_of_the_larger_picture_and_folded_back(given):
    """Also where a map is made again, of which nothing has been read."""
    weights, taps = small_weights(last="conv3_1", widths=(28, 17, 16)), ["relu1_1", "relu3_1"]
    x = np.random.default_rng(1).random((20, 27, 3))
    larger, to_x = ops.mirror_forward(x, 16, backend=NUMPY)
    seen, tape = network(weights, margin=16).forward(x, taps, as_arrays=False)
    assert not isinstance(seen["relu1_1"], np.ndarray)
    dL_dF = {tap: random_array(n, seen[tap].shape) for n, tap in enumerate(taps)}
    given = {tap: given(F.copy()) for tap, F in dL_dF.items()}
    found = network(weights, margin=16).backward(given, tape)
    whole = network(weights)
    _, tape = whole.forward(larger, taps)
    padded = {
        tap: np.pad(F, ((m := 16 >> halvings(tap), m), (m, m), (0, 0))) for tap, F in dL_dF.items()
    }
    expected = ops.mirror_backward(whole.backward(padded, tape), to_x, backend=NUMPY)
    assert_close(found, expected, 1e-13)


@pytest.mark.parametrize(
    ("size", "margin", "seen"),
    [((17, 40), 16, 16), ((16, 40), 16, 0), ((33, 40), 48, 32), ((17, 40), 0, 0)],
)
def test_a_small_picture_has_as_much_of_the_margin_as_can_be_mirrored(size, margin, seen):
    assert with_margin(*size, margin) == (size[0] + 2 * seen, size[1] + 2 * seen)


def test_forward_is_the_chain_of_operations():
    weights = small_weights()
    x = np.random.default_rng(1).random((8, 9, 3))
    features, _ = network(weights).forward(x, ["conv2_1"])
    y = ops.pixels_forward(x, weights.preprocessing, backend=NUMPY)[0]
    for name in ("conv1_1", "conv1_2"):
        y = ops.conv3x3_forward(y, *weights.layers[name], backend=NUMPY)[0]
        y = ops.relu_forward(y, backend=NUMPY)[0]
    y = ops.avgpool_forward(y, backend=NUMPY)[0]
    y = ops.conv3x3_forward(y, *weights.layers["conv2_1"], backend=NUMPY)[0]
    assert np.array_equal(features["conv2_1"], y)


def test_forward_stops_at_the_deepest_tap():
    _, tape = network().forward(np.zeros((8, 8, 3)), ["relu1_1", "conv2_1"])
    assert tape[-1].name == "conv2_1"


def test_gradients_may_be_given_for_fewer_layers_than_were_tapped():
    net = network()
    features, tape = net.forward(np.random.default_rng(1).random((8, 8, 3)), ["relu1_1", "relu2_1"])
    shallow = net.backward({"relu1_1": features["relu1_1"]}, tape)
    both = net.backward(features, tape)
    deep = net.backward({"relu2_1": features["relu2_1"]}, tape)
    assert_close(shallow + deep, both, 1e-13)


def test_the_dtype_is_kept():
    for dtype in (np.float32, np.float64, np.complex128):
        net = network(dtype=dtype)
        features, tape = net.forward(np.ones((4, 4, 3), dtype), ["relu2_1"])
        assert features["relu2_1"].dtype == dtype
        assert net.backward(features, tape).dtype == dtype


def test_unknown_layers_and_small_pictures_are_refused():
    net = network()
    with pytest.raises(InputError, match="unknown layer 'relu9_1'.*relu5_1"):
        net.forward(np.zeros((8, 8, 3)), ["relu9_1"])
    with pytest.raises(InputError, match="unknown layer 'pool1'"):
        net.forward(np.zeros((8, 8, 3)), ["pool1"])
    with pytest.raises(InputError, match="unknown pooling 'mean'"):
        network(pool="mean")
    with pytest.raises(InputError, match="too small"):
        net.forward(np.zeros((8, 15, 3)), ["relu5_1"])
    with pytest.raises(InputError, match="15 × 40 is too small.*at least 16"):
        list(map_shapes(small_weights(), ["relu5_1"], 40, 15))
    features, tape = net.forward(np.zeros((8, 8, 3)), ["relu1_1"])
    with pytest.raises(InputError, match="relu2_1"):
        net.backward({"relu2_1": features["relu1_1"]}, tape)


@pytest.mark.parametrize("margin", [0, 16])
def test_map_shapes_are_those_of_the_forward(margin):
    weights = small_weights()
    x = np.zeros((37, 22, 3))
    taps = [name for name in available_layers(weights) if not name.startswith("pool")]
    features, _ = network(weights, margin=margin).forward(x, taps)
    shapes = {name: after for name, _, after in map_shapes(weights, taps, 37, 22)}
    assert {name: F.shape for name, F in features.items()} == {t: shapes[t] for t in taps}


@pytest.mark.parametrize("pool", ["average", "max"])
def test_normalised_filters_have_mean_one_and_the_same_function(pool):
    weights = small_weights()
    pictures = [np.random.default_rng(n).random((32, 40, 3)).astype(np.float32) for n in range(2)]
    normalised = normalise_filters(weights, pictures, pool=pool)
    relus = [name for name in available_layers(weights) if name.startswith("relu")]
    old_maps, new_maps = (
        [network(w, pool=pool).forward(p.astype(float), relus)[0] for p in pictures]
        for w in (weights, normalised)
    )
    for relu in relus:
        mean = np.mean([maps[relu].mean(axis=(0, 1)) for maps in new_maps], axis=0)
        old_mean = np.mean([maps[relu].mean(axis=(0, 1)) for maps in old_maps], axis=0)
        alive = old_mean > 0
        assert np.allclose(mean[alive], 1, atol=1e-4)
        factor = np.where(alive, old_mean, 1)
        for old, new in zip(old_maps, new_maps, strict=True):
            assert_close(new[relu] * factor, old[relu], 1e-5)


def test_normalising_does_not_keep_the_maps():
    weights = small_weights(widths=(4, 16, 64), last="conv3_4")  # all maps are equally large
    picture = np.zeros((1024, 1024, 3), np.float32)
    one_map = 1024 * 1024 * 4 * 4  # bytes
    normalise_filters(weights, [picture[:16, :16]])  # what is made once
    tracemalloc.start()
    try:
        normalise_filters(weights, [picture])
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak / one_map < len(weights.layers)


def test_normalising_needs_pictures():
    with pytest.raises(InputError, match="no pictures"):
        normalise_filters(small_weights(), [])


def test_weights_with_a_gap_or_a_wrong_shape_are_refused():
    weights = small_weights()
    layers = dict(weights.layers)
    del layers["conv2_1"]
    with pytest.raises(InputError, match="conv2_1 is missing"):
        replace(weights, layers=layers)
    w, b = weights.layers["conv1_2"]
    with pytest.raises(InputError, match="conv1_2.*expected"):
        replace(weights, layers=weights.layers | {"conv1_2": (w[:, :, :2], b)})
    with pytest.raises(InputError, match="NaN"):
        replace(weights, layers=weights.layers | {"conv1_2": (w * np.nan, b)})
    with pytest.raises(InputError, match="unknown architecture 'vgg11'"):
        Weights("vgg11", weights.layers, weights.preprocessing)
