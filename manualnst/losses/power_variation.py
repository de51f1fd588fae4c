"""Total variation to another power: of every pixel, the length of its slope to the power β.

With d = x[i+1,j,c] − x[i,j,c] and r = x[i,j+1,c] − x[i,j,c], 0 where that neighbour is missing:

[T3] Forward:     L = Σ_{i,j,c} (d² + r²)^{β/2}
[T4] Backward:    dL_dd = β (d² + r²)^{β/2 − 1} d, and likewise dL_dr; of each, the far pixel gets
                  that much, and the near one minus that much

This is the prior of Mahendran and Vedaldi (2015). β = 2 is [T1]. With a larger β few large steps
cost more than many small ones; with a smaller β less, so that edges stay sharp. At β = 1 the length
has a kink where d = r = 0; there the gradient is taken as 0. Below 1 the slope is infinite there.

A well-known program (Keras' example, β = 2.5) leaves out the last row and the last column, and so
the pairs in them. Here every pair counts, as in [T1].
"""

from ..errors import InputError
from ..ops import check
from .normalisation import NORMALISATIONS
from .record import Variation


def power_variation_forward(x, beta: float, normalisation: str = "paper", *, backend):
    """[T3]: x (H, W, C) → loss, cache."""
    check.is_map("power_variation_forward", "x", x)
    if not beta >= 1:
        raise InputError(
            f"power_variation_forward: beta is {beta}; the slope is infinite between equal pixels "
            "if it is below 1: choose 1 or more"
        )
    scale = NORMALISATIONS[normalisation].total_variation(x.size)
    loss, cache = backend.power_variation_forward(x, beta)
    return scale * loss, (scale, cache)


def power_variation_backward(dL_dloss: float, cache, *, backend):
    """[T4] → dL_dx (H, W, C)."""
    scale, backend_cache = cache
    return backend.power_variation_backward(dL_dloss * scale, backend_cache)


VARIATION = Variation(
    forward=power_variation_forward,
    backward=power_variation_backward,
    settings=("tv_power", "normalisation"),
)
