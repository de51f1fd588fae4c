"""Convolution, ReLU and pooling in one pass, against one after the other."""

import numpy as np
import pytest
from proofs import assert_close, random_array, small_weights

from manualnst import ops
from manualnst.backends import get_backend
from manualnst.backends.numpy import fused, patches, winograd
from manualnst.errors import InputError
from manualnst.gradcheck.branches import Branches
from manualnst.network.network import Network, available_layers, steps

NUMPY, NAIVE = get_backend("numpy"), get_backend("naive")
# (H, W, C, K): odd edges, W · K that is no multiple of 8, few channels (the map is made again),
# and enough of them for Winograd
SHAPES = [(5, 7, 3, 4), (2, 3, 1, 12), (9, 6, 3, 31), (13, 22, 16, 17)]


def one_after_the_other(x, w, b, pooled, dL_dy):
    y, conv = ops.conv3x3_forward(x, w, b, backend=NAIVE)
    y, relu = ops.relu_forward(y, backend=NAIVE)
    if pooled:
        y, pool = ops.avgpool_forward(y, backend=NAIVE)
        dL_dy = ops.avgpool_backward(dL_dy, pool, backend=NAIVE)
    dL_dy = ops.relu_backward(dL_dy, relu, backend=NAIVE)
    return y, ops.conv3x3_backward(dL_dy, conv, backend=NAIVE)


