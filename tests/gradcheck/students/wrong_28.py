import numpy as np


# expect: centred
def mean_and_covariance_backward(dL_dmean, dL_dcovariance, F):
    H, W, N = F.shape
    X = F.reshape(-1, N)
    g = dL_dmean + X @ (dL_dcovariance + dL_dcovariance.T)
    return (g / (H * W)).reshape(F.shape)


# expect: M − 1|M-1|np\.cov
def moments_backward(F, mean, covariance):
    H, W, N = F.shape
    X = F.reshape(-1, N)
    mu, S = X.mean(axis=0), np.cov(X.T).reshape(N, N)
    g = (mu - mean) / 2 + (X - mu) @ (S - covariance)
    return (g / (N**2 * H * W)).reshape(F.shape)
