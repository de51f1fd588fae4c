"""Independent ways to the derivative of a function f at x in a direction d.

All return d/dt f(x + t d) at t = 0. None of them knows how the gradient was computed.
"""

from collections.abc import Callable

import numpy as np

TINY = 1e-30


def complex_step(f: Callable, x: np.ndarray, d: np.ndarray, h: float = TINY) -> float:
    """Im f(x + i h d) / h.

    The Taylor series of an analytic f is f(x) + i h f′d − h² f″d²/2 …: its imaginary part is
    h f′d up to h³. Nothing is subtracted, so h can be so small that nothing but rounding is left.
    A ReLU decides by the real part, which does not move.
    """
    return f(x + 1j * h * d).imag / h


def two_point(f: Callable, x: np.ndarray, d: np.ndarray, h: float) -> float:
    """(f(x + h d) − f(x − h d)) / 2h, as textbooks do it: off by h² f‴/6."""
    return (f(x + h * d) - f(x - h * d)) / (2 * h)


def five_point(f: Callable, x: np.ndarray, d: np.ndarray, h: float) -> float:
    """(8 (f₁ − f₋₁) − (f₂ − f₋₂)) / 12h, with f_k = f(x + k h d): off by h⁴ f⁽⁵⁾/30.

    So it is exact for polynomials to degree 4, at any h: and with the masks of the ReLUs frozen
    that is what content, Gram and squared total variation losses are.
    """
    near = f(x + h * d) - f(x - h * d)
    far = f(x + 2 * h * d) - f(x - 2 * h * d)
    return (8 * near - far) / (12 * h)


def taylor_remainders(
    f: Callable, x: np.ndarray, d: np.ndarray, slope: float, steps: np.ndarray
) -> np.ndarray:
    """|f(x + t d) − f(x) − t slope| for every t: of order t² for the right slope, else t."""
    at_x = f(x)
    return np.abs([f(x + t * d) - at_x - t * slope for t in steps])


def gradient_by_complex_step(f: Callable, x: np.ndarray) -> np.ndarray:
    """All of dL_dx, one entry at a time."""
    gradient = np.zeros(x.shape)
    for index in np.ndindex(x.shape):
        gradient[index] = complex_step(f, x, unit_direction(x.shape, index))
    return gradient


def unit_direction(shape: tuple[int, ...], index: tuple[int, ...]) -> np.ndarray:
    d = np.zeros(shape)
    d[index] = 1.0
    return d
