"""Convolution, ReLU and average pooling in one pass.

The equations are those of conv3x3.py [C1], [C2], relu.py and pooling.py, one after the other,
and their transposes in the opposite order on the way back:

    y = pool(ReLU(conv(x)))        dL_dx = convᵀ(mask ⊙ poolᵀ(dL_dy))

Nothing is gained in mathematics: what lies between the three need not be stored, and is in the
processor's cache when it is needed. A backend may have the pair (numpy) or not (naive).
"""

from ..errors import InputError
from .conv3x3 import check_forward
from .pooling import check_poolable


def fused_forward(x, w, b, pooled: bool, *, backend):
    """x (H, W, C), w (3, 3, C, K), b (K,) → ReLU of the convolution, (H, W, K), or with `pooled`
    its 2×2 averages, (H // 2, W // 2, K); cache.

    y and cache may be made of x when they are read, so x must stay what it is.
    """
    check_forward(x, w, b)
    if pooled:
        check_poolable("fused_forward", x)
    y, cache = backend.fused_forward(x, w, b, pooled)
    return y, (y.shape, cache)


def fused_backward(dL_dy, cache, *, backend):
    """dL_dy, of the shape of the forward's y → dL_dx (H, W, C)."""
    shape, backend_cache = cache
    if dL_dy.shape != shape:
        raise InputError(
            f"fused_backward: dL_dy has shape {dL_dy.shape}, but the forward's y has {shape}"
        )
    return backend.fused_backward(dL_dy, backend_cache)
