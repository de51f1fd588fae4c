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
from .rounding import UNIT

Branches = Callable[[np.ndarray], Mapping[str, np.ndarray]]

_RUNGS = 0.1 * 2.0 ** -np.arange(20)  # steps, in the size of x
# So small that f is straight but for its noise; one of them larger than a single-precision ulp.
_NOISE_STEPS = 2.0 ** np.array([-40, -30, -20])
_NOISE_POINTS = 12
_CERTAIN = 10  # times its noise: a distance of slopes that can be relied on
_SAME = 0.25  # a distance that changes by less from step to step is a kink's
_IN_A_ROW = 3  # so many steps, to the smallest, make it a kink at x itself


class Slope(NamedTuple):
    """d/dt f(x + t d): somewhere between low and high where there is a kink at x or near it."""

    low: float
    high: float
    tolerance: float
    kink: str = ""  # where it is
    is_known: bool = True  # at x itself all slopes between low and high are right


class Ladder:
    def __init__(self, f: Callable, x: np.ndarray, branches: Branches | None):
        self._f, self._x, self._branches = f, x, branches
        self._size = float(np.sqrt(np.mean(x**2))) or 1.0
        self._at_x = f(x)
        if not np.isfinite(self._at_x):
            raise InputError(f"f is {self._at_x} at x; choose an x where it is finite")
        self._noise = self._measure_noise()

    def _measure_noise(self) -> float:
        """From third differences along a very short line, as ECNoise does."""
        rng = np.random.default_rng(0)
        d = rng.standard_normal(self._x.shape) * self._size
        noise = UNIT["float64"] * abs(self._at_x)
        for step in _NOISE_STEPS:
            values = [self._f(self._x + n * step * d) for n in range(_NOISE_POINTS)]
            thirds = np.diff(values, 3)
            measured = float(np.sqrt(np.mean(thirds**2) / 20))  # 20 = 1² + 3² + 3² + 1²
            noise = max(noise, measured) if np.isfinite(measured) else noise
        return 4 * noise

    def slope(self, d: np.ndarray) -> Slope:
        steps = _RUNGS * self._size / np.max(np.abs(d))
        after = np.array([self._f(self._x + h * d) for h in steps])
        before = np.array([self._f(self._x - h * d) for h in steps])
        one_sided = np.array([after - self._at_x, self._at_x - before]) / steps
        certain, kinks = self._kinks(one_sided[0] - one_sided[1], steps)
        smallest = int(np.max(np.flatnonzero(certain), initial=0))
        if np.count_nonzero(kinks[: smallest + 1][-_IN_A_ROW:]) == _IN_A_ROW:
            return self._at_kink(d, one_sided, steps, smallest, is_known=True)
        central = (after - before) / (2 * steps)
        five = (4 * central[1:] - central[:-1]) / 3  # the five-point stencil of steps h and 2h
        errors = np.abs(np.diff(five)) + 1.5 * self._noise / steps[2:]
        best = int(np.argmin(np.nan_to_num(errors, nan=np.inf)))
        if kinks[best + 2]:
            return self._at_kink(d, one_sided, steps, best + 2, is_known=False)
        slope, tolerance = float(five[best + 1]), float(2 * errors[best])
        return Slope(slope, slope, tolerance)

    def _kinks(self, jumps: np.ndarray, steps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """From one-sided slopes: where their distance is certain, and where it is a kink's.

        Those of a smooth f approach each other as h does 0; with a kink within h they do not.
        """
        certain = np.abs(jumps) > _CERTAIN * self._noise / steps
        kinks = np.zeros(len(jumps), bool)
        with np.errstate(all="ignore"):
            kinks[1:] = certain[1:] & (np.abs(jumps[1:] / jumps[:-1] - 1) < _SAME)
        return certain, kinks

    def _at_kink(self, d, one_sided, steps, rung: int, is_known: bool) -> Slope:
        ends = 2 * one_sided[:, rung] - one_sided[:, rung - 1]  # to h = 0
        change = np.max(np.abs(one_sided[:, rung] - one_sided[:, rung - 1]))
        tolerance = float(2 * change + 4 * self._noise / steps[rung])
        where = self._between(d, steps[rung]) or ("at x" if is_known else "near x")
        return Slope(float(ends.min()), float(ends.max()), tolerance, where, is_known)

    def _between(self, d, h: float) -> str:
        """The branch that differs between x − h d and x + h d, if they are told."""
        if self._branches is None:
            return ""
        before, after = (self._branches(self._x + side * h * d) for side in (-1, 1))
        here, there = ([np.asarray(b[name]) for name in before] for b in (before, after))
        return crossed(tuple(before), here, there)
