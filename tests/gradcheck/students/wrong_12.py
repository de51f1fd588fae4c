# group homework: Ana did 1-4, Ben did the convolutions, I did the rest
import numpy as np


# expect: sign of|absolute|L1|\|F
def content_backward(F, P):
    return np.sign(F - P)


# expect: triang|half of|upper|symmetri
def gram_backward(dL_dG, F):
    U = np.triu(dL_dG)
    return F @ (U + U.T)


# expect: far|near|one end|one of (the|each)|half of|later pixel
def tv_backward(x):
    g = np.zeros_like(x)
    g[1:, :] += 2 * (x[1:, :] - x[:-1, :])
    g[:, 1:] += 2 * (x[:, 1:] - x[:, :-1])
    return g


# expect: pad|border|outside|edge|repeat
def conv3x3_backward(dL_dy, w):
    p = np.pad(dL_dy, ((1, 1), (1, 1), (0, 0)), mode="edge")
    H, W, _ = dL_dy.shape
    g = np.zeros((H, W, w.shape[2]))
    for u in range(3):
        for v in range(3):
            g += p[2 - u : 2 - u + H, 2 - v : 2 - v + W] @ w[u, v].T
    return g


# expect: pad|border|outside|edge|repeat
def conv3x3_backward_w(dL_dy, x):
    p = np.pad(x, ((1, 1), (1, 1), (0, 0)), "edge")
    H, W, _ = x.shape
    return np.array(
        [
            [np.einsum("ijc,ijk->ck", p[u : u + H, v : v + W], dL_dy) for v in range(3)]
            for u in range(3)
        ]
    )


# expect-located: row|\[|shape
def conv3x3_backward_b(dL_dy):
    total = 0
    for i in range(dL_dy.shape[0] - 1):
        for j in range(dL_dy.shape[1]):
            total = total + dL_dy[i, j]
    return total


# expect: 1/16|factor.*4|¼|quarter|twice
def avgpool_backward(dL_dy, x_shape):
    g = np.zeros(x_shape)
    for i in range(dL_dy.shape[0]):
        for j in range(dL_dy.shape[1]):
            g[2 * i : 2 * i + 2, 2 * j : 2 * j + 2] += dL_dy[i, j] / 4 / 4
    return g


# expect: max(imum)? itself|value|times (x|the)|multipl
def maxpool_backward(dL_dy, x):
    g = np.zeros_like(x)
    for i in range(dL_dy.shape[0]):
        for j in range(dL_dy.shape[1]):
            for c in range(x.shape[2]):
                win = x[2 * i : 2 * i + 2, 2 * j : 2 * j + 2, c]
                u, v = np.unravel_index(np.argmax(win), win.shape)
                g[2 * i + u, 2 * j + v, c] = dL_dy[i, j, c] * win.max()
    return g


# expect: tv_weight|weight of (the )?(TV|total)
def objective_backward(x, pixels, layers, content, style, tv_weight):
    scale, shift, order = pixels
    z = np.stack([scale[c] * x[:, :, order[c]] + shift[c] for c in range(3)], axis=2)
    stack = []
    a = z
    for name, params in layers:
        stack.append((name, params, a))
        if name[:4] == "conv":
            p = np.pad(a, ((1, 1), (1, 1), (0, 0)))
            H, W, _ = a.shape
            a = params[1] + np.einsum(
                "uvijc,uvck->ijk",
                np.array([[p[u : u + H, v : v + W] for v in range(3)] for u in range(3)]),
                params[0],
            )
        elif name[:4] == "relu":
            a = np.maximum(0, a)
        else:
            a = a[: a.shape[0] // 2 * 2, : a.shape[1] // 2 * 2]
            a = (a[::2, ::2] + a[1::2, ::2] + a[::2, 1::2] + a[1::2, 1::2]) / 4
        stack[-1] += (a,)
    g = np.zeros_like(a)
    while stack:
        name, params, below, F = stack.pop()
        if name in content:
            g += content[name][0] * (F - content[name][1])
        if name in style:
            w, A = style[name]
            f = F.reshape(-1, F.shape[2])
            g += w * (f @ (f.T @ f - A)).reshape(F.shape) / f.size**2
        if name[:4] == "conv":
            H, W, _ = g.shape
            p = np.pad(g, ((1, 1), (1, 1), (0, 0)))
            g = sum(
                p[2 - u : 2 - u + H, 2 - v : 2 - v + W] @ params[0][u, v].T
                for u in range(3)
                for v in range(3)
            )
        elif name[:4] == "relu":
            g = np.where(below > 0, g, 0)
        else:
            n = np.zeros_like(below)
            for u in 0, 1:
                for v in 0, 1:
                    n[u : 2 * g.shape[0] : 2, v : 2 * g.shape[1] : 2] = 0.25 * g
            g = n
    out = np.zeros_like(x)
    for c in range(3):
        out[:, :, order[c]] = scale[c] * g[:, :, c]
    dy = 2 * (x[1:] - x[:-1])
    dx = 2 * (x[:, 1:] - x[:, :-1])
    out[1:] += dy
    out[:-1] -= dy
    out[:, 1:] += dx
    out[:, :-1] -= dx
    return out
