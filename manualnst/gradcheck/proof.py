"""The package's own derivatives against every oracle that applies."""

from collections.abc import Iterator
from functools import cached_property

import numpy as np

from ..backends import Backend, get_backend
from . import oracles
from .branches import Branches, crossed
from .judge import case_at_kinks, worst_entry, worst_in
from .report import Comparison, Entry, Row, Verdict
from .rounding import UNIT, rounding
from .subjects import Problem, Subject

DTYPES = tuple(UNIT)
_INPUTS = {"numpy": 2, "naive": 1}  # of different shapes, for each row
_ENTRIES = {"numpy": 24, "naive": 6}  # looked at in each; all of them where there are no more
_DIRECTIONS = 3  # that move all entries at once
_LARGEST_FOR_LOOPS = 300  # entries of a variable that the naive backend is made to differentiate
_LARGE_ENTRIES = 6  # of variables beyond that: an evaluation takes long

_FIVE_POINT_STEP = 0.1  # of the variable's size: of a polynomial the stencil is exact at any step
_SHORT_FIVE_POINT_STEP = UNIT["float64"] ** 0.2  # else: rounding and truncation about equal
_TWO_POINT_STEP = float(np.cbrt(3 * UNIT["float64"]))  # rounding and truncation about equal
_TAYLOR_STEPS = 0.1 * 2.0 ** -np.arange(12)  # twelve octaves; rounding hides the last
_OCTAVES = 8  # of them that have to be seen
_TAYLOR_SLOPE = 2.0  # of the remainder; a wrong gradient leaves one of slope 1
_SLOPE_ROOM = 0.1


def prove(subject: Subject, backend_name: str, dtype: str) -> Row:
    """One row: the worst that each oracle has to say, over some inputs."""
    rng = np.random.default_rng(0)
    found: dict[str, Comparison] = {}
    for shape in subject.shapes[: _INPUTS[backend_name]]:
        for comparison in prove_once(subject, subject.draw(rng, shape), backend_name, dtype):
            known = found.get(comparison.oracle)
            if known is None or _rank(comparison) > _rank(known):
                found[comparison.oracle] = comparison
    if subject.draw_kinks:
        comparison = _at_kinks(subject, rng, get_backend(backend_name), dtype)
        found[comparison.oracle] = comparison
    return Row(
        name=subject.name,
        identifier=subject.identifier,
        formula=subject.formula,
        computed_by=backend_name,
        dtype=dtype,
        comparisons=tuple(found.values()),
    )


def prove_once(
    subject: Subject, problem: Problem, backend_name: str, dtype: str
) -> Iterator[Comparison]:
    """What every oracle has to say of one set of inputs."""
    return _Proof(subject, problem, get_backend(backend_name), dtype).comparisons()


def _at_kinks(subject: Subject, rng, backend: Backend, dtype: str) -> Comparison:
    case = case_at_kinks(subject, rng, UNIT[dtype])
    own = subject.own(case.problem.astype(dtype), backend).astype("float64")
    return _compared(
        "subgradients at exact kinks",
        worst_in(case, own),
        "a copy",
        f"{np.count_nonzero(case.kinks.low != case.kinks.high)} entries without a derivative",
    )


def provable_by(subject: Subject, backend_name: str) -> bool:
    """Loops would take too long for large networks."""
    return backend_name != "naive" or not _is_large(subject)


def _is_large(subject: Subject) -> bool:
    problem = subject.draw(np.random.default_rng(0), subject.shapes[0])
    return subject.variable(problem).size > _LARGEST_FOR_LOOPS


def _rank(comparison: Comparison) -> tuple:
    return comparison.severity, comparison.worst.excess if comparison.worst else 0.0


