"""From a wrong gradient to the mistake: it is fitted against everything that is often got wrong.

In this order, and what first fits on all inputs is told:
1. the true gradient times a factor that the sizes name (2, 1/N, M² …);
2. one of the function's own mistakes (manualnst.gradcheck.subjects), or the true gradient
   mistreated afterwards (mirrored, clipped …);
3. the true gradient plus a constant;
4. the true gradient divided by some norm;
5. the right terms with wrong factors (one lacking, one with the wrong sign …), or one too many;
6. a mistake of 2, times a factor;
7. the true gradient to a few digits;
8. the true gradient times an odd factor.
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
_LARGE = 1e3  # a constant so much larger than the gradient was not added to it
_FEW_DIGITS = 2e-3  # what half precision leaves


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
    with np.errstate(all="ignore"):
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
    Mistake(
        "columns first",
        "the right numbers, flattened column by column (order='F') but not laid out so again",
        lambda g: g.ravel(order="F").reshape(g.shape),
    ),
    Mistake(
        "laid out columns first",
        "the right numbers, flattened row by row but laid out column by column (order='F')",
        lambda g: g.ravel().reshape(g.shape, order="F"),
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
            or self._by_norm()
            or self._by_parts()
            or self._by_mistake_and_factor()
            or self._by_precision()
            or self._by_odd_factor()
        )

    def _by_factor(self) -> Diagnosis | None:
        name, factors = self._factor_of(_truth)
        if name == "0":
            return Diagnosis("zero", "yours is zero everywhere")
        if name in (None, "1") or (name == number(factors[0]) and not is_plain(factors[0])):
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
            if self._fits(outcome):
                return Diagnosis(mistake.name, mistake.words)
        return None

    def _by_constant(self) -> Diagnosis | None:
        for s in self._samples:
            constant, size = np.mean(s.given - s.truth), np.max(np.abs(s.truth))
            varies = np.ptp(s.truth) > self._tolerance * size
            too_small = abs(constant) <= 100 * self._tolerance * size
            if too_small or abs(constant) > _LARGE * size or (s.truth.size > 1 and not varies):
                return None
            if not self._same(s.given, s.truth + constant):
                return None
        if all(s.truth.size < 2 for s in self._samples):
            return None
        return Diagnosis("constant added", "yours is the true gradient plus a constant")

    def _by_precision(self) -> Diagnosis | None:
        """Nearly right, and not in a few places only."""
        worst = 0.0
        for s in self._samples:
            errors, size = np.abs(s.given - s.truth), np.max(np.abs(s.truth))
            if not np.max(errors) <= _FEW_DIGITS * size:
                return None
            relative = errors[errors > 0] / np.abs(s.truth[errors > 0])
            if len(relative) and np.median(relative) > 10 * _FEW_DIGITS:
                return None  # small entries are wrong beside large ones
            worst = max(worst, np.max(errors) / size if size else 0.0)
        off = sum(np.count_nonzero(s.given != s.truth) for s in self._samples)
        if 2 * off < sum(np.count_nonzero(s.truth) for s in self._samples):
            return None
        words = (
            f"right to {-np.log10(worst):.0f} digits only: computed in single precision, by finite "
            "differences, or with a small constant that does not belong there?"
        )
        return Diagnosis("few digits", words)

    def _by_norm(self) -> Diagnosis | None:
        """Proportional by a factor that is no size of the arrays, but some norm."""
        _, factors = self._factor_of(_truth)
        if len(factors) != len(self._samples):
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
        """The right terms with wrong factors, and terms that do not belong there."""
        if self._subject.parts is None:
            return None
        factors, sizes = [], []
        for sample in self._samples:
            parts = self._subject.parts(**sample.problem.arguments)
            extras = (
                self._subject.extras(**sample.problem.arguments) if self._subject.extras else {}
            )
            terms = parts | extras
            basis = np.column_stack([term.ravel() for term in terms.values()])
            found, _, rank, _ = np.linalg.lstsq(basis, sample.given.ravel(), rcond=1e-10)
            if not self._same(sample.given.ravel(), basis @ found):
                return None
            if rank < len(terms):
                continue  # at such a shape some terms cannot be told from each other
            sizes.append(sample.problem.sizes)
            factors.append(np.where(np.abs(found) < self._tolerance, 0.0, found))
        named = [
            name_factor(list(of_term), sizes, self._tolerance) for of_term in np.transpose(factors)
        ]
        if not named or None in named:
            return None
        off = [
            _of_term(term, name)
            for term, name in zip(terms, named, strict=True)
            if name != ("1" if term in parts else "0")
        ]
        words = "; ".join(off)
        return Diagnosis(words, f"{words}; all else is right") if off else None

    def _by_mistake_and_factor(self) -> Diagnosis | None:
        if self._factor_of(_truth)[1]:
            return None  # so it is odd, but no mistake is needed to explain it
        for mistake, outcome in self._mistakes():
            name, _ = self._factor_of(outcome)
            if name not in (None, "0"):
                words = f"{mistake.words}; and it is {name} × what that would give"
                return Diagnosis(f"{mistake.name}, × {name}", words)
        return None

    def _by_odd_factor(self) -> Diagnosis | None:
        name, factors = self._factor_of(_truth)
        if not factors or name == "1":
            return None
        if name:
            return Diagnosis(f"× {name}", self._factor_words(name, factors[0]))
        words = "yours is a multiple of the true gradient, but another one for each input"
        return Diagnosis("a factor that varies", words)

    def _mistakes(self):
        """Every known mistake, with what it would give for a sample."""
        for mistake in self._subject.mistakes:
            yield mistake, lambda s, m=mistake: _outcome(m, s.problem)
        for mistake in MISTREATMENTS:
            yield mistake, lambda s, m=mistake: _attempt(m, s.truth)

    def _fits(self, outcome) -> bool:
        """Is every sample what the mistake would give, where its shapes allow it?"""
        is_mistake = False  # some leave the gradient as it is
        for sample in self._samples:
            wrong = outcome(sample)
            if wrong is None:
                continue
            if wrong.shape != sample.given.shape or not self._same(sample.given, wrong):
                return False
            is_mistake |= not self._same(sample.truth, wrong)
        return is_mistake

    def _factor_of(self, outcome) -> tuple[str | None, list[float]]:
        """c with given = c · outcome for every sample: its name, and all c; none, if none does."""
        factors, sizes = [], []
        for sample in self._samples:
            wrong = outcome(sample)
            if wrong is None:
                continue
            energy = np.vdot(wrong, wrong) if wrong.shape == sample.given.shape else np.nan
            factor = float(np.vdot(wrong, sample.given) / energy) if energy > 0 else 0.0
            if not energy >= 0 or not self._same(sample.given, factor * wrong):
                return None, []
            if energy:  # else anything would do
                factors.append(factor)
                sizes.append(sample.problem.sizes)
        return (name_factor(factors, sizes, self._tolerance) if factors else None), factors

    def _same(self, given, wrong) -> bool:
        return close(given, wrong, self._tolerance)


def _truth(sample: Sample) -> np.ndarray:
    return sample.truth


@lru_cache(maxsize=4096)  # many gradients of the same inputs are diagnosed
def _outcome(mistake: Mistake, problem: Problem) -> np.ndarray | None:
    return _attempt(mistake, **problem.arguments)


def _attempt(mistake: Mistake, *given, **named) -> np.ndarray | None:
    """None where these shapes do not even allow the mistake."""
    try:
        return mistake.wrong(*given, **named)
    except (ValueError, IndexError):
        return None


def _of_term(term: str, factor: str) -> str:
    if factor == "0":
        return f"{term} is missing"
    if factor == "-1":
        return f"{term} has the wrong sign"
    return f"{term} counts {factor} times"
