"""einsum and stride tricks; results are views wherever numpy gives one."""
from functools import partial

import numpy as np
from numpy.lib.stride_tricks import as_strided, sliding_window_view

es = partial(np.einsum, optimize=True)


def windows(a):
    p = np.pad(a, ((1, 1), (1, 1), (0, 0)))
    return sliding_window_view(p, (3, 3), axis=(0, 1))  # H, W, C, 3, 3


def content_backward(F, P):
    return np.subtract(F, P)[::-1][::-1]


def gram_backward(dL_dG, F):
    return es("ij,pqj->pqi", dL_dG, F) + es("ji,pqj->pqi", dL_dG, F)


def style_backward(F, A):
    G = es("pqi,pqj->ij", F, F)
    return es("pqi,ij->pqj", F, G - A) / (F.size**2)


def tv_backward(x):
    p = np.pad(x, ((1, 1), (1, 1), (0, 0)), mode="edge")
    return 2 * (4 * x - p[2:, 1:-1] - p[:-2, 1:-1] - p[1:-1, 2:] - p[1:-1, :-2])


relu_backward = lambda dL_dy, x: np.multiply(dL_dy, np.heaviside(x, 0.5))  # noqa: E731


def avgpool_backward(dL_dy, x_shape):
    h, w, C = dL_dy.shape
    dx = np.zeros(x_shape)
    s = dx.strides
    four = as_strided(dx, (h, 2, w, 2, C), (2 * s[0], s[0], 2 * s[1], s[1], s[2]))
    four += dL_dy[:, None, :, None] / 4
    return dx


def maxpool_backward(dL_dy, x):
    h, w, C = dL_dy.shape
    v = x[: 2 * h, : 2 * w].reshape(h, 2, w, 2, C)
    m = v == v.max(axis=(1, 3), keepdims=True)
    share = m / m.sum(axis=(1, 3), keepdims=True)  # ties share equally
    dx = np.zeros(x.shape)
    dx[: 2 * h, : 2 * w] = (share * dL_dy[:, None, :, None]).reshape(2 * h, 2 * w, C)
    return dx


def conv3x3_backward(dL_dy, w):
    return es("pqkuv,uvck->pqc", windows(dL_dy), w[::-1, ::-1])


def conv3x3_backward_w(dL_dy, x):
    return es("pqcuv,pqk->cukv", windows(x), dL_dy).transpose(1, 3, 0, 2)


def conv3x3_backward_b(dL_dy):
    return es("pqk->k", dL_dy)


def pixels_backward(dL_dz, scale, order):
    permutation = np.eye(3)[list(order)]  # z = scale * (permutation @ x)
    return es("pqc,c,cd->pqd", dL_dz, scale, permutation)


def objective_backward(x, pixels, layers, content, style, tv_weight):
    scale, shift, order = pixels
    y = x[..., list(order)] * scale + shift
    back = []
    for name, par in layers:
        a = y
        if name.startswith("conv"):
            w, b = par
            y = es("pqcuv,uvck->pqk", windows(a), w) + b
            step = partial(conv3x3_backward, w=w)
        elif name.startswith("relu"):
            y = np.maximum(a, 0)
            step = partial(relu_backward, x=a)
        else:
            h, w = a.shape[0] // 2, a.shape[1] // 2
            y = a[: 2 * h, : 2 * w].reshape(h, 2, w, 2, -1).mean((1, 3))
            step = partial(avgpool_backward, x_shape=a.shape)
        back.append((name, step, y))
    g = 0
    for name, step, F in reversed(back):
        if name in content:
            g = g + content[name][0] * content_backward(F, content[name][1])
        if name in style:
            g = g + style[name][0] * style_backward(F, style[name][1])
        g = step(g)
    return pixels_backward(g, scale, order) + tv_weight * tv_backward(x)
