"""What a checkable derivative is: its inputs, its loss, its truth, and how it is got wrong."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

from ...backends import Backend

# (H, W, C, K): odd, even, wide, high, square, and with logarithms so independent that a factor
# like N² M can be told from its values at these shapes.
SHAPES = (
    (3, 5, 4, 2),
    (5, 4, 3, 5),
    (4, 7, 2, 3),
    (2, 3, 5, 4),
    (7, 2, 3, 3),
    (6, 5, 4, 6),
    (4, 4, 1, 1),
)
FLAT = (1, 6, 3, 2)  # for what is not pooled


@dataclass(frozen=True, eq=False)
class Problem:
    """One set of inputs for a function that computes a gradient."""

    arguments: Mapping[str, Any]  # what the function is called with, in this order
    sizes: Mapping[str, int]  # by which a factor may be named: N, H, W, …
    hidden: Mapping[str, Any] = field(default_factory=dict)  # what only the package's own needs

    def astype(self, dtype) -> "Problem":
        return self.map(lambda array: array.astype(dtype))

    def map(self, change: Callable[[np.ndarray], np.ndarray]) -> "Problem":
        """The same with every floating-point array replaced, however deep it lies."""
        return replace(
            self, arguments=_map(self.arguments, change), hidden=_map(self.hidden, change)
        )


def _map(value, change):
    if isinstance(value, np.ndarray):
        return change(value) if value.dtype.kind in "fc" else value
    if isinstance(value, Mapping):
        return {key: _map(item, change) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return type(value)(_map(item, change) for item in value)
    return value


class Mistake(NamedTuple):
    """A way to get it wrong: called with the arguments, it gives the wrong gradient."""

    name: str
    words: str  # what to tell the one who made it
    wrong: Callable[..., np.ndarray]


class Kinks(NamedTuple):
    """Where a gradient may lie at points without a derivative: between `low` and `high`, and
    such that `sums` of it, which no kink touches, are `right_sums`."""

    low: np.ndarray
    high: np.ndarray
    sums: Callable[[np.ndarray], np.ndarray] | None = None
    right_sums: np.ndarray | None = None


@dataclass(frozen=True)
class Subject:
    """A derivative: `name`(arguments) must be the gradient of `loss` at `variable`."""

    name: str
    identifier: str  # of the equation map
    formula: str
    gives: str  # the name of the gradient
    describe: str  # to the student who is to write it
    draw: Callable[[np.random.Generator, tuple[int, int, int, int]], Problem]
    variable: Callable[[Problem], np.ndarray]
    loss: Callable[[Problem, np.ndarray, Backend], complex]  # (problem, variable, backend)
    own: Callable[[Problem, Backend], np.ndarray]  # the package's gradient, by a backend
    right: Callable[..., np.ndarray]  # as the student might write it: called with the arguments
    summands: Callable[[Problem], int]  # of the longest sum in it, for its rounding
    parts: Callable[..., Mapping[str, np.ndarray]] | None = None  # which add up to the truth
    extras: Callable[..., Mapping[str, np.ndarray]] | None = None  # terms that do not belong there
    mistakes: tuple[Mistake, ...] = ()
    hints: Mapping[str, str] = field(default_factory=dict)  # factor → what it may come from
    is_linear: bool = False  # the loss, in the variable
    is_polynomial: bool = True  # the loss, of degree 4 at most, with its branches held
    isolations: Callable[[np.random.Generator], list[tuple[str, Problem]]] | None = None
    draw_kinks: Callable[[np.random.Generator], tuple[Problem, Kinks]] | None = None
    branches: tuple[str, ...] = ()  # the layers of the loss that choose: ReLU, maximum
    shapes: tuple[tuple[int, ...], ...] = (*SHAPES, FLAT)


def numbers(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Normal numbers, none nearer to 0 than 0.05: off the kink of a ReLU."""
    values = rng.standard_normal(shape)
    return values + np.copysign(0.05, values)
