"""Statistics of parts, put together."""

import numpy as np
import pytest
from proofs import assert_close, check_gradient, random_array

from manualnst.backends import get_backend
from manualnst.losses import merging

NUMPY = get_backend("numpy")
HEIGHTS = (1, 4, 2)


def parts_of(F):
    return np.split(F, np.cumsum(HEIGHTS)[:-1])


def test_sums_are_those_of_the_whole():
    F = random_array(1, (7, 5, 3))
    parts = [NUMPY.gram_forward(part)[0] for part in parts_of(F)]
    S, cache = merging.sums_forward(parts, [5 * height for height in HEIGHTS])
    assert_close(S, NUMPY.gram_forward(F)[0], 1e-14)
    dL_dS = random_array(2, (3, 3))
    assert all(part is dL_dS for part in merging.sums_backward(dL_dS, cache))
    assert len(merging.sums_backward(dL_dS, cache)) == 3


def test_moments_are_those_of_the_whole_far_from_zero():
    F = 1e4 + random_array(1, (7, 5, 3))
    parts = [NUMPY.mean_and_covariance_forward(part)[:2] for part in parts_of(F)]
    (mean, covariance), _ = merging.moments_forward(parts, [5 * height for height in HEIGHTS])
    expected = NUMPY.mean_and_covariance_forward(F)
    assert_close(mean, expected[0], 1e-14)
    assert_close(covariance, expected[1], 1e-11)


@pytest.mark.parametrize("which", [0, 1], ids=["mean", "covariance"])
def test_the_derivatives_by_the_moments_of_a_part(which):
    dL_dS = random_array(1, (3,)), random_array(2, (3, 3))
    parts = [(random_array(n, (3,)), random_array(n + 9, (3, 3))) for n in range(3)]
    _, cache = merging.moments_forward(parts, HEIGHTS)
    for n, gradient in enumerate(merging.moments_backward(dL_dS, cache)):

        def loss(x, n=n):
            changed = [list(part) for part in parts]
            changed[n][which] = x
            (mean, covariance), _ = merging.moments_forward(changed, HEIGHTS)
            return np.sum(dL_dS[0] * mean) + np.sum(dL_dS[1] * covariance)

        check_gradient(loss, gradient[which], parts[n][which])
