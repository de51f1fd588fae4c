"""Statistics of parts of a picture, put together to those of the whole.

A sum over positions is the sum of those of the parts. Mean and covariance of part t, of M_t of the
M positions, are not, but the sums of which they are made can be had from them. With w_t = M_t / M:

[U1] Sums:          S = Σ_t S_t
[U2] backward:      dL_dS_t = dL_dS
[U3] Moments:       μ = Σ_t w_t μ_t          S = Σ_t w_t (S_t + (μ_t − μ)(μ_t − μ)ᵀ)
[U4] backward:      dL_dS_t = w_t dL_dS      dL_dμ_t = w_t (dL_dμ + (dL_dS + dL_dSᵀ)(μ_t − μ))

     S depends on μ_t through μ as well, but Σ_t w_t (μ_t − μ) = 0: that share vanishes, as in [D2].

The parts are taken in their order, so that the sums have the same bits every time.
"""

from collections.abc import Callable
from functools import reduce
from operator import add
from typing import NamedTuple


class Merge(NamedTuple):
    forward: Callable  # (statistics of the parts, their numbers of positions) → statistic, cache
    backward: Callable  # (dL_dS, cache) → those of the parts


def sums_forward(parts, positions):
    """[U1]: S of each part → S, cache."""
    return reduce(add, parts), len(parts)


def sums_backward(dL_dS, cache):
    """[U2] → dL_dS of each part."""
    return [dL_dS] * cache


def moments_forward(parts, positions):
    """[U3]: (μ, S) of each part → (μ, S), cache."""
    shares = [count / sum(positions) for count in positions]
    mean = reduce(add, (w * mean for w, (mean, _) in zip(shares, parts, strict=True)))
    away = [mean_of_part - mean for mean_of_part, _ in parts]
    covariance = reduce(
        add,
        (w * (S + d[:, None] * d) for w, (_, S), d in zip(shares, parts, away, strict=True)),
    )
    return (mean, covariance), (shares, away)


def moments_backward(dL_dS, cache):
    """[U4]: (dL_dμ, dL_dS) → those of each part."""
    dL_dmean, dL_dcovariance = dL_dS
    both = dL_dcovariance + dL_dcovariance.T
    return [(w * (dL_dmean + both @ d), w * dL_dcovariance) for w, d in zip(*cache, strict=True)]


SUMS = Merge(sums_forward, sums_backward)
MOMENTS = Merge(moments_forward, moments_backward)
