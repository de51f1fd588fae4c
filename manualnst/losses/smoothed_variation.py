"""Total variation by absolute differences, smoothed where they have their kink.

[T5] Forward:     L = Σ (√(d² + ε²) − ε)     over the differences d of all pairs of neighbours
[T6] Backward:    each pair (near, far) adds d/√(d² + ε²) to the gradient of far, and takes the
                  same from that of near

Far above ε a difference costs |d| − ε, and pulls with the force 1 however large it is: an edge
does not cost more than a slow slope between the same two levels. Far below ε it costs d²/(2ε), as
in [T1]. ε is on the scale of x: of a picture in [0, 1], one of 255 grey levels unless told.
"""

from ..errors import InputError
from ..ops import check
from .normalisation import NORMALISATIONS
from .record import Variation

SMOOTHING = 1 / 255


def smoothed_variation_forward(
    x, epsilon: float = SMOOTHING, normalisation: str = "paper", *, backend
):
    """[T5]: x (H, W, C) → loss, cache."""
    check.is_map("smoothed_variation_forward", "x", x)
    if not epsilon > 0:
        raise InputError(
            f"smoothed_variation_forward: epsilon is {epsilon}; it must be larger than 0, as it "
            "takes the kink from |d|"
        )
    scale = NORMALISATIONS[normalisation].total_variation(x.size)
    loss, cache = backend.smoothed_variation_forward(x, epsilon)
    return scale * loss, (scale, cache)


def smoothed_variation_backward(dL_dloss: float, cache, *, backend):
    """[T6] → dL_dx (H, W, C)."""
    scale, backend_cache = cache
    return backend.smoothed_variation_backward(dL_dloss * scale, backend_cache)


VARIATION = Variation(
    forward=smoothed_variation_forward,
    backward=smoothed_variation_backward,
    settings=("tv_smoothing", "normalisation"),
)
