"""Any function and its gradient: `check_gradient(f, gradient, x)`."""

import warnings
from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

import numpy as np

from ..errors import InputError
from . import oracles
from .diagnosis import Known, Sample, diagnose
from .ladder import Ladder, Slope, TellBranches
from .location import locate
from .report import Comparison, Entry, Report, Row, Verdict
from .rounding import OTHER_ORDER, ROOM, UNIT, rounding
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
    branches: TellBranches | None = None,
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
    value = gradient(x.copy()) if callable(gradient) else gradient
    given = _finite("the gradient", value)
    if given.shape != x.shape:
        raise InputError(f"the gradient has shape {given.shape}, but x has {x.shape}")
    # A gradient in single precision is judged as one.
    is_single = getattr(value, "dtype", None) == np.float32
    room = ROOM * UNIT["float32"] * float(np.max(np.abs(given))) if is_single else 0.0
    return _Pair(_checked(f), given, room, x, branches).report()


def _finite(name: str, value) -> np.ndarray:
    if value is None:
        raise InputError(f"{name} is None; is a return statement missing?")
    if np.iscomplexobj(value):
        raise InputError(f"{name} is complex; a gradient is judged at real numbers")
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
    """f, which has to return one number and to leave its argument alone; NaN where it cannot."""

    def checked(x):
        argument = x.copy()
        try:
            with np.errstate(all="ignore"):
                value = np.asarray(f(argument))
        except (ArithmeticError, ValueError) as error:
            if isinstance(error, InputError):
                raise
            return np.nan  # as math.log(-1)
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

    def entry(self, gradient, room: float) -> Entry:
        """`room` is the tolerance that the gradient has of itself, for each entry."""
        given = float(np.sum(gradient * self.direction))
        expected = float(np.clip(given, self.slope.low, self.slope.high))
        tolerance = self.slope.tolerance + room * float(np.linalg.norm(self.direction))
        return Entry(self.label, given, expected, tolerance)

    def is_unknown(self, scale: float) -> bool:
        known = _KNOWN * scale * np.linalg.norm(self.direction)
        return not self.slope.is_known or (self.slope.tolerance > known and not self.slope.kink)


