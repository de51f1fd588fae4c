"""Plain loops throughout."""
import numpy as np


def content_backward(F, P):
    g = np.zeros(F.shape)
    for i in range(F.shape[0]):
        for j in range(F.shape[1]):
            for k in range(F.shape[2]):
                g[i, j, k] = F[i, j, k] - P[i, j, k]
    return g


def gram_backward(dL_dG, F):
    H, W, N = F.shape
    g = np.zeros(F.shape)
    for p in range(H):
        for q in range(W):
            for i in range(N):
                for j in range(N):
                    g[p, q, i] += dL_dG[i, j] * F[p, q, j]
                    g[p, q, j] += dL_dG[i, j] * F[p, q, i]
    return g


def style_backward(F, A):
    H, W, N = F.shape
    G = np.zeros((N, N))
    for p in range(H):
        for q in range(W):
            G += np.outer(F[p, q], F[p, q])
    g = np.zeros(F.shape)
    for p in range(H):
        for q in range(W):
            g[p, q] = (G - A) @ F[p, q] / (N * H * W) ** 2
    return g


def tv_backward(x):
    H, W, C = x.shape
    g = np.zeros(x.shape)
    for i in range(H):
        for j in range(W):
            for a, b in ((i - 1, j), (i + 1, j), (i, j - 1), (i, j + 1)):
                if 0 <= a < H and 0 <= b < W:
                    g[i, j] += 2 * (x[i, j] - x[a, b])
    return g


def relu_backward(dL_dy, x):
    g = np.zeros(x.shape)
    for k in np.ndindex(x.shape):
        if x[k] > 0:
            g[k] = dL_dy[k]
    return g


def avgpool_backward(dL_dy, x_shape):
    g = np.zeros(x_shape)
    for i, j, c in np.ndindex(*dL_dy.shape):
        for u in (0, 1):
            for v in (0, 1):
                g[2 * i + u, 2 * j + v, c] += dL_dy[i, j, c] * 0.25
    return g


def maxpool_backward(dL_dy, x):
    g = np.zeros(x.shape)
    for i, j, c in np.ndindex(*dL_dy.shape):
        best = None
        for u in (0, 1):
            for v in (0, 1):
                if best is None or x[2 * i + u, 2 * j + v, c] > x[best]:
                    best = (2 * i + u, 2 * j + v, c)
        g[best] = dL_dy[i, j, c]
    return g


def conv3x3_backward(dL_dy, w):
    H, W, K = dL_dy.shape
    g = np.zeros((H, W, w.shape[2]))
    for i in range(H):
        for j in range(W):
            for u in range(3):
                for v in range(3):
                    p, q = i + u - 1, j + v - 1
                    if 0 <= p < H and 0 <= q < W:
                        for k in range(K):
                            g[p, q] += dL_dy[i, j, k] * w[u, v, :, k]
    return g


def conv3x3_backward_w(dL_dy, x):
    H, W, K = dL_dy.shape
    g = np.zeros((3, 3, x.shape[2], K))
    for i in range(H):
        for j in range(W):
            for u in range(3):
                for v in range(3):
                    p, q = i + u - 1, j + v - 1
                    if 0 <= p < H and 0 <= q < W:
                        g[u, v] += np.outer(x[p, q], dL_dy[i, j])
    return g


def conv3x3_backward_b(dL_dy):
    return np.array([sum(map(sum, dL_dy[:, :, k])) for k in range(dL_dy.shape[2])])


def pixels_backward(dL_dz, scale, order):
    g = np.zeros(dL_dz.shape)
    for c in range(3):
        g[:, :, order[c]] = scale[c] * dL_dz[:, :, c]
    return g


def objective_backward(x, pixels, layers, content, style, tv_weight):
    scale, shift, order = pixels
    z = np.zeros(x.shape)
    for c in range(3):
        z[:, :, c] = scale[c] * x[:, :, order[c]] + shift[c]
    maps = [z]
    for name, par in layers:
        a = maps[-1]
        if name.startswith("conv"):
            w, b = par
            H, W, C = a.shape
            y = np.zeros((H, W, len(b))) + b
            for i in range(H):
                for j in range(W):
                    for u in range(3):
                        for v in range(3):
                            p, q = i + u - 1, j + v - 1
                            if 0 <= p < H and 0 <= q < W:
                                y[i, j] += a[p, q] @ w[u, v]
        elif name.startswith("relu"):
            y = np.maximum(a, 0)
        else:
            h, w = a.shape[0] // 2, a.shape[1] // 2
            y = np.zeros((h, w, a.shape[2]))
            for i in range(h):
                for j in range(w):
                    y[i, j] = a[2 * i : 2 * i + 2, 2 * j : 2 * j + 2].mean(axis=(0, 1))
        maps.append(y)
    g = np.zeros(maps[-1].shape)
    for k in range(len(layers) - 1, -1, -1):
        name, par = layers[k]
        F, a = maps[k + 1], maps[k]
        if name in content:
            weight, P = content[name]
            g = g + weight * content_backward(F, P)
        if name in style:
            weight, A = style[name]
            g = g + weight * style_backward(F, A)
        if name.startswith("conv"):
            g = conv3x3_backward(g, par[0])
        elif name.startswith("relu"):
            g = relu_backward(g, a)
        else:
            g = avgpool_backward(g, a.shape)
    return pixels_backward(g, scale, order) + tv_weight * tv_backward(x)
