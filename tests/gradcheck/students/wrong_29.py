import numpy as np


# expect: symmetric
def mean_and_covariance_backward(dL_dmean, dL_dcovariance, F):
    D = F - F.mean((0, 1))
    return (dL_dmean + 2 * D @ dL_dcovariance) / (F.shape[0] * F.shape[1])


# expect: mean's share|½
def moments_backward(F, mean, covariance):
    H, W, N = F.shape
    mu = F.mean(axis=(0, 1))
    D = F - mu
    S = np.einsum("hwi,hwj->ij", D, D) / (H * W)
    # the ½ of the mean's term left out
    return ((mu - mean) + np.einsum("hwi,ij->hwj", D, S - covariance)) / (N * N * H * W)