class _Pair:
    def __init__(self, f: Callable, given: np.ndarray, room: float, x: np.ndarray, branches):
        self._f, self._given, self._room, self._x = f, given, room, x
        self._rng = np.random.default_rng(0)
        self._ladder = Ladder(f, x, branches)
        self._largest = float(np.max(np.abs(given)))
        self._floor = ROOM * UNIT["float64"] * self._largest
        self._is_analytic = self._try_complex_step()
        self._probes = [_Probe(label, d, self._slope(d)) for label, d in self._directions()]

    def report(self) -> Report:
        entries = [probe.entry(self._given, self._room) for probe in self._probes]
        entries.sort(key=lambda entry: -entry.excess)
        verdict, note = self._verdict(entries)
        mistake, words = self._explain(entries) if verdict == Verdict.WRONG else ("", "")
        comparison = Comparison(self._oracle(), verdict, entries[0], self._source(), note)
        row = Row("gradient", "", "", "f", "float64", (comparison,), words, mistake)
        return Report(row, tuple(entries), self._x.shape)

    def _oracle(self) -> str:
        return "complex step" if self._is_analytic else "ladder of differences"

    def _source(self) -> str:
        return "rounding × 1000" if self._is_analytic else "measured"

    def _directions(self) -> Iterator[tuple[tuple[int, ...] | str, np.ndarray]]:
        shape, size = self._x.shape, self._x.size
        some = size > _ALL_ENTRIES
        chosen = self._rng.choice(size, _SOME_ENTRIES, replace=False) if some else range(size)
        for flat in chosen:
            index = tuple(map(int, np.unravel_index(flat, shape)))
            yield index, oracles.unit_direction(shape, index)
        for n in range(_DIRECTIONS):
            yield f"direction {n}", self._rng.standard_normal(shape)

    def _try_complex_step(self) -> bool:
        """Does it agree with the differences, in some directions that move all entries?"""
        directions = self._rng.standard_normal((_TRIED, *self._x.shape))
        try:
            slopes = [self._complex_step(d) for d in directions]
        except Exception:  # whatever a function may raise that was not written for it
            return False
        if not any(slopes) or not np.all(np.isfinite(slopes)):
            return False  # as of a function that drops imaginary parts
        ladders = [self._ladder.slope(d) for d in directions]
        return all(
            s.low - s.tolerance <= c <= s.high + s.tolerance
            for c, s in zip(slopes, ladders, strict=True)
        )

    def _complex_step(self, d, x=None) -> float:
        with warnings.catch_warnings():
            warnings.simplefilter("error", np.exceptions.ComplexWarning)
            return float(oracles.complex_step(self._f, self._x if x is None else x, d))

    def _tolerance(self, d) -> float:
        """The slope by the complex step along d."""
        problem = Problem({"x": self._x}, {})
        slope = partial(self._slope_of_problem, d)
        by_rounding = rounding(slope, problem, self._x.size, UNIT["float64"])
        return float(OTHER_ORDER * by_rounding + self._floor * np.linalg.norm(d))

    def _slope_of_problem(self, d, problem: Problem) -> float:
        return self._complex_step(d, problem.arguments["x"])

    def _slope(self, d) -> Slope:
        if not self._is_analytic:
            return self._ladder.slope(d)
        slope, tolerance = self._complex_step(d), self._tolerance(d)
        given = float(np.sum(self._given * d))
        if tolerance > _KNOWN * self._largest * np.linalg.norm(d):  # does rounding decide a kink?
            by_differences = self._ladder.slope(d)
            return by_differences if by_differences.kink else Slope(slope, slope, tolerance)
        if abs(given - slope) > tolerance:
            by_differences = self._ladder.slope(d)
            width = by_differences.high - by_differences.low
            if width > 0 and self._jump_at_x(d) > width / 2:  # a kink: other slopes are as good
                return by_differences
        return Slope(slope, slope, tolerance)

    def _jump_at_x(self, d) -> float:
        """How much the complex step changes from one side of x to the other, a hair away."""
        hair = 4 * np.maximum(np.spacing(np.abs(self._x)), np.finfo(float).tiny) * np.sign(d)
        return abs(self._complex_step(d, self._x + hair) - self._complex_step(d, self._x - hair))

    def _verdict(self, entries) -> tuple[Verdict, str]:
        if not self._ladder.is_steady:
            first, second = self._ladder.values_at_x
            words = f"f gives another value at the same x: {first:.9g}, then {second:.9g}"
            return Verdict.INCONCLUSIVE, words
        if entries[0].excess > 1:
            if self._complex_step_agrees():
                words = "the complex step agrees with it, the differences do not"
                return Verdict.INCONCLUSIVE, words
            return Verdict.WRONG, ""
        scale = max(max(abs(e.given), abs(e.expected)) for e in entries)
        if all(max(abs(e.given), abs(e.expected)) <= e.tolerance for e in entries):
            return Verdict.INCONCLUSIVE, self._why_nothing_is_known(entries)
        decisive = self._probes[: self._x.size]  # with all entries known, directions need not be
        unknown = [p for p in decisive if p.is_unknown(scale)]
        kinks = [p for p in self._probes if p.slope.kink and not isinstance(p.label, str)]
        if unknown:
            note = f"{len(unknown)} of {len(self._probes)} slopes cannot be measured well enough"
            hidden = [p for p in unknown if p.slope.kink]
            if hidden:
                return Verdict.KINK, f"{note}: a kink, {hidden[0].slope.kink}"
            return Verdict.INCONCLUSIVE, f"{note}: f is too noisy, or turns too fast"
        if kinks:
            first = kinks[0]
            note = (
                f"entries at a kink, within the subgradients: {len(kinks)}, the first {first.label}"
            )
            return Verdict.PASS, f"{note} ({first.slope.kink})"
        tried = sum(not isinstance(p.label, str) for p in self._probes)
        if tried < self._x.size:
            return Verdict.PASS, (
                f"it is the gradient, by {tried} of {self._x.size} entries, tried at random, and "
                f"{_DIRECTIONS} directions of all"
            )
        single = [e for e in entries if not isinstance(e.index, str)]
        small = sum(0 < max(abs(e.given), abs(e.expected)) <= e.tolerance for e in single)
        if not small:
            return Verdict.PASS, ""
        are = "entry is smaller than its" if small == 1 else "entries are smaller than their"
        return Verdict.PASS, f"{small} {are} tolerance"

    def _why_nothing_is_known(self, entries) -> str:
        if self._largest <= self._floor or not np.any(self._given):
            return "the gradient is zero, as far as can be told: nothing was shown"
        least = min(entry.tolerance for entry in entries)
        return (
            f"slopes below {least:.2g} cannot be told from zero here: f is known to "
            f"{self._ladder.noise:.2g} only, or turns too fast about this x"
        )

    def _complex_step_agrees(self) -> bool:
        """The complex step compared with the gradient, where it was not trusted because of the
        differences."""
        if self._is_analytic:
            return False
        try:
            return all(
                abs(self._complex_step(p.direction) - float(np.sum(self._given * p.direction)))
                <= self._tolerance(p.direction)
                for p in self._probes
            )
        except Exception:  # as in _try_complex_step
            return False

    def _explain(self, entries) -> tuple[str, str]:
        """(mistake, words); only where every entry is known."""
        entries = [entry for entry in entries if not isinstance(entry.index, str)]
        if len(entries) != self._x.size:
            wrong = [list(e.index) for e in entries if e.excess > 1]
            found = wrong[:1] or self._find_wrong_entry()
            where = f"wrong at {found[0]}; " if found else ""
            return "", f"{where}of {len(entries)} entries tried at random, {len(wrong)} are wrong"
        kinks = {p.label: p.slope for p in self._probes if p.slope.kink}
        if all(entry.excess <= 1 for entry in entries):
            if not any(p.slope.kink for p in self._probes):
                return "", (
                    "no entry by itself is certain to be wrong, but all together are, along a "
                    "direction that moves all"
                )
            return "", (
                "each entry is a subgradient, but together they are not (do equal maxima each get "
                "the whole gradient?)"
            )
        if all(entry.index in kinks for entry in entries if entry.excess > 1):
            first = next(entry for entry in entries if entry.excess > 1)
            low, high = kinks[first.index].low, kinks[first.index].high
            return "", (
                f"at {list(first.index)} there is a kink, where any slope from {low:.6g} to "
                f"{high:.6g} is right, and yours is {first.given:.6g}"
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
        return "", locate(wrong, {"x": self._x}, self._given)

    def _find_wrong_entry(self) -> list[list[int]]:
        """By halves: the slope along the entries of the wrong half is wrong. None, if it is lost
        in the noise on the way."""
        suspects = np.arange(self._x.size)
        while len(suspects) > 1:
            half = suspects[: len(suspects) // 2]
            suspects = half if self._is_wrong_along(half) else suspects[len(half) :]
        index = [int(i) for i in np.unravel_index(suspects[0], self._x.shape)]
        return [index] if self._is_wrong_along(suspects) else []

    def _is_wrong_along(self, entries: np.ndarray) -> bool:
        d = np.zeros(self._x.size)
        d[entries] = self._rng.standard_normal(len(entries))
        d = d.reshape(self._x.shape)
        return _Probe("entries", d, self._slope(d)).entry(self._given, self._room).excess > 1


def _means(shape: tuple[int, ...]) -> dict[str, str]:
    """Factors by which a gradient is off when a sum became a mean."""
    hints = {f"1/{n}": f"a mean over {n} in the place of a sum?" for n in shape if n > 2}
    size = int(np.prod(shape))
    return hints | ({f"1/{size}": f"a mean over all {size} entries?"} if size > 2 else {})
