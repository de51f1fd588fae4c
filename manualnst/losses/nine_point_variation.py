"""Total variation over all eight neighbours of a pixel: no direction is dearer than another.

x is continued by one pixel on each side, a copy of its border: p (H+2, W+2, C). Over p's windows of
2 × 2 pixels, of which there are (H+1)(W+1), with d = x[i+1,j] − x[i,j] and r = x[i,j+1] − x[i,j] as
in [T1], and the diagonals e = p[i+1,j+1] − p[i,j] and f = p[i+1,j] − p[i,j+1]:

[T7] Forward:     L = 2/(3HWC) Σ (d² + r²) + 1/(6(H+1)(W+1)C) Σ (e² + f²)
[T8] Backward:    each pair (near, far) with the factor c of its square adds 2c (far − near) to the
                  gradient of far, and takes the same from near; a pixel beyond the border is a copy
                  of one within, which gets what it gets

This is what style-transfer-pytorch takes. Its second derivative is the nine-point stencil of the
Laplace operator, in which a neighbour by side has four times the weight of one by corner.

It is a mean over positions as it stands, the same at every size: no normalisation changes it.
"""

from ..ops import check
from .record import Variation


def nine_point_variation_forward(x, *, backend):
    """[T7]: x (H, W, C) → loss, cache."""
    check.is_map("nine_point_variation_forward", "x", x)
    return backend.nine_point_variation_forward(x)


def nine_point_variation_backward(dL_dloss: float, cache, *, backend):
    """[T8] → dL_dx (H, W, C)."""
    return backend.nine_point_variation_backward(dL_dloss, cache)


VARIATION = Variation(
    forward=nine_point_variation_forward,
    backward=nine_point_variation_backward,
)
