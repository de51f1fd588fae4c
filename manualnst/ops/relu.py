"""ReLU, and where the "F > 0" of the paper's derivatives comes from.

[R1] Forward:    y = x where x > 0, else 0
[R2] Backward:   dL_dx = dL_dy where x > 0, else 0

Each y depends on its own x only, with slope 1 where x > 0 and slope 0 where x < 0. At x = 0
there is no derivative; 0, one of the subgradients in [0, 1], is taken, as everyone does.

The paper's [E2] and [E6] are zero "where F < 0": its F is the map *after* a ReLU, and what it
writes is the gradient *before* it. Here the losses know nothing of that condition; it is [R2].

The cache is the mask x > 0, one bit an element: y would do as well, but takes 32 times as much.
"""

from . import check


def relu_forward(x, *, backend):
    """[R1]: x (H, W, C) → y (H, W, C), cache."""
    check.is_map("relu_forward", "x", x)
    return backend.relu_forward(x)


def relu_backward(dL_dy, cache, *, backend):
    """[R2]: dL_dy (H, W, C) → dL_dx (H, W, C)."""
    check.is_map("relu_backward", "dL_dy", dL_dy)
    return backend.relu_backward(dL_dy, cache)
