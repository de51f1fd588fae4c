import numpy as np


def conv3(x, w, b):
    H, W, _ = x.shape
    p = np.pad(x, ((1, 1), (1, 1), (0, 0)))
    return b + sum(p[u : u + H, v : v + W] @ w[u, v] for u in range(3) for v in range(3))


# expect: bias|\bb\b
def objective_backward(x, pixels, layers, content, style, tv_weight):
    scale, shift, order = pixels
    o = list(order)
    acts = {"x": x[..., o] * scale + shift}
    prev = {}
    last = "x"
    for name, par in layers:
        a = acts[last]
        prev[name] = last
        if "conv" in name:
            a = conv3(a, par[0], 0)
        if "relu" in name:
            a = np.maximum(a, 0)
        if "pool" in name:
            h, w = a.shape[0] // 2, a.shape[1] // 2
            a = a[: 2 * h, : 2 * w].reshape(h, 2, w, 2, -1).mean((1, 3))
        acts[name] = a
        last = name
    g = np.zeros_like(acts[last])
    for name, par in layers[::-1]:
        F = acts[name]
        if name in content:
            g = g + content[name][0] * (F - content[name][1])
        if name in style:
            f = F.reshape(-1, F.shape[-1])
            g = g + style[name][0] * (f @ (f.T @ f - style[name][1])).reshape(F.shape) / f.size**2
        below = acts[prev[name]]
        if "conv" in name:
            g = conv3(g, par[0][::-1, ::-1].swapaxes(2, 3), 0)
        if "relu" in name:
            g = g * (below > 0)
        if "pool" in name:
            t = np.zeros_like(below)
            for u in (0, 1):
                for v in (0, 1):
                    t[u : 2 * len(g) : 2, v : 2 * g.shape[1] : 2] = g / 4
            g = t
    dx = np.zeros_like(x)
    dx[..., o] = g * scale
    dx[1:] += 2 * tv_weight * (x[1:] - x[:-1])
    dx[:-1] += 2 * tv_weight * (x[:-1] - x[1:])
    dx[:, 1:] += 2 * tv_weight * (x[:, 1:] - x[:, :-1])
    dx[:, :-1] += 2 * tv_weight * (x[:, :-1] - x[:, 1:])
    return dx
