"""The further losses, by loops over entries and positions, or by other formulas."""
import numpy as np
from numpy.linalg import inv


def power_tv_backward(x, beta):
    H, W, C = x.shape
    g = np.zeros((H, W, C))
    for i in range(H):
        for j in range(W):
            for c in range(C):
                d = x[i + 1, j, c] - x[i, j, c] if i + 1 < H else 0.0
                r = x[i, j + 1, c] - x[i, j, c] if j + 1 < W else 0.0
                if d == r == 0:
                    continue
                k = beta * np.hypot(d, r) ** (beta - 2)
                g[i, j, c] -= k * (d + r)
                if i + 1 < H:
                    g[i + 1, j, c] += k * d
                if j + 1 < W:
                    g[i, j + 1, c] += k * r
    return g


def smoothed_tv_backward(x, epsilon):
    g = np.zeros_like(x)
    for axis in (0, 1):
        y, h = np.moveaxis(x, axis, 0), np.moveaxis(g, axis, 0)
        for n in range(1, len(y)):
            pull = np.sin(np.arctan2(y[n] - y[n - 1], epsilon))  # d/√(d² + ε²)
            h[n] += pull
            h[n - 1] -= pull
    return g


def shifted_style_backward(F, A, shift):
    H, W, N = F.shape
    X = F.reshape(-1, N)
    u = X.sum(axis=0)
    G = X.T @ X + shift * (u[:, None] + u[None, :]) + H * W * shift**2
    return ((X @ (G - A) + shift * (G - A).sum(axis=0)) / X.size**2).reshape(F.shape)


def mean_and_covariance_backward(dL_dmean, dL_dcovariance, F):
    X = F.reshape(-1, F.shape[2])
    M = len(X)
    P = np.eye(M) - 1 / M  # takes the mean away
    return ((P @ X @ (dL_dcovariance + dL_dcovariance.T) + dL_dmean) / M).reshape(F.shape)


def sqrtm(A):
    X = np.eye(len(A))
    scale = np.trace(A)
    Y, Z = A / scale, X
    for _ in range(60):  # Newton and Schulz
        T = (3 * X - Z @ Y) / 2
        Y, Z = Y @ T, T @ Z
    return np.sqrt(scale) * Y


def bures_backward(covariance, root):
    # T is the geometric mean of Σ⁻¹ and S²: the one positive T with T Σ T = S²
    half = sqrtm(covariance)
    T = inv(half) @ sqrtm(half @ root @ root @ half) @ inv(half)
    return np.eye(len(T)) - T


def wasserstein_backward(F, mean, root, noise):
    X = F.reshape(-1, F.shape[2])
    C = X - X.mean(axis=0)
    covariance = C.T @ C / len(X) + noise * np.eye(X.shape[1])
    g = 2 * (X.mean(axis=0) - mean) + 2 * C @ bures_backward(covariance, root)
    return (g / len(X)).reshape(F.shape)


def weighted_gram_backward(dL_dG, F, weights):
    g = np.zeros_like(F)
    for p in np.ndindex(weights.shape):
        g[p] = weights[p] * (dL_dG @ F[p] + F[p] @ dL_dG)
    return g


def guided_style_backward(F, A, weights):
    U = np.sqrt(weights / weights.sum())[..., None] * F
    G = np.einsum("hwi,hwj->ij", U, U)
    dE_dU = np.einsum("hwi,ij->hwj", U, G - A) / F.shape[2] ** 2
    return np.sqrt(weights / weights.sum())[..., None] * dE_dU


def masked_style_backward(F, A, mask):
    U = mask[..., None] * F
    G = np.tensordot(U, U, ((0, 1), (0, 1)))
    return mask[..., None] * (U @ (G - A)) / F.size**2


def cross_gram_backward(dL_dC, R):
    return np.einsum("ij,hwj->hwi", dL_dC, R)


def cross_gram_backward_below(dL_dC, F):
    return np.einsum("ij,hwi->hwj", dL_dC, F)


def down(B, F):
    if B.shape[:2] == F.shape[:2]:
        return B
    H, W, _ = F.shape
    return B[: 2 * H, : 2 * W].reshape(H, 2, W, 2, -1).mean(axis=(1, 3))


def chain(F, B, A):
    R = down(B, F)
    C = np.einsum("hwi,hwj->ij", F, R)
    return R, (C - A) / (2 * C.size * (F.shape[0] * F.shape[1]) ** 2)


def chained_style_backward(F, B, A):
    R, D = chain(F, B, A)
    return R @ D.T


def chained_style_backward_below(F, B, A):
    _, D = chain(F, B, A)
    g = np.zeros_like(B)
    for i, j in np.ndindex(F.shape[:2]):
        if B.shape[:2] == F.shape[:2]:
            g[i, j] = F[i, j] @ D
        else:
            g[2 * i : 2 * i + 2, 2 * j : 2 * j + 2] = F[i, j] @ D / 4
    return g


def histogram_backward(F, S):
    g = np.zeros_like(F)
    for c in range(F.shape[2]):
        t = sorted(S[:, :, c].ravel())
        ranks = np.argsort(np.argsort(F[:, :, c].ravel(), kind="stable"))
        g[:, :, c] = 2 * (F[:, :, c] - np.array(t)[ranks].reshape(F.shape[:2]))
    return g


def patches_backward(F, S):
    g = np.zeros_like(F)
    style = [S[i : i + 3, j : j + 3] for i, j in np.ndindex(len(S) - 2, S.shape[1] - 2)]
    for i, j in np.ndindex(len(F) - 2, F.shape[1] - 2):
        p = F[i : i + 3, j : j + 3]
        cosine = [(p * s).sum() / np.linalg.norm(s) / np.linalg.norm(p) for s in style]
        g[i : i + 3, j : j + 3] += 2 * (p - style[int(np.argmax(cosine))])
    return g
