import numpy as np

# one long function each, no helpers


# expect: relu1_1|style.*(tap|layer|missing|lack)
def objective_backward(x, pixels, layers, content, style, tv_weight):
    scale, shift, order = pixels
    h = np.take(x, order, axis=2) * scale + shift
    before, after = [], []
    for name, par in layers:
        before.append(h)
        if len(par):
            w, b = par
            H, W, _ = h.shape
            hp = np.pad(h, ((1, 1), (1, 1), (0, 0)))
            h = np.zeros((H, W, len(b)))
            for u in range(3):
                for v in range(3):
                    h += hp[u : u + H, v : v + W] @ w[u, v]
            h += b
        elif name[0] == "r":
            h = h * (h > 0)
        else:
            h = h[: len(h) // 2 * 2, : h.shape[1] // 2 * 2]
            h = (h[0::2, 0::2] + h[0::2, 1::2] + h[1::2, 0::2] + h[1::2, 1::2]) / 4
        after.append(h)
    g = np.zeros_like(h)
    taps = set(content)
    for i in range(len(layers) - 1, -1, -1):
        name, par = layers[i]
        F = after[i]
        if name in taps:
            wt, P = content[name]
            g = g + wt * (F - P)
            if name in style:
                wt, A = style[name]
                f = F.reshape(-1, F.shape[2])
                g = g + wt * (f @ (f.T @ f - A)).reshape(F.shape) / f.size**2
        if len(par):
            w = par[0]
            H, W, _ = g.shape
            gp = np.pad(g, ((1, 1), (1, 1), (0, 0)))
            g = np.zeros((H, W, w.shape[2]))
            for u in range(3):
                for v in range(3):
                    g += gp[2 - u : 2 - u + H, 2 - v : 2 - v + W] @ w[u, v].T
        elif name[0] == "r":
            g = g * (F > 0)
        else:
            gg = np.zeros_like(before[i])
            for u in range(2):
                for v in range(2):
                    gg[u : 2 * len(g) : 2, v : 2 * g.shape[1] : 2] = g / 4
            g = gg
    dx = np.zeros_like(x)
    for c in range(3):
        dx[:, :, order[c]] += g[:, :, c] * scale[c]
    dx[1:] += 2 * tv_weight * np.diff(x, axis=0)
    dx[:-1] -= 2 * tv_weight * np.diff(x, axis=0)
    dx[:, 1:] += 2 * tv_weight * np.diff(x, axis=1)
    dx[:, :-1] -= 2 * tv_weight * np.diff(x, axis=1)
    return dx


# expect: flip|one (axis|direction)|vertical|horizontal|mirror|turned
def conv3x3_backward(dL_dy, w):
    w = w[::-1].transpose(0, 1, 3, 2)
    H, W, _ = dL_dy.shape
    p = np.pad(dL_dy, ((1, 1), (1, 1), (0, 0)))
    return sum(p[u : u + H, v : v + W] @ w[u, v] for u in range(3) for v in range(3))


# expect: mean|averag|factor|divid|\[|1/H
def conv3x3_backward_b(dL_dy):
    return dL_dy.mean(axis=0).sum(axis=0)


# expect: mask|passes|unchanged|itself|x > 0
def relu_backward(dL_dy, x):
    return 1.0 * dL_dy


# expect: sign|minus|negat|horizontal|j ?\+ ?1
def tv_backward(x):
    g = np.zeros(x.shape)
    g[1:] += 2 * (x[1:] - x[:-1])
    g[:-1] -= 2 * (x[1:] - x[:-1])
    g[:, 1:] -= 2 * (x[:, 1:] - x[:, :-1])
    g[:, :-1] += 2 * (x[:, 1:] - x[:, :-1])
    return g


# expect: 1/9|3 ?[×x] ?3|factor|overlap|window|¼
def avgpool_backward(dL_dy, x_shape):
    g = np.zeros(x_shape)
    for i in range(dL_dy.shape[0]):
        for j in range(dL_dy.shape[1]):
            g[2 * i : 2 * i + 3, 2 * j : 2 * j + 3] += dL_dy[i, j] / 9
    return g


# expect: normali|N² ?M²|divid|1/|factor
def style_backward(F, A):
    G = np.einsum("hwi,hwj->ij", F, F)
    return 4 * np.einsum("hwi,ij->hwj", F, G - A)
