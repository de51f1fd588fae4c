import numpy as np

# Matrix version: write conv as a big matrix T, backward is T.T


def conv_matrix(w, H, W):
    _, _, C, K = w.shape
    T = np.zeros((H, W, K, H, W, C))
    for i in range(H):
        for j in range(W):
            for u in range(3):
                for v in range(3):
                    p, q = i + u - 1, j + v - 1
                    if 0 <= p < H and 0 <= q < W:
                        T[i, j, :, p, q, :] = w[u, v].T
    return T.reshape(H * W * K, H * W * C)


def avg_matrix(H, W):
    h, w = H // 2, W // 2
    T = np.zeros((h, w, H, W))
    for i in range(h):
        for j in range(w):
            T[i, j, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2] = 0.25
    return T.reshape(h * w, H * W)


# expect: border|edge|interior|outer
def conv3x3_backward(dL_dy, w):
    H, W, K = dL_dy.shape
    d = dL_dy.copy()
    d[0] = d[-1] = 0
    d[:, 0] = d[:, -1] = 0
    return (conv_matrix(w, H, W).T @ d.ravel()).reshape(H, W, -1)


# expect: centre|center|middle|tap
def conv3x3_backward_w(dL_dy, x):
    dw = np.zeros((3, 3, x.shape[2], dL_dy.shape[2]))
    dw[1, 1] = np.einsum("ijc,ijk->ck", x, dL_dy)
    return dw


# expect: factor.*9|nine|9
def conv3x3_backward_b(dL_dy):
    db = 0
    for u in range(3):
        for v in range(3):
            db = db + dL_dy.sum((0, 1))
    return db


# expect: square|\(F − P\)²
def content_backward(F, P):
    return (F - P) ** 2


# expect: \bA\b|target
def style_backward(F, A):
    H, W, N = F.shape
    f = F.reshape(-1, N)
    return (f @ f.T @ f).reshape(F.shape) / (N * N * H * W * H * W)


# expect: style
def objective_backward(x, pixels, layers, content, style, tv_weight):
    scale, shift, order = pixels
    maps = [x[:, :, list(order)] * scale + shift]
    mats = []
    for name, par in layers:
        a = maps[-1]
        H, W, C = a.shape
        if name.startswith("conv"):
            w, b = par
            T = conv_matrix(w, H, W)
            y = (T @ a.ravel()).reshape(H, W, -1) + b
        elif name.startswith("relu"):
            T = np.diag((a.ravel() > 0).astype(float))
            y = (T @ a.ravel()).reshape(a.shape)
        else:
            T = np.kron(avg_matrix(H, W), np.eye(C))
            y = (T @ a.ravel()).reshape(H // 2, W // 2, C)
        mats.append(T)
        maps.append(y)
    g = np.zeros_like(maps[-1])
    for k in range(len(layers) - 1, -1, -1):
        name = layers[k][0]
        F = maps[k + 1]
        if name in content:
            weight, P = content[name]
            g = g + weight * (F - P)
        if name in style:
            weight, A = style[name]
            f = F.reshape(-1, F.shape[2])
            g = g + weight / len(style) * (f @ (f.T @ f - A)).reshape(F.shape) / f.size**2
        g = (mats[k].T @ g.ravel()).reshape(maps[k].shape)
    dx = np.zeros_like(x)
    for c in range(3):
        dx[:, :, order[c]] = scale[c] * g[:, :, c]
    for ax in (0, 1):
        n = x.shape[ax]
        D = (np.eye(n, k=1) - np.eye(n))[:-1]
        dx += 2 * tv_weight * np.moveaxis(np.tensordot(D.T @ D, x, (1, ax)), 0, ax)
    return dx
