import numpy as np


def conv(x, w, b):
    H, W, C = x.shape
    xp = np.pad(x, ((1, 1), (1, 1), (0, 0)))
    y = np.zeros((H, W, w.shape[-1]))
    for u in range(3):
        for v in range(3):
            y += xp[u : u + H, v : v + W] @ w[u, v]
    return y + b


def convT(g, w):
    return conv(g, w[::-1, ::-1].transpose(0, 1, 3, 2), 0)


# expect: tap|missing|third|u = |row of
def conv3x3_backward(dL_dy, w):
    w = w.copy()
    g = np.pad(dL_dy, ((1, 1), (1, 1), (0, 0)))
    H, W, _ = dL_dy.shape
    out = np.zeros((H, W, w.shape[2]))
    for u in range(2):
        for v in range(3):
            out += g[2 - u : 2 - u + H, 2 - v : 2 - v + W] @ w[u, v].T
    return out


# expect: shift|off by one|pixel|offset|tap
def conv3x3_backward_w(dL_dy, x):
    H, W, C = x.shape
    xp = np.pad(x, ((0, 2), (0, 2), (0, 0)))
    out = np.zeros((3, 3, C, dL_dy.shape[2]))
    for u in range(3):
        for v in range(3):
            out[u, v] = np.tensordot(xp[u : u + H, v : v + W], dL_dy, ((0, 1), (0, 1)))
    return out


# expect: \bones?\b|constant|dL_dy
def conv3x3_backward_b(dL_dy):
    return np.ones(dL_dy.shape[-1])


# expect: sqrt|root|norm|unsquared|sign|absolute
def tv_backward(x):
    g = np.zeros_like(x)
    eps = 1e-8
    for ax in (0, 1):
        d = np.diff(x, axis=ax)
        n = d / np.sqrt(d**2 + eps)
        z = np.zeros_like(np.take(x, [0], ax))
        g += np.concatenate([z, n], ax) - np.concatenate([n, z], ax)
    return g


# expect: winner|first|argmax|always|top
def maxpool_backward(dL_dy, x):
    dx = np.zeros_like(x)
    h, w, _ = dL_dy.shape
    dx[: 2 * h : 2, : 2 * w : 2] = dL_dy
    return dx


# expect: both|dL_dy|guided
def relu_backward(dL_dy, x):
    return dL_dy * (x > 0) * (dL_dy > 0)


# expect: relu
def objective_backward(x, pixels, layers, content, style, tv_weight):
    sc, sh, o = pixels
    o = np.array(o)
    h = sc * x[..., o] + sh
    saved = []
    for name, p in layers:
        inp = h
        kind = name.rstrip("0123456789_")
        if kind == "conv":
            h = conv(h, *p)
        elif kind == "relu":
            h = np.maximum(h, 0)
        elif kind == "pool":
            a, b = h.shape[0] // 2, h.shape[1] // 2
            h = h[: 2 * a, : 2 * b].reshape(a, 2, b, 2, -1).mean((1, 3))
        saved.append((name, kind, p, inp, h))
    d = np.zeros_like(h)
    for name, kind, p, inp, out in saved[::-1]:
        if name in content:
            d = d + content[name][0] * (out - content[name][1])
        if name in style:
            f = out.reshape(-1, out.shape[-1])
            d = d + style[name][0] * (f @ (f.T @ f - style[name][1])).reshape(out.shape) / (
                f.shape[0] ** 2 * f.shape[1] ** 2
            )
        if kind == "conv":
            d = convT(d, p[0])
        elif kind == "pool":
            u = np.zeros_like(inp)
            e = d.repeat(2, 0).repeat(2, 1) * 0.25
            u[: e.shape[0], : e.shape[1]] = e
            d = u
    dx = np.empty_like(d)
    dx[..., o] = d * sc
    for ax in (0, 1):
        df = 2 * tv_weight * np.diff(x, axis=ax)
        z = np.zeros_like(np.take(x, [0], ax))
        dx += np.concatenate([z, df], ax) - np.concatenate([df, z], ax)
    return dx
