import numpy as np

WINDOW = [(0, 0), (0, 1), (1, 0), (1, 1)]


def C(x, w, b):
    X = np.zeros((x.shape[0] + 2, x.shape[1] + 2, x.shape[2]))
    X[1:-1, 1:-1] = x
    return (
        sum(np.matmul(X[u : u + len(x), v : v + len(x[0])], w[u, v]) for u in range(3) for v in range(3))
        + b
    )


def dC(d, w):
    D = np.zeros((d.shape[0] + 2, d.shape[1] + 2, w.shape[2]))
    for u in range(3):
        for v in range(3):
            D[u : u + len(d), v : v + len(d[0])] += np.matmul(d, w[u, v].T)
    return D[1:-1, 1:-1]


def A2(x):
    h, w = len(x) // 2, len(x[0]) // 2
    return sum(x[u : 2 * h : 2, v : 2 * w : 2] for u, v in WINDOW) / 4


def dA2(d, like):
    g = np.zeros(like.shape)
    h, w = d.shape[:2]
    for u, v in WINDOW:
        g[u : 2 * h : 2, v : 2 * w : 2] = d / 4
    return g


# expect: content.*style|weight|swap
def objective_backward(x, pixels, layers, content, style, tv_weight):
    s, t, o = pixels
    v = np.dstack([x[:, :, o[c]] * s[c] + t[c] for c in range(3)])
    steps = []
    for name, p in layers:
        if name.startswith("conv"):
            out = C(v, *p)
        elif name.startswith("relu"):
            out = np.where(v > 0, v, 0)
        else:
            out = A2(v)
        steps.append([name, p, v, out])
        v = out
    d = np.zeros(v.shape)
    for name, p, v, out in reversed(steps):
        h, w, n = out.shape
        if name in content:
            weight, P = content[name]
            d = d + weight * (out - P)
        if name in style:
            f = out.reshape(h * w, n)
            G = f.T @ f
            d = d + weight * (f @ (G - style[name][1])).reshape(out.shape) / (n * h * w) ** 2
        if name.startswith("conv"):
            d = dC(d, p[0])
        elif name.startswith("relu"):
            d = d * (v > 0)
        else:
            d = dA2(d, v)
    g = np.zeros_like(x)
    for c in range(3):
        g[:, :, o[c]] = s[c] * d[:, :, c]
    g[1:, :] += 2 * tv_weight * (x[1:, :] - x[:-1, :])
    g[:-1, :] -= 2 * tv_weight * (x[1:, :] - x[:-1, :])
    g[:, 1:] += 2 * tv_weight * (x[:, 1:] - x[:, :-1])
    g[:, :-1] -= 2 * tv_weight * (x[:, 1:] - x[:, :-1])
    return g


# expect: \bN\b|channels|N²
def style_backward(F, A):
    f = F.reshape(-1, F.shape[-1])
    M = len(f)
    return (f @ (f.T @ f - A) / M**2).reshape(F.shape)


# expect: normali|N² ?M²|divid|\bM\b|factor
def gram_backward(dL_dG, F):
    # d/dF of F^T F, normalised like in the paper
    M, N = F.shape[0] * F.shape[1], F.shape[2]
    return F @ (dL_dG + dL_dG.T) / (4 * N**2 * M**2)


# expect: negative|positive|relu|> 0|max\(
def maxpool_backward(dL_dy, x):
    x = np.maximum(x, 0)
    g = np.zeros(x.shape)
    for i in range(dL_dy.shape[0]):
        for j in range(dL_dy.shape[1]):
            for c in range(x.shape[2]):
                best, where = 0, None
                for u, v in WINDOW:
                    if x[2 * i + u, 2 * j + v, c] > best:
                        best, where = x[2 * i + u, 2 * j + v, c], (2 * i + u, 2 * j + v, c)
                if where:
                    g[where] = dL_dy[i, j, c]
    return g


# expect: shape|odd
def avgpool_backward(dL_dy, x_shape):
    return dL_dy.repeat(2, 0).repeat(2, 1) / 4
