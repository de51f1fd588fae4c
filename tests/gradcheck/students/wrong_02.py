"""einsum enthusiast"""
import numpy as np
from numpy import einsum


# expect: sign|minus|negat|P − F
def content_backward(F, P):
    return P - F


# expect: symmetr|transpos|dL_dG\.?ᵀ|dL_dG_ji
def gram_backward(dL_dG, F):
    # G = F^T F  ->  2 F dG
    return 2 * einsum("hwi,ij->hwj", F, dL_dG)


# expect: half|½|twice|double|factor (of )?2|0\.5
def style_backward(F, A):
    h, w, n = F.shape
    m = h * w
    G = einsum("hwi,hwj->ij", F, F)
    dG = 2 * (G - A) / (4 * n**2 * m**2)
    return einsum("ij,hwj->hwi", dG, F)


# expect: dL_dy|sign of|wrong mask
def relu_backward(dL_dy, x):
    return np.where(dL_dy > 0, dL_dy, 0)


# expect: ½|factor.*2|¼|half|twice|double
def avgpool_backward(dL_dy, x_shape):
    dx = np.zeros(x_shape)
    h, w, _ = dL_dy.shape
    dx[: 2 * h, : 2 * w] = einsum("ijc,uv->iujvc", dL_dy, 0.5 * np.ones((2, 2))).reshape(
        2 * h, 2 * w, -1
    )
    return dx


# expect: transpos|u and v|swap|rows and columns|exchang
def conv3x3_backward(dL_dy, w):
    H, W, K = dL_dy.shape
    pad = np.pad(dL_dy, ((1, 1), (1, 1), (0, 0)))
    win = np.lib.stride_tricks.sliding_window_view(pad, (3, 3), axis=(0, 1))  # H W K 3 3
    return einsum("hwkuv,vuck->hwc", win, w[::-1, ::-1])


# expect: turned|flip|180|rotat|mirror
def conv3x3_backward_w(dL_dy, x):
    win = np.lib.stride_tricks.sliding_window_view(
        np.pad(x, ((1, 1), (1, 1), (0, 0))), (3, 3), axis=(0, 1)
    )
    return einsum("hwcuv,hwk->uvck", win, dL_dy)[::-1, ::-1]


# expect: scale
def pixels_backward(dL_dz, scale, order):
    out = np.empty_like(dL_dz)
    out[:, :, list(order)] = dL_dz
    return out


def fwd(v, name, p):
    if name.startswith("conv"):
        win = np.lib.stride_tricks.sliding_window_view(
            np.pad(v, ((1, 1), (1, 1), (0, 0))), (3, 3), axis=(0, 1)
        )
        return einsum("hwcuv,uvck->hwk", win, p[0]) + p[1]
    if name.startswith("relu"):
        return v * (v > 0)
    h, w = v.shape[0] // 2, v.shape[1] // 2
    return einsum("iujvc->ijc", v[: 2 * h, : 2 * w].reshape(h, 2, w, 2, -1)) / 4


def bwd(g, v, name, p):
    if name.startswith("conv"):
        win = np.lib.stride_tricks.sliding_window_view(
            np.pad(g, ((1, 1), (1, 1), (0, 0))), (3, 3), axis=(0, 1)
        )
        return einsum("hwkuv,uvck->hwc", win, p[0][::-1, ::-1])
    if name.startswith("relu"):
        return g * (v > 0)
    out = np.zeros(v.shape)
    h, w, c = g.shape
    out[: 2 * h, : 2 * w] = np.broadcast_to(
        g[:, None, :, None] / 4, (h, 2, w, 2, c)
    ).reshape(2 * h, 2 * w, c)
    return out


# expect: overwrit|replac|instead of add|added|lost|deeper
def objective_backward(x, pixels, layers, content, style, tv_weight):
    s, t, order = pixels
    v = x[:, :, list(order)] * s + t
    tape = []
    for name, p in layers:
        y = fwd(v, name, p)
        tape.append((name, p, v, y))
        v = y
    g = 0
    for name, p, v, y in tape[::-1]:
        if name in content or name in style:
            g = np.zeros_like(y)
            if name in content:
                g += content[name][0] * (y - content[name][1])
            if name in style:
                wt, A = style[name]
                n, m = y.shape[2], y.shape[0] * y.shape[1]
                G = einsum("hwi,hwj->ij", y, y)
                g += wt / (n * m) ** 2 * einsum("hwi,ij->hwj", y, G - A)
        g = bwd(g, v, name, p)
    dx = np.zeros_like(x)
    for c in range(3):
        dx[..., order[c]] = g[..., c] * s[c]
    dv, dh = np.diff(x, axis=0), np.diff(x, axis=1)
    dx[1:] += 2 * tv_weight * dv
    dx[:-1] -= 2 * tv_weight * dv
    dx[:, 1:] += 2 * tv_weight * dh
    dx[:, :-1] -= 2 * tv_weight * dh
    return dx
