"""What a run will need, foretold before its first step.

Memory is counted from the network's table, not measured: the peak of one evaluation is the
widest step of the walk, with what is kept meanwhile. The terms name the arrays of the numpy
backend that are alive together.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from .backends import convolution, fused, winograd
from .network import map_shapes, steps
from .vgg import Weights

# Arrays of the size of the picture: two for each of the ten pairs that L-BFGS remembers, 8-byte
# ones in scipy, and 4-byte ones for the others (moments, move, new and old picture).
_OPTIMIZER_BYTES_PER_NUMBER = {"lbfgs": 4 * 29, "lbfgsb": 8 * 31, "adam": 4 * 9, "momentum": 4 * 6}
# The optimiser's own work in a step, measured on a processor of 2024.
_OPTIMIZER_SECONDS_PER_NUMBER = {"lbfgs": 3e-8, "lbfgsb": 2e-7, "adam": 1e-8, "momentum": 5e-9}
_PICTURES_KEPT = 6  # content, style, best, current, gradient, checkpoint copy
_BLAS_BYTES = 32 << 20  # OpenBLAS' work buffers
_ITEMSIZE = 4


def peak_bytes(
    weights: Weights,
    taps: Iterable[str],
    sizes: Iterable[tuple[int, int]],
    optimizer: str,
    pool: str = "average",
) -> int:
    """The peak above what the process already holds, for pictures of these (height, width).

    `sizes` are the result's and the style pictures'; the first is also the optimiser's.
    """
    sizes, taps = list(sizes), set(taps)
    more_styles = sum(_style_bytes(weights, taps, sizes[0], size) for size in sizes[2:])
    evaluation = max(evaluation_bytes(weights, taps, *size, pool) for size in sizes)
    numbers = 3 * sizes[0][0] * sizes[0][1]
    optimiser = numbers * (_OPTIMIZER_BYTES_PER_NUMBER[optimizer] + _PICTURES_KEPT * _ITEMSIZE)
    filters = transformed_numbers(weights, taps, *sizes[0]) * _ITEMSIZE
    return int(evaluation + optimiser + filters + more_styles + _BLAS_BYTES)


def transformed_numbers(weights: Weights, taps: Iterable[str], height: int, width: int) -> int:
    """Of the filters that Winograd's algorithm keeps in its own form, 36 in the place of 9."""
    shapes = map_shapes(weights, taps, height, width)
    convolutions = ((name, before) for name, before, _ in shapes if name.startswith("conv"))
    filters = ((weights.layers[name][0].shape, before) for name, before in convolutions)
    return sum(36 * w[2] * w[3] for w, before in filters if winograd.pays(before, w))


def _style_bytes(weights: Weights, taps: set[str], result: tuple, style: tuple) -> int:
    """Of every style after the first: its picture and targets, and what its losses keep.

    That is the distance from each target, and the result's colours from their mean.
    """
    shapes = map_shapes(weights, taps, *result)
    targets = sum(after[2] ** 2 for name, _, after in shapes if name in taps)
    return (3 * math.prod(style) + 3 * math.prod(result) + 2 * targets) * _ITEMSIZE


class _Step(NamedTuple):
    """What one step of the walk needs, in bytes."""

    before: int  # the map that it reads
    after: int  # the map that it makes
    working: int  # strips and temporary arrays
    mask: int  # kept for the way back
    tapped: bool  # then the map is kept too
    remade: bool  # then the map is never there as a whole


def evaluation_bytes(
    weights: Weights, taps: set[str], height: int, width: int, pool: str = "average"
) -> int:
    """The peak of forward, losses and backward: the step at which most is alive together."""
    walk = list(_walk(weights, taps, height, width, pool))
    held = peak = 3 * height * width * _ITEMSIZE
    passing = 0  # the map that the next step reads, if it is not held anyway
    for step in walk:
        stored = 0 if step.remade else step.after
        peak = max(peak, held + passing + stored + step.working)
        held += step.mask + stored * step.tapped
        passing = stored * (not step.tapped)
    for step in reversed(walk):  # `before` and `after` are the gradients now
        peak = max(peak, held + step.after)
        held -= step.after * (step.tapped and not step.remade)
        peak = max(peak, held + step.after + step.before + step.working)
        held -= step.mask
    return peak


def _walk(weights: Weights, taps: set[str], height: int, width: int, pool: str) -> Iterator[_Step]:
    shapes = {name: around for name, *around in map_shapes(weights, taps, height, width)}
    for names in steps(shapes, taps, pool):
        (shape, inner), after = shapes[names[0]], _bytes(shapes[names[-1]][1])
        working = mask = after // 4  # a ReLU or a pooling alone: comparisons, and what they found
        if names[0].startswith("conv"):
            working = convolution.strip_bytes(shape, weights.layers[names[0]][0].shape)
            mask = _bytes(inner) // 32 if len(names) > 1 else 0
        remade = len(names) == 2 and fused.is_remade(shape[2], inner[2])
        yield _Step(_bytes(shape), after, working, mask, names[-1] in taps, remade)


def _bytes(shape: tuple[int, ...]) -> int:
    return math.prod(shape) * _ITEMSIZE


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
