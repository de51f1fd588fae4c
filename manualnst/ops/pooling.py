"""2×2 pooling with stride 2, by average or by maximum.

Of an odd height or width the last row or column belongs to no window: it is dropped, and its
gradient is zero. Windows do not overlap, so each x has at most one y to answer to.

[A1] Average, forward:    y[i,j,c] = ¼ Σ_{u,v ∈ {0,1}} x[2i+u, 2j+v, c]
[A2] Average, backward:   dL_dx[2i+u, 2j+v, c] = ¼ dL_dy[i,j,c]

Every entry of the window has the factor ¼ in y. The map is linear: the cache is x's shape.

[X1] Maximum, forward:    y[i,j,c] = max_{u,v ∈ {0,1}} x[2i+u, 2j+v, c]
[X2] Maximum, backward:   dL_dx[2i+u, 2j+v, c] = dL_dy[i,j,c] at the winner, 0 elsewhere

Near x the maximum is just a copy of the winning entry: slope 1 there and 0 for the others. Of
equal entries (a kink) the first in reading order wins. The cache is the winner's number 0…3.

The paper found average pooling to give "slightly more appealing" pictures: it passes gradient
to every entry, where the maximum passes it to one in four.
"""

from ..errors import InputError
from . import check


def avgpool_forward(x, *, backend):
    """[A1]: x (H, W, C) → y (H // 2, W // 2, C), cache."""
    check_poolable("avgpool_forward", x)
    return backend.avgpool_forward(x)


def avgpool_backward(dL_dy, cache, *, backend):
    """[A2]: dL_dy (H // 2, W // 2, C) → dL_dx (H, W, C)."""
    check.is_map("avgpool_backward", "dL_dy", dL_dy)
    return backend.avgpool_backward(dL_dy, cache)


def maxpool_forward(x, *, backend):
    """[X1]: x (H, W, C) → y (H // 2, W // 2, C), cache."""
    check_poolable("maxpool_forward", x)
    return backend.maxpool_forward(x)


def maxpool_backward(dL_dy, cache, *, backend):
    """[X2]: dL_dy (H // 2, W // 2, C) → dL_dx (H, W, C)."""
    check.is_map("maxpool_backward", "dL_dy", dL_dy)
    return backend.maxpool_backward(dL_dy, cache)


def check_poolable(function, x):
    check.is_map(function, "x", x)
    if min(x.shape[:2]) < 2:
        raise InputError(
            f"{function}: x is {x.shape[0]} × {x.shape[1]}, too small for a 2 × 2 window; "
            "use a larger picture or shallower layers"
        )
