"""Specks of a pixel or two, which networks hardly see.

The energy of the finest level of a Laplacian pyramid, in luminance and in chrominance, over that of
the style picture. Above 1 there are specks that the style does not have; below there may
be some in the place of its edges.
"""

import numpy as np

from manualnst.pictures.colours import luminance
from manualnst.studies.judge import with_long_side

from .distances import laplacian_pyramid

# What rounding to 8 bits leaves: a style with less grain than that has none.
_LEAST = 1 / (255 * np.sqrt(12))


def relative_grain(painting: np.ndarray, style: np.ndarray) -> dict[str, float]:
    """Of pictures (H, W, 3); the style is brought to the painting's long side."""
    style = with_long_side(style, max(painting.shape[:2]))
    of_luminance, of_chroma = grain(painting) / np.maximum(grain(style), _LEAST)
    return {"grain_of_luminance": float(of_luminance), "grain_of_chroma": float(of_chroma)}


def grain(picture: np.ndarray) -> np.ndarray:
    """The energies (root mean squares) of the finest luminance and the finest chrominance."""
    picture = picture.astype(np.float64)
    greys = luminance(picture)
    finest = (laplacian_pyramid(part, 2)[0] for part in (greys, picture - greys))
    return np.array([np.sqrt(np.mean(level**2)) for level in finest])
