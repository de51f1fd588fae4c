"""Winograd's algorithm against the plain sum, and its matrices against their identity."""

from fractions import Fraction

import numpy as np
import pytest
from proofs import assert_close, check_adjoint, random_array

from manualnst.backends import get_backend, numpy_backend, winograd

NAIVE = get_backend("naive")
TOLERANCE = {"float32": 2e-5, "float64": 2e-14, "complex128": 2e-14}
# (H, W, C, K): smaller than a tile, whole tiles, tiles that hang over, many strips
SHAPES = [
    (1, 1, 2, 3),
    (1, 9, 2, 3),
    (4, 4, 3, 2),
    (5, 7, 3, 4),
    (8, 6, 2, 2),
    (13, 10, 5, 4),
    (40, 3, 2, 5),
]


def exact(rows):
    return [[Fraction(value).limit_denominator(24) for value in row] for row in rows]


def test_the_matrices_make_a_convolution_exactly():
    """y = Aᵀ [(G g) ⊙ (Bᵀ d)] for all unit vectors g and d, in fractions."""
    AT, BT, G = (exact(m) for m in (winograd._AT, winograd._BT, winograd._G))
    for v in range(3):
        for j in range(6):
            product = [G[p][v] * BT[p][j] for p in range(6)]
            y = [sum(AT[i][p] * product[p] for p in range(6)) for i in range(4)]
            assert y == [int(i + v == j) for i in range(4)]


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("shape", SHAPES)
def test_it_is_the_convolution_and_its_backward(shape, dtype):
    H, W, C, K = shape
    x, dL_dy = random_array(1, (H, W, C), dtype), random_array(2, (H, W, K), dtype)
    w, b = random_array(3, (3, 3, C, K), dtype), random_array(4, (K,), dtype)
    U = winograd.transform_filters(w)
    y, dL_dx = winograd.forward(x, U, b), winograd.backward(dL_dy, U)
    assert y.dtype == dL_dx.dtype == dtype
    assert y.flags.c_contiguous and dL_dx.flags.c_contiguous
    assert_close(y, NAIVE.conv3x3_forward(x, w, b)[0], TOLERANCE[dtype])
    assert_close(dL_dx, NAIVE.conv3x3_backward(dL_dy, w), TOLERANCE[dtype])


@pytest.mark.parametrize("shape", SHAPES)
def test_the_backward_is_the_transpose(shape, monkeypatch):
    H, W, C, K = shape
    monkeypatch.setattr(winograd, "_STRIP_BYTES", 20_000)  # several strips even here
    U = winograd.transform_filters(random_array(3, (3, 3, C, K)))
    no_bias = np.zeros(K)
    check_adjoint(
        lambda x: (winograd.forward(x, U, no_bias), None),
        lambda dL_dy, _: winograd.backward(dL_dy, U),
        random_array(1, (H, W, C)),
    )


@pytest.mark.parametrize("strip", [1, 20_000, 1 << 30])
def test_strips_change_nothing(strip, monkeypatch):
    x, dL_dy = random_array(1, (23, 14, 3)), random_array(2, (23, 14, 4))
    U = winograd.transform_filters(random_array(3, (3, 3, 3, 4)))
    b = random_array(4, (4,))
    whole = winograd.forward(x, U, b), winograd.backward(dL_dy, U)
    monkeypatch.setattr(winograd, "_STRIP_BYTES", strip)
    assert_close(winograd.forward(x, U, b), whole[0], 1e-14)
    assert_close(winograd.backward(dL_dy, U), whole[1], 1e-14)


@pytest.mark.parametrize(
    ("matrix", "row", "column", "wrong"), [("_AT", 3, 4, 8), ("_BT", 2, 3, 1), ("_G", 3, 1, 1 / 6)]
)
def test_a_wrong_number_in_a_matrix_is_noticed(matrix, row, column, wrong, monkeypatch):
    rows = [list(values) for values in getattr(winograd, matrix)]
    rows[row][column] = wrong
    monkeypatch.setattr(winograd, matrix, rows)
    winograd._matrices.cache_clear()
    try:
        with pytest.raises(AssertionError):
            test_it_is_the_convolution_and_its_backward((5, 7, 3, 4), "float64")
        with pytest.raises(AssertionError):
            test_the_matrices_make_a_convolution_exactly()
    finally:
        monkeypatch.undo()
        winograd._matrices.cache_clear()


def large_convolution(dtype=np.float32):
    rng = np.random.default_rng(0)
    x, dL_dy = rng.standard_normal((2, 20, 18, 16)).astype(dtype)
    w, b = rng.standard_normal((3, 3, 16, 16)).astype(dtype), np.zeros(16, dtype)
    return x, dL_dy, w, b


def test_the_backend_uses_it_where_it_pays(monkeypatch):
    used = []
    for name in ("forward", "backward"):
        function = getattr(winograd, name)
        monkeypatch.setattr(winograd, name, lambda *a, f=function, n=name: used.append(n) or f(*a))
    x, dL_dy, w, b = large_convolution()
    numpy_backend.conv3x3_forward(x, w, b)
    numpy_backend.conv3x3_backward(dL_dy, w)
    assert used == ["forward", "backward"]
    numpy_backend.conv3x3_forward(x[:, :, :3], w[:, :, :3], b)  # too few channels
    numpy_backend.conv3x3_forward(x[:4, :8], w, b)  # too few tiles
    assert used == ["forward", "backward"]


def test_filters_are_transformed_once_if_they_cannot_change(monkeypatch):
    transformed = []
    transform = winograd.transform_filters
    monkeypatch.setattr(
        winograd, "transform_filters", lambda w: transformed.append(1) or transform(w)
    )
    x, dL_dy, w, b = large_convolution()
    w.flags.writeable = False
    for _ in range(3):
        numpy_backend.conv3x3_forward(x, w, b)
        numpy_backend.conv3x3_backward(dL_dy, w)
    assert len(transformed) == 1
    known = len(numpy_backend._transforms)
    del w
    assert len(numpy_backend._transforms) == known - 1


def test_filters_that_change_are_transformed_anew():
    x, _, w, b = large_convolution()
    numpy_backend.conv3x3_forward(x, w, b)
    w *= 2
    twice, _ = numpy_backend.conv3x3_forward(x, w, b)
    assert_close(twice, numpy_backend._correlate(x, w, b), 2e-5)
