"""From a wrong gradient to the mistake: it is fitted against everything that is often got wrong.

In this order, and what first fits on all inputs is told:
1. the true gradient times a factor that the sizes name (2, 1/N, M² …);
2. one of the function's own mistakes (manualnst.gradcheck.subjects);
3. the true gradient, mistreated afterwards (mirrored, clipped, a constant added, few digits …);
4. the true gradient divided by some norm;
5. the right terms with wrong factors (one lacking, one with the wrong sign …);
6. a mistake of 2 or 3, times a factor.
What fits none of these is not guessed at: manualnst.gradcheck.location says where it is wrong.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from .factors import close, is_plain, name_factor, number
from .subjects import Mistake, Problem, Subject

# Relative: far above rounding, far below what a mistake does; then once more for those who
# compute in single precision.
_FITS = (1e-8, 3e-6)
_FEW_DIGITS = 1e-4


class Sample(NamedTuple):
    problem: Problem
    given: np.ndarray
    truth: np.ndarray


class Known(NamedTuple):
    """What a function is known to be got wrong by; of a stranger's, nothing."""

    mistakes: tuple[Mistake, ...] = ()
    hints: Mapping[str, str] = {}
    parts: Callable | None = None


class Diagnosis(NamedTuple):
    mistake: str
    words: str


def diagnose(subject: Subject | Known, samples: Sequence[Sample]) -> Diagnosis | None:
    """`samples` are of the right shape and finite, and at least one of them is wrong."""
    for tolerance in _FITS:
        if diagnosis := _Fit(subject, samples, tolerance).diagnosis():
            return diagnosis
    return None


# Things done to a right gradient that spoil it.
MISTREATMENTS = (
    Mistake("upside down", "the right gradient, upside down", lambda g: g[::-1]),
    Mistake("mirrored", "the right gradient, mirrored left to right", lambda g: g[:, ::-1]),
    Mistake("turned", "the right gradient, turned by 180°", lambda g: g[::-1, ::-1]),
    Mistake("channels reversed", "the right gradient, channels reversed", lambda g: g[:, :, ::-1]),
    Mistake(
        "channels first",
        "the right numbers, laid out as (channels, height, width)",
        lambda g: g.transpose(2, 0, 1).reshape(g.shape),
    ),
    Mistake(
        "channels taken for rows",
        "the right numbers, (height, width, channels) taken for (channels, height, width)",
        lambda g: g.reshape(g.shape[2], *g.shape[:2]).transpose(1, 2, 0),
    ),
    Mistake(
        "height and width exchanged",
        "the right numbers, laid out as (width, height, channels)",
        lambda g: g.swapaxes(0, 1).reshape(g.shape),
    ),
    Mistake("signs lost", "the right gradient without its signs", np.abs),
    Mistake("signs only", "only the signs of the right gradient", np.sign),
    Mistake("squared", "the right gradient, squared", np.square),
    Mistake("negative lost", "the right gradient with 0 for what is negative", lambda g: g.clip(0)),
    Mistake(
        "positive lost", "the right gradient with 0 for what is positive", lambda g: -(-g).clip(0)
    ),
    Mistake(
        "clipped to [−1, 1]", "the right gradient, clipped to [−1, 1]", lambda g: g.clip(-1, 1)
    ),
    Mistake("clipped to [0, 1]", "the right gradient, clipped to [0, 1]", lambda g: g.clip(0, 1)),
    Mistake("rounded", "the right gradient, rounded to whole numbers", np.round),
    Mistake("mean removed", "the right gradient minus its mean", lambda g: g - g.mean()),
)


_HINTS = {
    "-1": "the sign",
    "2": "a factor from differentiating a square, or something counted twice?",
    "1/2": "is the 2 from differentiating a square lost, or is a ½ applied twice?",
    "1/M": "a mean over positions in the place of a sum?",
    "1/N": "a mean over channels in the place of a sum?",
    "1/(M·N)": "a mean over all entries in the place of a sum?",
}


