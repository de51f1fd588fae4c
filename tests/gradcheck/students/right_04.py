"""Classes with __call__, functions from a sibling module, prints left in, Fortran order."""
import functools

import numpy as np
from right_04_helpers import col2im, conv, im2col, total_variation_gradient, undo_pooling

print("loading my solution")


class Content:
    def __call__(self, F, P):
        D = F.copy()
        D -= P
        return D


content_backward = Content()


class Style:
    def __init__(self, gram):
        self.gram = gram

    def __call__(self, F, A):
        n = F.shape[-1]
        f = np.asfortranarray(F.reshape(-1, n))
        dG = 2 * (self.gram(f) - A) / (4 * f.size**2)
        return gram_backward(dG, F)


def gram_backward(dL_dG, F, *, verbose=True):
    f = F.reshape(-1, F.shape[-1])
    if verbose:
        print("gram", f.shape)
    out = np.dot(f, dL_dG)
    out += np.dot(f, dL_dG.T)
    return np.asfortranarray(out.reshape(F.shape))


style_backward = Style(lambda f: f.T @ f)
tv_backward = total_variation_gradient


def relu_backward(dL_dy, x, at_zero=1.0):
    return dL_dy * np.where(x == 0, at_zero, x > 0)


avgpool_backward = functools.partial(undo_pooling, factor=1 / 4)


def maxpool_backward(dL_dy, x):
    big = dL_dy.repeat(2, axis=0).repeat(2, axis=1)
    H, W = big.shape[:2]
    pooled = functools.reduce(
        np.maximum, [x[u:H:2, v:W:2] for u in (0, 1) for v in (0, 1)]
    )
    big_max = pooled.repeat(2, axis=0).repeat(2, axis=1)
    hits = x[:H, :W] == big_max
    # several winners: the first one only
    seen = np.zeros(pooled.shape, bool)
    out = np.zeros_like(x)
    for u in (0, 1):
        for v in (0, 1):
            mine = hits[u::2, v::2] & ~seen
            out[u:H:2, v:W:2] = np.where(mine, dL_dy, 0)
            seen |= mine
    return out


def conv3x3_backward(g, w):
    H, W, K = g.shape
    return col2im(g.reshape(-1, K) @ w.reshape(-1, K).T, H, W)


def conv3x3_backward_w(g, x):
    K = g.shape[-1]
    return (im2col(x).T @ g.reshape(-1, K)).reshape(3, 3, x.shape[-1], K)


def conv3x3_backward_b(g):
    out = np.zeros(g.shape[-1])
    np.add.at(out, np.tile(np.arange(g.shape[-1]), g.shape[0] * g.shape[1]), g.ravel())
    return out


def pixels_backward(g, scale, order):
    out = np.zeros(g.shape, order="F")
    for c, source in enumerate(order):
        out[..., source] += g[..., c] * scale[c]
    return out


def objective_backward(picture, pixels, net, content_targets, style_targets, tv):
    scale, shift, order = pixels
    y = np.stack([picture[..., o] for o in order], -1) * scale + shift
    undo = []
    for name, p in net:
        if name.startswith("conv"):
            undo.append((name, functools.partial(conv3x3_backward, w=p[0])))
            y = conv(y, *p)
        elif name.startswith("relu"):
            undo.append((name, functools.partial(relu_backward, x=y)))
            y = np.maximum(y, 0)
        else:
            undo.append((name, functools.partial(avgpool_backward, x_shape=y.shape)))
            h, w = y.shape[0] // 2, y.shape[1] // 2
            y = sum(y[u : 2 * h : 2, v : 2 * w : 2] for u in (0, 1) for v in (0, 1)) / 4
        taps = 0
        if name in content_targets:
            taps = taps + content_targets[name][0] * content_backward(y, content_targets[name][1])
        if name in style_targets:
            taps = taps + style_targets[name][0] * style_backward(y, style_targets[name][1])
        undo[-1] += (taps,)
    g = 0
    for _, step, tap in undo[::-1]:
        g = step(g + tap)
    print("norm of the gradient", np.linalg.norm(g))
    return pixels_backward(g, scale, order) + tv * tv_backward(picture)
