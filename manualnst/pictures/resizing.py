"""Pictures in another size."""

import numpy as np
from PIL import Image

from ..errors import InputError


def fitted_size(height: int, width: int, long_side: int) -> tuple[int, int]:
    """The size whose longer side is at most `long_side`; same aspect, never enlarged."""
    if long_side < 1:
        raise InputError(f"a picture's size must be at least 1 pixel, not {long_side}")
    longest = max(height, width)
    if longest <= long_side:
        return height, width

    def scaled(side: int) -> int:
        return max(1, (2 * side * long_side + longest) // (2 * longest))  # rounds half up

    return scaled(height), scaled(width)


def resize(pixels: np.ndarray, height: int, width: int) -> np.ndarray:
    """(H, W) or (H, W, C) → (height, width) or (height, width, C), by Lanczos, in [0, 1].

    Antialiased when shrinking; what overshoots at edges is clipped.
    """
    if pixels.ndim == 3:
        channels = [resize(pixels[:, :, c], height, width) for c in range(pixels.shape[2])]
        return np.stack(channels, axis=2)
    plane = Image.fromarray(np.ascontiguousarray(pixels, dtype=np.float32))  # mode F
    resized = plane.resize((width, height), Image.Resampling.LANCZOS)
    return np.clip(np.asarray(resized), 0, 1)


def resize_linearly(values: np.ndarray, height: int, width: int) -> np.ndarray:
    """The same for values of any range, by triangles: softer, but nothing overshoots, so that the
    black of a mask stays black, and what is positive positive."""
    if values.ndim == 3:
        channels = [resize_linearly(values[:, :, c], height, width) for c in range(values.shape[2])]
        return np.stack(channels, axis=2)
    plane = Image.fromarray(np.ascontiguousarray(values, dtype=np.float32))  # mode F
    return np.array(plane.resize((width, height), Image.Resampling.BILINEAR))
