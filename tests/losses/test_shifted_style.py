"""Style with shifted activations: against the formula, and what a shift is good for."""

import numpy as np
import pytest
from proofs import assert_close, random_array

from manualnst import losses
from manualnst.backends import NAMES, get_backend

SHAPE, OTHER_SHAPE = (3, 5, 4), (2, 3, 4)


@pytest.fixture(params=NAMES)
def backend(request):
    return get_backend(request.param)


def loss_and_gradient(F, S, shift, backend, normalisation="paper"):
    target = losses.shifted_style_target(S, shift, backend=backend)
    loss, cache = losses.shifted_style_forward(F, target, normalisation, backend=backend)
    return loss, losses.shifted_style_backward(1.0, cache, backend=backend)


def test_the_formula_in_the_papers_matrices(backend):
    F, S = random_array(1, SHAPE), random_array(2, SHAPE)
    Fm, Sm = (array.reshape(-1, 4).T - 0.7 for array in (F, S))  # N × M
    D = Fm @ Fm.T - Sm @ Sm.T
    loss, gradient = loss_and_gradient(F, S, -0.7, backend)
    assert loss == pytest.approx(np.sum(D**2) / (4 * F.size**2))
    assert_close(gradient.reshape(-1, 4).T, D @ Fm / F.size**2, 1e-13)


def test_no_shift_is_no_change(backend):
    F, S = random_array(1, SHAPE), random_array(2, OTHER_SHAPE)
    expected, cache = losses.style_forward(
        F, losses.gram_target(S, backend=backend), backend=backend
    )
    loss, gradient = loss_and_gradient(F, S, 0.0, backend)
    assert loss == expected
    assert np.array_equal(gradient, losses.style_backward(1.0, cache, backend=backend))


def test_filters_that_are_silent_together_count_as_alike(backend):
    """Two channels that never respond at the same place, against two that do: without a shift the
    product of the first is 0 wherever one is silent."""
    apart = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0], [0.0, 0.0]]).reshape(2, 2, 2)
    A = losses.shifted_style_target(apart, backend=backend).gram.A
    assert A[0, 1] == 2 and losses.gram_target(apart, backend=backend).A[0, 1] == 0


def test_the_target_keeps_the_maps_precision(backend):
    F = random_array(1, SHAPE, np.float32)
    target = losses.shifted_style_target(F, backend=backend)
    assert target.gram.A.dtype == np.float32
    loss, cache = losses.shifted_style_forward(F, target, "relative", backend=backend)
    assert loss == 0
    assert losses.shifted_style_backward(1.0, cache, backend=backend).dtype == np.float32
