"""By loops, and by the long way round: the covariance as second moments less those of the mean."""
import numpy as np


def mean_and_covariance_backward(dL_dmean, dL_dcovariance, F):
    H, W, N = F.shape
    M = H * W
    D = F - F.sum(axis=(0, 1)) / M
    dL_dD = np.zeros_like(F)
    for i in range(N):
        for j in range(N):
            dL_dD[..., i] += dL_dcovariance[i, j] * D[..., j] / M
            dL_dD[..., j] += dL_dcovariance[i, j] * D[..., i] / M
    return dL_dD - dL_dD.mean(axis=(0, 1)) + dL_dmean / M


def moments_backward(F, mean, covariance):
    H, W, N = F.shape
    X = F.reshape(-1, N)
    M = len(X)
    mu = X.mean(axis=0)
    raw = X.T @ X / M
    dL_dS = (raw - np.outer(mu, mu) - covariance) / (2 * N**2)
    dL_dmu = (mu - mean) / (2 * N**2) - (dL_dS + dL_dS.T) @ mu
    g = X @ (dL_dS + dL_dS.T) / M + dL_dmu / M
    return g.reshape(F.shape)
