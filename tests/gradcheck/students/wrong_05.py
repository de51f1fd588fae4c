import numpy as np

roll = np.roll


# expect: wrap|roll|period|opposite|other side|circular
def tv_backward(x):
    g = 8 * x
    for ax in (0, 1):
        g = g - 2 * roll(x, 1, ax) - 2 * roll(x, -1, ax)
    return g


# expect: wrap|roll|period|opposite|other side|circular|border|outside
def conv3x3_backward(dL_dy, w):
    out = 0
    for u in range(3):
        for v in range(3):
            out = out + roll(dL_dy @ w[u, v].T, (u - 1, v - 1), axis=(0, 1))
    return out


# expect: wrap|roll|period|opposite|other side|circular|border|outside
def conv3x3_backward_w(dL_dy, x):
    K, C = dL_dy.shape[2], x.shape[2]
    dw = np.zeros((3, 3, C, K))
    for u in range(3):
        for v in range(3):
            shifted = roll(x, (1 - u, 1 - v), axis=(0, 1))
            dw[u, v] = np.tensordot(shifted, dL_dy, ((0, 1), (0, 1)))
    return dw


# expect: first|top|one of|left|three
def avgpool_backward(dL_dy, x_shape):
    dx = np.zeros(x_shape)
    h, w, _ = dL_dy.shape
    dx[0 : 2 * h : 2, 0 : 2 * w : 2] = dL_dy / 4
    return dx


# expect: minim|smallest|argmin
def maxpool_backward(dL_dy, x):
    h, w, C = dL_dy.shape
    b = x[: 2 * h, : 2 * w].reshape(h, 2, w, 2, C).transpose(0, 2, 4, 1, 3).reshape(h, w, C, 4)
    who = (-b).argmax(-1)
    d = (np.arange(4) == who[..., None]) * dL_dy[..., None]
    dx = np.zeros(x.shape)
    dx[: 2 * h, : 2 * w] = (
        d.reshape(h, w, C, 2, 2).transpose(0, 3, 1, 4, 2).reshape(2 * h, 2 * w, C)
    )
    return dx


# expect: dL_dy|incoming|forgot|multipl|mask (alone|itself)|derivative itself
def relu_backward(dL_dy, x):
    return (x > 0).astype(float)


def layer_out(name, par, a):
    if name.startswith("conv"):
        w, b = par
        ap = np.pad(a, [(1, 1), (1, 1), (0, 0)])
        H, W = a.shape[:2]
        return b + sum(ap[u : u + H, v : v + W] @ w[u, v] for u in range(3) for v in range(3))
    if name.startswith("relu"):
        return np.maximum(a, 0)
    h, w = a.shape[0] // 2, a.shape[1] // 2
    return a[: 2 * h, : 2 * w].reshape(h, 2, w, 2, -1).mean((1, 3))


def layer_back(name, par, a, g):
    if name.startswith("conv"):
        gp = np.pad(g, [(1, 1), (1, 1), (0, 0)])
        H, W = a.shape[:2]
        return sum(
            gp[2 - u : 2 - u + H, 2 - v : 2 - v + W] @ par[0][u, v].T
            for u in range(3)
            for v in range(3)
        )
    if name.startswith("relu"):
        return np.where(a > 0, g, 0)
    h, w, C = g.shape
    out = np.zeros(a.shape)
    out[: 2 * h, : 2 * w] = np.kron(g, np.full((2, 2, 1), 0.25))
    return out


# expect: pixel|scale
def objective_backward(x, pixels, layers, content, style, tv_weight):
    scale, shift, order = pixels
    order = list(order)
    acts = [x[:, :, order] * scale + shift]
    for name, par in layers:
        acts.append(layer_out(name, par, acts[-1]))
    g = np.zeros_like(acts[-1])
    for i in reversed(range(len(layers))):
        name, par = layers[i]
        F = acts[i + 1]
        if name in content:
            wt, P = content[name]
            g += wt * (F - P)
        if name in style:
            wt, A = style[name]
            M, N = F.shape[0] * F.shape[1], F.shape[2]
            f = F.reshape(M, N)
            g += wt / (M * N) ** 2 * (f @ (f.T @ f - A)).reshape(F.shape)
        g = layer_back(name, par, acts[i], g)
    dx = np.empty_like(g)
    dx[:, :, order] = g
    # TV
    dv = x[1:] - x[:-1]
    dh = x[:, 1:] - x[:, :-1]
    dx[1:] += tv_weight * 2 * dv
    dx[:-1] -= tv_weight * 2 * dv
    dx[:, 1:] += tv_weight * 2 * dh
    dx[:, :-1] -= tv_weight * 2 * dh
    return dx
