"""Coarse to fine: the sizes that a run goes through, and how many steps it spends at each.

Large features are cheap to move where the picture is small, and come out where the network sees
more of it at once; each larger size then starts from the enlarged result of the one before and
adds finer detail. At every size the problem is the same one, seen from further away: content and
style are shrunk by one factor.
"""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple


class Scale(NamedTuple):
    """One of the sizes of a run."""

    height: int
    width: int
    factor: float  # by which this is smaller than the last size
    steps: int
    cost: float  # of a step; in any unit

    @property
    def pixels(self) -> int:
        return self.height * self.width

    def of(self, height: int, width: int) -> tuple[int, int]:
        """What a picture of that size at the last scale has at this one."""
        return shrunk(height, width, self.factor)


def shrunk(height: int, width: int, factor: float) -> tuple[int, int]:
    return max(1, round(height * factor)), max(1, round(width * factor))


def plan(
    height: int,
    width: int,
    *,
    steps: int,
    first_steps: int | None,
    count: int | None,
    min_size: int,
    works: Callable[[float], bool],
    cost: Callable[[int, int], float],
) -> list[Scale]:
    """From a long side of `min_size` to the picture's own in `count` equal ratios, near √2 if None.

    Left out are sizes whose factor does not work, and the smallest where there are fewer steps
    than sizes. The last is always there. `first_steps` is of no matter where it is the only one.
    """
    factors = _factors(max(height, width), count, min_size)
    most = steps if first_steps is None else 1 + steps - first_steps
    factors = [*filter(works, factors[:-1]), 1.0][-most:]
    shares = _shares(len(factors), steps, first_steps)
    sizes = [shrunk(height, width, factor) for factor in factors]
    return [
        Scale(*size, factor, n, cost(*size))
        for size, factor, n in zip(sizes, factors, shares, strict=True)
    ]


def _factors(longest: int, count: int | None, min_size: int) -> list[float]:
    smallest = min(min_size, longest)
    if count is None:
        count = 1 + round(2 * math.log2(longest / smallest))
    count = min(count, longest - smallest + 1)  # as many sizes as there are
    sides = {round(longest * (smallest / longest) ** (k / max(count - 1, 1))) for k in range(count)}
    return [side / longest for side in sorted(sides)]


def _shares(count: int, steps: int, first: int | None) -> list[int]:
    """As many steps for each; the smaller sizes get those left over, where they cost least."""
    if first is not None and count > 1:
        return [first, *_shares(count - 1, steps - first, None)]
    each, more = divmod(steps, count)
    return [each + (k < more) for k in range(count)]


def work(scales: Sequence[Scale]) -> float:
    """What all their steps cost."""
    return sum(scale.cost * scale.steps for scale in scales)


def work_left(scales: Sequence[Scale], current: int, done: int) -> float:
    """What is to be done yet at scale number `current`, where `done` steps are, and after it."""
    here, *later = scales[current:]
    return work([here._replace(steps=max(0, here.steps - done)), *later])
