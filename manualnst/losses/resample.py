"""Maps of a lower layer, and masks of the picture, at the size of a deeper layer: pooled by average
as often as the layers between them do, [A1] and [A2] of ops/pooling.py one after the other."""

from ..errors import InputError
from ..ops import avgpool_backward, avgpool_forward


def resample_forward(x, shape: tuple[int, int], *, backend):
    """x (H, W, C) → y (h, w, C), cache."""
    y, caches = x, []
    while y.shape[:2] != tuple(shape):
        if min(y.shape[:2]) < 2:
            raise InputError(
                f"a map of {x.shape[0]} × {x.shape[1]} cannot be halved to {shape[0]} × "
                f"{shape[1]}; both must be of one picture, and the larger one is to be halved"
            )
        y, cache = avgpool_forward(y, backend=backend)
        caches.append(cache)
    return y, caches


def resample_backward(dL_dy, caches, *, backend):
    """dL_dy (h, w, C) → dL_dx (H, W, C)."""
    for cache in reversed(caches):
        dL_dy = avgpool_backward(dL_dy, cache, backend=backend)
    return dL_dy
