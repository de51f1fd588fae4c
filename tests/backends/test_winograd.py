"""Both algorithms of the convolution against the plain sum, Winograd's matrices against their
identity."""

from fractions import Fraction

import numpy as np
import pytest
from proofs import assert_close, check_adjoint, random_array

from manualnst.backends import get_backend
from manualnst.backends.numpy import convolution, patches, winograd

NAIVE = get_backend("naive")
numpy_backend = get_backend("numpy")
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


ENGINES = {"winograd": (winograd, winograd.transform_filters), "patches": (patches, np.array)}


def forward(engine, x, w):
    """The convolution by one of the engines, from its strips."""
    module, transform = ENGINES[engine]
    y = np.full((*x.shape[:2], w.shape[3]), np.nan, x.dtype)

    def finish(rows, Y):
        assert np.isnan(y[rows]).all()  # each row once
        assert rows.start % 2 == 0  # so that no window of a pooling is cut
        y[rows] = Y

    module.forward(x, transform(w), finish)
    return y


def backward(engine, dL_dy, w):
    module, transform = ENGINES[engine]
    return module.backward(dL_dy.__getitem__, dL_dy.shape, transform(w))


def exact(rows):
    return [[Fraction(value).limit_denominator(24) for value in row] for row in rows]


def test_the_matrices_make_a_convolution_exactly():
    """y = Aᵀ [(G g) ⊙ (Bᵀ d)] for all unit vectors g and d, in fractions."""
    AT, BT, G = (exact(m) for m in (winograd.AT, winograd.BT, winograd.G))
    for v in range(3):
        for j in range(6):
            product = [G[p][v] * BT[p][j] for p in range(6)]
            y = [sum(AT[i][p] * product[p] for p in range(6)) for i in range(4)]
            assert y == [int(i + v == j) for i in range(4)]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("shape", SHAPES)
def test_it_is_the_convolution_and_its_backward(shape, dtype, engine):
    H, W, C, K = shape
    x, dL_dy = random_array(1, (H, W, C), dtype), random_array(2, (H, W, K), dtype)
    w = random_array(3, (3, 3, C, K), dtype)
    y, dL_dx = forward(engine, x, w), backward(engine, dL_dy, w)
    assert dL_dx.dtype == dtype and dL_dx.flags.c_contiguous
    assert_close(y, NAIVE.conv3x3_forward(x, w, np.zeros(K, dtype))[0], TOLERANCE[dtype])
    assert_close(dL_dx, NAIVE.conv3x3_backward(dL_dy, w), TOLERANCE[dtype])


@pytest.fixture
def small_strips(monkeypatch):
    monkeypatch.setattr(winograd, "_TILES", 3)
    monkeypatch.setattr(winograd, "_FEW_TILES", 0)
    monkeypatch.setattr(patches, "_STRIP_BYTES", 2000)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("shape", SHAPES)
def test_the_backward_is_the_transpose(shape, engine, small_strips):
    H, W, C, K = shape
    w = random_array(3, (3, 3, C, K))
    check_adjoint(
        lambda x: (forward(engine, x, w), None),
        lambda dL_dy, _: backward(engine, dL_dy, w),
        random_array(1, (H, W, C)),
    )


@pytest.mark.parametrize("engine", ENGINES)
def test_strips_change_nothing(engine, request):
    x, dL_dy = random_array(1, (23, 14, 3)), random_array(2, (23, 14, 4))
    w = random_array(3, (3, 3, 3, 4))
    whole = forward(engine, x, w), backward(engine, dL_dy, w)
    request.getfixturevalue("small_strips")
    assert_close(forward(engine, x, w), whole[0], 1e-14)
    assert_close(backward(engine, dL_dy, w), whole[1], 1e-14)


@pytest.mark.parametrize(
    ("matrix", "row", "column", "wrong"), [("AT", 3, 4, 8), ("BT", 2, 3, 1), ("G", 3, 1, 1 / 6)]
)
def test_a_wrong_number_in_a_matrix_is_noticed(matrix, row, column, wrong, monkeypatch):
    rows = [list(values) for values in getattr(winograd, matrix)]
    rows[row][column] = wrong
    monkeypatch.setattr(winograd, matrix, rows)
    winograd._matrices.cache_clear()
    try:
        with pytest.raises(AssertionError):
            test_it_is_the_convolution_and_its_backward((5, 7, 3, 4), "float64", "winograd")
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
    known = len(convolution._transforms)
    del w
    assert len(convolution._transforms) == known - 1


def test_filters_that_change_are_transformed_anew():
    x, _, w, b = large_convolution()
    numpy_backend.conv3x3_forward(x, w, b)
    w *= 2
    twice, _ = numpy_backend.conv3x3_forward(x, w, b)
    assert_close(twice, forward("patches", x, w), 2e-5)


def test_only_filters_that_are_unchangeable_for_good_are_remembered():
    x, _, w, b = large_convolution()
    through_a_view = w.view()
    through_a_view.flags.writeable = False
    numpy_backend.conv3x3_forward(x, through_a_view, b)
    w *= 2
    twice, _ = numpy_backend.conv3x3_forward(x, through_a_view, b)
    assert_close(twice, forward("patches", x, w), 2e-5)
    w.flags.writeable = False
    numpy_backend.conv3x3_forward(x, w, b)
    w.flags.writeable = True
    w *= 2
    again, _ = numpy_backend.conv3x3_forward(x, w, b)
    assert_close(again, forward("patches", x, w), 2e-5)


def test_what_is_remembered_of_other_filters_is_not_taken(monkeypatch):
    """An id is given again once its array is gone."""
    x, _, w, b = large_convolution()
    w.flags.writeable = False
    others = (lambda: None, winograd.transform_filters(3 * w))
    monkeypatch.setitem(convolution._transforms, id(w), others)
    y, _ = numpy_backend.conv3x3_forward(x, w, b)
    assert_close(y, forward("patches", x, w), 2e-5)
