"""Every operation, on every backend: against the naive oracle and against its own derivative."""

from functools import partial

import numpy as np
import pytest
from proofs import assert_close, check_adjoint, check_pair, random_array

from manualnst import ops
from manualnst.backends import NAMES, get_backend
from manualnst.errors import InputError
from manualnst.network.vgg import Preprocessing
from manualnst.ops.crop import Edges

TOLERANCE = {"float32": 2e-6, "float64": 1e-14, "complex128": 1e-14}
SHAPES = {
    "conv3x3": [(1, 1, 3), (1, 5, 3), (4, 1, 1), (5, 7, 3), (6, 4, 2)],
    "relu": [(1, 1, 1), (5, 3, 2), (1, 9, 3)],
    "avgpool": [(2, 2, 1), (2, 3, 3), (5, 7, 2), (6, 4, 3)],
    "maxpool": [(2, 2, 1), (2, 3, 3), (5, 7, 2), (6, 4, 3)],
    "pixels": [(1, 1, 3), (4, 3, 3)],
    "mirror": [(1, 1, 3), (3, 4, 2), (4, 3, 1), (7, 9, 3)],
    "crop": [(1, 1, 3), (3, 4, 2), (5, 5, 1), (7, 6, 3)],
}
CASES = [(name, shape) for name, shapes in SHAPES.items() for shape in shapes]
PREPROCESSING = Preprocessing("BGR", 255.0, (103.0, 116.0, 123.0), (1.0, 2.0, 3.0))
FILTERS = 4  # unlike any number of channels above


