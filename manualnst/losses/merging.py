"""Statistics of parts of a picture, put together to those of the whole.

A sum over positions is the sum of those of the parts. Mean and covariance of part t, of M_t of the
M positions, are not, but the sums of which they are made can be had from them. With w_t = M_t / M:

[U1] Sums:          S = Σ_t S_t
[U2] backward:      dL_dS_t = dL_dS
[U3] Moments:       μ = Σ_t w_t μ_t          S = Σ_t w_t (S_t + (μ_t − μ)(μ_t − μ)ᵀ)
[U4] backward:      dL_dS_t = w_t dL_dS      dL_dμ_t = w_t (dL_dμ + (dL_dS + dL_dSᵀ)(μ_t − μ))

     S depends on μ_t through μ as well, but Σ_t w_t (μ_t − μ) = 0: that share vanishes, as in [D2].

The parts are taken in their order, so that the sums have the same bits every time, and one by one:
what is kept of them is their sum, and of moments the means, which [U4] asks for. With c the mean of
the first part, near to all others, [U3] is

     S = Σ_t w_t (S_t + (μ_t − c)(μ_t − c)ᵀ) − (μ − c)(μ − c)ᵀ
"""

from collections.abc import Callable
from typing import Any, NamedTuple


class Merge(NamedTuple):
    added: Callable  # (so far, or None; S of a part, its number of positions) → so far
    whole: Callable  # so far → S, cache
    backward: Callable  # (dL_dS, cache) → those of the parts

    def forward(self, parts, positions):
        """S of each part → S, cache."""
        so_far = None
        for S, count in zip(parts, positions, strict=True):
            so_far = self.added(so_far, S, count)
        return self.whole(so_far)


class _Sum(NamedTuple):
    S: Any
    count: int = 1


def _sum_added(so_far: _Sum | None, S, _positions: float) -> _Sum:
    return _Sum(S) if so_far is None else _Sum(so_far.S + S, so_far.count + 1)


def sums_forward(parts, positions):
    """[U1]: S of each part → S, cache."""
    return SUMS.forward(parts, positions)


def sums_backward(dL_dS, cache):
    """[U2] → dL_dS of each part."""
    return [dL_dS] * cache


class _Moments(NamedTuple):
    """Sums about c."""

    c: Any  # (N,)
    away: Any  # Σ M_t (μ_t − c)
    squares: Any  # Σ M_t (S_t + (μ_t − c)(μ_t − c)ᵀ)
    means: list
    positions: list


def _moments_added(so_far: _Moments | None, S, positions: float) -> _Moments:
    mean, covariance = S
    if so_far is None:
        return _Moments(mean, 0 * mean, positions * covariance, [mean], [positions])
    d = mean - so_far.c
    return _Moments(
        so_far.c,
        so_far.away + positions * d,
        so_far.squares + positions * (covariance + d[:, None] * d),
        [*so_far.means, mean],
        [*so_far.positions, positions],
    )


def _whole_moments(so_far: _Moments):
    count = sum(so_far.positions)
    away = so_far.away / count
    mean = so_far.c + away
    covariance = so_far.squares / count - away[:, None] * away
    shares = [positions / count for positions in so_far.positions]
    return (mean, covariance), (shares, [each - mean for each in so_far.means])


def moments_forward(parts, positions):
    """[U3]: (μ, S) of each part → (μ, S), cache."""
    return MOMENTS.forward(parts, positions)


def moments_backward(dL_dS, cache):
    """[U4]: (dL_dμ, dL_dS) → those of each part."""
    dL_dmean, dL_dcovariance = dL_dS
    both = dL_dcovariance + dL_dcovariance.T
    return [(w * (dL_dmean + both @ d), w * dL_dcovariance) for w, d in zip(*cache, strict=True)]


SUMS = Merge(_sum_added, lambda so_far: so_far, sums_backward)
MOMENTS = Merge(_moments_added, _whole_moments, moments_backward)
