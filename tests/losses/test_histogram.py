"""Histogram matching: that it matches, quantiles, equal values, and that R does not move."""

from itertools import permutations

import numpy as np
import pytest
from proofs import assert_close, random_array

from manualnst import losses
from manualnst.backends import NAMES, get_backend
from manualnst.errors import InputError
from manualnst.gradcheck.oracles import two_point

SHAPE, OTHER_SHAPE = (3, 5, 4), (2, 3, 4)
F, S = random_array(1, SHAPE), 1 + 2 * random_array(2, SHAPE)


@pytest.fixture(params=NAMES)
def backend(request):
    return get_backend(request.param)


def loss_and_gradient(F, S, backend, normalisation="paper"):
    target = losses.histogram_target(S, backend=backend)
    loss, cache = losses.histogram_forward(F, target, normalisation, backend=backend)
    return loss, losses.histogram_backward(1.0, cache, backend=backend)


def columns(F):
    return F.reshape(-1, F.shape[2])


def test_half_a_step_against_the_gradient_has_the_styles_histogram(backend):
    _, gradient = loss_and_gradient(F, S, backend)
    R = F - gradient / 2
    assert_close(np.sort(columns(R), axis=0), np.sort(columns(S), axis=0), 1e-15)
    ranks = (np.argsort(np.argsort(columns(x), axis=0), axis=0) for x in (F, R))
    assert np.array_equal(*ranks)


def test_it_is_the_best_of_all_pairings(backend):
    f, s = random_array(1, (1, 5, 1)), random_array(2, (1, 5, 1))
    best = min(np.sum((f.ravel() - list(p)) ** 2) for p in permutations(s.ravel()))
    assert loss_and_gradient(f, s, backend)[0] == pytest.approx(best)


@pytest.mark.parametrize("count", [1, 2, 7, 12, 13, 24, 25])
def test_quantiles_of_another_number_of_values(count, backend):
    values = np.sort(random_array(2, (3, count)), axis=1)
    order = np.array([np.random.default_rng(n).permutation(12) for n in range(3)], np.uint32)
    R = backend.matched_channels(order, values)
    for i in range(3):
        expected = np.interp(
            (np.arange(12) + 0.5) / 12, (np.arange(count) + 0.5) / count, values[i]
        )
        assert_close(R[order[i], i], expected, 1e-14)
    if count == 12:
        assert np.array_equal(np.sort(R.T, axis=1), values)


def test_a_style_laid_out_twice_is_the_same_style(backend):
    one, twice = (losses.histogram_target(x, backend=backend) for x in (S, np.concatenate([S, S])))
    assert one.energy == pytest.approx(twice.energy)
    R = [backend.matched_channels(backend.channel_order(F), t.values) for t in (one, twice)]
    assert_close(*R, 1e-14)


def test_relative_is_one_for_nothing_and_does_not_know_the_scale(backend):
    assert loss_and_gradient(0 * S, S, backend, "relative")[0] == pytest.approx(1)
    one, other = (loss_and_gradient(c * F, c * S, backend, "relative")[0] for c in (1, 1000))
    assert one == pytest.approx(other)


@pytest.mark.parametrize("normalisation", losses.NORMALISATIONS)
def test_differences_agree_though_they_sort_anew(normalisation, backend):
    _, gradient = loss_and_gradient(F, S, backend, normalisation)
    d = random_array(3, SHAPE)

    def measured(h):
        return two_point(lambda x: loss_and_gradient(x, S, backend, normalisation)[0], F, d, h)

    assert measured(1e-5) == pytest.approx(np.sum(gradient * d), rel=1e-8)
    assert measured(1.0) != pytest.approx(np.sum(gradient * d), rel=1e-3)  # in another order


def test_equal_values_stay_in_reading_order_and_cost_the_same(backend):
    f = np.array([0.0, 1.0, 0.0, 0.0]).reshape(2, 2, 1)
    s = np.array([1.0, 2.0, 3.0, 4.0]).reshape(2, 2, 1)
    assert backend.channel_order(f).tolist() == [[0, 2, 3, 1]]
    beside = f + np.array([2e-9, 0, 1e-9, 0]).reshape(2, 2, 1)  # now in another order
    losses_ = [loss_and_gradient(x, s, backend)[0] for x in (f, beside)]
    assert losses_[0] == pytest.approx(losses_[1], abs=1e-7)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_both_backends_are_one_at_ties(dtype):
    f = np.maximum(random_array(1, SHAPE, np.dtype(dtype)), 0)
    results = [loss_and_gradient(f, S.astype(dtype), get_backend(name)) for name in NAMES]
    assert results[0][0] == pytest.approx(results[1][0], rel=1e-6)
    assert_close(results[0][1], results[1][1], 1e-6)
    assert results[0][1].dtype == results[1][1].dtype == dtype


def test_a_black_style_is_no_division_by_zero(backend):
    loss, gradient = loss_and_gradient(F, 0 * S, backend, "relative")
    assert loss == pytest.approx(np.sum(F**2))
    assert_close(gradient, 2 * F, 1e-15)


def test_a_target_of_another_layer_is_told(backend):
    target = losses.histogram_target(random_array(1, (3, 3, 5)), backend=backend)
    with pytest.raises(InputError, match="4 channels.* target has 5"):
        losses.histogram_forward(F, target, backend=backend)
