"""The same functions as the naive backend, by array operations and BLAS.

Works in float32, float64 and complex128. For the complex step a number is compared by its
real part, and nothing is conjugated.
"""

import numpy as np

from . import convolution, patches
from .fused import Remade


def conv3x3_forward(x, w, b):
    y = np.empty((*x.shape[:2], w.shape[3]), x.dtype)

    def finish(rows: slice, Y) -> None:
        np.add(Y, b, out=y[rows])

    convolution.forward(x, w, finish)
    return y, w


def conv3x3_backward(dL_dy, cache):
    w = cache
    return convolution.backward(dL_dy.__getitem__, dL_dy.shape, w)


def conv3x3_backward_params(dL_dy, x):
    C, K = x.shape[2], dL_dy.shape[2]
    dL_dw = np.zeros((9 * C, K), x.dtype)
    for rows in patches.strips(x):
        dL_dw += patches.gather(x, rows).T @ dL_dy[rows].reshape(-1, K)
    return dL_dw.reshape(3, 3, C, K), dL_dy.sum(axis=(0, 1))


def relu_forward(x):
    mask = x.real > 0
    y = x * mask if np.iscomplexobj(x) else np.maximum(x, 0)
    return y, np.packbits(mask)


def relu_backward(dL_dy, cache):
    mask = np.unpackbits(cache, count=dL_dy.size).view(bool).reshape(dL_dy.shape)
    return dL_dy * mask


def pixels_forward(x, scale, shift, order):
    z = x[:, :, order] * scale
    z += shift
    return z, (scale, order)


def pixels_backward(dL_dz, cache):
    scale, order = cache
    dL_dx = np.empty_like(dL_dz)
    dL_dx[:, :, order] = dL_dz * scale
    return dL_dx


def mirror_forward(x, margin):
    return np.pad(x, ((margin, margin), (margin, margin), (0, 0)), mode="reflect"), margin


def mirror_backward(dL_dy, cache):
    margin = cache
    rows = _folded(dL_dy, margin)
    return _folded(rows.swapaxes(0, 1), margin).swapaxes(0, 1)


def _folded(y, margin):
    """The first and the last rows added to those that they are reflections of."""
    H = len(y) - 2 * margin
    x = y[margin : margin + H].copy()
    x[1 : margin + 1] += y[:margin][::-1]
    x[H - 1 - margin : H - 1] += y[margin + H :][::-1]
    return x


def crop_forward(y, edges):
    F = y.inside(edges) if isinstance(y, Remade) else _inside(y, edges)  # either is a view
    return F, edges


def crop_backward(dL_dF, cache, onto=None):
    if onto is None:
        top, bottom, left, right = cache
        return np.pad(dL_dF, ((top, bottom), (left, right), (0, 0)))
    inside = _inside(onto, cache)
    inside += dL_dF
    return onto


def crop_backward_in_place(add, cache, onto):
    """Let `add` add to the inside of `onto` where it lies: no gradient exists twice then."""
    inside = _inside(onto, cache)
    sum_of_both = add(inside)
    if sum_of_both is not inside:
        inside[...] = sum_of_both
    return onto


def _inside(y, edges):
    top, bottom, left, right = edges
    return y[top : len(y) - bottom, left : y.shape[1] - right]
