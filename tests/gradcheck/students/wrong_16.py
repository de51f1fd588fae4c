import numpy as np

# recursion instead of a tape: back(layers, x) returns (loss gradient wrt the input)


def cf(x, w, b):
    H, W, _ = x.shape
    xp = np.pad(x, ((1, 1), (1, 1), (0, 0)))
    return b + np.sum([xp[u : u + H, v : v + W] @ w[u, v] for u in range(3) for v in range(3)], 0)


def cb(g, w):
    return cf(g, np.flip(w, (0, 1)).swapaxes(2, 3), 0.0)


def walk(todo, v, content, style):
    if not todo:
        return np.zeros_like(v)
    (name, par), rest = todo[0], todo[1:]
    if par:
        F = cf(v, *par)
    elif "relu" in name:
        F = np.maximum(v, 0)
    else:
        h, w = v.shape[0] // 2, v.shape[1] // 2
        F = v[: 2 * h, : 2 * w].reshape(h, 2, w, 2, -1).mean((1, 3))
    g = walk(rest, F, content, style)
    if name in content:
        wt, P = content[name]
        g = g + wt * wt * (F - P)
    if name in style:
        wt, A = style[name]
        f = F.reshape(-1, F.shape[-1])
        g = g + wt * wt * (f @ (f.T @ f - A)).reshape(F.shape) / f.size**2
    if par:
        return cb(g, par[0])
    if "relu" in name:
        return g * (v > 0)
    out = np.zeros_like(v)
    h, w, _ = g.shape
    out[: 2 * h, : 2 * w] = np.repeat(np.repeat(g, 2, 0), 2, 1) / 4
    return out


# expect: weight|square
def objective_backward(x, pixels, layers, content, style, tv_weight):
    scale, shift, order = pixels
    z = scale * x[..., list(order)] + shift
    g = walk(list(layers), z, content, style)
    out = np.empty_like(x)
    out[..., list(order)] = g * scale
    d, e = np.diff(x, axis=0), np.diff(x, axis=1)
    out[1:] += 2 * tv_weight * d
    out[:-1] -= 2 * tv_weight * d
    out[:, 1:] += 2 * tv_weight * e
    out[:, :-1] -= 2 * tv_weight * e
    return out


# expect: factor.*2|twice|double|both|two
def tv_backward(x):
    # every pixel looks at its four neighbours, up and down, left and right;
    # every pair is seen by both of its pixels
    H, W, C = x.shape
    g = np.zeros_like(x)
    for i in range(H):
        for j in range(W):
            for di, dj in ((0, 1), (1, 0), (0, -1), (-1, 0)):
                a, b = i + di, j + dj
                if 0 <= a < H and 0 <= b < W:
                    g[i, j] += 2 * (x[i, j] - x[a, b])
                    g[a, b] -= 2 * (x[i, j] - x[a, b])
    return g


# expect: transpos|symmetri|dL_dG\.?ᵀ
def gram_backward(dL_dG, F):
    return 2 * F @ dL_dG.T


# expect: \bP\b|target
def content_backward(F, P):
    return F.copy()


# expect: stride|overlap|neighbour|wrong place|every position
def avgpool_backward(dL_dy, x_shape):
    g = np.zeros(x_shape)
    for i in range(dL_dy.shape[0]):
        for j in range(dL_dy.shape[1]):
            g[i : i + 2, j : j + 2] += dL_dy[i, j] / 4
    return g


# expect: u and v|transpos|swap|rows and columns|exchang
def conv3x3_backward_w(dL_dy, x):
    H, W, _ = x.shape
    xp = np.pad(x, ((1, 1), (1, 1), (0, 0)))
    return np.stack(
        [
            np.stack(
                [np.einsum("ijc,ijk->ck", xp[u : u + H, v : v + W], dL_dy) for u in range(3)]
            )
            for v in range(3)
        ]
    )
