import numpy as np


# expect: turned|flip|180|rotat|mirror
def conv3x3_backward(dL_dy, w):
    from scipy import signal

    H, W, K = dL_dy.shape
    C = w.shape[2]
    out = np.zeros((H, W, C))
    for c in range(C):
        for k in range(K):
            out[:, :, c] += signal.correlate2d(dL_dy[:, :, k], w[:, :, c, k], mode="same")
    return out


# expect: turned|flip|180|rotat|mirror
def conv3x3_backward_w(dL_dy, x):
    from scipy import signal

    C, K = x.shape[2], dL_dy.shape[2]
    dw = np.empty((3, 3, C, K))
    xp = np.pad(x, ((1, 1), (1, 1), (0, 0)))
    for c in range(C):
        for k in range(K):
            # correlation = convolution with a flip
            dw[:, :, c, k] = signal.convolve2d(xp[::-1, ::-1, c], dL_dy[:, :, k], mode="valid")
    return dw


# expect: border|edge|outside|pad|pairs|corner
def tv_backward(x):
    from scipy import ndimage

    lap = np.array([[0, -1, 0], [-1, 4, -1], [0, -1, 0]])
    return 2 * np.stack(
        [ndimage.correlate(x[..., c], lap, mode="constant") for c in range(x.shape[2])], -1
    )


# expect: overlap|neighbour|blur|spread|stride|interpol
def avgpool_backward(dL_dy, x_shape):
    from scipy import ndimage

    H, W, C = x_shape
    h, w, _ = dL_dy.shape
    up = ndimage.zoom(dL_dy, (2, 2, 1), order=1, mode="nearest", grid_mode=True) / 4
    out = np.zeros(x_shape)
    out[: 2 * h, : 2 * w] = up
    return out


# expect: F > 0|ReLU|condition|mask
def content_backward(F, P):
    g = F - P
    g[F < 0] = 0
    return g


# expect: square|M²|N²|factor|normali|N ?M
def style_backward(F, A):
    H, W, N = F.shape
    f = F.reshape(-1, N)
    G = f.T @ f
    return (f @ (G - A)).reshape(F.shape) / (N * H * W)


# expect: square|\^2|²|twice|scale
def pixels_backward(dL_dz, scale, order):
    tmp = dL_dz * scale**2
    out = np.empty_like(tmp)
    out[..., list(order)] = tmp
    return out


def pyr(x, layers):
    from scipy import signal

    acts = []
    for name, p in layers:
        acts.append(x)
        if name[:4] == "conv":
            w, b = p
            x = np.stack(
                [
                    sum(
                        signal.correlate2d(x[..., c], w[..., c, k], mode="same")
                        for c in range(w.shape[2])
                    )
                    + b[k]
                    for k in range(w.shape[3])
                ],
                -1,
            )
        elif name[:4] == "relu":
            x = x.clip(min=0)
        else:
            h, w = x.shape[0] // 2 * 2, x.shape[1] // 2 * 2
            x = (x[:h:2, :w:2] + x[1:h:2, :w:2] + x[:h:2, 1:w:2] + x[1:h:2, 1:w:2]) * 0.25
    return acts + [x]


# expect: turned|flip|180|rotat|mirror
def objective_backward(x, pixels, layers, content, style, tv_weight):
    from scipy import signal

    s, t, o = pixels
    z = np.stack([s[c] * x[..., o[c]] + t[c] for c in range(3)], -1)
    acts = pyr(z, layers)
    g = np.zeros(acts[-1].shape)
    for (name, p), below, F in zip(layers[::-1], acts[-2::-1], acts[:0:-1]):
        for weight, P in [content[name]] if name in content else []:
            g = g + weight * (F - P)
        for weight, A in [style[name]] if name in style else []:
            n = F.shape[-1]
            m = F.size // n
            f = F.reshape(m, n)
            g = g + (weight / n**2 / m**2 * f @ (f.T @ f - A)).reshape(F.shape)
        if name[:4] == "conv":
            w = p[0]
            g = np.stack(
                [
                    sum(
                        signal.correlate2d(g[..., k], w[..., c, k], mode="same")
                        for k in range(w.shape[3])
                    )
                    for c in range(w.shape[2])
                ],
                -1,
            )
        elif name[:4] == "relu":
            g = g * (below > 0)
        else:
            out = np.zeros(below.shape)
            up = g.repeat(2, 0).repeat(2, 1) / 4
            out[: up.shape[0], : up.shape[1]] = up
            g = out
    dx = np.zeros(x.shape)
    for c in range(3):
        dx[..., o[c]] = s[c] * g[..., c]
    a = np.diff(x, axis=0) * 2 * tv_weight
    b = np.diff(x, axis=1) * 2 * tv_weight
    dx[1:] += a
    dx[:-1] -= a
    dx[:, 1:] += b
    dx[:, :-1] -= b
    return dx