def uneven_edges(x):
    H, W = (side - 1 for side in x.shape[:2])
    return Edges(H // 3, H // 2, W // 2, W // 3)


def pair_of(name, backend, channels=3, dtype=np.float64):
    """(forward, backward) of x alone; the filters are fixed, in the dtype of x."""
    forward = partial(getattr(ops, f"{name}_forward"), backend=backend)
    backward = partial(getattr(ops, f"{name}_backward"), backend=backend)
    if name == "pixels":
        return partial(forward, preprocessing=PREPROCESSING), backward
    if name == "mirror":
        return lambda x: forward(x, min(x.shape[:2]) - 1), backward
    if name == "crop":
        return lambda x: forward(x, uneven_edges(x)), backward
    if name != "conv3x3":
        return forward, backward
    w, b = random_array(1, (3, 3, channels, FILTERS)), random_array(2, (FILTERS,))
    return lambda x: forward(x, w.astype(x.dtype), b.astype(x.dtype)), backward


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize(("name", "shape"), CASES)
def test_numpy_agrees_with_the_naive_oracle(name, shape, dtype):
    x = random_array(3, shape, np.dtype(dtype))
    results = []
    for backend in ("naive", "numpy"):
        forward, backward = pair_of(name, get_backend(backend), shape[2])
        y, cache = forward(x)
        dL_dx = backward(random_array(4, y.shape, np.dtype(dtype)), cache)
        assert y.dtype == dL_dx.dtype == dtype
        assert dL_dx.shape == x.shape
        results.append((y, dL_dx))
    for naive, fast in zip(*results, strict=True):
        assert_close(fast, naive, TOLERANCE[dtype])


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("shape", SHAPES["conv3x3"])
def test_parameter_gradients_agree_with_the_naive_oracle(shape, dtype):
    x = random_array(3, shape, np.dtype(dtype))
    dL_dy = random_array(4, (*shape[:2], FILTERS), np.dtype(dtype))
    naive, fast = (
        ops.conv3x3_backward_params(dL_dy, x, backend=get_backend(name))
        for name in ("naive", "numpy")
    )
    for expected, actual in zip(naive, fast, strict=True):
        assert actual.dtype == dtype
        assert_close(actual, expected, TOLERANCE[dtype])


@pytest.mark.parametrize("backend", NAMES)
@pytest.mark.parametrize(("name", "shape"), CASES)
def test_backward_is_the_derivative_of_forward(name, shape, backend):
    forward, backward = pair_of(name, get_backend(backend), shape[2])
    check_pair(forward, backward, random_array(5, shape))


@pytest.mark.parametrize("backend", NAMES)
@pytest.mark.parametrize("parameter", ["w", "b"])
def test_parameter_gradients_are_the_derivatives(parameter, backend):
    backend = get_backend(backend)
    x, w, b = (random_array(n, shape) for n, shape in enumerate([(3, 5, 2), (3, 3, 2, 4), (4,)]))

    def forward(values):
        given = {"w": w, "b": b} | {parameter: values}
        given = {name: value.astype(values.dtype) for name, value in given.items()}
        return ops.conv3x3_forward(x.astype(values.dtype), **given, backend=backend)[0], None

    def backward(dL_dy, _):
        gradients = ops.conv3x3_backward_params(dL_dy, x, backend=backend)
        return gradients["wb".index(parameter)]

    check_pair(forward, backward, {"w": w, "b": b}[parameter])


@pytest.mark.parametrize("backend", NAMES)
@pytest.mark.parametrize(("name", "shape"), [c for c in CASES if c[0] in ("conv3x3", "avgpool")])
def test_linear_operations_are_adjoint(name, shape, backend):
    backend = get_backend(backend)
    forward, backward = pair_of(name, backend, shape[2])
    if name == "conv3x3":  # linear without its bias
        w = random_array(1, (3, 3, shape[2], FILTERS))
        forward = partial(ops.conv3x3_forward, w=w, b=np.zeros(FILTERS), backend=backend)
    check_adjoint(forward, backward, random_array(6, shape))


@pytest.mark.parametrize("backend", NAMES)
@pytest.mark.parametrize("name", ["avgpool", "maxpool"])
def test_a_dropped_edge_gets_no_gradient(name, backend):
    forward, backward = pair_of(name, get_backend(backend))
    y, cache = forward(random_array(7, (5, 7, 3)))
    dL_dx = backward(np.ones_like(y), cache)
    assert not dL_dx[4].any()
    assert not dL_dx[:, 6].any()
    assert dL_dx[:4, :6].any()


@pytest.mark.parametrize("backend", NAMES)
def test_what_was_cropped_is_added_onto_what_arrived(backend):
    backend = get_backend(backend)
    dL_dF, arrived = random_array(7, (3, 4, 2)), random_array(8, (7, 8, 2))
    _, cache = ops.crop_forward(arrived, 2, backend=backend)
    alone = ops.crop_backward(dL_dF, cache, backend=backend)
    onto = arrived.copy()
    assert ops.crop_backward(dL_dF, cache, onto, backend=backend) is onto
    assert np.array_equal(onto, arrived + alone)


@pytest.mark.parametrize("shape", [(4, 5), (1, 4, 5, 3), (0, 5, 3)])
@pytest.mark.parametrize("way", ["forward", "backward"])
@pytest.mark.parametrize("name", SHAPES)
def test_what_is_no_map_is_refused(name, way, shape):
    forward, backward = pair_of(name, get_backend("numpy"))
    _, cache = forward(random_array(1, (4, 5, 3)))
    array = np.zeros(shape)
    with pytest.raises(InputError, match=f"{name}_{way}: .* must be a picture or feature map"):
        forward(array) if way == "forward" else backward(array, cache)


def test_a_margin_that_leaves_nothing_is_refused():
    with pytest.raises(InputError, match="margin is 2; a map of 5 × 4 has no inside"):
        ops.crop_forward(np.ones((5, 4, 1)), 2, backend=get_backend("numpy"))


@pytest.mark.parametrize("backend", NAMES)
def test_kinks_are_decided_alike(backend):
    backend = get_backend(backend)
    zeros = np.zeros((2, 2, 1))
    y, cache = ops.relu_forward(zeros, backend=backend)
    assert not ops.relu_backward(np.ones_like(y), cache, backend=backend).any()
    y, cache = ops.maxpool_forward(zeros, backend=backend)
    gradient = ops.maxpool_backward(np.ones_like(y), cache, backend=backend)
    assert gradient.ravel().tolist() == [1, 0, 0, 0]


@pytest.mark.parametrize("backend", NAMES)
def test_inputs_are_left_alone(backend):
    backend = get_backend(backend)
    for name, shape in CASES:
        forward, backward = pair_of(name, backend, shape[2])
        x = random_array(8, shape)
        before = x.copy()
        y, cache = forward(x)
        dL_dy = random_array(9, y.shape)
        dL_dy_before = dL_dy.copy()
        backward(dL_dy, cache)
        assert np.array_equal(x, before), name
        assert np.array_equal(dL_dy, dL_dy_before), name
