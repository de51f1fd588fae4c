"""The layers of a network that learns, a batch at a time: pairs of forward and backward.

A batch of maps is x (n, H, W, C): n crops, each laid out as everywhere in the package. Gradients
are named dL_d<variable>; the equations are those of manualnst/ops, whose numbers stand here. What
needs several passes over the data works in blocks of a few crops, which stay in the processor's
cache from pass to pass. Single-threaded: threads each take a part of the batch (train.py).
"""

from collections.abc import Iterator

import numpy as np
from numpy.lib.stride_tricks import as_strided

from . import winograd

BLOCK_BYTES = 1 << 20  # of a block of maps, and of a strip of the matrix of patches


# Convolution ------------------------------------------------------------------------------------


def conv3x3_forward(x, w, U=None):
    """[C1] of each crop, without the bias: x (n, H, W, C), w (3, 3, C, K) → z (n, H, W, K).

    `U` are the filters as Winograd's algorithm has them, where they are known already.
    """
    if winograd.pays(x.shape, w.shape):
        return winograd.forward(x, winograd.transformed(w) if U is None else U)
    n, H, W, C = x.shape
    K = w.shape[3]
    z = np.empty((n, H, W, K), x.dtype)
    w_matrix = w.reshape(9 * C, K)
    for crops, rows, patches in _strips_of_patches(x):
        np.matmul(patches, w_matrix, out=z[crops, rows].reshape(-1, K))
    return z


def conv3x3_backward(dL_dz, x, w):
    """[C2] and [C3]: dL_dz (n, H, W, K) → dL_dx (n, H, W, C), dL_dw (3, 3, C, K).

    The second form of [C2] reads the 3×3 patches of dL_dz, and multiplies them with the turned
    filters. [C3] can be read off the same patches: with p = i+u−1, q = j+v−1 and, as there,
    u' = 2−u, v' = 2−v, it is

        dL_dw[2−u', 2−v', c, k] = Σ_{p,q} dL_dz[p+u'−1, q+v'−1, k] · x[p,q,c]

    and of all crops it is the sum, as every crop meets the same filters.
    """
    if winograd.pays(x.shape, w.shape):
        return winograd.backward(dL_dz, x, w)
    C, K = w.shape[2:]
    turned = np.ascontiguousarray(w[::-1, ::-1].swapaxes(2, 3)).reshape(9 * K, C)
    dL_dx = np.empty_like(x)
    dL_dw = np.zeros((C, 9 * K), w.dtype)
    for crops, rows, patches in _strips_of_patches(dL_dz):
        np.matmul(patches, turned, out=dL_dx[crops, rows].reshape(-1, C))
        dL_dw += x[crops, rows].reshape(-1, C).T @ patches
    dL_dw = dL_dw.reshape(C, 3, 3, K)[:, ::-1, ::-1]  # (C, u, v, K)
    return dL_dx, np.ascontiguousarray(dL_dw.transpose(1, 2, 0, 3))


def conv3x3_backward_filters(dL_dz, x):
    """[C3] alone, from the patches of x: dL_dz (n, H, W, K), x (n, H, W, C) → dL_dw (3, 3, C, K).

    For the first layer that learns: nothing asks for its dL_dx.
    """
    C, K = x.shape[3], dL_dz.shape[3]
    dL_dw = np.zeros((9 * C, K), x.dtype)
    for crops, rows, patches in _strips_of_patches(x):
        dL_dw += patches.T @ dL_dz[crops, rows].reshape(-1, K)
    return dL_dw.reshape(3, 3, C, K)


def _strips_of_patches(x) -> Iterator[tuple[slice, slice, np.ndarray]]:
    """The 3×3 patches around all positions, a strip at a time: (crops, rows, (positions, 9C)).

    A strip is some rows of one crop, or all rows of some crops.
    """
    n, H, W, C = x.shape
    row_bytes = W * 9 * C * x.itemsize
    rows = min(H, max(1, BLOCK_BYTES // row_bytes))
    crops = max(1, BLOCK_BYTES // (H * row_bytes)) if rows == H else 1
    for first in range(0, n, crops):
        chosen = slice(first, min(first + crops, n))
        k = chosen.stop - first
        padded = np.zeros((k, H + 2, W + 2, C), x.dtype)
        padded[:, 1:-1, 1:-1] = x[chosen]
        crop, down, right, channel = padded.strides
        for top in range(0, H, rows):
            r = min(rows, H - top)
            windows = as_strided(
                padded[:, top:],
                (k, r, W, 3, 3, C),
                (crop, down, right, down, right, channel),
                writeable=False,
            )
            yield chosen, slice(top, top + r), windows.reshape(-1, 9 * C)


# Bias and ReLU ----------------------------------------------------------------------------------


def bias_relu_forward(z, b):
    """[R1] of z + b: z (n, H, W, C), b (C,) → y, in the place of z."""
    for crops in _blocks(z):
        rows = _rows(z[crops])
        rows += _row(b, z)
        _clip_below(rows)
    return z


def bias_relu_backward(dL_dy, y):
    """[R2], in the place of dL_dy (n, H, W, C), and [C3]: → dL_dz, dL_db (C,).

    y > 0 exactly where z + b > 0, so y tells as well where the ReLU let through.
    """
    C = y.shape[3]
    dL_db = np.zeros(C, y.dtype)
    for crops in _blocks(y):
        dL_dy[crops] *= y[crops].real > 0
        block = dL_dy[crops].reshape(-1, C)
        dL_db += np.ones(len(block), y.dtype) @ block
    return dL_dy, dL_db


def _clip_below(y) -> None:
    if np.iscomplexobj(y):
        y *= y.real > 0  # for the complex step: compared by the real part
    else:
        np.maximum(y, 0, out=y)


# Pooling ----------------------------------------------------------------------------------------


def avgpool_forward(x):
    """[A1]: x (n, H, W, C), H and W even → y (n, H/2, W/2, C)."""
    n, H, W, C = x.shape
    y = np.empty((n, H // 2, W // 2, C), x.dtype)
    for crops in _blocks(x):
        pairs = x[crops].reshape(-1, H // 2, 2, W * C)
        rows = (pairs[:, :, 0] + pairs[:, :, 1]).reshape(-1, H // 2, W // 2, 2, C)
        np.add(rows[:, :, :, 0], rows[:, :, :, 1], out=y[crops])
        y[crops] *= x.dtype.type(0.25)
    return y


def avgpool_backward(dL_dy):
    """[A2]: dL_dy (n, H/2, W/2, C) → dL_dx (n, H, W, C)."""
    n, h, w, C = dL_dy.shape
    dL_dx = np.empty((n, h, 2, w, 2, C), dL_dy.dtype)
    for crops in _blocks(dL_dy):
        dL_dx[crops] = (dL_dy[crops] * dL_dy.dtype.type(0.25))[:, :, None, :, None]
    return dL_dx.reshape(n, 2 * h, 2 * w, C)


# Blocks and rows --------------------------------------------------------------------------------


def _blocks(x) -> Iterator[slice]:
    """Slices of a few crops each, of about BLOCK_BYTES."""
    step = max(1, BLOCK_BYTES // 2 // (x[0].size * x.itemsize))
    for first in range(0, len(x), step):
        yield slice(first, min(first + step, len(x)))


def _rows(x):
    """A view (n · H, W · C): long rows, in which array operations are fastest."""
    n, H, W, C = x.shape
    return x.reshape(n * H, W * C)


def _row(values, z):
    """One value a channel, repeated as in a row of z."""
    return np.tile(values.astype(z.dtype), z.shape[2])
