"""Style as patches: each 3×3 patch of the map against the one of the style's map that is most like
it (the Markov random field of Li and Wand 2016).

[P1] Patches:     Ψ_p(F) has the 9 N numbers F[p + (u,v)], u, v ∈ {0, 1, 2}, of the window whose
                  upper left position is p; there are (H − 2)(W − 2), none beyond the border
[P2] Nearest:     NN(p) = argmax_q ⟨Ψ_p(F), Ψ_q(S)⟩ / (‖Ψ_p(F)‖ ‖Ψ_q(S)‖)      the first of equals
[P3] Loss:        L = Σ_p ‖Ψ_p(F) − Ψ_NN(p)(S)‖²
[P4] Backward:    each patch p adds 2 (F[p + (u,v)] − S[NN(p) + (u,v)]) to dL_dF[p + (u,v)]

     An inner position is in nine patches, and gets nine such differences.

NN(p) is one of finitely many, and stays what it is while F moves a little: [P4] is the derivative
of L wherever the nearest is nearest by some margin. Where it changes, L jumps, as what is most like
by its angle need not be nearest by its distance. In [P2] ‖Ψ_p(F)‖ is the same for all q and is left
out. A patch of zeros is like any other, and the first of all is taken.

Li and Wand compare with turned and scaled copies of the style's patches as well; here it is the
style picture that one would turn or scale.

All pairs of patches are correlated anew at every evaluation; the products of a few rows of either
map exist at a time. It is the dearest of the losses: it grows with the product of both pictures'
areas, so use it at the deeper layers (theirs are relu3_1 and relu4_1).

L is a squared distance of activations, of all patches. `paper` and `sum` leave it so; `mean`
divides by 9 N times their number; `relative` by their number times the mean ‖Ψ(S)‖².
"""

from typing import NamedTuple

import numpy as np

from ..errors import InputError
from ..ops import check
from .accumulated import accumulated
from .normalisation import NORMALISATIONS
from .record import Need, StyleLoss


class Patches(NamedTuple):
    """A style target: the map that the patches are taken from."""

    S: np.ndarray  # (H_s, W_s, N)
    energy: float  # mean ‖Ψ(S)‖²


def patches_target(F, *, backend) -> Patches:
    """A style picture's map F (H, W, N)."""
    _check("patches_target", "F", F)
    F = F[:]  # it may be a map that is made when read
    h, w = F.shape[0] - 2, F.shape[1] - 2
    windows = (F[u : u + h, v : v + w] for u, v in np.ndindex(3, 3))
    energy = sum(float(np.sum(np.square(window.real), dtype=np.float64)) for window in windows)
    return Patches(F, energy / (h * w))


def patches_forward(F, target: Patches, normalisation: str = "paper", *, backend):
    """[P2] and [P3] of one layer: F (H, W, N) → loss, cache."""
    _check("patches_forward", "F", F)
    check.same_dtype("patches_forward", F=F, S=target.S)
    if F.shape[2] != target.S.shape[2]:
        raise InputError(
            f"patches_forward: F has {F.shape[2]} channels, but the target has "
            f"{target.S.shape[2]}; both must come from the same layer of the same network"
        )
    F = F[:]
    nearest = backend.nearest_patches(F, target.S)
    count = nearest.size
    factor = NORMALISATIONS[normalisation].distance(target.energy * count, 9 * count * F.shape[2])
    distance, cache = backend.patch_distance_forward(F, target.S, nearest)
    return factor * distance, (factor, cache)


def patches_backward(dL_dloss: float, cache, onto=None, *, backend):
    """[P4] → dL_dF (H, W, N), added to `onto` if that is given."""
    factor, distance_cache = cache
    return accumulated(backend.patch_distance_backward(dL_dloss * factor, distance_cache), onto)


def _check(function: str, name: str, F) -> None:
    check.is_map(function, name, F)
    if min(F.shape[:2]) < 3:
        raise InputError(
            f"{function}: {name} is {F.shape[0]} × {F.shape[1]}, too small for a 3 × 3 patch; use "
            "a larger picture or shallower layers"
        )


LOSS = StyleLoss(
    target_of=patches_target,
    forward=patches_forward,
    backward=patches_backward,
    # The differences; a place in all patches, like ones, their squares.
    need=Need(1, 4, 1),
    need_on_card=Need(1, 1, 1),
    search="nearest_patches_bytes",
    target_is_map=True,
    smallest=3,
    at_pixels="moments",
    words="is slow: for the deeper layers",
)
