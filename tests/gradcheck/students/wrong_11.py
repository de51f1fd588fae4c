import numpy as np


# expect: diagonal
def gram_backward(dL_dG, F):
    # off-diagonal entries come twice, the diagonal only once
    S = dL_dG + dL_dG.T - np.diag(np.diag(dL_dG))
    return np.einsum("hwj,ji->hwi", F, S)


# expect: positions|height|rows|\bM\b|factor|W\^2|W²
def style_backward(F, A):
    M, N = F.shape[0], F.shape[2]
    f = F.reshape(-1, N)
    return ((f @ (f.T @ f - A)) / (N * N * M * M)).reshape(F.shape)


# expect: last|odd|dropped
def avgpool_backward(dL_dy, x_shape):
    up = np.repeat(np.repeat(dL_dy, 2, axis=0), 2, axis=1) / 4
    H, W, _ = x_shape
    return np.pad(up, ((0, H - up.shape[0]), (0, W - up.shape[1]), (0, 0)), mode="edge")


# expect: channel
def maxpool_backward(dL_dy, x):
    dx = np.zeros_like(x)
    for i in range(dL_dy.shape[0]):
        for j in range(dL_dy.shape[1]):
            win = x[2 * i : 2 * i + 2, 2 * j : 2 * j + 2]
            dx[2 * i : 2 * i + 2, 2 * j : 2 * j + 2] = (win == win.max()) * dL_dy[i, j]
    return dx


# expect: channel|turned|flip|180
def conv3x3_backward(dL_dy, w):
    wr = w[::-1, ::-1, ::-1, ::-1]
    p = np.pad(dL_dy, ((1, 1), (1, 1), (0, 0)))
    H, W, _ = dL_dy.shape
    return sum(p[u : u + H, v : v + W] @ wr[u, v].T for u in range(3) for v in range(3))


# expect: first|one scale|scale\[0\]|same scale|all channels
def pixels_backward(dL_dz, scale, order):
    dx = np.zeros_like(dL_dz)
    for c in range(3):
        dx[:, :, order[c]] = dL_dz[:, :, c] * scale[0]
    return dx


def run(layers, z):
    """-> inputs and outputs of all layers"""
    I, O = {}, {}
    for n, p in layers:
        I[n] = z
        if p:
            w, b = p
            q = np.pad(z, ((1, 1), (1, 1), (0, 0)))
            H, W, _ = z.shape
            z = b + sum(q[u : u + H, v : v + W] @ w[u, v] for u in range(3) for v in range(3))
        elif n[0] == "r":
            z = np.where(z > 0, z, 0)
        else:
            h, w = z.shape[0] // 2, z.shape[1] // 2
            z = sum(z[u : 2 * h : 2, v : 2 * w : 2] for u in (0, 1) for v in (0, 1)) / 4
        O[n] = z
    return I, O


# expect: RGB|BGR|order|channel|permut
def objective_backward(x, pixels, layers, content, style, tv_weight):
    scale, shift, order = pixels
    z = scale * x[:, :, list(order)] + shift
    I, O = run(layers, z)
    g = 0
    for n, p in layers[::-1]:
        F = O[n]
        if n in content:
            g = g + content[n][0] * (F - content[n][1])
        if n in style:
            f = F.reshape(-1, F.shape[-1])
            g = g + style[n][0] * (f @ (f.T @ f - style[n][1])).reshape(F.shape) / f.size**2
        if p:
            w = p[0]
            H, W, _ = g.shape
            q = np.pad(g, ((1, 1), (1, 1), (0, 0)))
            g = sum(
                q[2 - u : H + 2 - u, 2 - v : W + 2 - v] @ w[u, v].T
                for u in range(3)
                for v in range(3)
            )
        elif n[0] == "r":
            g = g * (I[n] > 0)
        else:
            up = np.repeat(np.repeat(g, 2, 0), 2, 1) / 4
            g = np.zeros_like(I[n])
            g[: up.shape[0], : up.shape[1]] = up
    g = g * scale
    tv = np.zeros_like(x)
    for ax in (0, 1):
        d = np.swapaxes(np.diff(x, axis=ax), 0, ax)
        t = np.swapaxes(tv, 0, ax)
        t[1:] += 2 * d
        t[:-1] -= 2 * d
    return g + tv_weight * tv
