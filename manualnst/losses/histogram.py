"""Style as histograms: each channel's activations against themselves, remapped to the values that
the style picture's channel has (Risser, Wilmot and Barnes 2017).

[H1] Style:       t_q, q = 0 … M_s − 1: the style's activations of one channel, in order
[H2] Order:       o_p, p = 0 … M − 1: where the p-th smallest of the picture's activations is
[H3] Matched:     R at o_p is the quantile (p + ½)/M of t; with M = M_s that is t_p
[H4] Loss:        L = Σ (F − R)²
[H5] Backward:    dL_dF = 2 (F − R)

     R depends on the order of F's values only. As long as no two of a channel change places it
     does not move, so its slope is 0 wherever no two are equal, and [H5] is the derivative of L
     itself. The paper holds R constant in the gradient, too; its histograms have bins, within which
     a remapped value does move, and there it is an approximation.

Sorting is the best of all pairings: L is the least Σ (F − R)² for any order of R's values. So L is
continuous where two values are equal; its slope there is anything between those of the two orders,
and of equal values the first in reading order is taken to be the smaller. Behind a ReLU there are
many zeros, but [R2] lets no gradient of theirs through.

L is a squared distance of activations, summed over positions and channels. `paper` and `sum` leave
it so; `mean` divides by M N; `relative` by M/M_s Σ t², what it is for a map that is 0 throughout.
"""

from typing import NamedTuple

import numpy as np

from ..errors import InputError
from ..ops import check
from .accumulated import accumulated
from .normalisation import NORMALISATIONS
from .record import Need, StyleLoss


class Histogram(NamedTuple):
    """A style target: every channel's activations in order."""

    values: np.ndarray  # (N, M_s)
    energy: float  # Σ t² / M_s, over all channels


def histogram_target(F, *, backend) -> Histogram:
    """[H1] of a style picture's map F (H, W, N)."""
    check.is_map("histogram_target", "F", F)
    values = backend.sorted_channels(F[:])
    energy = float(np.sum(np.square(values.real), dtype=np.float64)) / values.shape[1]
    return Histogram(values, energy)


def histogram_forward(F, target: Histogram, normalisation: str = "paper", *, backend):
    """[H2] to [H4] of one layer: F (H, W, N) → loss, cache."""
    check.is_map("histogram_forward", "F", F)
    check.same_dtype("histogram_forward", F=F, values=target.values)
    F = F[:]  # it may be a map that is made when read
    H, W, N = F.shape
    if len(target.values) != N:
        raise InputError(
            f"histogram_forward: F has {N} channels, but the target has {len(target.values)}; "
            "both must come from the same layer of the same network"
        )
    factor = NORMALISATIONS[normalisation].distance(target.energy * H * W, F.size)
    R = backend.matched_channels(backend.channel_order(F), target.values).reshape(F.shape)
    half, D = backend.squared_error_forward(F, R)  # ½ Σ D², D = F − R
    return 2 * factor * half, (2 * factor, D)


def histogram_backward(dL_dloss: float, cache, onto=None, *, backend):
    """[H5] → dL_dF (H, W, N), added to `onto` if that is given."""
    double_factor, D = cache
    return accumulated(backend.squared_error_backward(dL_dloss * double_factor, D), onto)


LOSS = StyleLoss(
    target_of=histogram_target,
    forward=histogram_forward,
    backward=histogram_backward,
    need=Need(1, 3, 1),  # F − R; R and the order, or R and the squares
    # A copy by channels; CuPy's of that, places and channels of 8 bytes, and as much to sort them.
    need_on_card=Need(1, 11, 1),
    target_is_map=True,
)
