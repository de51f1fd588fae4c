"""Style with shifted activations: the Gram matrices of F + s and S + s (Novak and Nikulin 2016).

[S1] Forward:     G_ij = Σ_k (F_ki + s)(F_kj + s)     the loss is [E4], with A of the style's S + s
[S2] Backward:    dE_dF = 1/(N² M²) (F + s)(G − A)

     [E6] at F + s; as s is a constant, the slope of F + s in F is 1.

Behind a ReLU most activations are 0, and a product with 0 says nothing. With s = −1, the authors'
choice, two filters that are both silent at a position count as alike there. Multiplied out,
G_ij = Σ F_ki F_kj + s (Σ F_ki + Σ F_kj) + M s²: so the sums of the channels are compared as well.
s is on the scale of the activations, and so −1 means most where filters have a mean activation
near 1, as those of a network that was normalised.

All normalisations are those of [E4], as these are Gram matrices; `relative` is a share of the
energy ΣA² of the shifted one.
"""

from typing import NamedTuple

from .record import Distance, Need, Statistic, StyleLoss
from .style import (
    Gram,
    distance_backward,
    distance_of_gram_forward,
    gram_backward,
    gram_forward,
    measured_gram,
    style_backward,
    style_forward,
)


class ShiftedGram(NamedTuple):
    """A style target: the Gram matrix of S + s."""

    gram: Gram
    shift: float


def shifted_style_target(F, shift: float = -1.0, *, backend) -> ShiftedGram:
    """[S1] of a style picture's map F (H, W, N)."""
    G = measured_shifted_gram(F, shift, backend=backend)
    return shifted_style_target_from(G, F.shape[0] * F.shape[1], shift, backend=backend)


def measured_shifted_gram(F, shift: float, *, backend):
    """[S1] of a style picture's map F (H, W, N) → G (N, N)."""
    return measured_gram(F[:] + shift, backend=backend)


def shifted_style_target_from(G, positions: float, shift: float, *, backend) -> ShiftedGram:
    return ShiftedGram(Gram(G, positions), shift)


def shifted_style_forward(F, target: ShiftedGram, normalisation: str = "paper", *, backend):
    """[S1] and [E4] of one layer: F (H, W, N) → loss, cache."""
    return style_forward(F[:] + target.shift, target.gram, normalisation, backend=backend)


def shifted_style_backward(dL_dloss: float, cache, onto=None, *, backend):
    """[S2] → dL_dF (H, W, N), added to `onto` if that is given."""
    return style_backward(dL_dloss, cache, onto, backend=backend)


def shifted_gram_forward(F, target: ShiftedGram, *, backend):
    """[S1] of one layer: F (H, W, N) → G (N, N), cache."""
    return gram_forward(F[:] + target.shift, target.gram, backend=backend)


LOSS = StyleLoss(
    target_of=shifted_style_target,
    forward=shifted_style_forward,
    backward=shifted_style_backward,
    statistic=Statistic(
        shifted_gram_forward, gram_backward, measured_shifted_gram, shifted_style_target_from
    ),
    distance=Distance(distance_of_gram_forward, distance_backward),
    need=Need(1, 1, 0),  # F + s
    at_pixels="moments",
    settings=("shift",),
)
