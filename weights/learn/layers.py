"""The layers of a network that learns, a batch at a time: pairs of forward and backward.

A batch of maps is x (n, H, W, C): n crops, each laid out as everywhere in the package. Gradients
are named dL_d<variable>; all parameters have theirs here. What needs several passes over the
data works in blocks of a few crops, which stay in the processor's cache from pass to pass.
Single-threaded: threads each take a part of the batch (network.py).
"""

from collections.abc import Iterator

import numpy as np
from numpy.lib.stride_tricks import as_strided

from . import winograd

BLOCK_BYTES = 1 << 20  # of a block of maps, and of a strip of the matrix of patches
EPSILON = 1e-5  # added to variances


# Convolution ------------------------------------------------------------------------------------


def conv3x3_forward(x, w):
    """x (n, H, W, C), w (3, 3, C, K) → z (n, H, W, K), cross-correlated with padding 1.

        z[i,j,k] = Σ_{u,v,c} x[i+u−1, j+v−1, c] · w[u,v,c,k]        for each crop

    There is no bias: the normalisation that follows would take it away again.
    """
    if winograd.pays(x.shape, w.shape):
        return winograd.forward(x, w)
    n, H, W, C = x.shape
    K = w.shape[3]
    z = np.empty((n, H, W, K), x.dtype)
    w_matrix = w.reshape(9 * C, K)
    for crops, rows, patches in _strips_of_patches(x):
        np.matmul(patches, w_matrix, out=z[crops, rows].reshape(-1, K))
    return z


def conv3x3_backward(dL_dz, x, w):
    """dL_dz (n, H, W, K) → dL_dx (n, H, W, C), dL_dw (3, 3, C, K), from one set of patches.

    x[p,q,c] enters z[p−u+1, q−v+1, k] with the factor w[u,v,c,k]. With u' = 2−u, v' = 2−v

        dL_dx[p,q,c]          = Σ_{u',v',k} dL_dz[p+u'−1, q+v'−1, k] · w[2−u', 2−v', c, k]
        dL_dw[2−u', 2−v',c,k] = Σ_{p,q}     dL_dz[p+u'−1, q+v'−1, k] · x[p,q,c]

    Both read the same patches of dL_dz: the first multiplies them with the turned filters, the
    second with x.
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
    """dL_dw alone, from the patches of x: for the first layer, whose x has 3 channels only.

    dL_dw[u,v,c,k] = Σ_{i,j} dL_dz[i,j,k] · x[i+u−1, j+v−1, c]
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


# Batch normalisation and ReLU -------------------------------------------------------------------


def moments(z) -> tuple[np.ndarray, np.ndarray]:
    """Mean (C,) and covariance (C, C) of the channels of z (n, H, W, C) over all positions."""
    C = z.shape[3]
    wide = np.result_type(z.dtype, np.float64)
    sums, products = np.zeros(C, wide), np.zeros((C, C), wide)
    for crops in _blocks(z):
        block = z[crops].reshape(-1, C)
        sums += np.ones(len(block), z.dtype) @ block
        products += block.T @ block
    M = z.size // C
    mean = sums / M
    return mean, products / M - np.outer(mean, mean)


def norm_relu_forward(z, gamma, beta, decorrelation: float):
    """z (n, H, W, C), γ, β (C,) → y (n, H, W, C), penalty, cache.

    With the mean μ and the covariance Σ of the channels over all M positions of the batch:

        σ_c = √(Σ_cc + ε)      x̂ = (z − μ) / σ      y = max(γ x̂ + β, 0)

    and the decorrelation penalty, the squared correlations R of different channels:

        R_cd = Σ_cd / (σ_c σ_d)      penalty = λ/C · Σ_{c≠d} R_cd²
    """
    mean, covariance = moments(z)
    sigma = np.sqrt(np.diag(covariance) + EPSILON)
    R = covariance / np.outer(sigma, sigma)
    np.fill_diagonal(R, 0)
    penalty = decorrelation / len(R) * np.sum(R * R)
    y = np.empty_like(z)
    a = gamma / sigma
    c = beta - mean * a
    for crops in _blocks(z):
        u, out = _rows(z[crops]), _rows(y[crops])
        np.multiply(u, _row(a, z), out=out)
        out += _row(c, z)
        _clip_below(out)
    return y, penalty, (z, y, gamma, mean, sigma, R, decorrelation)


