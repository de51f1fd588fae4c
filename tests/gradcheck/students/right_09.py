"""Of parts of a picture, put together: one part after the other."""
import numpy as np


def sums_backward(dL_dS, count):
    return np.stack([dL_dS] * count)


def merged_moments_backward(dL_dmean, dL_dcovariance, means, positions):
    total = sum(positions)
    mean = sum(n / total * m for n, m in zip(positions, means))
    g = np.zeros_like(means)
    for t, n in enumerate(positions):
        for i in range(len(mean)):
            g[t, i] = dL_dmean[i]
            for j in range(len(mean)):
                g[t, i] += (dL_dcovariance[i, j] + dL_dcovariance[j, i]) * (means[t, j] - mean[j])
        g[t] *= n / total
    return g
