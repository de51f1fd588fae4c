# Homework 5, everything with loops because I trust loops
import numpy as np


# expect: factor.*2|twice|double|½
def content_backward(F, P):
    H, W, N = F.shape
    out = np.zeros((H, W, N))
    for i in range(H):
        for j in range(W):
            for n in range(N):
                out[i, j, n] = 2 * (F[i, j, n] - P[i, j, n])
    return out


# expect: symmetr|transpos|dL_dG\.?ᵀ|dL_dG_ji|half of|only one|dL_dG is missing
def gram_backward(dL_dG, F):
    H, W, N = F.shape
    out = np.zeros((H, W, N))
    for h in range(H):
        for w in range(W):
            for i in range(N):
                for j in range(N):
                    out[h, w, i] += dL_dG[i, j] * F[h, w, j]
    return out


# expect: ½|half|twice|factor (of )?2|times 2|the 2\b|2 d\b|0\.5
def tv_backward(x):
    H, W, C = x.shape
    g = np.zeros(x.shape)
    for i in range(H):
        for j in range(W):
            for c in range(C):
                if i + 1 < H:
                    d = x[i + 1, j, c] - x[i, j, c]
                    g[i + 1, j, c] += d
                    g[i, j, c] -= d
                if j + 1 < W:
                    d = x[i, j + 1, c] - x[i, j, c]
                    g[i, j + 1, c] += d
                    g[i, j, c] -= d
    return g


# expect: ¼|quarter|factor.*4|1/4|0\.25
def avgpool_backward(dL_dy, x_shape):
    H, W, C = x_shape
    g = np.zeros(x_shape)
    for i in range(H // 2):
        for j in range(W // 2):
            for u in range(2):
                for v in range(2):
                    g[2 * i + u, 2 * j + v] = dL_dy[i, j]
    return g


# expect: turned|flip|180|rotat|mirror
def conv3x3_backward(dL_dy, w):
    H, W, K = dL_dy.shape
    C = w.shape[2]
    g = np.zeros((H, W, C))
    for i in range(H):
        for j in range(W):
            for u in range(3):
                for v in range(3):
                    a, b = i + u - 1, j + v - 1
                    if 0 <= a < H and 0 <= b < W:
                        for c in range(C):
                            for k in range(K):
                                g[i, j, c] += dL_dy[a, b, k] * w[u, v, c, k]
    return g


# expect: mean|averag|divided by|H·W|\bM\b|positions
def conv3x3_backward_b(dL_dy):
    H, W, K = dL_dy.shape
    db = np.zeros(K)
    for k in range(K):
        db[k] = dL_dy[:, :, k].mean()
    return db


def _conv(x, w, b):
    H, W, C = x.shape
    y = np.zeros((H, W, w.shape[3]))
    for i in range(H):
        for j in range(W):
            y[i, j] = b
            for u in range(3):
                for v in range(3):
                    a, c = i + u - 1, j + v - 1
                    if a >= 0 and a < H and c >= 0 and c < W:
                        y[i, j] += x[a, c] @ w[u, v]
    return y


def _conv_back(g, w):
    H, W, K = g.shape
    gx = np.zeros((H, W, w.shape[2]))
    for i in range(H):
        for j in range(W):
            for u in range(3):
                for v in range(3):
                    a, c = i + u - 1, j + v - 1
                    if a >= 0 and a < H and c >= 0 and c < W:
                        gx[a, c] += w[u, v] @ g[i, j]
    return gx


# expect: total variation|TV|tv_weight
def objective_backward(x, pixels, layers, content, style, tv_weight):
    scale, shift, order = pixels
    H, W, _ = x.shape
    z = np.zeros(x.shape)
    for c in range(3):
        z[:, :, c] = scale[c] * x[:, :, order[c]] + shift[c]
    values = [z]
    for name, params in layers:
        v = values[-1]
        if name[:4] == "conv":
            v = _conv(v, params[0], params[1])
        elif name[:4] == "relu":
            v = np.maximum(v, 0)
        else:
            h, w = v.shape[0] // 2, v.shape[1] // 2
            o = np.zeros((h, w, v.shape[2]))
            for i in range(h):
                for j in range(w):
                    o[i, j] = v[2 * i : 2 * i + 2, 2 * j : 2 * j + 2].sum(axis=(0, 1)) / 4
            v = o
        values.append(v)
    g = np.zeros(values[-1].shape)
    for n in range(len(layers) - 1, -1, -1):
        name, params = layers[n]
        F = values[n + 1]
        if name in content:
            weight, P = content[name]
            g = g + weight * (F - P)
        if name in style:
            weight, A = style[name]
            m = F.reshape(-1, F.shape[2])
            M, N = m.shape
            g = g + weight * (m @ (m.T @ m - A)).reshape(F.shape) / (N * N * M * M)
        if name[:4] == "conv":
            g = _conv_back(g, params[0])
        elif name[:4] == "relu":
            g = g * (values[n] > 0)
        else:
            big = np.zeros(values[n].shape)
            for i in range(g.shape[0]):
                for j in range(g.shape[1]):
                    big[2 * i : 2 * i + 2, 2 * j : 2 * j + 2] = g[i, j] / 4
            g = big
    dx = np.zeros(x.shape)
    for c in range(3):
        dx[:, :, order[c]] = scale[c] * g[:, :, c]
    return dx
