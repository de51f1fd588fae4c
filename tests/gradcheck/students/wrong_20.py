import numpy as np
# i could not derive these so i did it numerically, hope thats ok


def numeric(f, x, h=0.1):
    g = np.zeros_like(x)
    f0 = f(x)
    it = np.nditer(x, flags=["multi_index"])
    while not it.finished:
        i = it.multi_index
        xx = x.copy()
        xx[i] += h
        g[i] = (f(xx) - f0) / h
        it.iternext()
    return g


def tv_loss(x):
    return ((x[1:] - x[:-1]) ** 2).sum() + ((x[:, 1:] - x[:, :-1]) ** 2).sum()


# expect-located: \[|every|all|every entry
def tv_backward(x):
    return numeric(tv_loss, x)


# expect-located: \[|every|all|every entry
def content_backward(F, P):
    return numeric(lambda f: 0.5 * ((f - P) ** 2).sum(), F, h=1e-3)


# expect-located: \[|every|all|digits|close
def style_backward(F, A):
    N = F.shape[2]
    M = F.shape[0] * F.shape[1]

    def E(f):
        f = f.reshape(M, N)
        return ((f.T @ f - A) ** 2).sum() / (4 * N**2 * M**2)

    return numeric(E, F, h=1e-5)


# expect-located: \[|random|different|second|twice|same
def relu_backward(dL_dy, x):
    noise = np.random.normal(0, 1e-4, x.shape)
    return (dL_dy + noise) * (x > 0)


# expect-located: \[|position|wrong
def maxpool_backward(dL_dy, x):
    # sort each window, biggest at the end
    h, w, C = dL_dy.shape
    win = x[: 2 * h, : 2 * w].reshape(h, 2, w, 2, C).transpose(0, 2, 4, 1, 3).reshape(h, w, C, 4)
    order = np.argsort(win, axis=-1)
    rank = order[..., 3]
    out = np.zeros_like(x)
    for i in range(h):
        for j in range(w):
            for c in range(C):
                r = rank[i, j, c]
                out[2 * i + r // 2, 2 * j + r % 2, c] = dL_dy[i, j, c] * (
                    1 if r != 3 else 0.9
                )
    return out


# expect-located: \[|entries|permut|order
def conv3x3_backward_b(dL_dy):
    return np.sort(dL_dy.sum(axis=(0, 1)))


# expect-located: \[|entries|all
def conv3x3_backward_w(dL_dy, x):
    H, W, _ = x.shape
    xp = np.pad(x, ((1, 1), (1, 1), (0, 0)))
    dw = np.zeros((3, 3, x.shape[2], dL_dy.shape[2]))
    for u in range(3):
        for v in range(3):
            a = np.tensordot(xp[u : u + H, v : v + W], dL_dy, ((0, 1), (0, 1)))
            dw[u, v] = np.tanh(a) * (1 + u * v)
    return dw


# expect-located: \[|entries|all|layer|cannot|several|content|style
def objective_backward(x, pixels, layers, content, style, tv_weight):
    g = tv_weight * numeric(tv_loss, x)
    scale, shift, order = pixels
    for name, (w, P) in content.items():
        up = np.resize(P, x.shape)
        g += w * (x - up) * scale
    return g + np.cos(7 * x)


# expect: inverse|order|permut|way round
def pixels_backward(dL_dz, scale, order):
    return (dL_dz * scale)[..., list(order)]
