# I always think in (C, H, W), so I convert on the way in and out.
import numpy as np


def to_chw(a):
    return np.moveaxis(a, -1, 0)


def to_hwc(a):
    return np.moveaxis(a, 0, -1)


# expect: mean|divided|number of|size
def content_backward(F, P):
    f, p = to_chw(F), to_chw(P)
    return to_hwc((f - p) / f.size)


# expect: reshap|transpos|layout|matrix of|\(N, M\)|channels.first
def gram_backward(dL_dG, F):
    N = F.shape[2]
    f = F.reshape(N, -1)
    return ((dL_dG + dL_dG.T) @ f).reshape(F.shape)


# expect: reshap|transpos|layout|matrix of|\(N, M\)|channels.first
def style_backward(F, A):
    H, W, N = F.shape
    f = F.reshape(N, H * W)
    G = f @ f.T
    return ((G - A) @ f).reshape(H, W, N) / (N**2 * (H * W) ** 2)


# expect: channel
def tv_backward(x):
    c = to_chw(x)
    g = np.zeros_like(c)
    for ax in range(3):
        d = 2 * np.diff(c, axis=ax)
        lo = [slice(None)] * 3
        hi = [slice(None)] * 3
        lo[ax] = slice(None, -1)
        hi[ax] = slice(1, None)
        g[tuple(hi)] += d
        g[tuple(lo)] -= d
    return to_hwc(g)


# expect: tile|repeat|order|arrang|neighbour|copies|position|wrong place
def avgpool_backward(dL_dy, x_shape):
    H, W, C = x_shape
    d = to_chw(dL_dy)
    up = np.tile(d, (1, 2, 2)) / 4
    out = np.zeros((C, H, W))
    out[:, : up.shape[1], : up.shape[2]] = up
    return to_hwc(out)


# expect: transpos|swap|rows and columns|u and v|exchang|within the window
def maxpool_backward(dL_dy, x):
    H, W, C = x.shape
    h, w = H // 2, W // 2
    out = np.zeros((C, H, W))
    cx, cd = to_chw(x), to_chw(dL_dy)
    for c in range(C):
        for i in range(h):
            for j in range(w):
                block = cx[c, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2]
                k = block.argmax()
                v, u = divmod(k, 2)
                out[c, 2 * i + u, 2 * j + v] = cd[c, i, j]
    return to_hwc(out)


# expect: reshap|transpos|swap|exchang|axes
def conv3x3_backward_w(dL_dy, x):
    d, xx = to_chw(dL_dy), to_chw(np.pad(x, ((1, 1), (1, 1), (0, 0))))
    K, H, W = d.shape
    C = xx.shape[0]
    dw = np.zeros((3, 3, K, C))
    for u in range(3):
        for v in range(3):
            dw[u, v] = d.reshape(K, -1) @ xx[:, u : u + H, v : v + W].reshape(C, -1).T
    return dw.reshape(3, 3, C, K)


# expect: order|BGR|permut|channel
def pixels_backward(dL_dz, scale, order):
    return to_hwc(to_chw(dL_dz) * scale[:, None, None])
