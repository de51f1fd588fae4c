"""The same functions as the naive backend, by array operations and BLAS.

Works in float32, float64 and complex128. For the complex step a number is compared by its
real part, and nothing is conjugated.
"""

import numpy as np

from ..system import threads
from . import convolution, patches
from .fused import Remade, fused_backward, fused_forward  # noqa: F401, of this backend
from .numpy_losses import *  # noqa: F403, of this backend
from .numpy_pooling import (  # noqa: F401, of this backend
    avgpool_backward,
    avgpool_forward,
    maxpool_backward,
    maxpool_forward,
)
from .strips import strips_of, sum_over_strips


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


def crop_forward(y, margin):
    F = y.inside(margin) if isinstance(y, Remade) else _inside(y, margin)  # either is a view
    return F, margin


def crop_backward(dL_dF, cache, onto=None):
    margin = cache
    if onto is None:
        return np.pad(dL_dF, ((margin, margin), (margin, margin), (0, 0)))
    inside = _inside(onto, margin)
    inside += dL_dF
    return onto


def crop_backward_in_place(add, cache, onto):
    """Let `add` add to the inside of `onto` where it lies: no gradient exists twice then."""
    inside = _inside(onto, cache)
    sum_of_both = add(inside)
    if sum_of_both is not inside:
        inside[...] = sum_of_both
    return onto


def _inside(y, margin):
    return y[margin : len(y) - margin, margin : y.shape[1] - margin]


def squared_error_forward(F, P):
    D = np.subtract(F, P)
    return 0.5 * _sum_of_squares(D), D


def squared_error_backward(dL_dloss, cache):
    return dL_dloss * cache


def gram_forward(F):
    """G as the sum of the Gram matrices of strips."""

    def product(rows: slice):
        strip = F[rows].reshape(-1, F.shape[2])  # (rows · W, N), a view
        return strip.T @ strip

    return sum_over_strips(F, product), F


def gram_backward(dL_dG, cache, onto=None):
    F = cache
    symmetric = dL_dG + dL_dG.T
    dL_dF = np.zeros(F.shape, F.dtype) if onto is None else onto

    def multiply(rows: slice) -> None:
        dL_dF[rows] += F[rows] @ symmetric

    threads.for_each(multiply, strips_of(F))
    return dL_dF


def mean_and_covariance_forward(F):
    positions = F.shape[0] * F.shape[1]
    mean = np.mean(F, axis=(0, 1), dtype=np.result_type(F.dtype, np.float64)).astype(F.dtype)
    centred = F - mean
    covariance, _ = gram_forward(centred)
    return mean, covariance / positions, centred


def mean_and_covariance_backward(dL_dmean, dL_dcovariance, cache):
    centred = cache
    positions = centred.shape[0] * centred.shape[1]
    dL_dF = gram_backward(dL_dcovariance, centred)
    dL_dF += dL_dmean  # what the mean passes on through the covariance adds up to zero
    dL_dF /= positions
    return dL_dF


def total_variation_forward(x):
    return _sum_of_squares(np.diff(x, axis=0)) + _sum_of_squares(np.diff(x, axis=1)), x


def total_variation_backward(dL_dloss, cache):
    x = cache
    dL_dx = np.zeros_like(x)
    down = np.diff(x, axis=0)
    dL_dx[1:] += down
    dL_dx[:-1] -= down
    right = np.diff(x, axis=1)
    dL_dx[:, 1:] += right
    dL_dx[:, :-1] -= right
    return dL_dx * (2 * dL_dloss)


def _sum_of_squares(x):
    """Σ x², accumulated in double precision: a line search compares nearly equal losses."""
    return np.sum(np.square(x), dtype=np.result_type(x.dtype, np.float64)).item()
