"""How alike two pictures are, place by place: structural similarity and signal to noise."""

import numpy as np

from ..errors import InputError

SMALLEST = 11  # a window's side; a picture has at least one
_WINDOW = np.exp(-(np.arange(-5, 6) ** 2) / (2 * 1.5**2))
_WINDOW /= _WINDOW.sum()
_C1, _C2 = 0.01**2, 0.03**2
_LUMINANCE = np.array([0.299, 0.587, 0.114])
_LEAST_ERROR = 1e-10  # below it there is but rounding


def structural_similarity(a: np.ndarray, b: np.ndarray) -> float:
    """The similarity of the luminance of two pictures (H, W, 3) in [0, 1]: 1 is the same, about 0
    unrelated.

    Wang, Bovik, Sheikh, Simoncelli 2004, with the constants of the paper: in a Gaussian window
    around each place, with means μ, variances σ² and the covariance σ_ab,

        (2 μ_a μ_b + C1)(2 σ_ab + C2) / ((μ_a² + μ_b² + C1)(σ_a² + σ_b² + C2))

    and the mean of that over all windows that lie within the picture.
    """
    check_comparable(*a.shape[:2])
    a, b = a.astype(np.float64) @ _LUMINANCE, b.astype(np.float64) @ _LUMINANCE
    mean_a, mean_b = _windowed(a), _windowed(b)
    variance_a, variance_b = _windowed(a * a) - mean_a**2, _windowed(b * b) - mean_b**2
    covariance = _windowed(a * b) - mean_a * mean_b
    likeness = (2 * mean_a * mean_b + _C1) * (2 * covariance + _C2)
    energy = (mean_a**2 + mean_b**2 + _C1) * (variance_a + variance_b + _C2)
    return float(np.mean(likeness / energy))


def check_comparable(height: int, width: int) -> None:
    """Refuse pictures that are smaller than a window."""
    if min(height, width) < SMALLEST:
        raise InputError(
            f"pictures of {width} × {height} are too small to be compared; at least {SMALLEST} "
            "pixels each way are needed"
        )


def _windowed(plane: np.ndarray) -> np.ndarray:
    """The weighted mean in every window: (H, W) → (H − 10, W − 10)."""
    for _ in range(2):
        count = len(plane) - len(_WINDOW) + 1
        plane = sum(w * plane[n : n + count] for n, w in enumerate(_WINDOW)).T
    return plane


def signal_to_noise(a: np.ndarray, b: np.ndarray) -> float:
    """The peak signal-to-noise ratio of two pictures in [0, 1] in decibels, at most 100."""
    error = float(np.mean(np.square(a.astype(np.float64) - b)))
    return -10 * float(np.log10(max(error, _LEAST_ERROR)))
