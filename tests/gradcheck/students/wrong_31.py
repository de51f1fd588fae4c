import numpy as np
from scipy.linalg import sqrtm


def diffs(x):
    d, r = np.zeros_like(x), np.zeros_like(x)
    d[:-1] = x[1:] - x[:-1]
    r[:, :-1] = x[:, 1:] - x[:, :-1]
    return d, r


def back(d, r):
    g = -d - r
    g[1:] += d[:-1]
    g[:, 1:] += r[:, :-1]
    return g


# expect: 1/2|β/2|factor|half
def power_tv_backward(x, beta):
    d, r = diffs(x)
    g = beta / 2 * (d**2 + r**2) ** (beta / 2 - 1)
    return back(g * d, g * r)


# expect: both|one root|joint|length
def smoothed_tv_backward(x, epsilon):
    d, r = diffs(x)
    n = np.sqrt(epsilon**2 + d**2 + r**2)
    return back(d / n, r / n)


# expect: shift.*(front|outside|before|forgotten)|F \+ s
def shifted_style_backward(F, A, shift):
    f = F.reshape(-1, F.shape[2])
    g = f + shift
    return (f @ (g.T @ g - A) / f.size**2).reshape(F.shape)


# expect: mean|centred
def mean_and_covariance_backward(dL_dmean, dL_dcovariance, F):
    f = F.reshape(-1, F.shape[2])
    return ((f @ (dL_dcovariance + dL_dcovariance.T) + dL_dmean) / len(f)).reshape(F.shape)


# expect: half|½|2 T|counts 2
def bures_backward(covariance, root):
    X = np.real(sqrtm(root @ covariance @ root))
    return np.eye(len(root)) - 2 * root @ np.linalg.inv(X) @ root


# expect: noise
def wasserstein_backward(F, mean, root, noise):
    f = F.reshape(-1, F.shape[2])
    mu = f.mean(0)
    cov = np.cov(f, rowvar=False, bias=True).reshape(f.shape[1], f.shape[1])
    T = root @ np.linalg.pinv(np.real(sqrtm(root @ cov @ root))) @ root
    return (2 * (f - mean - (f - mu) @ T) / len(f)).reshape(F.shape)


# expect: root|√
def weighted_gram_backward(dL_dG, F, weights):
    return np.sqrt(weights)[..., None] * (F @ (dL_dG + dL_dG.T))


# expect: Σw|weights|positions
def guided_style_backward(F, A, weights):
    w = weights[..., None]
    N = F.shape[2]
    G = np.einsum("hwi,hwj->ij", w * F, F) / weights.size
    return w * (F @ (G - A)) / (N**2 * weights.sum())


# expect: once|m²|twice|outside|front
def masked_style_backward(F, A, mask):
    f = mask[..., None] * F
    return f @ (np.einsum("hwi,hwj->ij", f, f) - A) / F.size**2


# expect: 2|twice
def cross_gram_backward(dL_dC, R):
    return 2 * R @ dL_dC.T


# expect: shape|transpos
def cross_gram_backward_below(dL_dC, F):
    return (dL_dC.T @ F.reshape(-1, F.shape[2]).T).reshape(-1, *F.shape[:2])


def pooled(B, F):
    H, W, _ = F.shape
    if B.shape[0] == H:
        return B
    return (B[0 : 2 * H : 2, 0 : 2 * W : 2] + B[1 : 2 * H : 2, 0 : 2 * W : 2]
            + B[0 : 2 * H : 2, 1 : 2 * W : 2] + B[1 : 2 * H : 2, 1 : 2 * W : 2]) / 4


def D(F, B, A):
    return np.einsum("hwi,hwj->ij", F, pooled(B, F)) - A


# expect: N²|N K|N/K|K/N|constant
def chained_style_backward(F, B, A):
    H, W, N = F.shape
    return pooled(B, F) @ D(F, B, A).T / (2 * N**2 * (H * W) ** 2)


# expect: ¼|quarter|window
def chained_style_backward_below(F, B, A):
    H, W, N = F.shape
    g = F @ D(F, B, A) / (2 * N * B.shape[2] * (H * W) ** 2)
    if B.shape[0] == H:
        return g
    out = np.zeros_like(B)
    out[: 2 * H, : 2 * W] = g.repeat(2, axis=0).repeat(2, axis=1)
    return out


# expect: rank|order|argsort
def histogram_backward(F, S):
    f, s = F.reshape(-1, F.shape[2]), S.reshape(-1, F.shape[2])
    R = np.take_along_axis(np.sort(s, axis=0), np.argsort(f, axis=0), axis=0)
    return 2 * (f - R).reshape(F.shape)


# expect: distance
def patches_backward(F, S):
    g = np.zeros_like(F)
    for i, j in np.ndindex(F.shape[0] - 2, F.shape[1] - 2):
        p = F[i : i + 3, j : j + 3]
        best = min(
            (S[a : a + 3, b : b + 3] for a, b in np.ndindex(S.shape[0] - 2, S.shape[1] - 2)),
            key=lambda s: np.sum((p - s) ** 2),
        )
        g[i : i + 3, j : j + 3] += 2 * (p - best)
    return g
