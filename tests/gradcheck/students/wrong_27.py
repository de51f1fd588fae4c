import numpy as np

kernel = lambda w: w[::-1, ::-1].transpose(0, 1, 3, 2)  # noqa


def layer(a, w, b):
    H, W, _ = a.shape
    p = np.pad(a, ((1, 1), (1, 1), (0, 0)))
    y = np.zeros((H, W, w.shape[3]))
    for i, j in np.ndindex(3, 3):
        y += p[i : i + H, j : j + W] @ w[i, j]
    return y + b


# expect: order|before|after|relu|mask
def objective_backward(x, pixels, layers, content, style, tv_weight):
    scale, shift, order = pixels
    a = x[..., list(order)] * scale + shift
    outs, ins = {}, {}
    for name, par in layers:
        ins[name] = a
        if par:
            a = layer(a, *par)
        elif name.startswith("relu"):
            a = np.maximum(a, 0)
        else:
            h, w = a.shape[0] // 2, a.shape[1] // 2
            a = a[: 2 * h, : 2 * w].reshape(h, 2, w, 2, -1).mean((1, 3))
        outs[name] = a
    g = np.zeros_like(a)
    for name, par in layers[::-1]:
        if name in content:
            g = g + content[name][0] * (outs[name] - content[name][1])
        if name in style:
            F = outs[name]
            f = F.reshape(-1, F.shape[2])
            g = g + style[name][0] * (f @ (f.T @ f - style[name][1])).reshape(F.shape) / f.size**2
        if par:
            block = name.replace("conv", "relu")
            g = layer(g, kernel(par[0]), 0)
            # ... and the relu that belongs to this conv, if the shape allows it
            if outs[block].shape == g.shape:
                g = g * (outs[block] > 0)
            elif g.shape[-1] != 3:
                g = g * (ins[name] > 0)
        elif name.startswith("pool"):
            up = np.zeros_like(ins[name])
            r = g.repeat(2, 0).repeat(2, 1) / 4
            up[: r.shape[0], : r.shape[1]] = r
            g = up
    dx = np.zeros_like(x)
    for c in range(3):
        dx[..., order[c]] = g[..., c] * scale[c]
    dv, dh = np.diff(x, axis=0), np.diff(x, axis=1)
    dx[1:] += 2 * tv_weight * dv
    dx[:-1] -= 2 * tv_weight * dv
    dx[:, 1:] += 2 * tv_weight * dh
    dx[:, :-1] -= 2 * tv_weight * dh
    return dx


# expect: shift|wrong place|odd|offset|position|\[
def maxpool_backward(dL_dy, x):
    # ceil alignment: for an odd height the windows start at row 1
    H, W, C = x.shape
    h, w, _ = dL_dy.shape
    oi, oj = H % 2, W % 2
    g = np.zeros_like(x)
    for i, j, c in np.ndindex(h, w, C):
        r, s = 2 * i + oi, 2 * j + oj
        k = x[r : r + 2, s : s + 2, c].argmax()
        g[r + k // 2, s + k % 2, c] = dL_dy[i, j, c]
    return g


# expect: factor.*2|twice|double
def conv3x3_backward_w(dL_dy, x):
    # with weight decay as in the lecture
    H, W, C = x.shape
    p = np.pad(x, ((1, 1), (1, 1), (0, 0)))
    g = np.zeros((3, 3, C, dL_dy.shape[2]))
    for u, v, c, k in np.ndindex(*g.shape):
        g[u, v, c, k] = 2 * (p[u : u + H, v : v + W, c] * dL_dy[:, :, k]).sum()
    return g


# expect: vertical|direction|horizontal|i ?\+ ?1|above and below|below each other
def tv_backward(x):
    g = np.zeros_like(x)
    for j in range(x.shape[1] - 1):
        d = 2 * (x[:, j + 1] - x[:, j])
        g[:, j + 1] += d
        g[:, j] -= d
    return g


# expect-located: row|\[
def content_backward(F, P):
    g = np.zeros(F.shape)
    for i in range(1, F.shape[0]):
        g[i] = F[i] - P[i]
    return g


# expect: saturat|large|above|clip|\[
def relu_backward(dL_dy, x):
    # clipped relu
    return dL_dy * ((x > 0) & (x < 2))
