"""What a run will need, foretold before its first step.

Memory is counted from the network's table, not measured: the peak of one evaluation is the
widest step of the walk plus what has to be kept meanwhile. Counted in numbers of the dtype; the
terms name the arrays of the numpy backend that are alive together.
"""

import math
from collections.abc import Callable, Iterable

from .backends import winograd
from .network import map_shapes
from .vgg import Weights

# Arrays of the size of the picture: two for each of the ten pairs that L-BFGS remembers, 8-byte
# ones in scipy, and 4-byte ones for the others (moments, move, new and old picture).
_OPTIMIZER_BYTES_PER_NUMBER = {"lbfgs": 4 * 29, "lbfgsb": 8 * 31, "adam": 4 * 9, "momentum": 4 * 6}
# The optimiser's own work in a step, measured on a processor of 2024.
_OPTIMIZER_SECONDS_PER_NUMBER = {"lbfgs": 3e-8, "lbfgsb": 2e-7, "adam": 1e-8, "momentum": 5e-9}
_PICTURES_KEPT = 6  # content, style, best, current, gradient, checkpoint copy
_TEMPORARIES = 1.3  # strips, Gram matrices and the like
_BLAS_BYTES = 32 << 20  # OpenBLAS' work buffers


def peak_bytes(
    weights: Weights, taps: Iterable[str], sizes: Iterable[tuple[int, int]], optimizer: str
) -> int:
    """The peak above what the process already holds, for pictures of these (height, width).

    `sizes` are the result's and the style picture's; the first is also the optimiser's.
    """
    sizes = list(sizes)
    itemsize = 4
    evaluation = max(evaluation_numbers(weights, set(taps), *size) for size in sizes) * itemsize
    numbers = 3 * sizes[0][0] * sizes[0][1]
    optimiser = numbers * (_OPTIMIZER_BYTES_PER_NUMBER[optimizer] + _PICTURES_KEPT * itemsize)
    filters = transformed_numbers(weights, taps, *sizes[0]) * itemsize
    return int(evaluation + optimiser + filters + winograd.strip_bytes() + _BLAS_BYTES)


def transformed_numbers(weights: Weights, taps: Iterable[str], height: int, width: int) -> int:
    """Of the filters that Winograd's algorithm keeps in its own form, 36 in the place of 9."""
    shapes = map_shapes(weights, taps, height, width)
    convolutions = ((name, before) for name, before, _ in shapes if name.startswith("conv"))
    filters = ((weights.layers[name][0].shape, before) for name, before in convolutions)
    return sum(36 * w[2] * w[3] for w, before in filters if winograd.pays(before, w))


def evaluation_numbers(weights: Weights, taps: set[str], height: int, width: int) -> float:
    """Numbers alive at the peak of forward, losses and backward."""
    widest = tapped = masks = 0.0
    for name, shape, shape_after in map_shapes(weights, taps, height, width):
        before, after = math.prod(shape), math.prod(shape_after)
        if name.startswith("conv"):
            if winograd.pays(shape, weights.layers[name][0].shape):
                widest = max(widest, before + after)
            else:  # a padded copy of the input as well; backward with the two exchanged
                widest = max(widest, 2 * before + after, 2 * after + before)
        elif name.startswith("relu"):
            widest = max(widest, 2.25 * after)  # input, output and the mask as bytes …
            masks += after / 32  # … which is kept as bits
        if name in taps:
            tapped += after
    kept = tapped + masks  # of a tap: its map, and when that is done with, its gradient
    return _TEMPORARIES * (widest + kept)


def seconds(steps: int, evaluation_seconds: float, numbers: int, optimizer: str) -> float:
    """The time of so many steps on a picture of so many numbers."""
    own_work = numbers * _OPTIMIZER_SECONDS_PER_NUMBER[optimizer]
    return steps * (evaluation_seconds + own_work)


def largest(fits: Callable[[int], bool], limit: int) -> int | None:
    """The largest size up to `limit` that fits, by bisection; None if none does."""
    low, high = 0, limit
    while low < high:
        middle = (low + high + 1) // 2
        if fits(middle):
            low = middle
        else:
            high = middle - 1
    return low or None
