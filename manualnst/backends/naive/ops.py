"""The oracle: every equation as the loops it is written with. Slow on purpose, and obvious.

Backward functions follow the chain rule literally: visit every term of the forward sum and
send its share of the gradient back to the input it came from. No flipping, no transposing;
that the fast versions may do so is what the tests prove.

Works in float32, float64 and complex128. For the complex step a number is compared by its
real part, and nothing is conjugated.
"""

import numpy as np


def conv3x3_forward(x, w, b):
    (H, W, C), K = x.shape, w.shape[3]
    y = np.zeros((H, W, K), x.dtype)
    for i, j, k in np.ndindex(H, W, K):
        y[i, j, k] = b[k]
        for p, q, u, v in _neighbours(i, j, H, W):
            for c in range(C):
                y[i, j, k] += x[p, q, c] * w[u, v, c, k]
    return y, w


def conv3x3_backward(dL_dy, cache):
    w = cache
    (H, W, K), C = dL_dy.shape, w.shape[2]
    dL_dx = np.zeros((H, W, C), dL_dy.dtype)
    for i, j, k in np.ndindex(H, W, K):
        for p, q, u, v in _neighbours(i, j, H, W):
            for c in range(C):
                dL_dx[p, q, c] += dL_dy[i, j, k] * w[u, v, c, k]
    return dL_dx


def conv3x3_backward_params(dL_dy, x):
    (H, W, K), C = dL_dy.shape, x.shape[2]
    dL_dw = np.zeros((3, 3, C, K), dL_dy.dtype)
    dL_db = np.zeros(K, dL_dy.dtype)
    for i, j, k in np.ndindex(H, W, K):
        dL_db[k] += dL_dy[i, j, k]
        for p, q, u, v in _neighbours(i, j, H, W):
            for c in range(C):
                dL_dw[u, v, c, k] += dL_dy[i, j, k] * x[p, q, c]
    return dL_dw, dL_db


def _neighbours(i, j, H, W):
    """The positions (p, q) under the filter at (i, j), each with its filter tap (u, v)."""
    for u in range(3):
        for v in range(3):
            p, q = i + u - 1, j + v - 1
            if 0 <= p < H and 0 <= q < W:  # outside lies the zero padding
                yield p, q, u, v


def relu_forward(x):
    y = np.zeros_like(x)
    mask = np.zeros(x.shape, bool)
    for index in np.ndindex(x.shape):
        if x[index].real > 0:
            y[index] = x[index]
            mask[index] = True
    return y, mask


def relu_backward(dL_dy, cache):
    mask = cache
    dL_dx = np.zeros_like(dL_dy)
    for index in np.ndindex(dL_dy.shape):
        if mask[index]:
            dL_dx[index] = dL_dy[index]
    return dL_dx


def avgpool_forward(x):
    H, W, C = x.shape
    y = np.zeros((H // 2, W // 2, C), x.dtype)
    for i, j, c in np.ndindex(y.shape):
        for u, v in np.ndindex(2, 2):
            y[i, j, c] += x[2 * i + u, 2 * j + v, c] / 4
    return y, x.shape


def avgpool_backward(dL_dy, cache):
    dL_dx = np.zeros(cache, dL_dy.dtype)
    for i, j, c in np.ndindex(dL_dy.shape):
        for u, v in np.ndindex(2, 2):
            dL_dx[2 * i + u, 2 * j + v, c] += dL_dy[i, j, c] / 4
    return dL_dx


def maxpool_forward(x):
    H, W, C = x.shape
    y = np.zeros((H // 2, W // 2, C), x.dtype)
    winner = np.zeros(y.shape, np.uint8)  # 0, 1, 2, 3 for (u, v) = 00, 01, 10, 11
    for i, j, c in np.ndindex(y.shape):
        window = [x[2 * i + u, 2 * j + v, c] for u, v in np.ndindex(2, 2)]
        for n in range(1, 4):
            if window[n].real > window[winner[i, j, c]].real:  # of equals, the first wins
                winner[i, j, c] = n
        y[i, j, c] = window[winner[i, j, c]]
    return y, (winner, x.shape)


def maxpool_backward(dL_dy, cache):
    winner, shape = cache
    dL_dx = np.zeros(shape, dL_dy.dtype)
    for i, j, c in np.ndindex(dL_dy.shape):
        u, v = divmod(int(winner[i, j, c]), 2)
        dL_dx[2 * i + u, 2 * j + v, c] += dL_dy[i, j, c]
    return dL_dx


def pixels_forward(x, scale, shift, order):
    z = np.zeros_like(x)
    for i, j, c in np.ndindex(x.shape):
        z[i, j, c] = scale[c] * x[i, j, order[c]] + shift[c]
    return z, (scale, order)


def pixels_backward(dL_dz, cache):
    scale, order = cache
    dL_dx = np.zeros_like(dL_dz)
    for i, j, c in np.ndindex(dL_dz.shape):
        dL_dx[i, j, order[c]] += scale[c] * dL_dz[i, j, c]
    return dL_dx


def mirror_forward(x, margin):
    H, W, C = x.shape
    y = np.zeros((H + 2 * margin, W + 2 * margin, C), x.dtype)
    for i, j, c in np.ndindex(y.shape):
        y[i, j, c] = x[_reflected(i - margin, H), _reflected(j - margin, W), c]
    return y, margin


def mirror_backward(dL_dy, cache):
    margin = cache
    H, W, C = dL_dy.shape[0] - 2 * margin, dL_dy.shape[1] - 2 * margin, dL_dy.shape[2]
    dL_dx = np.zeros((H, W, C), dL_dy.dtype)
    for i, j, c in np.ndindex(dL_dy.shape):
        dL_dx[_reflected(i - margin, H), _reflected(j - margin, W), c] += dL_dy[i, j, c]
    return dL_dx


def crop_forward(y, edges):
    top, bottom, left, right = edges
    F = np.zeros((y.shape[0] - top - bottom, y.shape[1] - left - right, y.shape[2]), y.dtype)
    for i, j, n in np.ndindex(F.shape):
        F[i, j, n] = y[i + top, j + left, n]
    return F, edges


def crop_backward(dL_dF, cache, onto=None):
    top, bottom, left, right = cache
    H, W, N = dL_dF.shape
    shape = (top + H + bottom, left + W + right, N)
    dL_dy = np.zeros(shape, dL_dF.dtype) if onto is None else onto
    for i, j, n in np.ndindex(H, W, N):
        dL_dy[i + top, j + left, n] += dL_dF[i, j, n]
    return dL_dy


def _reflected(i, size):
    """The place inside that is seen at place i: r of ops/mirror.py."""
    return abs(i) if i < size else 2 * (size - 1) - i
