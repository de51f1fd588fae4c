import numpy as np

f4 = np.float32


# expect: sigmoid|smooth|soft|slope|\[
def relu_backward(dL_dy, x):
    # smooth version
    return dL_dy / (1 + np.exp(-x))


# expect: precision|round|float16|half|digits
def conv3x3_backward(dL_dy, w):
    wt = w[::-1, ::-1].transpose(0, 1, 3, 2).astype(np.float16)
    H, W, K = dL_dy.shape
    p = np.pad(dL_dy.astype(np.float16), ((1, 1), (1, 1), (0, 0)))
    out = np.zeros((H, W, w.shape[2]), np.float16)
    for u in range(3):
        for v in range(3):
            out += p[u : u + H, v : v + W] @ wt[u, v]
    return out.astype(float)


# expect: order|reshap|transpos|layout|wrong (place|position|entry|window)|window
def maxpool_backward(dL_dy, x):
    h, w, C = dL_dy.shape
    b = x[: 2 * h, : 2 * w].reshape(h, w, 4, C)
    m = b == b.max(axis=2, keepdims=True)
    out = np.zeros(x.shape)
    out[: 2 * h, : 2 * w] = (m * dL_dy[:, :, None]).reshape(2 * h, 2 * w, C)
    return out


# expect: norm
def content_backward(F, P):
    d = F - P
    return d / np.linalg.norm(d)


# expect: square|height|width|\[
def conv3x3_backward_b(dL_dy):
    n = dL_dy.shape[0]
    s = 0
    for i in range(n):
        for j in range(min(n, dL_dy.shape[1])):
            s = s + dL_dy[i, j]
    return s


def fw(x, layers):
    res = [x]
    for n, p in layers:
        x = res[-1]
        if "conv" in n:
            H, W = x.shape[:2]
            q = np.pad(x, ((1, 1), (1, 1), (0, 0)))
            y = p[1].copy()
            for u in range(3):
                for v in range(3):
                    y = y + np.einsum("ijc,ck->ijk", q[u : u + H, v : v + W], p[0][u, v])
        elif "relu" in n:
            y = np.fmax(x, 0)
        else:
            H, W = (s // 2 for s in x.shape[:2])
            y = np.add.reduce(
                [x[a : 2 * H : 2, b : 2 * W : 2] for a in (0, 1) for b in (0, 1)]
            ) / 4
        res.append(y)
    return res


# expect: one layer|before|after|below|above|wrong layer|late|early|tap
def objective_backward(x, pixels, layers, content, style, tv_weight):
    scale, shift, order = pixels
    maps = fw(x[..., list(order)] * scale + shift, layers)
    g = np.zeros(maps[-1].shape)
    # the deepest tap starts it all
    first = True
    for k in range(len(layers))[::-1]:
        n, p = layers[k]
        y, a = maps[k + 1], maps[k]
        extra = 0
        if n in content:
            extra = extra + content[n][0] * (y - content[n][1])
        if n in style:
            f = y.reshape(-1, y.shape[-1])
            extra = extra + style[n][0] * (f @ (f.T @ f - style[n][1])).reshape(y.shape) / f.size**2
        if first:
            g = g + extra
            extra = 0
            first = False
        if "conv" in n:
            g = g + extra
            H, W = g.shape[:2]
            q = np.pad(g, ((1, 1), (1, 1), (0, 0)))
            g = 0
            for u in range(3):
                for v in range(3):
                    g = g + np.einsum("ijk,ck->ijc", q[2 - u :, 2 - v :][:H, :W], p[0][u, v])
        elif "relu" in n:
            g = g * (a > 0) + extra
        else:
            t = np.zeros_like(a)
            for i in (0, 1):
                for j in (0, 1):
                    t[i : 2 * g.shape[0] : 2, j : 2 * g.shape[1] : 2] = g / 4
            g = t + extra
    dx = np.zeros_like(x)
    for c, o in enumerate(order):
        dx[..., o] = scale[c] * g[..., c]
    t = np.zeros_like(x)
    t[1:] += x[1:] - x[:-1]
    t[:-1] += x[:-1] - x[1:]
    t[:, 1:] += x[:, 1:] - x[:, :-1]
    t[:, :-1] += x[:, :-1] - x[:, 1:]
    return dx + 2 * tv_weight * t
