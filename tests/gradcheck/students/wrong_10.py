import numpy as np

DEBUG = True


def dbg(*a):
    if DEBUG:
        print("DEBUG", *a)


# expect: half|½|factor
def content_backward(F, P):
    dbg("content", F.shape, P.shape)
    return 0.5 * (F.astype(np.float32) - P.astype(np.float32)).astype(np.float64)


# expect: half|½|factor.*2|symmetri|twice|both count|0\.5
def gram_backward(dL_dG, F):
    S = (dL_dG + dL_dG.T) / 2
    dbg("S symmetric?", np.allclose(S, S.T))
    return F @ S


# expect: overwrit|instead of add|assign|replac|added
def tv_backward(x):
    g = np.zeros_like(x)
    dy = x[1:] - x[:-1]
    dx = x[:, 1:] - x[:, :-1]
    g[1:] += 2 * dy
    g[:-1] -= 2 * dy
    g[:, 1:] += 2 * dx
    g[:, :-1] = -2 * dx
    dbg("tv", g.sum())
    return g


# expect: overwrit|instead of add|assign|last|added
def conv3x3_backward(dL_dy, w):
    H, W, K = dL_dy.shape
    dx = np.zeros((H + 2, W + 2, w.shape[2]))
    for i in range(H):
        for j in range(W):
            dx[i : i + 3, j : j + 3] = np.einsum("uvck,k->uvc", w, dL_dy[i, j])
    dbg("conv", dx.shape)
    return dx[1:-1, 1:-1]


# expect: overwrit|instead of add|assign|last|added
def conv3x3_backward_w(dL_dy, x):
    xp = np.pad(x, ((1, 1), (1, 1), (0, 0)))
    dw = np.zeros((3, 3, x.shape[2], dL_dy.shape[2]))
    for i in range(dL_dy.shape[0]):
        for j in range(dL_dy.shape[1]):
            dw[:] = xp[i : i + 3, j : j + 3, :, None] * dL_dy[i, j]
    return dw


# expect: sign|minus|negat
def conv3x3_backward_b(dL_dy):
    db = np.zeros(dL_dy.shape[-1])
    for row in dL_dy:
        for pix in row:
            db -= pix
    return db


# expect: x itself|times x|multipl|· ?x|by x|max\(x
def relu_backward(dL_dy, x):
    return dL_dy * np.maximum(x, 0)
