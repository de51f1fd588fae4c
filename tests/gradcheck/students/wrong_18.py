import numpy as np


def pad1(a):
    return np.pad(a, ((1, 1), (1, 1), (0, 0)))


def taps(a):
    H, W, _ = a.shape
    p = pad1(a)
    for u in range(3):
        for v in range(3):
            yield u, v, p[u : u + H, v : v + W]


def conv(a, w, b=0):
    return sum(s @ w[u, v] for u, v, s in taps(a)) + b


def conv_t(g, w):
    return sum(s @ w[2 - u, 2 - v].T for u, v, s in taps(g))


def tv(x):
    e = np.pad(x, ((1, 1), (1, 1), (0, 0)), mode="edge")
    return 2 * (
        4 * x - e[:-2, 1:-1] - e[2:, 1:-1] - e[1:-1, :-2] - e[1:-1, 2:]
    )


# expect: total variation|\bTV\b|pixel|scale
def objective_backward(x, pixels, layers, content, style, tv_weight):
    scale, shift, order = pixels
    z = x[:, :, list(order)] * scale + shift
    acts = [z]
    for name, par in layers:
        a = acts[-1]
        if name.startswith("c"):
            a = conv(a, *par)
        elif name.startswith("r"):
            a = a.clip(0)
        else:
            h, w = a.shape[0] // 2, a.shape[1] // 2
            a = a[: h + h, : w + w].reshape(h, 2, w, 2, -1).mean((1, 3))
        acts.append(a)
    g = np.zeros_like(acts[-1])
    for (name, par), a, F in zip(layers[::-1], acts[-2::-1], acts[:0:-1]):
        if name in content:
            g = g + content[name][0] * (F - content[name][1])
        if name in style:
            f = F.reshape(-1, F.shape[-1])
            g = g + style[name][0] * (f @ (f.T @ f - style[name][1])).reshape(F.shape) / f.size**2
        if name.startswith("c"):
            g = conv_t(g, par[0])
        elif name.startswith("r"):
            g = g * (F > 0)
        else:
            t = np.zeros_like(a)
            u = np.kron(g, np.ones((2, 2, 1))) / 4
            t[: u.shape[0], : u.shape[1]] = u
            g = t
    g = g + tv_weight * tv(z)
    out = np.zeros_like(x)
    out[:, :, list(order)] = scale * g
    return out


# expect: edge|border|reflect|outside|pad|mirror
def tv_backward(x):
    e = np.pad(x, ((1, 1), (1, 1), (0, 0)), mode="reflect")
    return 2 * (4 * x - e[:-2, 1:-1] - e[2:, 1:-1] - e[1:-1, :-2] - e[1:-1, 2:])


# expect: absolute|sign|\|x\|
def relu_backward(dL_dy, x):
    return dL_dy * np.sign(x)


# expect: shift|constant|independent|linear|forward|not depend|dL_dz
def pixels_backward(dL_dz, scale, order):
    out = np.zeros_like(dL_dz)
    for c in range(3):
        out[:, :, order[c]] = scale[c] * dL_dz[:, :, c] + 1
    return out


# expect: odd|last|shape
def maxpool_backward(dL_dy, x):
    out = np.zeros_like(x)
    H, W, C = x.shape
    # reflect the missing row / column so that everything divides by 2
    xp = np.pad(x, ((0, H % 2), (0, W % 2), (0, 0)), mode="edge")
    dp = np.pad(dL_dy, ((0, H % 2), (0, W % 2), (0, 0)), mode="edge")
    for i in range(dp.shape[0]):
        for j in range(dp.shape[1]):
            for c in range(C):
                win = xp[2 * i : 2 * i + 2, 2 * j : 2 * j + 2, c]
                u, v = np.unravel_index(win.argmax(), (2, 2))
                if 2 * i + u < H and 2 * j + v < W:
                    out[2 * i + u, 2 * j + v, c] = dp[i, j, c]
    return out


# expect: transpos|reshap|order|swap|permut|layout|axes
def content_backward(F, P):
    H, W, N = F.shape
    return np.reshape(F - P, (H, W, N), order="C").reshape(-1, order="F").reshape(H, W, N)
