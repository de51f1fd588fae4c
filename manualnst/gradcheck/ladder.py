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
_CERTAIN = 100  # times its noise: a jump of slopes that can be relied on


class Slope(NamedTuple):
    """d/dt f(x + t d): between low and high where x lies on a kink."""

    low: float
    high: float
    tolerance: float
    kink: str = ""  # where the nearest one is, if it matters


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
        one_sided = (after - self._at_x) / steps, (self._at_x - before) / steps
        rung = self._rung_of_a_kink(one_sided[0] - one_sided[1], steps)
        if rung is not None:
            return self._on_a_kink(d, one_sided, steps, rung)
        central = (after - before) / (2 * steps)
        five = (4 * central[1:] - central[:-1]) / 3  # the five-point stencil of steps h and 2h
        truncation, rounding = np.abs(np.diff(five)), 1.5 * self._noise / steps[2:]
        best = int(np.argmin(np.nan_to_num(truncation + rounding, nan=np.inf)))
        kink = ""
        if truncation[best] > _CERTAIN * rounding[best]:
            kink = self._between(d, steps[best + 2]) or "near x"
        slope, tolerance = float(five[best + 1]), float(2 * (truncation + rounding)[best])
        return Slope(slope, slope, tolerance, kink)

    def _rung_of_a_kink(self, jumps: np.ndarray, steps: np.ndarray) -> int | None:
        """The one-sided slopes of a smooth f approach each other as h does 0; at a kink they keep
        their distance. The smallest step at which that is certain; None if there is no kink."""
        certain = np.flatnonzero(np.abs(jumps) > _CERTAIN * self._noise / steps)
        last = certain[-4:]
        if len(last) < 4 or last[-1] - last[0] != 3:
            return None
        ratios = jumps[last[1:]] / jumps[last[:-1]]
        return int(last[-1]) if np.all(ratios > 0.75) else None

    def _on_a_kink(self, d, one_sided, steps, rung: int) -> Slope:
        ends = [float(2 * side[rung] - side[rung - 1]) for side in one_sided]  # to h = 0
        change = max(abs(side[rung] - side[rung - 1]) for side in one_sided)
        tolerance = float(2 * change + 4 * self._noise / steps[rung])
        where = self._between(d, steps[rung]) or "at x"
        return Slope(min(ends), max(ends), tolerance, where)

    def _between(self, d, h: float) -> str:
        """The branch that differs between x − h d and x + h d, if they are told."""
        if self._branches is None:
            return ""
        before, after = (self._branches(self._x + side * h * d) for side in (-1, 1))
        here, there = ([np.asarray(b[name]) for name in before] for b in (before, after))
        return crossed(tuple(before), here, there)
