import numpy as np

# im2col solution, reusing last week's assignment


def im2col(x):
    H, W, C = x.shape
    p = np.zeros((H + 2, W + 2, C))
    p[1:-1, 1:-1] = x
    cols = np.empty((H * W, 9 * C))
    r = 0
    for i in range(H):
        for j in range(W):
            cols[r] = p[i : i + 3, j : j + 3].ravel()
            r += 1
    return cols


def col2im(cols, H, W, C):
    p = np.zeros((H + 2, W + 2, C))
    r = 0
    for i in range(H):
        for j in range(W):
            p[i : i + 3, j : j + 3] += cols[r].reshape(3, 3, C)
            r += 1
    return p[1:-1, 1:-1]


# expect: shift|pixel|off by one|offset|crop
def conv3x3_backward(dL_dy, w):
    H, W, K = dL_dy.shape
    C = w.shape[2]
    cols = dL_dy.reshape(-1, K) @ w.reshape(9 * C, K).T
    p = np.zeros((H + 2, W + 2, C))
    r = 0
    for i in range(H):
        for j in range(W):
            p[i : i + 3, j : j + 3] += cols[r].reshape(3, 3, C)
            r += 1
    return p[2:, 2:]


# expect: mean|averag|divided|positions|H·W|\bM\b
def conv3x3_backward_w(dL_dy, x):
    H, W, K = dL_dy.shape
    dw = im2col(x).T @ dL_dy.reshape(-1, K) / (H * W)
    return dw.reshape(3, 3, x.shape[2], K)


# expect: channels|total|over all
def conv3x3_backward_b(dL_dy):
    return np.full(dL_dy.shape[2], dL_dy.sum())


# expect: winner|maximum|losers|every entry|all (four|entries)|each entry
def maxpool_backward(dL_dy, x):
    h, w = dL_dy.shape[:2]
    dx = np.zeros(x.shape)
    dx[: 2 * h, : 2 * w] = dL_dy.repeat(2, 0).repeat(2, 1)
    return dx


# expect: x < 0|negative|wrong side|invert|opposite
def relu_backward(dL_dy, x):
    dx = dL_dy.copy()
    dx[x > 0] = 0
    return dx


# expect: scale
def pixels_backward(dL_dz, scale, order):
    g = dL_dz / scale
    out = np.zeros_like(g)
    for c in range(3):
        out[:, :, order[c]] = g[:, :, c]
    return out


# expect: pool|¼|quarter
def objective_backward(x, pixels, layers, content, style, tv_weight):
    scale, shift, order = pixels
    cache = {}
    a = x[..., list(order)] * scale + shift
    outs = {}
    for name, par in layers:
        cache[name] = a
        if "conv" in name:
            w, b = par
            H, W, C = a.shape
            a = (im2col(a) @ w.reshape(9 * C, -1) + b).reshape(H, W, -1)
        elif "relu" in name:
            a = np.maximum(a, 0.0)
        elif "pool" in name:
            h, w = a.shape[0] // 2, a.shape[1] // 2
            b = a[: 2 * h, : 2 * w]
            a = (b[::2, ::2] + b[1::2, ::2] + b[::2, 1::2] + b[1::2, 1::2]) / 4
        outs[name] = a
    d = np.zeros_like(a)
    for name, par in reversed(layers):
        F = outs[name]
        if name in content:
            d = d + content[name][0] * (F - content[name][1])
        if name in style:
            h, w, n = F.shape
            f = F.reshape(h * w, n)
            d = d + style[name][0] * (f @ (f.T @ f - style[name][1])).reshape(h, w, n) / (
                n * h * w
            ) ** 2
        a = cache[name]
        if "conv" in name:
            H, W, C = a.shape
            d = col2im(d.reshape(H * W, -1) @ par[0].reshape(9 * C, -1).T, H, W, C)
        elif "relu" in name:
            d = d * (a > 0)
        else:
            e = np.zeros_like(a)
            h, w = d.shape[:2]
            for u in (0, 1):
                for v in (0, 1):
                    e[u : 2 * h : 2, v : 2 * w : 2] = d
            d = e
    g = np.zeros_like(x)
    for c in range(3):
        g[..., order[c]] += scale[c] * d[..., c]
    g[1:] += 2 * tv_weight * (x[1:] - x[:-1])
    g[:-1] -= 2 * tv_weight * (x[1:] - x[:-1])
    g[:, 1:] += 2 * tv_weight * (x[:, 1:] - x[:, :-1])
    g[:, :-1] -= 2 * tv_weight * (x[:, 1:] - x[:, :-1])
    return g
