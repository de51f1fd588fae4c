"""Any function and its gradient: `check_gradient(f, gradient, x)`."""

import warnings
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from ..errors import InputError
from . import oracles
from .diagnosis import Known, Sample, diagnose
from .ladder import Branches, Ladder, Slope
from .location import locate
from .report import Comparison, Entry, Report, Row, Verdict
from .rounding import OTHER_ORDER, UNIT, rounding
from .subjects import Problem

_ALL_ENTRIES = 400  # looked at one by one; of more, some
_SOME_ENTRIES = 200
_DIRECTIONS = 8  # that move all entries at once
_TRIED = 3  # directions in which the complex step has to prove itself
_KNOWN = 1e-3  # a slope that is known to less than this share of the gradient is not judged


def check_gradient(
    f: Callable[[np.ndarray], float],
    gradient: Callable[[np.ndarray], np.ndarray] | np.ndarray,
    x,
    *,
    branches: Branches | None = None,
) -> Report:
    """Is gradient(x) the gradient of f at x?

    f takes an array like x and returns a number; `gradient` may also be the array itself.
    Slopes are taken by the complex step where f allows that (it is exact to rounding), else from
    a ladder of differences; neither a step nor a tolerance has to be given.

    `branches` may tell which way each ReLU or maximum of f goes at an x, as {name: array}; then a
    kink is told by its name and place.

    The report is true if the gradient is right, and shows itself in a notebook. Its `verdict` is
    PASS, WRONG, KINK (of some entries the differences all meet a kink) or INCONCLUSIVE (too small
    to be told from rounding).
    """
    x = _finite("x", x)
    given = _finite("the gradient", gradient(x.copy()) if callable(gradient) else gradient)
    if given.shape != x.shape:
        raise InputError(f"the gradient has shape {given.shape}, but x has {x.shape}")
    return _Pair(_checked(f), given, x, branches).report()


