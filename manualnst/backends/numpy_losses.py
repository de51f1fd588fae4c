"""The further losses by array operations, part of the numpy backend.

Works in float32, float64 and complex128, as numpy_backend.py does, which has these names too.
"""

import numpy as np


def power_variation_forward(x, beta):
    down, right = _differences(x)
    return _sum((down**2 + right**2) ** (beta / 2)), (x, beta)


def power_variation_backward(dL_dloss, cache):
    x, beta = cache
    down, right = _differences(x)
    squares = down**2 + right**2
    slope = np.zeros_like(x)  # it stays 0 where all is flat: 0 ** (β/2 − 1) may be infinite
    np.power(squares, beta / 2 - 1, out=slope, where=squares != 0)
    slope *= beta * dL_dloss
    return _to_both_ends(slope * down, slope * right)


def smoothed_variation_forward(x, epsilon):
    loss = 0.0
    for d in _differences(x):
        loss += _sum(d**2 / (np.sqrt(d**2 + epsilon**2) + epsilon))  # √(d² + ε²) − ε
    return loss, (x, epsilon)


def smoothed_variation_backward(dL_dloss, cache):
    x, epsilon = cache
    slopes = (dL_dloss * d / np.sqrt(d**2 + epsilon**2) for d in _differences(x))
    return _to_both_ends(*slopes)


def _differences(x):
    """x[i+1] − x[i] and x[:, j+1] − x[:, j], of x's shape: 0 where there is no neighbour."""
    down, right = np.zeros_like(x), np.zeros_like(x)
    np.subtract(x[1:], x[:-1], out=down[:-1])
    np.subtract(x[:, 1:], x[:, :-1], out=right[:, :-1])
    return down, right


def _to_both_ends(dL_ddown, dL_dright):
    """The transpose of `_differences`: added to the far pixel, taken from the near one."""
    dL_dx = np.zeros_like(dL_ddown)
    dL_dx[1:] += dL_ddown[:-1]
    dL_dx[:, 1:] += dL_dright[:, :-1]
    return dL_dx - dL_ddown - dL_dright


def _sum(x):
    """In double precision."""
    return np.sum(x, dtype=np.result_type(x.dtype, np.float64)).item()
