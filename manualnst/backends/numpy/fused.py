"""Convolution, ReLU and average pooling in one pass over the map.

They follow each other while a strip of rows is in the cache. What a convolution puts out before
its ReLU, and before a pooling, is never stored: the way back needs of it only where it was
positive, one bit a number.
"""

import numpy as np

from . import convolution, patches
from .pooling import avgpool_backward, avgpool_forward


def fused_forward(x, w, b, pooled: bool):
    """x (H, W, C) → ReLU of the convolution (H, W, K), or its pooled form (H // 2, W // 2, K);
    and the cache."""
    (H, W, C), K = x.shape, len(b)
    mask = np.empty((H, -(-W * K // 8)), np.uint8)  # a bit for each number, by rows
    if is_remade(C, K) and not pooled:
        y = Remade(x, w, b, mask)
        return y, (w, y.mask_of, (H, W, K), pooled)
    y = np.empty((H // 2, W // 2, K) if pooled else (H, W, K), x.dtype)

    def finish(rows: slice, Y) -> None:
        Y += b
        mask[rows] = _packed(Y)
        if pooled:
            y[_halved(rows)] = avgpool_forward(np.maximum(Y, 0, out=Y))[0]
        else:
            np.maximum(Y, 0, out=y[rows])

    convolution.forward(x, w, finish)
    return y, (w, mask.__getitem__, (H, W, K), pooled)


def fused_backward(dL_dy, cache):
    """dL_dy, of the shape of the forward's y → dL_dx (H, W, C)."""
    w, mask_of, (H, W, K), pooled = cache

    def read(rows: slice):
        shape = (rows.stop - rows.start, W, K)
        arrived = avgpool_backward(dL_dy[_halved(rows)], shape) if pooled else dL_dy[rows]
        passed = np.unpackbits(mask_of(rows), axis=1, count=W * K).view(bool).reshape(shape)
        return np.multiply(arrived, passed, out=arrived if pooled else None)

    return convolution.backward(read, (H, W, K), w)


def is_remade(C: int, K: int) -> bool:
    """Is a map of K channels not worth storing, as it is made of few channels?"""
    return 9 * C < K


class _ByRows:
    """What stands for an array (H, W, K), and makes the rows of it that are asked for: `y[3:7]`, or
    `np.asarray(y)` for all of them."""

    ndim = 3

    def __init__(self, shape: tuple[int, int, int], dtype: np.dtype):
        self.shape, self.dtype = shape, dtype
        self.nbytes = int(np.prod(shape)) * dtype.itemsize

    def __len__(self) -> int:
        return self.shape[0]

    def __array__(self, dtype=None, copy=None) -> np.ndarray:
        return np.asarray(self[:], dtype)


class Remade(_ByRows):
    """ReLU of a convolution (H, W, K) that is not stored, but made again wherever it is read.

    So is the first layer's: it is the largest of all maps, yet takes only 27 multiplications a
    number, so that to make it is about as quick as to fetch it from memory.
    """

    def __init__(self, x, w, b, mask):
        super().__init__((*x.shape[:2], len(b)), x.dtype)
        self._x, self._w, self._b = x, w.reshape(-1, len(b)), b
        self._mask = mask
        self._seen = np.zeros(len(x), bool)  # rows of which the mask is known

    def __getitem__(self, rows: slice) -> np.ndarray:
        start, stop, step = rows.indices(len(self))
        if step != 1:
            raise IndexError(f"a map that is made again has rows one after the other, not {rows}")
        y = patches.gather(self._x, slice(start, stop)) @ self._w
        y += self._b
        y = y.reshape(-1, *self.shape[1:])
        self._mask[start:stop] = _packed(y)
        self._seen[start:stop] = True
        return np.maximum(y, 0, out=y)

    def inside(self, edges: tuple[int, int, int, int]) -> "_Inside":
        return _Inside(self, *edges)

    def mask_of(self, rows: slice) -> np.ndarray:
        if not self._seen[rows].all():
            self[rows]
        return self._mask[rows]


class _Inside(_ByRows):
    """A map that is made again, without its edges."""

    def __init__(self, whole: Remade, top: int, bottom: int, left: int, right: int):
        H, W, K = whole.shape
        super().__init__((H - top - bottom, W - left - right, K), whole.dtype)
        self._whole, self._top, self._left = whole, top, left

    def __getitem__(self, rows: slice) -> np.ndarray:
        start, stop, step = rows.indices(len(self))
        rows = self._whole[start + self._top : stop + self._top : step]
        return rows[:, self._left : self._left + self.shape[1]]


def _packed(Y) -> np.ndarray:
    """Where Y (rows, W, K) is positive, a bit each: (rows, ⌈W · K / 8⌉)."""
    return np.packbits((Y > 0).reshape(len(Y), -1), axis=1)


def _halved(rows: slice) -> slice:
    """The rows of the pooled map; strips begin at even rows."""
    return slice(rows.start // 2, rows.stop // 2)
