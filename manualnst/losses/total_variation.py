"""Total variation: the squared differences of neighbouring pixels, a price on noise.

[T1] Forward:     L = Σ_{i,j,c} (x[i+1,j,c] − x[i,j,c])² + (x[i,j+1,c] − x[i,j,c])²
                  over all pairs that lie within the picture
[T2] Backward:    each pair (near, far) adds 2 (far − near) to the gradient of far and takes the
                  same from that of near; a pixel at the border simply has fewer pairs.
"""

from ..ops import check
from .normalisation import NORMALISATIONS
from .record import Variation


def total_variation_forward(x, normalisation: str = "paper", *, backend):
    """[T1]: x (H, W, C) → loss, cache."""
    check.is_map("total_variation_forward", "x", x)
    scale = NORMALISATIONS[normalisation].total_variation(x.size)
    loss, cache = backend.total_variation_forward(x)
    return scale * loss, (scale, cache)


def total_variation_backward(dL_dloss: float, cache, *, backend):
    """[T2] → dL_dx (H, W, C)."""
    scale, backend_cache = cache
    return backend.total_variation_backward(dL_dloss * scale, backend_cache)


VARIATION = Variation(
    forward=total_variation_forward,
    backward=total_variation_backward,
    settings=("normalisation",),
)
