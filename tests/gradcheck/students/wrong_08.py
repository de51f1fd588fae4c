import numpy as np

# ported from my pytorch code by hand


def mse_grad(a, b):
    return 2.0 * (a - b) / a.size


def gram(f):
    h, w, c = f.shape
    f = f.reshape(h * w, c)
    return f.T @ f / (c * h * w)


# expect: mean|divided|number of|size|2 ?/
def content_backward(F, P):
    return mse_grad(F, P)


# expect: divided|\bM\b|positions|normali|N ?M
def gram_backward(dL_dG, F):
    h, w, c = F.shape
    f = F.reshape(h * w, c)
    df = f @ dL_dG.T + f @ dL_dG
    return (df / (c * h * w)).reshape(h, w, c)


# expect: factor|mean|normali|divided|\bG\b|\bM\b
def style_backward(F, A):
    h, w, c = F.shape
    f = F.reshape(h * w, c)
    dG = mse_grad(gram(F), A)
    return (2 * f @ dG / (c * h * w)).reshape(F.shape)


# expect: inverse|order|permut|way round|scale
def pixels_backward(dL_dz, scale, order):
    return dL_dz[..., list(order)] * scale


# expect: absolute|sign|L1|\|x
def tv_backward(x):
    # F.l1_loss(x[1:], x[:-1], reduction="sum") + ...
    g = np.zeros_like(x)
    sy = np.sign(x[1:] - x[:-1])
    sx = np.sign(x[:, 1:] - x[:, :-1])
    g[1:] += sy
    g[:-1] -= sy
    g[:, 1:] += sx
    g[:, :-1] -= sx
    return g


def conv(x, w, b):
    w = w.transpose(3, 2, 0, 1)  # torch layout
    x = np.pad(x.transpose(2, 0, 1), ((0, 0), (1, 1), (1, 1)))
    H, W = x.shape[1] - 2, x.shape[2] - 2
    y = np.zeros((w.shape[0], H, W))
    for k in range(w.shape[0]):
        for u in range(3):
            for v in range(3):
                y[k] += np.tensordot(w[k, :, u, v], x[:, u : u + H, v : v + W], 1)
        y[k] += b[k]
    return y.transpose(1, 2, 0)


def conv_grad(g, w):
    return conv(g, w.transpose(0, 1, 3, 2)[::-1, ::-1], np.zeros(w.shape[2]))


# expect: content
def objective_backward(x, pixels, layers, content, style, tv_weight):
    scale, shift, order = pixels
    z = x[..., list(order)] * scale + shift
    ctx = []
    y = z
    for name, p in layers:
        inp = y
        if name.startswith("conv"):
            y = conv(inp, *p)
        elif name.startswith("relu"):
            y = np.maximum(inp, 0)
        elif name.startswith("pool"):
            h, w = inp.shape[0] // 2, inp.shape[1] // 2
            y = inp[: h * 2, : w * 2].reshape(h, 2, w, 2, -1).mean((1, 3))
        ctx.append((name, p, inp, y))
    g = np.zeros_like(y)
    for name, p, inp, y in reversed(ctx):
        if name in content:
            g += 2 * content[name][0] * (y - content[name][1])
        if name in style:
            weight, A = style[name]
            h, w, c = y.shape
            f = y.reshape(h * w, c)
            g += (weight * f @ (f.T @ f - A) / (c * h * w) ** 2).reshape(y.shape)
        if name.startswith("conv"):
            g = conv_grad(g, p[0])
        elif name.startswith("relu"):
            g = g * (inp > 0)
        else:
            gi = np.zeros_like(inp)
            gi[: g.shape[0] * 2, : g.shape[1] * 2] = g.repeat(2, axis=0).repeat(2, axis=1) / 4
            g = gi
    gx = np.zeros_like(x)
    gx[..., list(order)] = g * scale
    gx[1:] += 2 * tv_weight * (x[1:] - x[:-1])
    gx[:-1] -= 2 * tv_weight * (x[1:] - x[:-1])
    gx[:, 1:] += 2 * tv_weight * (x[:, 1:] - x[:, :-1])
    gx[:, :-1] -= 2 * tv_weight * (x[:, 1:] - x[:, :-1])
    return gx
