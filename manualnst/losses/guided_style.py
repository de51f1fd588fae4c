"""Style of a part of the picture: the Gram matrix with a weight for each position.

[K1] Forward:     G_ij = Σ_k w_k F_ki F_kj            the Gram matrix of √w F
[K2] Backward:    dL_dF_ki = w_k Σ_j F_kj (dL_dG_ij + dL_dG_ji)
[K3] Guided:      E = 1/(4 N²) Σ_ij (G_ij / Σ_k w_k − A_ij / Σ_k v_k)²
[K4] backward:    dE_dF = 1/(N² Σw) w F (G/Σw − A/Σv)           w a factor for each row of F
[K5] Masked:      [E4] with w = m²: both maps multiplied by their masks, all positions counted
[K6] backward:    dE_dF = 1/(N² M²) m² F (G − A)

A weight of 0 takes a position out of G, and its gradient is 0. With all weights 1, [K3] is [E4] for
maps of any size. w belongs to the picture and v to the style picture: masks in [0, 1], brought to a
layer's size by the network's own average pooling (`pooled_mask`), which leaves soft edges.

[K3] is the guidance of Gatys et al. (2017), who scale w to the sum 1. The mean over the masked
positions is compared, so that the size of the part does not matter. [K5] is what several programs
do: half of the picture has half of the Gram matrix, and its style comes out darker unless the style
picture is masked to the same share.

Normalisations are those of [E4], with Σw in the place of M in [K3].
"""

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from ..errors import InputError
from ..ops import check
from .accumulated import accumulated
from .record import Distance, Need, Statistic, StyleLoss
from .resample import resample_forward
from .style import Gram, distance_backward, distance_of_gram_forward


class Guided(NamedTuple):
    """A style target for a part of the picture."""

    gram: Gram
    weights: np.ndarray  # w (H, W), of the picture's positions
    positions: float  # what they count for: Σ w, or M


def guided_style_target(F, weights, style_weights, *, backend) -> Guided:
    """[K1] of a style picture's map F (h, w, N) with its weights (h, w), for a picture's (H, W)."""
    _sums(weights, style_weights)  # refuses what has no root or no white
    G = measured_weighted_gram(F, weights, style_weights, backend=backend)
    return guided_style_target_from(G, style_weights.size, weights, style_weights, backend=backend)


def measured_weighted_gram(F, _weights, style_weights, *, backend):
    """[K1] of a style picture's map F (h, w, N) with its weights (h, w) → G (N, N)."""
    _check("style target", F, style_weights)
    return backend.weighted_gram_forward(F, style_weights)[0]


def guided_style_target_from(G, _positions: float, weights, style_weights, *, backend) -> Guided:
    whole, style_whole = _sums(weights, style_weights)
    return Guided(Gram(G, style_whole), weights, whole)


def _sums(*given) -> list[float]:
    least = [float(np.min(array.real)) for array in given]
    if not all(value >= 0 for value in least):
        raise InputError(
            f"guided_style_target: expected weights of 0 or more, the least are {least[0]:g} and "
            f"{least[1]:g}; use pooled_mask"
        )
    sums = [float(np.sum(array.real, dtype=np.float64)) for array in given]
    if not min(sums) > 0:
        raise InputError(
            "guided_style_target: a mask is black throughout, so there is nothing to compare; "
            "give one with a white part, or leave it out"
        )
    return sums


def masked_style_target(F, mask, style_mask, *, backend) -> Guided:
    """[K5] of a style picture's map F (h, w, N) with its mask (h, w), for a picture's (H, W)."""
    G = _measured_masked_gram(F, mask, style_mask, backend=backend)
    return _masked_target_from(G, style_mask.size, mask, style_mask, backend=backend)


def _measured_masked_gram(F, mask, style_mask, *, backend):
    return measured_weighted_gram(F, mask, style_mask**2, backend=backend)


def _masked_target_from(G, positions: float, mask, _style_mask, *, backend) -> Guided:
    return Guided(Gram(G, positions), mask**2, mask.size)


def guided_style_forward(F, target: Guided, normalisation: str = "paper", *, backend):
    """[K1] and [K3], or [K5], of one layer: F (H, W, N) → loss, cache."""
    G, gram_cache = weighted_gram_forward(F, target, backend=backend)
    loss, distance_cache = _distance_forward(
        G, F.shape[0] * F.shape[1], target, normalisation, backend=backend
    )
    return loss, (distance_cache, gram_cache)


def guided_style_backward(dL_dloss: float, cache, onto=None, *, backend):
    """[K4], or [K6], by [K2] → dL_dF (H, W, N), added to `onto` if that is given."""
    distance_cache, gram_cache = cache
    dL_dG = distance_backward(dL_dloss, distance_cache, backend=backend)
    return weighted_gram_backward(dL_dG, gram_cache, onto, backend=backend)


def weighted_gram_forward(F, target: Guided, *, backend):
    """[K1]: F (H, W, N) → G (N, N), cache."""
    _check("guided_style_forward", F, target.weights)
    return backend.weighted_gram_forward(F, target.weights)


def weighted_gram_backward(dL_dG, cache, onto=None, *, backend):
    """[K2] → dL_dF (H, W, N), added to `onto` if that is given."""
    return accumulated(backend.weighted_gram_backward(dL_dG, cache), onto)


def _distance_forward(G, _positions, target: Guided, normalisation: str, *, backend):
    """[K3], or [K5]: of as many positions as the target says that there are."""
    return distance_of_gram_forward(G, target.positions, target, normalisation, backend=backend)


def _part_of(target: Guided, rows: slice, columns: slice) -> Guided:
    return target._replace(weights=target.weights[rows, columns].copy())


def _part_of_given(given, rows: slice, columns: slice):
    """Of the weights of both pictures, those of the style picture's map, which is measured."""
    weights, style_weights = given
    return weights, style_weights[rows, columns].copy()


_STATISTIC = Statistic(
    weighted_gram_forward,
    weighted_gram_backward,
    measured_weighted_gram,
    guided_style_target_from,
    part_of=_part_of,
    part_of_given=_part_of_given,
)


def pooled_mask(mask, shape: tuple[int, int], *, backend):
    """A mask (H, W) of the picture at the size of a layer."""
    return resample_forward(mask[:, :, None], shape, backend=backend)[0][:, :, 0]


def _check(function: str, F, weights) -> None:
    check.is_map(function, "F", F)
    check.same_dtype(function, F=F, weights=weights)
    if weights.shape != F.shape[:2]:
        raise InputError(
            f"{function}: expected a weight for each position {F.shape[:2]} of F, got an array "
            f"{weights.shape}; use pooled_mask"
        )


LOSS = StyleLoss(
    target_of=guided_style_target,
    forward=guided_style_forward,
    backward=guided_style_backward,
    statistic=_STATISTIC,
    distance=Distance(_distance_forward, distance_backward),
    need=Need(0, 0, 1, keeps_map=True, whole=False),
    need_on_card=Need(0, 1, 1, keeps_map=True),  # √w F
    mask_form="guided",
)
MASKED_LOSS = replace(
    LOSS,
    target_of=masked_style_target,
    statistic=_STATISTIC._replace(measure=_measured_masked_gram, target_from=_masked_target_from),
    mask_form="product",
)
