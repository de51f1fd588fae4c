"""Moments: how far the mean and the covariance of a map are from those of the style picture's.

Of the picture itself these are its colours: which there are on the whole, how much they vary, and
which of them vary together. A Gaussian has no other parameters, so this is the matching of
Gaussians. F as the matrix (M, N), k its positions:

[D1] Forward:     μ_i = 1/M Σ_k F_ki          S_ij = 1/M Σ_k (F_ki − μ_i)(F_kj − μ_j)
[D2] Backward:    dL_dF = 1/M (dL_dμ + (F − μ)(dL_dS + dL_dSᵀ))     dL_dμ in every row

     F_ki enters μ_i with the factor 1/M, and S as a map enters its Gram matrix ([G1]). S depends
     on F through μ as well, but Σ_k (F_ki − μ_i) = 0: that share vanishes.

[D3] Loss:        L = 1/(4 N²) (Σ_i (μ_i − μ̂_i)² + Σ_ij (S_ij − Ŝ_ij)²)
[D4] [D2] applied to its derivatives by μ and S:
                  dL_dF = 1/(N² M) (½ (μ − μ̂) + (F − μ)(S − Ŝ))

The constant is that of [E4], for means over positions. Others: normalisation.py.
"""

from typing import NamedTuple

import numpy as np

from ..errors import InputError
from ..ops import check
from .accumulated import accumulated
from .merging import MOMENTS
from .normalisation import NORMALISATIONS
from .record import Distance, Need, Statistic, StyleLoss


class Moments(NamedTuple):
    """A style target: the mean and the covariance of one map."""

    mean: np.ndarray  # (N,)
    covariance: np.ndarray  # (N, N)


def moments_target(F, *, backend) -> Moments:
    """[D1] of a style picture's map F (H, W, N)."""
    S = measured_moments(F, backend=backend)
    return moments_target_from(S, F.shape[0] * F.shape[1], backend=backend)


def measured_moments(F, *, backend):
    """[D1] of a style picture's map F (H, W, N) → (μ, S)."""
    check.is_map("moments_target", "F", F)
    return backend.mean_and_covariance_forward(F)[:2]


def moments_target_from(S, _positions: float, *, backend) -> Moments:
    return Moments(*S)


def moments_forward(F, target: Moments, normalisation: str = "paper", *, backend):
    """[D1] and [D3] of one map: F (H, W, N) → loss, cache."""
    S, moments_cache = mean_and_covariance_forward(F, target, backend=backend)
    loss, distance_cache = _distance_forward(
        S, F.shape[0] * F.shape[1], target, normalisation, backend=backend
    )
    return loss, (distance_cache, moments_cache)


def moments_backward(dL_dloss: float, cache, onto=None, *, backend):
    """[D4] → dL_dF (H, W, N), added to `onto` if that is given."""
    distance_cache, moments_cache = cache
    dL_dS = _distance_backward(dL_dloss, distance_cache, backend=backend)
    return mean_and_covariance_backward(dL_dS, moments_cache, onto, backend=backend)


def mean_and_covariance_forward(F, target: Moments, *, backend):
    """[D1] of one map: F (H, W, N) → (μ, S), cache."""
    check.is_map("moments_forward", "F", F)
    check.same_dtype("moments_forward", F=F, mean=target.mean, covariance=target.covariance)
    if target.covariance.shape != 2 * (F.shape[2],):
        raise InputError(
            f"moments_forward: F has {F.shape[2]} channels, but the target is the covariance of "
            f"{len(target.covariance)}; both must come from the same layer of the same network"
        )
    mean, covariance, cache = backend.mean_and_covariance_forward(F)
    return (mean, covariance), cache


def mean_and_covariance_backward(dL_dS, cache, onto=None, *, backend):
    """[D2]: (dL_dμ, dL_dS) → dL_dF (H, W, N), added to `onto` if that is given."""
    return accumulated(backend.mean_and_covariance_backward(*dL_dS, cache), onto)


def _distance_forward(S, positions: int, target: Moments, normalisation: str, *, backend):
    """[D3]: (μ, S) of so many positions → loss, cache."""
    mean, covariance = S
    scales = NORMALISATIONS[normalisation].moments(*target, positions)
    half_mean, mean_D = backend.squared_error_forward(mean, target.mean)
    half_covariance, covariance_D = backend.squared_error_forward(covariance, target.covariance)
    loss = 2 * (scales[0] * half_mean + scales[1] * half_covariance)
    return loss, (scales, mean_D, covariance_D)


def _distance_backward(dL_dloss: float, cache, *, backend):
    """The derivatives of [D3] → (dL_dμ, dL_dS)."""
    scales, mean_D, covariance_D = cache
    dL_dmean = backend.squared_error_backward(2 * dL_dloss * scales[0], mean_D)
    dL_dcovariance = backend.squared_error_backward(2 * dL_dloss * scales[1], covariance_D)
    return dL_dmean, dL_dcovariance


LOSS = StyleLoss(
    target_of=moments_target,
    forward=moments_forward,
    backward=moments_backward,
    statistic=Statistic(
        mean_and_covariance_forward,
        mean_and_covariance_backward,
        measured_moments,
        moments_target_from,
        MOMENTS,
    ),
    distance=Distance(_distance_forward, _distance_backward),
    need=Need(1, 1, 1),  # F − μ; dL_dF
)