def _finite(name: str, value) -> np.ndarray:
    if value is None:
        raise InputError(f"{name} is None; is a return statement missing?")
    try:
        array = np.array(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError(f"{name} must be an array of real numbers, got {value!r:.60}") from None
    if not array.size or not np.all(np.isfinite(array)):
        raise InputError(
            f"{name} must have entries, all of them finite; its shape is {array.shape}"
        )
    return array


def _checked(f: Callable) -> Callable:
    """f, which has to return one number and to leave its argument alone."""

    def checked(x):
        argument = x.copy()
        with np.errstate(all="ignore"):
            value = np.asarray(f(argument))
        if not np.array_equal(argument, x):
            raise InputError("f changes its argument in place; let it work on a copy")
        if value.size != 1 or value.dtype.kind not in "fiuc":
            raise InputError(f"f must return one number, got {value.dtype} of shape {value.shape}")
        return value.item()

    return checked


class _Probe(NamedTuple):
    label: tuple[int, ...] | str
    direction: np.ndarray
    slope: Slope

    def entry(self, gradient) -> Entry:
        given = float(np.sum(gradient * self.direction))
        expected = float(np.clip(given, self.slope.low, self.slope.high))
        return Entry(self.label, given, expected, self.slope.tolerance)

    def is_unknown(self, scale: float) -> bool:
        known = _KNOWN * scale * np.linalg.norm(self.direction)
        return not self.slope.is_known or (self.slope.tolerance > known and not self.slope.kink)


class _Pair:
    def __init__(self, f: Callable, given: np.ndarray, x: np.ndarray, branches: Branches | None):
        self._f, self._given, self._x = f, given, x
        self._rng = np.random.default_rng(0)
        self._ladder = Ladder(f, x, branches)
        directions = dict(self._directions())
        self._complex_tolerance = self._try_complex_step()
        self._probes = [_Probe(label, d, self._slope(d)) for label, d in directions.items()]

    def report(self) -> Report:
        entries = sorted((p.entry(self._given) for p in self._probes), key=lambda e: -e.excess)
        verdict, note = self._verdict(entries)
        mistake, words = self._explain(entries) if verdict == Verdict.WRONG else ("", "")
        comparison = Comparison(self._oracle(), verdict, entries[0], self._source(), note)
        row = Row("gradient", "", "", "f", "float64", (comparison,), words, mistake)
        return Report(row, tuple(entries), self._x.shape)

    def _oracle(self) -> str:
        return "complex step" if self._complex_tolerance else "ladder of differences"

    def _source(self) -> str:
        return "rounding × 1000" if self._complex_tolerance else "measured"

    def _directions(self) -> Iterator[tuple[tuple[int, ...] | str, np.ndarray]]:
        shape, size = self._x.shape, self._x.size
        some = size > _ALL_ENTRIES
        chosen = self._rng.choice(size, _SOME_ENTRIES, replace=False) if some else range(size)
        for flat in chosen:
            index = tuple(map(int, np.unravel_index(flat, shape)))
            yield index, oracles.unit_direction(shape, index)
        for n in range(_DIRECTIONS):
            yield f"direction {n}", self._rng.standard_normal(shape)

    def _try_complex_step(self) -> float | None:
        """Its tolerance, if it agrees with differences where these are good; else None."""
        directions = self._rng.standard_normal((_TRIED, *self._x.shape))
        try:
            slopes = [self._complex_step(d) for d in directions]
        except Exception:  # whatever a function may raise that was not written for it
            return None
        ladders = [self._ladder.slope(d) for d in directions]
        smooth = [(c, s) for c, s in zip(slopes, ladders, strict=True) if not s.kink]
        if not any(c for c, _ in smooth):
            return None  # as of a function that drops imaginary parts
        if not all(abs(c - s.low) <= s.tolerance for c, s in smooth):
            return None
        largest = max(map(abs, [*slopes, np.max(np.abs(self._given))]))
        moved = max(self._rounding_along(d) / np.linalg.norm(d) for d in directions)
        return OTHER_ORDER * max(moved, UNIT["float64"] * largest)

    def _complex_step(self, d, x=None) -> float:
        with warnings.catch_warnings():
            warnings.simplefilter("error", np.exceptions.ComplexWarning)
            return float(oracles.complex_step(self._f, self._x if x is None else x, d))

    def _rounding_along(self, d) -> float:
        problem = Problem({"x": self._x}, {})
        slope = lambda p: self._complex_step(d, p.arguments["x"])  # noqa: E731
        return rounding(slope, problem, self._x.size, UNIT["float64"])

    def _slope(self, d) -> Slope:
        if not self._complex_tolerance:
            return self._ladder.slope(d)
        slope, tolerance = self._complex_step(d), self._complex_tolerance * np.linalg.norm(d)
        if abs(float(np.sum(self._given * d)) - slope) > tolerance:
            by_differences = self._ladder.slope(d)
            if by_differences.low < by_differences.high:  # a kink: another slope is as good
                return by_differences
        return Slope(slope, slope, float(tolerance))

    def _verdict(self, entries) -> tuple[Verdict, str]:
        if entries[0].excess > 1:
            return Verdict.WRONG, ""
        scale = max(max(abs(e.given), abs(e.expected)) for e in entries)
        if all(max(abs(e.given), abs(e.expected)) <= e.tolerance for e in entries):
            return Verdict.INCONCLUSIVE, "the gradient cannot be told from zero here"
        unknown = [p for p in self._probes if p.is_unknown(scale)]
        kinks = [p for p in self._probes if p.slope.kink and not isinstance(p.label, str)]
        if unknown:
            note = f"{len(unknown)} of {len(self._probes)} slopes cannot be measured well enough"
            hidden = [p for p in unknown if p.slope.kink]
            if hidden:
                return Verdict.KINK, f"{note}: a kink, {hidden[0].slope.kink}"
            return Verdict.INCONCLUSIVE, f"{note}: f is too noisy"
        if kinks:
            first = kinks[0]
            note = (
                f"entries at a kink, within the subgradients: {len(kinks)}, the first {first.label}"
            )
            return Verdict.PASS, f"{note} ({first.slope.kink})"
        return Verdict.PASS, ""

    def _explain(self, entries) -> tuple[str, str]:
        """(mistake, words); only where every entry is known."""
        entries = [entry for entry in entries if not isinstance(entry.index, str)]
        if len(entries) != self._x.size:
            wrong = sum(e.excess > 1 for e in entries)
            where = self._find_wrong_entry()
            return "", f"wrong at {where}; of {len(entries)} entries tried at random, {wrong} are"
        if all(entry.excess <= 1 for entry in entries):
            return "", (
                "each entry is a subgradient, but together they are not (do equal maxima each get "
                "the whole gradient?)"
            )
        truth = np.empty(self._x.shape)
        for entry in entries:
            truth[entry.index] = entry.expected
        sample = Sample(Problem({"x": self._x}, {}), self._given, truth)
        if diagnosis := diagnose(Known(hints=_means(self._x.shape)), [sample]):
            return diagnosis
        wrong = np.zeros(self._x.shape, bool)
        for entry in entries:
            wrong[entry.index] = entry.excess > 1
        return "", locate(wrong, {"x": self._x})

    def _find_wrong_entry(self) -> list[int]:
        """By halves: the slope along the entries of the wrong half is wrong."""
        suspects = np.arange(self._x.size)
        while len(suspects) > 1:
            half = suspects[: len(suspects) // 2]
            d = np.zeros(self._x.size)
            d[half] = self._rng.standard_normal(len(half))
            d = d.reshape(self._x.shape)
            is_wrong = _Probe("half", d, self._slope(d)).entry(self._given).excess > 1
            suspects = half if is_wrong else suspects[len(half) :]
        return [int(i) for i in np.unravel_index(suspects[0], self._x.shape)]


def _means(shape: tuple[int, ...]) -> dict[str, str]:
    """Factors by which a gradient is off when a sum became a mean."""
    hints = {f"1/{n}": f"a mean over {n} in the place of a sum?" for n in shape if n > 2}
    size = int(np.prod(shape))
    return hints | ({f"1/{size}": f"a mean over all {size} entries?"} if size > 2 else {})