class _Fit:
    def __init__(self, subject: Subject | Known, samples: Sequence[Sample], tolerance: float):
        self._subject = subject
        self._samples = samples
        self._tolerance = tolerance
        self._sizes = [sample.problem.sizes for sample in samples]

    def diagnosis(self) -> Diagnosis | None:
        return (
            self._by_factor()
            or self._by_mistake()
            or self._by_constant()
            or self._by_precision()
            or self._by_norm()
            or self._by_parts()
            or self._by_mistake_and_factor()
            or self._by_odd_factor()
        )

    def _by_factor(self) -> Diagnosis | None:
        factors = self._factors(lambda sample: sample.truth)
        name = self._name(factors) if factors else None
        if name == "0":
            return Diagnosis("zero", "yours is zero everywhere")
        if name is None or (name == number(factors[0]) and not is_plain(factors[0])):
            return None
        return Diagnosis(f"× {name}", self._factor_words(name, factors[0]))

    def _factor_words(self, name: str, factor: float) -> str:
        if number(factor) == name:
            words = f"yours is {factor:.4f} × the true gradient at every entry"
        else:
            sizes = ", ".join(f"{key} = {size:.4g}" for key, size in self._sizes[0].items())
            words = f"yours is {name} × the true gradient ({factor:.6g} × where {sizes})"
        hint = self._subject.hints.get(name) or _HINTS.get(name)
        return f"{words}: {hint}" if hint else words

    def _by_mistake(self) -> Diagnosis | None:
        for mistake, outcome in self._mistakes():
            if all(self._same(sample.given, outcome(sample)) for sample in self._samples):
                return Diagnosis(mistake.name, mistake.words)
        return None

    def _by_constant(self) -> Diagnosis | None:
        constants = [np.mean(s.given - s.truth) for s in self._samples]
        if not all(
            self._same(s.given, s.truth + c) for s, c in zip(self._samples, constants, strict=True)
        ):
            return None
        return Diagnosis("constant added", "yours is the true gradient plus a constant")

    def _by_precision(self) -> Diagnosis | None:
        if not all(close(s.given, s.truth, _FEW_DIGITS) for s in self._samples):
            return None
        error = max(
            np.max(np.abs(s.given - s.truth)) / np.max(np.abs(s.truth)) for s in self._samples
        )
        words = (
            f"right to {-np.log10(error):.0f} digits only: computed in single precision, by finite "
            "differences, or with a small constant that does not belong there?"
        )
        return Diagnosis("few digits", words)

    def _by_norm(self) -> Diagnosis | None:
        """Proportional by a factor that is no size of the arrays, but some norm."""
        factors = self._factors(lambda sample: sample.truth)
        if factors is None:
            return None
        for name, values in self._norms():
            constant = factors[0] * values[0]
            if is_plain(constant) and close(
                np.multiply(factors, values), constant, self._tolerance
            ):
                times = "" if number(constant) == "1" else f"{number(constant)} × "
                words = f"yours is {times}the true gradient divided by {name}"
                return Diagnosis(f"divided by {name}", words)
        return None

    def _norms(self) -> Iterator[tuple[str, list[float]]]:
        truths = [sample.truth for sample in self._samples]
        yield "its own norm", [np.linalg.norm(g) for g in truths]
        yield "its own largest entry", [np.max(np.abs(g)) for g in truths]
        yield "its own mean magnitude", [np.mean(np.abs(g)) for g in truths]
        yield "its own standard deviation", [np.std(g) for g in truths]
        for name, value in self._samples[0].problem.arguments.items():
            if isinstance(value, np.ndarray):
                given = [sample.problem.arguments[name] for sample in self._samples]
                yield f"the norm of {name}", [np.linalg.norm(a) for a in given]
                yield f"the sum of {name}²", [np.sum(a**2) for a in given]

    def _by_parts(self) -> Diagnosis | None:
        """The right terms with wrong factors."""
        if self._subject.parts is None:
            return None
        factors = []
        for sample in self._samples:
            parts = self._subject.parts(**sample.problem.arguments)
            basis = np.column_stack([part.ravel() for part in parts.values()])
            found, _, rank, _ = np.linalg.lstsq(basis, sample.given.ravel(), rcond=1e-10)
            if rank < len(parts) or not self._same(sample.given.ravel(), basis @ found):
                return None
            factors.append(np.where(np.abs(found) < self._tolerance, 0.0, found))
        named = [self._name(list(of_part)) for of_part in np.transpose(factors)]
        if None in named:
            return None
        off = [_of_part(part, name) for part, name in zip(parts, named, strict=True) if name != "1"]
        return Diagnosis(
            "; ".join(off), "its terms are right, but not their factors: " + "; ".join(off)
        )

    def _by_mistake_and_factor(self) -> Diagnosis | None:
        for mistake, outcome in self._mistakes():
            factors = self._factors(outcome)
            name = self._name(factors) if factors else None
            if name not in (None, "0"):
                words = f"{mistake.words}; and it is {name} × what that would give"
                return Diagnosis(f"{mistake.name}, × {name}", words)
        return None

    def _by_odd_factor(self) -> Diagnosis | None:
        factors = self._factors(lambda sample: sample.truth)
        if factors is None:
            return None
        if name := self._name(factors):
            return Diagnosis(f"× {name}", self._factor_words(name, factors[0]))
        words = "yours is a multiple of the true gradient, but another one for each input"
        return Diagnosis("a factor that varies", words)

    def _mistakes(self):
        """Every known mistake, with what it would give for a sample."""
        for mistake in self._subject.mistakes:
            yield mistake, lambda s, m=mistake: _outcome(m, s.problem)
        for mistake in MISTREATMENTS:
            yield mistake, lambda s, m=mistake: _attempt(m, s.truth)

    def _factors(self, outcome) -> list[float] | None:
        """c with given = c · outcome for every sample; None if there is none."""
        factors = []
        for sample in self._samples:
            wrong = outcome(sample)
            if wrong is None or wrong.shape != sample.given.shape:
                return None
            energy = np.vdot(wrong, wrong)
            factor = float(np.vdot(wrong, sample.given) / energy) if energy else 0.0
            if not self._same(sample.given, factor * wrong):
                return None
            factors.append(factor)
        return factors

    def _name(self, factors: list[float]) -> str | None:
        return name_factor(factors, self._sizes, self._tolerance)

    def _same(self, given, wrong) -> bool:
        return (
            wrong is not None
            and wrong.shape == given.shape
            and close(given, wrong, self._tolerance)
        )


@lru_cache(maxsize=4096)  # many gradients of the same inputs are diagnosed
def _outcome(mistake: Mistake, problem: Problem) -> np.ndarray | None:
    return _attempt(mistake, **problem.arguments)


def _attempt(mistake: Mistake, *given, **named) -> np.ndarray | None:
    """None where these shapes do not even allow the mistake."""
    try:
        return mistake.wrong(*given, **named)
    except (ValueError, IndexError):
        return None


def _of_part(part: str, factor: str) -> str:
    if factor == "0":
        return f"{part} is missing"
    if factor == "-1":
        return f"{part} has the wrong sign"
    return f"{part} counts {factor} times"