def norm_relu_backward(dL_dy, cache, dL_dpenalty: float = 1.0):
    """dL_dy (n, H, W, C) → dL_dz, dL_dgamma, dL_dbeta. dL_dy is used up.

    Through the ReLU, g = dL_dy where y > 0, else 0; then dL_dβ = Σ g and dL_dγ = Σ g x̂.

    What reaches x̂ is γ g and the penalty's part. As R_cd = Σ_positions x̂_c x̂_d / M for c ≠ d,

        dpenalty_dR = 2λ/C · R        dpenalty_dx̂ = x̂ (2 dpenalty_dR) / M = x̂ Q
        Q = 4λ/(C M) · R              (its diagonal is 0, as R's was made)

    Through the normalisation, every z moves μ and σ a little as well, which takes from a
    gradient h of x̂ its mean, and its part along x̂ (both means are over all positions):

        dL_dz = (h − mean(h) − x̂ · mean(h x̂)) / σ

    For h = γ g that is γ (g − dL_dβ/M − x̂ · dL_dγ/M) / σ. For h = x̂ Q the mean is 0, and
    mean(h x̂)_c = Σ_d Q_dc R_dc =: q_c. So, with z − μ = σ x̂, everything is one product with a
    matrix T and one factor per channel:

        dL_dz = γ/σ · g + x̂ T − γ/σ · dL_dβ/M,    T = (Q − diag(q + γ dL_dγ/M)) · 1/σ
    """
    z, y, gamma, mean, sigma, R, decorrelation = cache
    C = z.shape[3]
    M = z.size // C
    wide = np.result_type(z.dtype, np.float64)
    dL_dbeta, g_times_z = np.zeros(C, wide), np.zeros(C, wide)
    for crops in _blocks(z):
        g, active = dL_dy[crops], y[crops]
        g *= active.real > 0
        ones = np.ones(g.size // C, z.dtype)
        dL_dbeta += ones @ g.reshape(-1, C)
        g_times_z += ones @ (g * z[crops]).reshape(-1, C)
    dL_dgamma = (g_times_z - mean * dL_dbeta) / sigma

    Q = dL_dpenalty * 4 * decorrelation / (C * M) * R
    q = np.sum(Q * R, axis=0)
    T = (Q - np.diag(q + gamma * dL_dgamma / M)) / sigma
    T_of_z = T / sigma[:, None]  # x̂ T = (z − μ) (diag(1/σ) T)
    shift = -gamma / sigma * dL_dbeta / M - mean @ T_of_z
    T_of_z = T_of_z.astype(z.dtype)
    dL_dz = np.empty_like(z)
    for crops in _blocks(z):
        np.matmul(z[crops].reshape(-1, C), T_of_z, out=dL_dz[crops].reshape(-1, C))
        out, g = _rows(dL_dz[crops]), _rows(dL_dy[crops])
        g *= _row(gamma / sigma, z)
        out += g
        out += _row(shift, z)
    return dL_dz, dL_dgamma.astype(gamma.dtype), dL_dbeta.astype(gamma.dtype)


def _clip_below(y) -> None:
    if np.iscomplexobj(y):
        y *= y.real > 0  # for the complex step: compared by the real part
    else:
        np.maximum(y, 0, out=y)


# Pooling ----------------------------------------------------------------------------------------


def avgpool_forward(x):
    """x (n, H, W, C), H and W even → y (n, H/2, W/2, C): the mean of each 2 × 2 window."""
    n, H, W, C = x.shape
    y = np.empty((n, H // 2, W // 2, C), x.dtype)
    for crops in _blocks(x):
        pairs = x[crops].reshape(-1, H // 2, 2, W * C)
        rows = (pairs[:, :, 0] + pairs[:, :, 1]).reshape(-1, H // 2, W // 2, 2, C)
        np.add(rows[:, :, :, 0], rows[:, :, :, 1], out=y[crops])
        y[crops] *= x.dtype.type(0.25)
    return y


def avgpool_backward(dL_dy):
    """dL_dy (n, H/2, W/2, C) → dL_dx (n, H, W, C): each entry had the share ¼ in its window."""
    n, h, w, C = dL_dy.shape
    dL_dx = np.empty((n, h, 2, w, 2, C), dL_dy.dtype)
    for crops in _blocks(dL_dy):
        dL_dx[crops] = (dL_dy[crops] * dL_dy.dtype.type(0.25))[:, :, None, :, None]
    return dL_dx.reshape(n, 2 * h, 2 * w, C)


# Heads: which recipe is it? ---------------------------------------------------------------------


def statistics_forward(y):
    """y (n, H, W, C) → the mean and the deviation of every map of every crop, (n, 2C), cache.

    Over the P = H W positions of a crop:

        m = Σ y / P        s = √(Σ (y − m)² / P + ε)
    """
    n, H, W, C = y.shape
    maps = y.reshape(n, H * W, C)
    ones = np.full((1, H * W), 1 / (H * W), y.dtype)
    m = np.matmul(ones, maps)  # (n, 1, C)
    variance = np.empty_like(m)
    for crops in _blocks(y):
        d = maps[crops] - m[crops]
        d *= d
        np.matmul(ones, d, out=variance[crops])
    s = np.sqrt(variance + y.dtype.type(EPSILON))
    return np.concatenate([m[:, 0], s[:, 0]], axis=1), (y, m, s)


def statistics_backward(dL_df, cache, dL_dy) -> None:
    """dL_df (n, 2C) is carried back and added to dL_dy (n, H, W, C).

        dm_dy = 1/P        ds_dy = (y − m) / (P s)

    The mean of the y − m is 0, so that s does not depend on y through m.
    """
    y, m, s = cache
    n, H, W, C = y.shape
    dL_dm, dL_ds = dL_df[:, None, :C] / (H * W), dL_df[:, None, C:] / (H * W)
    slope = dL_ds / s  # (n, 1, C)
    constant = dL_dm - slope * m
    maps, gradient = y.reshape(n, H * W, C), dL_dy.reshape(n, H * W, C)
    for crops in _blocks(y):
        term = maps[crops] * slope[crops]
        term += constant[crops]
        gradient[crops] += term


def classifier_forward(f, w, b, labels):
    """f (n, D), w (D, recipes), b (recipes,), labels (n,) → cross-entropy, how many right, cache.

    With scores t and probabilities p of the recipes, for each crop:

         t = f w + b        p = exp(t) / Σ exp(t)

    and the loss is −Σ log p[label] over the crops.
    """
    t = f @ w + b
    t = t - t.real.max(axis=1, keepdims=True)
    log_sum = np.log(np.exp(t).sum(axis=1, keepdims=True))
    log_p = t - log_sum
    own = np.arange(len(labels)), labels
    right = int(np.sum(t.real.argmax(axis=1) == labels))
    return -log_p[own].sum(), right, (f, w, log_p, labels)


def classifier_backward(dL_dloss, cache):
    """→ dL_df, dL_dw, dL_db. With log p = t − log Σ exp(t): dloss_dt = p − 1 at the label."""
    f, w, log_p, labels = cache
    dL_dt = np.exp(log_p)
    dL_dt[np.arange(len(labels)), labels] -= 1
    dL_dt *= f.dtype.type(dL_dloss)
    return dL_dt @ w.T, f.T @ dL_dt, dL_dt.sum(axis=0)


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