@pytest.mark.parametrize("pooled", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_it_is_the_three_one_after_the_other(shape, pooled, monkeypatch):
    monkeypatch.setattr(winograd, "_TILES", 3)  # several strips even here
    monkeypatch.setattr(winograd, "_FEW_TILES", 0)
    monkeypatch.setattr(patches, "_STRIP_BYTES", 2000)
    H, W, C, K = shape
    x, w, b = random_array(1, (H, W, C)), random_array(2, (3, 3, C, K)), random_array(3, (K,))
    dL_dy = random_array(4, (H // 2, W // 2, K) if pooled else (H, W, K))
    y, cache = ops.fused_forward(x, w, b, pooled, backend=NUMPY)
    dL_dx = ops.fused_backward(dL_dy, cache, backend=NUMPY)
    expected_y, expected = one_after_the_other(x, w, b, pooled, dL_dy)
    assert isinstance(y, fused.Remade) == (9 * C < K and not pooled)
    assert_close(y[:], expected_y, 1e-13)
    assert_close(dL_dx, expected, 1e-13)


def test_a_map_that_is_made_again_is_the_same_by_rows_and_as_a_whole():
    x, w, b = random_array(1, (9, 6, 3)), random_array(2, (3, 3, 3, 31)), random_array(3, (31,))
    y, _ = NUMPY.fused_forward(x, w, b, False)
    whole = np.asarray(y)
    assert (len(y), y.shape, y.ndim, y.dtype, y.nbytes) == (
        len(whole), whole.shape, whole.ndim, whole.dtype, whole.nbytes
    )  # fmt: skip
    for rows in (slice(0, 1), slice(3, 7), slice(8, 9), slice(None)):
        assert_close(y[rows], whole[rows], 1e-15)


@pytest.mark.parametrize("rows", [slice(0, 1), slice(1, 4), slice(4, 5), slice(None)])
def test_the_inside_of_a_map_that_is_made_again_is_that_of_the_map(rows):
    """And the way back is that of the whole, of which some rows have never been read."""
    x, w, b = random_array(1, (9, 7, 3)), random_array(2, (3, 3, 3, 31)), random_array(3, (31,))
    dL_dy = random_array(4, (9, 7, 31))
    expected_y, expected = one_after_the_other(x, w, b, False, dL_dy)
    inside = expected_y[2:-2, 2:-2]
    y, cache = NUMPY.fused_forward(x, w, b, False)
    F, _ = NUMPY.crop_forward(y, (2, 2, 2, 2))
    assert (len(F), F.shape, F.ndim, F.dtype, F.nbytes) == (
        len(inside), inside.shape, inside.ndim, inside.dtype, inside.nbytes
    )  # fmt: skip
    assert_close(F[rows], inside[rows], 1e-14)
    assert_close(NUMPY.fused_backward(dL_dy, cache), expected, 1e-13)
    assert_close(np.asarray(F), inside, 1e-14)


def test_a_map_too_small_to_be_pooled_is_refused():
    with pytest.raises(InputError, match="too small"):
        ops.fused_forward(
            np.ones((1, 4, 3)), np.ones((3, 3, 3, 2)), np.ones(2), True, backend=NUMPY
        )


NAMES = available_layers(small_weights(last="conv3_1"))


@pytest.mark.parametrize(
    ("taps", "pool", "expected"),
    [
        ([], "average", "conv1_1+relu1_1 conv1_2+relu1_2+pool1 conv2_1+relu2_1"),
        (["relu1_2"], "average", "conv1_1+relu1_1 conv1_2+relu1_2 pool1 conv2_1+relu2_1"),
        (["conv1_2"], "average", "conv1_1+relu1_1 conv1_2 relu1_2 pool1 conv2_1+relu2_1"),
        ([], "max", "conv1_1+relu1_1 conv1_2+relu1_2 pool1 conv2_1+relu2_1"),
    ],
)
def test_what_is_done_in_one_pass(taps, pool, expected):
    assert " ".join("+".join(step) for step in steps(NAMES[:7], taps, pool)) == expected


@pytest.mark.parametrize("pool", ["average", "max"])
@pytest.mark.parametrize("taps", [["relu3_1"], ["relu1_1", "conv1_2", "relu2_2", "conv3_1"], NAMES])
def test_the_network_does_the_same_in_one_pass(taps, pool):
    taps = [tap for tap in taps if not tap.startswith("pool")]
    weights = small_weights(last="conv3_1", widths=(28, 17, 16))
    x = np.random.default_rng(0).random((27, 35, 3))
    outcomes = []
    for backend in (NUMPY, Branches(NUMPY)):  # whoever watches the branches sees every operation
        network = Network(weights, backend=backend, pool=pool, dtype=np.float64)
        features, tape = network.forward(x, taps)
        dL_dF = {tap: random_array(n, features[tap].shape) for n, tap in enumerate(taps)}
        outcomes.append((features, network.backward(dL_dF, tape), len(tape)))
    (features, gradient, passes), (expected, expected_gradient, operations) = outcomes
    assert passes < operations or len(taps) == len(NAMES) - 2
    for tap in taps:
        assert_close(features[tap], expected[tap], 1e-12)
    assert_close(gradient, expected_gradient, 1e-12)


@pytest.mark.parametrize("backend", [NUMPY, NAIVE])
def test_a_loss_adds_onto_the_gradient_that_arrived(backend):
    F, dL_dG, arrived = (random_array(n, s) for n, s in enumerate([(4, 5, 3), (3, 3), (4, 5, 3)]))
    alone = backend.gram_backward(dL_dG, F)
    onto = arrived.copy()
    assert backend.gram_backward(dL_dG, F, onto) is onto
    assert_close(onto, arrived + alone, 1e-14)


@pytest.mark.parametrize("pooled", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_what_it_is_given_is_left_alone(shape, pooled):
    H, W, C, K = shape
    given = [random_array(1, (H, W, C)), random_array(2, (3, 3, C, K)), random_array(3, (K,))]
    before = [array.copy() for array in given]
    y, cache = ops.fused_forward(*given, pooled, backend=NUMPY)
    given.append(random_array(4, y.shape))
    before.append(given[-1].copy())
    ops.fused_backward(given[-1], cache, backend=NUMPY)
    assert all(map(np.array_equal, given, before))


@pytest.mark.parametrize("shape", [(6, 7, 4), (5, 1, 4), (5, 7, 1), (3, 4, 4)])
def test_a_gradient_of_another_shape_is_refused(shape):
    x, w, b = random_array(1, (5, 7, 3)), random_array(2, (3, 3, 3, 4)), random_array(3, (4,))
    _, cache = ops.fused_forward(x, w, b, False, backend=NUMPY)
    with pytest.raises(InputError, match="has shape"):
        ops.fused_backward(random_array(4, shape), cache, backend=NUMPY)


def test_rows_with_steps_are_refused():
    y = NUMPY.fused_forward(np.ones((9, 6, 3)), np.ones((3, 3, 3, 31)), np.ones(31), False)[0]
    with pytest.raises(IndexError):
        y[::2]
