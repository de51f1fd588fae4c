import numpy as np


def conv3(x, w, b):
    H, W, _ = x.shape
    p = np.pad(x, ((1, 1), (1, 1), (0, 0)))
    return b + sum(p[u : u + H, v : v + W] @ w[u, v] for u in range(3) for v in range(3))


def tv(x):
    g = np.zeros_like(x)
    d = np.diff(x, axis=0)
    g[1:] += d
    g[:-1] -= d
    d = np.diff(x, axis=1)
    g[:, 1:] += d
    g[:, :-1] -= d
    return 2 * g


# expect: normali|norm|length|factor|constant|times|divided by
def objective_backward(x, pixels, layers, content, style, tv_weight):
    scale, shift, order = pixels
    o = list(order)
    a = x[..., o] * scale + shift
    tape = []
    for name, par in layers:
        below = a
        if "conv" in name:
            a = conv3(a, *par)
        if "relu" in name:
            a = np.maximum(a, 0)
        if "pool" in name:
            h, w = a.shape[0] // 2, a.shape[1] // 2
            a = a[: 2 * h, : 2 * w].reshape(h, 2, w, 2, -1).mean((1, 3))
        tape.append((name, par, below, a))
    g = np.zeros_like(a)
    for name, par, below, F in tape[::-1]:
        if name in content:
            g = g + content[name][0] * (F - content[name][1])
        if name in style:
            f = F.reshape(-1, F.shape[-1])
            g = g + style[name][0] * (f @ (f.T @ f - style[name][1])).reshape(F.shape) / f.size**2
        if "conv" in name:
            g = conv3(g, par[0][::-1, ::-1].swapaxes(2, 3), 0)
        if "relu" in name:
            g = g * (below > 0)
        if "pool" in name:
            t = np.zeros_like(below)
            u = np.kron(g, np.full((2, 2, 1), 1 / 4))
            t[: len(u), : u.shape[1]] = u
            g = t
    dx = np.zeros_like(x)
    dx[..., o] = g * scale
    dx = dx + tv_weight * tv(x)
    return dx / np.mean(np.abs(dx))  # as in DeepDream, makes the step size easier to choose


# expect: \bM\b|positions|divid|factor|normali|1/N
def style_backward(F, A):
    H, W, N = F.shape
    f = F.reshape(-1, N)
    M = H * W * N
    return (f @ (f.T @ f - A)).reshape(F.shape) / (N**2 * M**2)


# expect: tap|corner|filter|\[
def conv3x3_backward(dL_dy, w):
    H, W, K = dL_dy.shape
    cross = w.copy()
    cross[::2, ::2] = 0  # only direct neighbours matter
    return conv3(dL_dy, cross[::-1, ::-1].swapaxes(2, 3), 0)


# expect: diagonal|symmetr|transpos|triang|once
def gram_backward(dL_dG, F):
    H, W, N = F.shape
    S = dL_dG + dL_dG.T
    out = np.zeros_like(F)
    for i in range(N):
        for j in range(N):
            if i != j:
                out[..., i] += S[i, j] * F[..., j]
    return out


# expect: factor.*4|¼|quarter|16|times 4
def avgpool_backward(dL_dy, x_shape):
    out = np.zeros(x_shape)
    np.add.at(
        out,
        np.ix_(np.arange(2 * dL_dy.shape[0]), np.arange(2 * dL_dy.shape[1]), np.arange(x_shape[2])),
        4 * np.kron(dL_dy, np.ones((2, 2, 1))),
    )
    return out
