"""The slope of a function of which nothing is known but its values, with its uncertainty.

Differences with a large step are off by truncation, with a small one by rounding. So a ladder
of steps is tried, each half the one before; truncation is seen as the change from rung to rung,
rounding is the measured noise of f over the step, and the rung with the least sum is taken.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from ..errors import InputError
from .branches import crossed
from .rounding import ROOM, UNIT

TellBranches = Callable[[np.ndarray], Mapping[str, np.ndarray]]

_LONGEST, _SHORTEST = 0.1, 2e-7  # steps, in the size of x along the direction
_MOST_RUNGS = 60
# So small that f is straight but for its noise; two of them larger than a single-precision ulp.
_NOISE_STEPS = 2.0 ** np.array([-40, -30, -23, -20])
_CURVED = 64  # times as much at a step 8 times as long: that is no noise but f itself
_NOISE_POINTS = 12
_HAIRS = 2.0 ** np.arange(-52, 0, 4)  # some of them change f by as little as it can change
_CERTAIN = 10  # times its noise: a distance of slopes that can be relied on
_SAME = 0.25  # a distance that changes by less from step to step is a kink's
_CHECKED = 2  # rungs, at least, that are shorter than the one that is believed
_WARY = 4  # times the error as it was estimated, from few values
_IN_A_ROW = 3  # so many steps, to the smallest, make it a kink at x itself


class Slope(NamedTuple):
    """d/dt f(x + t d): somewhere between low and high where there is a kink at x or near it."""

    low: float
    high: float
    tolerance: float
    kink: str = ""  # where it is
    is_known: bool = True  # at x itself all slopes between low and high are right


_UNKNOWN = Slope(0.0, 0.0, np.inf, "", False)


def _best_rung(central: np.ndarray, noise: np.ndarray) -> tuple[int | None, float, float]:
    """The rung of least error, its slope, and the error; noise is that of the slopes."""
    five = (4 * central[1:] - central[:-1]) / 3  # the five-point stencil of steps h and 2h
    changes, noise_of_five = np.abs(np.diff(five)), 1.5 * noise[1:]
    # That two rungs agree may be chance; that three do, hardly.
    errors = np.maximum(changes[:-1], changes[1:]) + noise_of_five[2:]
    slopes = five[1:-1]
    # Of the last rungs nothing shorter tells whether they are short enough.
    for n in np.argsort(errors[:-_CHECKED]):  # NaN last
        # Shorter steps know better, but for their noise: a long one may see another slope.
        apart = np.abs(five[n + 2 :] - slopes[n])
        allowed = 2 * errors[n] + 4 * noise_of_five[n + 2 :]
        if np.isfinite(errors[n]) and not np.any(apart > allowed):
            return int(n) + 3, float(slopes[n]), float(errors[n])
    return None, 0.0, np.inf


class Ladder:
    def __init__(self, f: Callable, x: np.ndarray, branches: TellBranches | None):
        self._f, self._x, self._branches = f, x, branches
        self._size = float(np.sqrt(np.mean(x**2))) or 1.0
        self._at_x = f(x)
        again = f(x)
        self.is_steady = again == self._at_x or np.isnan(again)
        self.values_at_x = self._at_x, again
        if not np.isfinite(self._at_x):
            raise InputError(f"f is {self._at_x} at x; choose an x where it is finite")
        self._noise = self._measure_noise()
        self._least = self._least_slope()

    @property
    def noise(self) -> float:
        """The rounding of a value of f."""
        return self._noise

    def _measure_noise(self) -> float:
        """From third differences along a very short line, as ECNoise does."""
        rng = np.random.default_rng(0)
        d = rng.standard_normal(self._x.shape) * np.maximum(np.abs(self._x), self._size * 1e-6)
        measured = np.array([self._third_difference(step * d) for step in _NOISE_STEPS])
        measured[~np.isfinite(measured)] = 0
        if measured[-1] > _CURVED * measured[-2] > 0:
            measured[-1] = 0
        noise = np.max(measured, initial=UNIT["float64"] * abs(self._at_x))
        return 4 * max(float(noise), self._quantum(d))

    def _third_difference(self, step: np.ndarray) -> float:
        values = [self._f(self._x + n * step) for n in range(_NOISE_POINTS)]
        return float(np.sqrt(np.mean(np.diff(values, 3) ** 2) / 20))  # 20 = 1² + 3² + 3² + 1²

    def _quantum(self, d) -> float:
        """By how much f changes at least: of a coarse one, as rounded to decimals, by much."""
        values = np.array([self._f(self._x + step * d) for step in (0.0, *_HAIRS, *-_HAIRS)])
        heights = np.diff(np.unique(values[np.isfinite(values)]))
        return float(np.min(heights, initial=np.inf)) if len(heights) else 0.0

    def _least_slope(self) -> float:
        """What rounding leaves of no slope at all, where f varies as it does around x."""
        rng = np.random.default_rng(1)
        around = self._x + _LONGEST * self._size * rng.standard_normal((2, *self._x.shape))
        changes = [abs(self._f(x) - self._at_x) for x in around]
        return float(np.nanmax([0.0, *changes])) * ROOM * UNIT["float64"] / self._size

    def slope(self, d: np.ndarray) -> Slope:
        steps = self._steps(d)
        after = np.array([self._f(self._x + h * d) for h in steps])
        before = np.array([self._f(self._x - h * d) for h in steps])
        one_sided = np.array([after - self._at_x, self._at_x - before]) / steps
        # f may be larger, and so its rounding, a long step away.
        largest = np.maximum(np.abs(after), np.abs(before))
        noise = np.maximum(self._noise, 4 * UNIT["float64"] * largest)
        certain, kinks = self._kinks(one_sided[0] - one_sided[1], noise / steps)
        smallest = int(np.max(np.flatnonzero(certain), initial=0))
        if np.count_nonzero(kinks[: smallest + 1][-_IN_A_ROW:]) == _IN_A_ROW:
            return self._at_kink(d, one_sided, steps, noise, smallest, is_known=True)
        central = (after - before) / (2 * steps)
        best, slope, error = _best_rung(central, noise / steps)
        if best is None:
            return _UNKNOWN
        if kinks[best]:
            return self._at_kink(d, one_sided, steps, noise, best, is_known=False)
        return Slope(slope, slope, _WARY * error + self._least * float(np.linalg.norm(d)))

    def _steps(self, d) -> np.ndarray:
        """From the size of all of x down to that of the entries that d moves, or of 1: a function
        may turn within 1 however large x is, as a sine does."""
        moved = np.abs(self._x[d != 0])
        own = float(np.sqrt(np.mean(moved**2))) or self._size
        longest = _LONGEST * max(own, self._size)
        rungs = int(np.log2(longest / (_SHORTEST * min(own, self._size, 1.0)))) + 1
        return longest * 2.0 ** -np.arange(min(rungs, _MOST_RUNGS)) / np.max(np.abs(d))

    def _kinks(self, jumps: np.ndarray, noise: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """From one-sided slopes: where their distance is certain, and where it is a kink's.

        Those of a smooth f approach each other as h does 0; with a kink within h they do not.
        """
        certain = np.abs(jumps) > _CERTAIN * noise
        kinks = np.zeros(len(jumps), bool)
        with np.errstate(all="ignore"):
            kinks[1:] = certain[1:] & (np.abs(jumps[1:] / jumps[:-1] - 1) < _SAME)
        return certain, kinks

    def _at_kink(self, d, one_sided, steps, noise, rung: int, is_known: bool) -> Slope:
        ends = 2 * one_sided[:, rung] - one_sided[:, rung - 1]  # to h = 0
        change = np.max(np.abs(one_sided[:, rung] - one_sided[:, rung - 1]))
        tolerance = float(_WARY * change + 4 * noise[rung] / steps[rung])
        where = self._between(d, steps[rung]) or ("at x" if is_known else "near x")
        return Slope(float(ends.min()), float(ends.max()), tolerance, where, is_known)

    def _between(self, d, h: float) -> str:
        """The branch that differs between x − h d and x + h d, if they are told."""
        if self._branches is None:
            return ""
        before, after = (self._branches(self._x + side * h * d) for side in (-1, 1))
        if not isinstance(before, Mapping):
            raise InputError("branches must return a dict of arrays by name")
        here, there = ([np.asarray(b[name]) for name in before] for b in (before, after))
        return crossed(tuple(before), here, there)
