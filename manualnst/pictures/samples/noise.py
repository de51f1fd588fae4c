"""Noise to be looked up at any point of the plane: what makes drawn things look grown and worn."""

import numpy as np
from scipy.ndimage import map_coordinates

from .canvas import fractal


class Noise:
    """Noise of mean 0 and deviation 1; it repeats with period 1 in x and in y."""

    def __init__(self, seed: int, slope: float, coarsest: float = 0):
        rng = np.random.RandomState(seed)
        self.table = fractal(rng, (512, 512), slope, coarsest=coarsest)

    def __call__(self, x, y):
        x, y = np.broadcast_arrays(x, y)
        return map_coordinates(self.table, [y * 512, x * 512], order=1, mode="grid-wrap")


# The same for all who draw: rolling hills, torn clouds, grains of sand, ripples of equal size.
SOFT, ROUGH, FINE = Noise(1, 2.2), Noise(2, 1.5), Noise(3, 0.9)
RIPPLES = Noise(4, 1.6, coarsest=8)
