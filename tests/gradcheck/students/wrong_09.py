# Follows Gatys et al. to the letter, equations (2), (6)
import numpy as np


# expect: F > 0|ReLU|condition|mask|F < 0
def content_backward(F, P):
    return np.where(F > 0, F - P, 0)


# expect: F > 0|ReLU|condition|mask|F < 0
def style_backward(F, A):
    H, W, N = F.shape
    M = H * W
    Fl = F.reshape(M, N).T  # N x M as in the paper
    G = Fl @ Fl.T
    E = (Fl.T @ (G - A)).T / (N**2 * M**2)
    E[Fl < 0] = 0
    return E.T.reshape(H, W, N)


# expect: sign|minus|antisym|−|transpos
def gram_backward(dL_dG, F):
    N = F.shape[-1]
    Fl = F.reshape(-1, N).T
    return ((dL_dG - dL_dG.T) @ Fl).T.reshape(F.shape)


# expect: sign|minus|negat
def tv_backward(x):
    g = np.zeros(x.shape)
    g[:-1] += 2 * (x[1:] - x[:-1])
    g[1:] -= 2 * (x[1:] - x[:-1])
    g[:, :-1] += 2 * (x[:, 1:] - x[:, :-1])
    g[:, 1:] -= 2 * (x[:, 1:] - x[:, :-1])
    return g


def conv_f(x, w, b):
    H, W, C = x.shape
    xp = np.zeros((H + 2, W + 2, C))
    xp[1:-1, 1:-1] = x
    out = np.tile(b, (H, W, 1)).astype(float)
    for u in range(3):
        for v in range(3):
            out += xp[u : u + H, v : v + W].dot(w[u, v])
    return out


def conv_b(g, w):
    H, W, K = g.shape
    gp = np.zeros((H + 2, W + 2, K))
    gp[1:-1, 1:-1] = g
    out = 0
    for u in range(3):
        for v in range(3):
            out = out + gp[2 - u : H + 2 - u, 2 - v : W + 2 - v].dot(w[u, v].T)
    return out


# expect: F > 0|ReLU|condition|mask|F < 0
def objective_backward(x, pixels, layers, content, style, tv_weight):
    scale, shift, order = pixels
    y = scale * x[:, :, list(order)] + shift
    ins, outs = [], []
    for name, p in layers:
        ins.append(y)
        if name.startswith("conv"):
            y = conv_f(y, *p)
        elif name.startswith("relu"):
            y = np.maximum(y, 0)
        else:
            h, w = y.shape[0] // 2, y.shape[1] // 2
            y = y[: 2 * h, : 2 * w].reshape(h, 2, w, 2, y.shape[2]).mean(axis=(1, 3))
        outs.append(y)
    g = np.zeros_like(y)
    for k in range(len(layers))[::-1]:
        name, p = layers[k]
        if name in content:
            wc, P = content[name]
            g = g + wc * content_backward(outs[k], P)
        if name in style:
            ws, A = style[name]
            g = g + ws * style_backward(outs[k], A)
        if name.startswith("conv"):
            g = conv_b(g, p[0])
        elif name.startswith("relu"):
            g = g * (ins[k] > 0)
        else:
            gg = np.zeros_like(ins[k])
            h, w = g.shape[:2]
            for a in (0, 1):
                for b in (0, 1):
                    gg[a : 2 * h : 2, b : 2 * w : 2] = g / 4
            g = gg
    out = np.zeros_like(x)
    for c in range(3):
        out[:, :, order[c]] = scale[c] * g[:, :, c]
    return out - tv_weight * tv_backward(x)
