"""How much there is to compute, in GFLOP, a multiplication and an addition being two.

Convolutions count as the plain sum, however they are computed.
"""

from collections.abc import Iterable

from manualnst.network.network import map_shapes
from manualnst.network.vgg import CONVOLUTION, Weights, kind_of

Shape = tuple[int, ...]


def convolution(shape_in: Shape, filters: int) -> float:
    """Of a map (H, W, C) by filters (3, 3, C, K), one way."""
    H, W, C = shape_in
    return 2 * 9 * H * W * C * filters / 1e9


def gram(shape: Shape) -> float:
    """Of a map (H, W, N), one way."""
    H, W, N = shape
    return 2 * H * W * N**2 / 1e9


def evaluation(weights: Weights, taps: Iterable[str], size: int) -> float:
    """Of all convolutions, forward and backward to their inputs."""
    shapes = map_shapes(weights, taps, size, size)
    return sum(
        2 * convolution(before, after[2])
        for name, before, after in shapes
        if kind_of(name) == CONVOLUTION
    )
