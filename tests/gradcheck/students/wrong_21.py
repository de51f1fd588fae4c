"""Two things went wrong in the objective; I copied the pieces from the previous exercises."""

import numpy as np


def content_b(F, P):
    return F - P


def style_b(F, A):
    N = F.shape[-1]
    f = F.reshape(-1, N)
    M = len(f)
    return (f @ (A - f.T @ f) / (N**2 * M**2)).reshape(F.shape)


def tv_b(x):
    g = np.zeros_like(x)
    for sl0, sl1 in (((slice(1, None),), (slice(-1),)), ((slice(None), slice(1, None)), (slice(None), slice(-1)))):
        d = 2 * (x[sl0] - x[sl1])
        g[sl0] += d
        g[sl1] -= d
    return g


def conv_f(x, w, b):
    H, W, _ = x.shape
    x = np.pad(x, ((1, 1), (1, 1), (0, 0)))
    out = np.zeros((H, W, w.shape[3]))
    for i in range(H):
        for j in range(W):
            out[i, j] = np.tensordot(x[i : i + 3, j : j + 3], w, 3) + b
    return out


def conv_b(g, w):
    return conv_f(g, w[::-1, ::-1].swapaxes(-1, -2), 0)


# expect: sign|style|A − G
def objective_backward(x, pixels, layers, content, style, tv_weight):
    scale, shift, order = pixels
    y = x[..., list(order)] * scale + shift
    tape = []
    for name, par in layers:
        x_in = y
        if par:
            y = conv_f(y, *par)
        elif name.startswith("relu"):
            y = (y + np.abs(y)) / 2
        else:
            h, w = y.shape[0] // 2, y.shape[1] // 2
            y = y[: 2 * h, : 2 * w].reshape(h, 2, w, 2, -1).sum((1, 3)) / 4
        tape.append((name, par, x_in, y))
    g = np.zeros_like(y)
    while tape:
        name, par, x_in, y = tape.pop()
        if name in content:
            g = g + content[name][0] * content_b(y, content[name][1])
        if name in style:
            g = g + style[name][0] * style_b(y, style[name][1])
        if par:
            g = conv_b(g, par[0])
        elif name.startswith("relu"):
            g = g * (x_in > 0)
        else:
            new = np.zeros_like(x_in)
            for i in range(g.shape[0]):
                for j in range(g.shape[1]):
                    new[2 * i : 2 * i + 2, 2 * j : 2 * j + 2] = g[i, j]
            g = new
    dx = np.zeros_like(x)
    for c in range(3):
        dx[..., order[c]] = scale[c] * g[..., c]
    return dx + tv_weight * tv_b(x)


# expect: sign|minus|negat
def relu_backward(dL_dy, x):
    return -dL_dy * (x > 0)


# expect: cent(re|er)|middle|tap
def conv3x3_backward(dL_dy, w):
    # only the middle of the filter sits on the pixel itself
    return dL_dy @ w[1, 1].T


# expect: zero|nothing
def conv3x3_backward_b(dL_dy):
    db = np.zeros(dL_dy.shape[-1])
    for k in range(db.size):
        db[k] + dL_dy[..., k].sum()
    return db


# expect: revers|flip|upside|mirror|turned|rows
def pixels_backward(dL_dz, scale, order):
    dx = np.zeros_like(dL_dz)
    for i in range(len(dL_dz)):
        for c in range(3):
            dx[i, :, order[c]] = dL_dz[-1 - i, :, c] * scale[c]
    return dx
