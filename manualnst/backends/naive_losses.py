"""The oracle of the further losses, part of the naive backend: loops, as the equations are written.

Backward functions follow the chain rule literally: see naive_backend.py, which has these names too.
"""

import numpy as np


def power_variation_forward(x, beta):
    loss = 0.0
    for near in np.ndindex(x.shape):
        pairs = list(_pairs_of(near, x.shape))
        loss += sum((x[far].item() - x[near].item()) ** 2 for far in pairs) ** (beta / 2)
    return loss, (x, beta)


def power_variation_backward(dL_dloss, cache):
    x, beta = cache
    dL_dx = np.zeros_like(x)
    for near in np.ndindex(x.shape):
        pairs = list(_pairs_of(near, x.shape))
        squares = sum((x[far] - x[near]) ** 2 for far in pairs)
        if squares == 0:
            continue  # for β < 2 the power below would be infinite, where the product is 0
        for far in pairs:
            share = dL_dloss * beta * squares ** (beta / 2 - 1) * (x[far] - x[near])
            dL_dx[far] += share
            dL_dx[near] -= share
    return dL_dx


def smoothed_variation_forward(x, epsilon):
    loss = 0.0
    for near in np.ndindex(x.shape):
        for far in _pairs_of(near, x.shape):
            d = x[far].item() - x[near].item()
            loss += d**2 / ((d**2 + epsilon**2) ** 0.5 + epsilon)  # √(d² + ε²) − ε
    return loss, (x, epsilon)


def smoothed_variation_backward(dL_dloss, cache):
    x, epsilon = cache
    dL_dx = np.zeros_like(x)
    for near in np.ndindex(x.shape):
        for far in _pairs_of(near, x.shape):
            d = x[far] - x[near]
            dL_dx[far] += dL_dloss * d / (d**2 + epsilon**2) ** 0.5
            dL_dx[near] -= dL_dloss * d / (d**2 + epsilon**2) ** 0.5
    return dL_dx


def _pairs_of(near, shape):
    """The entries below and to the right of this one, as far as they exist."""
    i, j, c = near
    if i + 1 < shape[0]:
        yield i + 1, j, c
    if j + 1 < shape[1]:
        yield i, j + 1, c
