import numpy as np


# expect: mean
def mean_and_covariance_backward(dL_dmean, dL_dcovariance, F):
    H, W, N = F.shape
    g = np.zeros(F.shape)
    mu = [F[:, :, c].mean() for c in range(N)]
    for i in range(H):
        for j in range(W):
            for a in range(N):
                g[i, j, a] = dL_dmean[a]
                for b in range(N):
                    s = dL_dcovariance[a, b] + dL_dcovariance[b, a]
                    g[i, j, a] += s * (F[i, j, b] - mu[b]) / (H * W)
    return g


# expect: second moment|mean is to be taken away|centred
def moments_backward(F, mean, covariance):
    X = F.reshape(-1, F.shape[2])
    M, N = X.shape
    S = X.T @ X / M
    g = 0.5 * (X.mean(0) - mean) + X @ (S - covariance)
    return (g / (N * N * M)).reshape(F.shape)
