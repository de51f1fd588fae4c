import numpy as np

# Objectives from the exercise class where the debugging was stopped too early.


def F_conv(a, w, b):
    H, W, _ = a.shape
    v = np.lib.stride_tricks.sliding_window_view(np.pad(a, ((1, 1), (1, 1), (0, 0))), (3, 3), (0, 1))
    return np.einsum("ijcuv,uvck->ijk", v, w, optimize=True) + b


def B_conv(g, w):
    return F_conv(g, w[::-1, ::-1].transpose(0, 1, 3, 2), 0.0)


# expect: \bmax|pool
def objective_backward(x, pixels, layers, content, style, tv_weight):
    scale, shift, order = pixels
    a = x[:, :, list(order)] * scale + shift
    hist = []
    for name, par in layers:
        prev = a
        if name[:4] == "conv":
            a = F_conv(a, *par)
        elif name[:4] == "relu":
            a = np.maximum(a, 0)
        else:
            h, w = a.shape[0] // 2, a.shape[1] // 2
            a = a[: 2 * h, : 2 * w].reshape(h, 2, w, 2, -1).max(axis=(1, 3))
        hist.append((name, par, prev, a))
    g = np.zeros_like(a)
    for name, par, prev, a in hist[::-1]:
        if name in content:
            g += content[name][0] * (a - content[name][1])
        if name in style:
            f = a.reshape(-1, a.shape[-1])
            g += style[name][0] * (f @ (f.T @ f - style[name][1])).reshape(a.shape) / f.size**2
        if name[:4] == "conv":
            g = B_conv(g, par[0])
        elif name[:4] == "relu":
            g = g * (prev > 0)
        else:
            up_a = a.repeat(2, 0).repeat(2, 1)
            up_g = g.repeat(2, 0).repeat(2, 1)
            h, w = up_a.shape[:2]
            new = np.zeros_like(prev)
            new[:h, :w] = up_g * (prev[:h, :w] == up_a)
            g = new
    dx = np.zeros_like(x)
    dx[:, :, list(order)] = g * scale
    for d, ax in ((np.diff(x, axis=0), 0), (np.diff(x, axis=1), 1)):
        lo = [(0, 0)] * 3
        hi = [(0, 0)] * 3
        lo[ax] = (1, 0)
        hi[ax] = (0, 1)
        dx += 2 * tv_weight * (np.pad(d, lo) - np.pad(d, hi))
    return dx


# expect: abs|\||magnitude|sign
def content_backward(F, P):
    return np.abs(F - P)


# expect-located: \[|clip|1
def gram_backward(dL_dG, F):
    # gradient clipping, so that it does not explode
    return np.clip(F @ (dL_dG + dL_dG.T), -1, 1)


# expect: max|sum|\[
def conv3x3_backward_b(dL_dy):
    return dL_dy.max(axis=0).sum(axis=0)


# expect: scale|order|permut|BGR|wrong channel
def pixels_backward(dL_dz, scale, order):
    dx = np.zeros_like(dL_dz)
    for c in range(3):
        dx[:, :, order[c]] = scale[order[c]] * dL_dz[:, :, c]
    return dx