class _Proof:
    """A gradient that the package computed in `dtype`, judged in double precision."""

    def __init__(self, subject: Subject, problem: Problem, backend: Backend, dtype: str):
        self._subject, self._backend, self._dtype = subject, backend, dtype
        self._problem = problem.astype(dtype).astype("float64")  # exactly what `dtype` holds
        self._x = subject.variable(self._problem)
        self._size = np.sqrt(np.mean(self._x**2)) or 1.0
        self._own = subject.own(problem.astype(dtype), backend).astype("float64")
        recorder = Branches(backend)
        subject.own(problem.astype(dtype), recorder)
        self._held = recorder.taken
        self._rng = np.random.default_rng(1)
        numpy = get_backend("numpy")
        self._gradient_noise = self._rounding(lambda p: self._gradient(p, numpy))

    def comparisons(self) -> Iterator[Comparison]:
        if np.max(np.abs(self._own)) <= self._gradient_noise:
            worst = Entry("all", float(np.max(np.abs(self._own))), 0.0, self._gradient_noise)
            yield Comparison("size", Verdict.INCONCLUSIVE, worst, "rounding", "it vanishes")
            return
        yield self._against("complex step", self._complex_step)
        if self._subject.is_linear:
            yield self._adjoint()
        if self._backend is not get_backend("naive") and self._x.size <= _LARGEST_FOR_LOOPS:
            yield self._naive_loops()
        if self._dtype == "float64":
            yield self._against("five points, masks held", self._five_point)
            yield self._against("two points", self._two_point)
            yield self._taylor()

    # What is judged, and what it is judged by.

    def _gradient(self, problem: Problem, backend: Backend) -> np.ndarray:
        return self._subject.own(problem, Branches(backend, self._held))

    def _loss(self, x, problem: Problem | None = None):
        """The loss with the branches that were taken in `dtype`."""
        held = Branches(self._backend, self._held)
        return self._subject.loss(problem or self._problem, x, held)

    def _free_loss(self, x):
        """The loss with the branches that x takes."""
        return self._subject.loss(self._problem, x, self._backend)

    def _rounding(self, result, dtype=None) -> float:
        unit = UNIT[dtype or self._dtype]
        return rounding(result, self._problem, self._subject.summands(self._problem), unit)

    @cached_property
    def _noise(self) -> float:
        """The rounding of a loss beside x, in double precision."""
        d = self._size * self._rng.standard_normal(self._x.shape)

        def beside(problem):
            return self._loss(self._subject.variable(problem) + _FIVE_POINT_STEP * d, problem)

        return self._rounding(beside, "float64")

    @cached_property
    def _complex_noise(self) -> float:
        """The rounding of a complex step along a direction of length 1: its way to the slope is
        another than the gradient's, and through the root of a matrix it can lose more."""
        d = np.random.default_rng(2).standard_normal(self._x.shape)

        def slope(problem):
            return oracles.complex_step(
                lambda x: self._loss(x, problem), self._subject.variable(problem), d
            )

        return self._rounding(slope, "float64") / np.linalg.norm(d)

    # Comparisons.

    def _against(self, name: str, oracle) -> Comparison:
        """`oracle` gives (slope, tolerance beyond the gradient's own rounding, from what, kink)."""
        worst, note, source = None, "", ""
        for label, d in self._probes():
            slope, extra, source, kink = oracle(d)
            entry = Entry(label, float(np.sum(self._own * d)), slope, self._noise_along(d) + extra)
            if kink:
                note = f"a kink between the points: {kink}"
            elif worst is None or entry.excess > worst.excess:
                worst = entry
        return _compared(name, worst, source, note)

    def _probes(self) -> Iterator[tuple[tuple[int, ...] | str, np.ndarray]]:
        indices = list(np.ndindex(self._x.shape))
        count = self._entry_count()
        if len(indices) > count:
            indices = [indices[n] for n in self._rng.choice(len(indices), count, replace=False)]
        for index in indices:
            yield tuple(map(int, index)), oracles.unit_direction(self._x.shape, index)
        for n, d in enumerate(self._directions()):
            yield f"direction {n}", d

    def _entry_count(self) -> int:
        if self._x.size > _LARGEST_FOR_LOOPS:
            return _LARGE_ENTRIES
        return _ENTRIES["naive" if self._backend is get_backend("naive") else "numpy"]

    def _noise_along(self, d) -> float:
        """Errors of single entries, added up along d as independent ones do."""
        return self._gradient_noise * np.linalg.norm(d)

    def _complex_step(self, d):
        # In single precision a ReLU near its kink may have chosen otherwise: its choice is held.
        loss = self._free_loss if self._dtype == "float64" else self._loss
        slope = oracles.complex_step(loss, self._x, d)
        return slope, self._complex_noise * np.linalg.norm(d), "rounding", ""

    def _five_point(self, d):
        polynomial = self._subject.is_polynomial
        h = self._step(d, _FIVE_POINT_STEP if polynomial else _SHORT_FIVE_POINT_STEP)
        slope = oracles.five_point(self._loss, self._x, d, h)
        # The four losses are off by their noise each: (8 + 8 + 1 + 1) / 12.
        noise = 1.5 * self._noise / h
        if polynomial:
            return slope, noise, "rounding / h", ""
        # Its error is of order h⁴, so at 2h it is 16 times as large: the difference is 15 times.
        # Where a loss bends within h it may be less; then at h/2 nearly all of the error is gone.
        wide, close = (oracles.five_point(self._loss, self._x, d, n * h) for n in (2, 0.5))
        truncation = max(abs(wide - slope), 2 * abs(close - slope))
        return slope, truncation + noise, "h against 2h", ""

    def _two_point(self, d):
        h = self._step(d, _TWO_POINT_STEP)
        slope = oracles.two_point(self._free_loss, self._x, d, h)
        # Its error is of order h², so at 2h it is four times as large: the difference is 3 times.
        truncation = abs(oracles.two_point(self._loss, self._x, d, 2 * h) - slope)
        kink = self._kink_between(self._x - h * d, self._x + h * d)
        return slope, truncation + self._noise / h, "h against 2h", kink

    def _step(self, d, relative: float) -> float:
        return relative * self._size / np.max(np.abs(d))

    def _kink_between(self, *points) -> str:
        for x in points:
            there = Branches(self._backend)
            self._subject.loss(self._problem, x, there)
            if kink := crossed(self._subject.branches, self._held, there.taken):
                return kink
        return ""

    def _adjoint(self) -> Comparison:
        """⟨dL_dx, v⟩ = L(v) − L(0) for a linear L: the dot-product test."""
        v = self._rng.standard_normal(self._x.shape)
        expected = self._loss(v) - self._loss(np.zeros_like(v))
        noise = self._noise_along(v) + self._rounding(lambda p: self._loss(v, p), "float64")
        entry = Entry("direction v", float(np.sum(self._own * v)), float(expected), noise)
        return _compared("adjoint", entry, "rounding")

    def _naive_loops(self) -> Comparison:
        naive = self._gradient(self._problem, get_backend("naive"))
        return _compared(
            "naive loops", worst_entry(self._own, naive, self._gradient_noise), "rounding"
        )

    def _taylor(self) -> Comparison:
        """In the kindest of some directions: where the second and third derivative cancel at one
        of the steps, the slope there is anything; a wrong gradient leaves 1 in all of them."""
        return min((self._taylor_along(d) for d in self._directions()), key=_rank)

    def _directions(self) -> list[np.ndarray]:
        return [self._rng.standard_normal(self._x.shape) for _ in range(_DIRECTIONS)]

    def _taylor_along(self, d) -> Comparison:
        d = d * (np.linalg.norm(self._x) / np.linalg.norm(d) or 1.0)
        slope = float(np.sum(self._own * d))
        steps = _TAYLOR_STEPS
        remainders = oracles.taylor_remainders(self._loss, self._x, d, slope, steps)
        floor = 4 * (self._noise + steps * self._noise_along(d))
        seen = np.count_nonzero(np.cumprod(remainders > floor))
        if seen <= 1:
            # Of order 2, what half the step no longer shows is at most four times as large.
            entry = Entry("largest step", float(remainders[0]), 0.0, float(4 * floor[0]))
            return _compared("Taylor remainder", entry, "rounding", "linear: nothing remains")
        order = float(np.polyfit(np.log2(steps[:seen]), np.log2(remainders[:seen]), 1)[0])
        last = float(np.log2(remainders[seen - 2] / remainders[seen - 1]))
        entry = Entry("slope", last, max(_TAYLOR_SLOPE, last), _SLOPE_ROOM)
        note = f"slope {order:.2f} over {seen - 1} octaves"
        if seen - 1 < _OCTAVES:
            return Comparison("Taylor remainder", Verdict.INCONCLUSIVE, entry, "order", note)
        return _compared("Taylor remainder", entry, "order", note)


def _compared(oracle: str, worst: Entry | None, source: str, note: str = "") -> Comparison:
    if worst is None:
        verdict = Verdict.KINK
    elif worst.excess > 1:
        verdict = Verdict.WRONG
    else:
        verdict = Verdict.PASS
    return Comparison(oracle, verdict, worst, source, note)
