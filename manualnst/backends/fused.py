"""Convolution, ReLU and average pooling in one pass over the map.

They follow each other while a strip of rows is in the cache. What a convolution puts out before its ReLU, and before a pooling, is never stored: the way back
needs of it only where it was positive, one bit a number.
"""

import numpy as np

from . import convolution
from .numpy_pooling import avgpool_backward, avgpool_forward


def fused_forward(x, w, b, pooled: bool):
    """x (H, W, C) → ReLU of the convolution (H, W, K), or its pooled form (H // 2, W // 2, K);
    and the cache."""
    (H, W, _), K = x.shape, len(b)
    y = np.empty((H // 2, W // 2, K) if pooled else (H, W, K), x.dtype)
    mask = np.empty((H, -(-W * K // 8)), np.uint8)  # a bit for each number, by rows

    def finish(rows: slice, Y) -> None:
        Y += b
        mask[rows] = np.packbits((Y > 0).reshape(len(Y), -1), axis=1)
        if pooled:
            y[_halved(rows)] = avgpool_forward(np.maximum(Y, 0, out=Y))[0]
        else:
            np.maximum(Y, 0, out=y[rows])

    convolution.forward(x, w, finish)
    return y, (w, mask, (H, W, K), pooled)


def fused_backward(dL_dy, cache):
    """dL_dy, of the shape of the forward's y → dL_dx (H, W, C)."""
    w, mask, (H, W, K), pooled = cache

    def read(rows: slice):
        shape = (rows.stop - rows.start, W, K)
        arrived = avgpool_backward(dL_dy[_halved(rows)], shape) if pooled else dL_dy[rows]
        passed = np.unpackbits(mask[rows], axis=1, count=W * K).view(bool)
        return arrived * passed.reshape(shape)

    return convolution.backward(read, (H, W, K), w)


def _halved(rows: slice) -> slice:
    """The rows of the pooled map; strips begin at even rows."""
    return slice(rows.start // 2, rows.stop // 2)
