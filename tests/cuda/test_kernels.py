"""Every kernel of every ladder, run on a processor, against the numpy backend in float64."""

from itertools import product

import numpy as np
import pytest
from pairs import CASES, PRODUCTS, TOLERANCES, errors, whole_numbers
from proofs import random_array

from manualnst.backends import PRECISIONS, to_host
from manualnst.backends.cuda import losses as cuda_losses
from manualnst.backends.cuda.backend import CudaBackend
from manualnst.backends.cuda.card import Card
from manualnst.backends.cuda.launches import RUNGS


def check(found, tolerance):
    assert max(found.values()) <= tolerance, found


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rung", RUNGS)
@pytest.mark.parametrize("case", CASES)
def test_every_rung_agrees(case, rung, dtype, cupy):
    backend = CudaBackend(Card(cupy), "float32", rung)
    check(errors(case, backend, np.dtype(dtype)), TOLERANCES[dtype])


@pytest.mark.parametrize("precision", ["tf32", "float16", "bfloat16"])
@pytest.mark.parametrize("case", [case for case in PRODUCTS if not case.startswith("fused (")])
def test_matrix_units_agree_exactly_in_whole_numbers(case, precision, cupy):
    check(errors(case, CudaBackend(Card(cupy), precision), np.float32, whole_numbers), 1e-6)


@pytest.mark.parametrize("precision", PRECISIONS[1:])
@pytest.mark.parametrize("case", ["convolution (6, 4, 33, 34)", "gram (3, 5, 132)"])
def test_matrix_units_round_as_they_should(case, precision, cupy):
    found = errors(case, CudaBackend(Card(cupy), precision), np.float32)
    check(found, TOLERANCES[precision])
    assert precision == "tf32x3" or min(found.values()) > TOLERANCES["float32"]


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize(
    "case", ["fused and pooled (9, 18, 5, 7)", "gram (7, 9, 5)", "convolution (6, 4, 33, 34)"]
)
def test_threads_in_the_other_order_give_the_same_bits(case, precision, cupy):
    results = []
    for descending in (False, True):
        cupy.descending = descending
        draw = lambda *drawn: cupy.asarray(random_array(*drawn, np.float32))  # noqa: E731
        found = CASES[case](CudaBackend(Card(cupy), precision), draw)
        results.append({name: to_host(value).tobytes() for name, value in found.items()})
    assert results[0] == results[1]


def test_patches_are_searched_some_rows_at_a_time(cupy, monkeypatch):
    monkeypatch.setattr(cuda_losses, "_PRODUCTS_BYTES", 4 * 6 * 13 * 4**2)  # two of either map
    case = "patches (11, 6, 36) (6, 13, 36)"
    check(errors(case, CudaBackend(Card(cupy), "float32"), np.float32), TOLERANCES["float32"])


def test_no_kernel_is_left_out(libraries, cupy):
    """The cases above meet all of them; here each is launched once, at the shapes that do."""
    for lib in libraries.values():
        lib.launched.clear()
    shapes = (
        "(1, 5, 3, 4)",
        "(9, 18, 5, 7)",
        "(3, 2, 36, 130)",
        "(7, 9, 5)",
        "(3, 5, 132)",
        "(5, 3, 3)",
    )
    cases = [case for case in CASES if case not in PRODUCTS or case.endswith(shapes)]
    for dtype, rung in product(libraries, RUNGS):
        for case in cases:
            errors(case, CudaBackend(Card(cupy), "float32", rung), np.dtype(dtype))
    for precision, case in product(PRECISIONS[1:], filter(PRODUCTS.__contains__, cases)):
        errors(case, CudaBackend(Card(cupy), precision), np.float32)
    left_out = {real: lib.names - lib.launched for real, lib in libraries.items()}
    assert left_out == {"float32": set(), "float64": set()}


@pytest.mark.parametrize(
    ("rung", "precision"),
    [*product(RUNGS, ["float32"]), *product(["fast"], PRECISIONS[1:])],
)
@pytest.mark.parametrize("pooled", [False, True])
def test_what_is_not_a_number_passes_every_relu(pooled, rung, precision, cupy):
    """One such pixel is seen by its neighbours, in all channels, on both ways; none else."""
    backend = CudaBackend(Card(cupy), precision, rung)
    x, w, b = (
        whole_numbers(seed, shape, np.float32)
        for seed, shape in enumerate([(8, 10, 5), (3, 3, 5, 66), (66,)])
    )
    x[4, 6, 2] = np.nan
    seen = np.zeros((8, 10), bool)
    seen[3:6, 5:8] = True
    y, cache = backend.fused_forward(*map(cupy.asarray, (x, w, b)), pooled)
    expected = np.broadcast_to((_any_of_windows(seen) if pooled else seen)[..., None], y.shape)
    assert np.array_equal(np.isnan(to_host(y)), expected)
    arriving = np.where(expected, np.nan, 0).astype(np.float32)
    dL_dx = to_host(backend.fused_backward(cupy.asarray(arriving), cache))
    assert np.isnan(dL_dx[seen]).all()
    if not pooled:
        y, cache = backend.relu_forward(cupy.asarray(x))
        assert np.array_equal(np.isnan(to_host(y)), np.isnan(x))
        assert np.isnan(to_host(backend.relu_backward(y, cache))[4, 6, 2])


def _any_of_windows(seen):
    return seen.reshape(4, 2, 5, 2).any(axis=(1, 3))
