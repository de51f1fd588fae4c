"""The same functions as the naive backend, by array operations and BLAS.

Works in float32, float64 and complex128. For the complex step a number is compared by its
real part, and nothing is conjugated.
"""

import weakref
from functools import partial

import numpy as np
from numpy.lib.stride_tricks import as_strided

from .. import threads
from . import winograd
from .numpy_losses import *  # noqa: F403 (they are part of this backend)

# A strip of the patch matrix of about this many bytes is still in a cache when, just gathered,
# it is multiplied; smaller ones make smaller, less efficient products.
_STRIP_BYTES = 4 << 20
_STRIPS_AT_LEAST = 4  # for the threads to share


def conv3x3_forward(x, w, b):
    if winograd.pays(x.shape, w.shape):
        return winograd.forward(x, _transformed(w), b), w
    return _correlate(x, w, b), w


def conv3x3_backward(dL_dy, cache):
    w = cache
    if winograd.pays(dL_dy.shape, w.shape):
        return winograd.backward(dL_dy, _transformed(w))
    # The same sum seen from x: a correlation of dL_dy with each filter turned by 180°.
    turned = w[::-1, ::-1].swapaxes(2, 3)  # (3, 3, K, C)
    no_bias = np.zeros((), dL_dy.dtype)
    return _correlate(dL_dy, np.ascontiguousarray(turned), no_bias)


_transforms: dict[int, tuple[weakref.ref, np.ndarray]] = {}  # id of the filters → (they, theirs)


def _transformed(w):
    """Winograd's form of the filters; remembered of those that cannot be changed."""
    known = _transforms.get(id(w))
    if known and known[0]() is w:
        return known[1]
    U = winograd.transform_filters(w)
    if not w.flags.writeable:
        forget = partial(_transforms.pop, id(w), None)
        _transforms[id(w)] = weakref.ref(w, lambda _: forget()), U
    return U


def _correlate(x, w, b):
    """Gather the 3×3 patches as rows of a matrix and multiply it with the filters as columns.

    The whole patch matrix would be nine times the input; it is made in strips of image rows.
    """
    (H, W, C), K = x.shape, w.shape[3]
    w_matrix = w.reshape(9 * C, K)
    y = np.empty((H, W, K), x.dtype)
    padded, strips = _padded(x), _strips(x)

    def convolve(rows: slice) -> None:
        strip = y[rows].reshape(-1, K)  # (rows · W, K), a view
        np.matmul(_patches(padded, rows), w_matrix, out=strip)
        strip += b

    threads.for_each(convolve, strips)
    return y


def conv3x3_backward_params(dL_dy, x):
    C, K = x.shape[2], dL_dy.shape[2]
    dL_dw = np.zeros((9 * C, K), x.dtype)
    padded = _padded(x)
    for rows in _strips(x):
        dL_dw += _patches(padded, rows).T @ dL_dy[rows].reshape(-1, K)
    return dL_dw.reshape(3, 3, C, K), dL_dy.sum(axis=(0, 1))


def _strips(x) -> list[slice]:
    """The rows of x, cut into strips of which the patch matrix stays in the cache."""
    H, W, C = x.shape
    rows = max(1, min(_STRIP_BYTES // (9 * C * W * x.itemsize), -(-H // _STRIPS_AT_LEAST)))
    return [slice(top, min(top + rows, H)) for top in range(0, H, rows)]


def _padded(x):
    """x with a border of zeros: (H + 2, W + 2, C)."""
    H, W, C = x.shape
    padded = np.zeros((H + 2, W + 2, C), x.dtype)
    padded[1:-1, 1:-1] = x
    return padded


def _patches(padded, rows: slice):
    """The 3×3 patches around every position of these rows, as a matrix (rows · W, 9C)."""
    W, C = padded.shape[1] - 2, padded.shape[2]
    down, right, channel = padded.strides
    windows = as_strided(
        padded[rows.start :],
        shape=(rows.stop - rows.start, W, 3, 3, C),
        strides=(down, right, down, right, channel),
        writeable=False,
    )
    return windows.reshape(-1, 9 * C)


def relu_forward(x):
    mask = x.real > 0
    y = x * mask if np.iscomplexobj(x) else np.maximum(x, 0)
    return y, np.packbits(mask)


def relu_backward(dL_dy, cache):
    mask = np.unpackbits(cache, count=dL_dy.size).view(bool).reshape(dL_dy.shape)
    return dL_dy * mask


def avgpool_forward(x):
    a, b, c, d = _window_corners(x)
    y = a + b
    y += c
    y += d
    y *= 0.25
    return y, x.shape


def avgpool_backward(dL_dy, cache):
    dL_dx = np.zeros(cache, dL_dy.dtype)
    share = dL_dy * 0.25
    for corner in _window_corners(dL_dx):
        corner[...] = share
    return dL_dx


def maxpool_forward(x):
    corners = np.stack(_window_corners(x))  # (4, H // 2, W // 2, C)
    winner = corners.real.argmax(axis=0)  # of equals, the first
    y = np.take_along_axis(corners, winner[None], axis=0)[0]
    return y, (winner.astype(np.uint8), x.shape)


def maxpool_backward(dL_dy, cache):
    winner, shape = cache
    dL_dx = np.zeros(shape, dL_dy.dtype)
    for n, corner in enumerate(_window_corners(dL_dx)):
        corner[...] = dL_dy * (winner == n)
    return dL_dx


def _window_corners(x):
    """Views of the four entries of every 2×2 window, in reading order; an odd edge is left out."""
    h, w = x.shape[0] // 2 * 2, x.shape[1] // 2 * 2
    return x[0:h:2, 0:w:2], x[0:h:2, 1:w:2], x[1:h:2, 0:w:2], x[1:h:2, 1:w:2]


def pixels_forward(x, scale, shift, order):
    z = x[:, :, order] * scale
    z += shift
    return z, (scale, order)


def pixels_backward(dL_dz, cache):
    scale, order = cache
    dL_dx = np.empty_like(dL_dz)
    dL_dx[:, :, order] = dL_dz * scale
    return dL_dx


def squared_error_forward(F, P):
    D = F - P
    return 0.5 * _sum_of_squares(D), D


def squared_error_backward(dL_dloss, cache):
    return dL_dloss * cache


def gram_forward(F):
    """G as the sum of the Gram matrices of strips."""
    partial = {}

    def add_up(rows: slice) -> None:
        strip = F[rows].reshape(-1, F.shape[2])  # (rows · W, N), a view
        partial[rows.start] = strip.T @ strip

    strips = _strips(F)
    threads.for_each(add_up, strips)
    return sum(partial[rows.start] for rows in strips), F  # in one order, for the same bits


def gram_backward(dL_dG, cache):
    F = cache
    N = F.shape[2]
    symmetric = dL_dG + dL_dG.T
    dL_dF = np.empty_like(F)

    def multiply(rows: slice) -> None:
        np.matmul(F[rows].reshape(-1, N), symmetric, out=dL_dF[rows].reshape(-1, N))

    threads.for_each(multiply, _strips(F))
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
