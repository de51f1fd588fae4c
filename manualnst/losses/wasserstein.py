"""Style as a Gaussian: how far the activations of one map have to be moved to have the mean and
the covariance of the other's (the squared Wasserstein-2 distance of two Gaussians).

With μ, Σ of the picture's map F (M, N), as in moments.py ([D1]), μ̂, Σ̂ of the style's, and
S = (Σ̂ + εI)^{1/2}:

[W1] Root:        A^{1/2} is the symmetric X without negative eigenvalues that has X X = A
[W2] Distance:    B = tr(Σ + εI) + tr(S S) − 2 tr X           with X = (S (Σ + εI) S)^{1/2}
                  L = Σ_i (μ_i − μ̂_i)² + B
[W3] backward:    dB_dΣ = I − T                               with T = S X⁻¹ S
[W4] by [D2]:     dL_dF = 2/M (F − (μ̂ + (F − μ) T))

     From X X = A, tr(X⁻¹ dA) = tr(X⁻¹ dX X) + tr(dX) = 2 d tr X: that is [W3]. What stands in the
     inner bracket of [W4] is where the best plan moves each position: the gradient points there.

ε is added to both covariances. Without it, T has no bound where Σ is degenerate, and it often is:
filters that never respond, or fewer positions than channels. With it, L is the distance of two
Gaussians still, those of activations with a little independent noise of the variance ε each; it is
0 for equal moments, and T is at most √(1 + N/share). The share of the target's mean variance is
1e-4 here (of a target that does not vary, ε is 1e-4 itself).

The style's root is taken once. All sums over positions are in the dtype of F, and what is done to
the N × N matrices in double precision.

L is a squared distance of activations, per position. `paper` and `sum` leave it so; `mean` divides
it by N, as style-transfer-pytorch does; `relative` is its share of Σ μ̂² + tr Σ̂, the distance of
the style, without noise, from a map that is 0 throughout.
"""

from typing import NamedTuple

import numpy as np

from ..errors import InputError
from ..ops import check
from .merging import MOMENTS
from .moments import mean_and_covariance_backward, measured_moments
from .normalisation import NORMALISATIONS
from .record import Distance, Need, Statistic, StyleLoss

NOISE_SHARE = 1e-4


class Gaussian(NamedTuple):
    """A style target: the mean, and the root of the covariance with noise."""

    mean: np.ndarray  # (N,)
    root: np.ndarray  # (N, N), S
    noise: float  # ε
    energy: float  # Σ μ̂² + tr Σ̂


def wasserstein_target(F, *, backend) -> Gaussian:
    """[D1] and [W1] of a style picture's map F (H, W, N)."""
    S = measured_moments(F, backend=backend)
    return wasserstein_target_from(S, F.shape[0] * F.shape[1], backend=backend)


def wasserstein_target_from(S, _positions: float, *, backend) -> Gaussian:
    """[W1] of the style picture's moments."""
    mean, covariance = S
    variance = float(np.sum(np.diagonal(covariance.real)))
    noise = NOISE_SHARE * (variance / len(mean) or 1.0)
    energy = float(np.sum(np.square(mean.real))) + variance
    return Gaussian(mean, backend.matrix_root(covariance, noise), noise, energy)


def wasserstein_forward(F, target: Gaussian, normalisation: str = "paper", *, backend):
    """[W2] of one layer: F (H, W, N) → loss, cache."""
    S, moments_cache = _moments_forward(F, target, backend=backend)
    loss, distance_cache = _distance_forward(
        S, F.shape[0] * F.shape[1], target, normalisation, backend=backend
    )
    return loss, (distance_cache, moments_cache)


def wasserstein_backward(dL_dloss: float, cache, onto=None, *, backend):
    """[W4], by [W3] and [D2] → dL_dF (H, W, N), added to `onto` if that is given."""
    distance_cache, moments_cache = cache
    dL_dS = _distance_backward(dL_dloss, distance_cache, backend=backend)
    return mean_and_covariance_backward(dL_dS, moments_cache, onto, backend=backend)


def _moments_forward(F, target: Gaussian, *, backend):
    """[D1] of one map: F (H, W, N) → (μ, Σ), cache."""
    check.is_map("wasserstein_forward", "F", F)
    check.same_dtype("wasserstein_forward", F=F, mean=target.mean)
    if target.mean.shape != F.shape[2:]:
        raise InputError(
            f"wasserstein_forward: F has {F.shape[2]} channels, but the target has the mean of "
            f"{len(target.mean)}; both must come from the same layer of the same network"
        )
    mean, covariance, cache = backend.mean_and_covariance_forward(F)
    return (mean, covariance), cache


def _distance_forward(S, _positions, target: Gaussian, normalisation: str, *, backend):
    """[W2]: (μ, Σ) → loss, cache."""
    mean, covariance = S
    scale = NORMALISATIONS[normalisation].distance(target.energy, len(target.mean))
    half, D = backend.squared_error_forward(mean, target.mean)  # ½ Σ D², D = μ − μ̂
    distance, distance_cache = backend.bures_forward(covariance, target.root, target.noise)
    return scale * (2 * half + distance), (scale, D, distance_cache)


def _distance_backward(dL_dloss: float, cache, *, backend):
    """The derivatives of [W2], with [W3] → (dL_dμ, dL_dΣ)."""
    scale, D, distance_cache = cache
    dL_dmean = backend.squared_error_backward(2 * scale * dL_dloss, D)
    dL_dcovariance = backend.bures_backward(scale * dL_dloss, distance_cache)
    return dL_dmean, dL_dcovariance


LOSS = StyleLoss(
    target_of=wasserstein_target,
    forward=wasserstein_forward,
    backward=wasserstein_backward,
    statistic=Statistic(
        _moments_forward,
        mean_and_covariance_backward,
        measured_moments,
        wasserstein_target_from,
        MOMENTS,
    ),
    distance=Distance(_distance_forward, _distance_backward),
    need=Need(1, 1, 1),  # F − μ; dL_dF
    matrices=Need(1, 10, 4),  # around a root
)
