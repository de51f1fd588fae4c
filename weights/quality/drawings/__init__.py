"""Pictures that no recipe has learned from: drawn by code that shares nothing with any of them.

Each is one function of a seeded generator and nothing else, so that the same files come out
everywhere. They are the made-up half of what networks are measured on; photographs and paintings
of one's own are the other.
"""

import zlib
from collections.abc import Callable

import numpy as np

from .canvas import SIZE
from .flows import fire, watercolour
from .growth import coral, leaves
from .patterns import cloth, knots, wall, wood
from .prints import halftone, pixels, splatter

__all__ = ["DRAWINGS", "SIZE", "draw"]

DRAWINGS: dict[str, Callable[[np.random.RandomState], np.ndarray]] = {
    function.__name__: function
    for function in (
        cloth,
        coral,
        fire,
        halftone,
        knots,
        leaves,
        pixels,
        splatter,
        wall,
        watercolour,
        wood,
    )
}


def draw(name: str) -> np.ndarray:
    """(SIZE, SIZE, 3) in [0, 1], always the same."""
    seed = zlib.crc32(name.encode())
    picture = DRAWINGS[name](np.random.RandomState(seed))  # its stream never changes
    return np.clip(picture, 0, 1).astype(np.float32)
