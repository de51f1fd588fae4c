"""The verdict on a function that somebody wrote: right on all inputs, or what is wrong with it."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from ..backends import get_backend
from .diagnosis import Sample, diagnose
from .location import locate
from .oracles import gradient_by_complex_step
from .report import Comparison, Entry, Row, Verdict
from .rounding import OTHER_ORDER, ROOM, UNIT, rounding
from .subjects import Kinks, Problem, Subject

_LARGE = 1e3  # one of the problems is so much larger than the others


class Answer(NamedTuple):
    """What the function returned for a problem, or one line on why there is nothing."""

    value: np.ndarray | None
    failure: str = ""
    changed: tuple[str, ...] = ()  # arguments that it changed in place


class Case(NamedTuple):
    """A problem and what is right for it; at kinks, more than one gradient is."""

    problem: Problem
    truth: np.ndarray
    tolerance: float
    kinks: Kinks | None = None


def cases_of(subject: Subject, seed: int = 0) -> list[Case]:
    """The inputs that a function is tried on: of all shapes, and at kinks where there are some."""
    rng = np.random.default_rng(seed)
    problems = [subject.draw(rng, shape) for shape in subject.shapes]
    if not problems[0].hidden:  # of a shape that was there already, and of another size
        again = subject.draw(rng, subject.shapes[0])
        problems.append(again.map(lambda array: _LARGE * array))
    cases = [smooth_case(subject, problem) for problem in problems]
    if subject.draw_kinks:
        cases.append(case_at_kinks(subject, rng, OTHER_ORDER * UNIT["float64"]))
    return cases


def case_at_kinks(subject: Subject, rng: np.random.Generator, unit: float) -> Case:
    """No rounding is tried here, as it would undo the ties: a copied number has one at most."""
    problem, kinks = subject.draw_kinks(rng)
    truth = subject.right(**problem.arguments)
    return Case(problem, truth, ROOM * unit * float(np.max(np.abs(truth))), kinks)


def smooth_case(subject: Subject, problem: Problem) -> Case:
    numpy = get_backend("numpy")
    truth = gradient_by_complex_step(
        lambda x: subject.loss(problem, x, numpy), subject.variable(problem)
    )
    return Case(problem, truth, _tolerance(subject, problem))


def _tolerance(subject: Subject, problem: Problem) -> float:
    summands = subject.summands(problem)
    by_rounding = rounding(
        lambda p: subject.right(**p.arguments), problem, summands, UNIT["float64"]
    )
    return OTHER_ORDER * by_rounding


def judge(
    subject: Subject,
    cases: Sequence[Case],
    answer: Callable[[Problem], Answer],
    computed_by: str,
) -> Row:
    """Ask for an answer to every case, and for the first once more."""
    answers = [answer(case.problem) for case in cases]
    failures = [_failure(case, a) for case, a in zip(cases, answers, strict=True)]
    usable = [n for n, failure in enumerate(failures) if failure is None]
    row = partial(
        Row,
        name=subject.name,
        identifier=subject.identifier,
        formula=subject.formula,
        computed_by=computed_by,
        dtype="float64",
    )
    if not usable:
        return row(**_finding(*failures[0], cases[0].problem))
    compared = _compare(subject, [cases[n] for n in usable], [answers[n] for n in usable], answer)
    if len(usable) == len(cases):
        return row(**compared)
    # The first failure counts, and what is to be said of the others.
    first = next(n for n, failure in enumerate(failures) if failure is not None)
    verdict, words, mistake = failures[first]
    shapes = ", ".join(f"{name} {shape}" for name, shape in _shapes(cases[first].problem).items())
    rest = compared["words"] or "right"
    words = f"{words}, with {shapes}; on {len(usable)} of {len(cases)} inputs: {rest}"
    return row(**_finding(verdict, words, mistake, cases[first].problem))


def _finding(verdict, words, mistake, problem, worst=None, note="") -> dict:
    """The fields of a row that are found out."""
    comparison = Comparison("complex step", verdict, worst, "rounding × 1000", note)
    shapes = _shapes(problem)
    return {"comparisons": (comparison,), "words": words, "mistake": mistake, "shapes": shapes}


def _shapes(problem: Problem) -> dict[str, tuple[int, ...]]:
    given = problem.arguments.items()
    return {name: value.shape for name, value in given if isinstance(value, np.ndarray)}


def _compare(subject: Subject, cases, answers, answer) -> dict:
    """What is found of answers that can be compared."""
    entries = [worst_in(case, a.value) for case, a in zip(cases, answers, strict=True)]
    n = max(range(len(cases)), key=lambda n: entries[n].excess)
    verdict, words, mistake = _manners(cases, answers, answer(cases[0].problem))
    if entries[n].excess > 1 and mistake != "keeps state":
        verdict = Verdict.WRONG
        words, mistake = _explain(subject, cases, answers, entries, answer)
    note = _at_kinks(cases, answers) if verdict == Verdict.PASS else ""
    return _finding(verdict, words, mistake, cases[n].problem, entries[n], note)


def _failure(case: Case, answer: Answer) -> tuple[Verdict, str, str] | None:
    """Why an answer cannot be compared, if it cannot."""
    if answer.failure:
        return Verdict.ERROR, answer.failure, "failure"
    words, mistake = _unusable(answer.value, case.truth)
    return (Verdict.WRONG, words, mistake) if words else None


def _unusable(value: np.ndarray, truth: np.ndarray) -> tuple[str, str]:
    """What keeps an array from being compared, and its name in the catalogue."""
    if value.shape != truth.shape:
        words = f"returned shape {value.shape}, expected {truth.shape}"
        return words + _right_otherwise(value, truth), "wrong shape"
    if value.dtype != truth.dtype:
        return f"returned {value.dtype}, expected {truth.dtype} as its arguments are", "wrong dtype"
    if not np.all(np.isfinite(value)):
        bad = np.argwhere(~np.isfinite(value))
        where = tuple(map(int, bad[0]))
        words = (
            f"returned {value[where]} at {where}; {len(bad)} of {value.size} entries are not finite"
        )
        return words, "not finite"
    return "", ""


def _right_otherwise(value: np.ndarray, truth: np.ndarray) -> str:
    """Are the numbers right, in another shape?"""
    orders = {"in another shape: reshape them": truth, "transposed": truth.T}
    if truth.ndim == 3:
        orders["channels first"] = truth.transpose(2, 0, 1)
        orders["with height and width exchanged"] = truth.swapaxes(0, 1)
    for order, array in orders.items():
        if value.size == truth.size and np.allclose(
            value.ravel(), array.ravel(), rtol=1e-8, atol=0
        ):
            return f"; the numbers are right, {order}"
    return ""


def worst_in(case: Case, value: np.ndarray) -> Entry:
    """The entry that is furthest from what is right."""
    if case.kinks is None:
        return worst_entry(value, case.truth, case.tolerance)
    low, high, sums, right_sums = case.kinks
    entry = worst_entry(value, np.clip(value, low, high), case.tolerance)
    if sums is None or entry.excess > 1:
        return entry
    return worst_entry(sums(value), right_sums, case.tolerance)


def worst_entry(given: np.ndarray, expected: np.ndarray, tolerance: float) -> Entry:
    index = np.unravel_index(np.argmax(np.abs(given - expected)), given.shape)
    where = tuple(map(int, index))
    return Entry(where, float(given[index]), float(expected[index]), tolerance)


def _explain(subject, cases, answers, entries, answer) -> tuple[str, str]:
    """(words, mistake) on a gradient that is wrong; `entries` are the worst of each case."""
    wrong = [entry.excess > 1 for entry in entries]
    smooth = [case.kinks is None for case in cases]
    at_kinks_only = not any(w and s for w, s in zip(wrong, smooth, strict=True))
    samples = [
        Sample(case.problem, a.value, case.truth)
        for case, a, is_smooth in zip(cases, answers, smooth, strict=True)
        if is_smooth != at_kinks_only
    ]
    if diagnosis := diagnose(subject, samples):
        return diagnosis.words, diagnosis.mistake
    worst_case = max(range(len(cases)), key=lambda n: entries[n].excess)
    case, given = cases[worst_case], answers[worst_case].value
    right = np.clip(given, case.kinks.low, case.kinks.high) if case.kinks else case.truth
    is_wrong = ~(np.abs(given - right) <= case.tolerance)
    words = locate(is_wrong, case.problem.arguments, given)
    if subject.isolations:
        words += "; " + _first_wrong_term(subject, answer)
    return words, ""


def _first_wrong_term(subject: Subject, answer) -> str:
    """The objective with one term at a time, from the pixels on: which is the first to fail?"""
    right = ""
    for name, problem in subject.isolations(np.random.default_rng(0)):
        case = smooth_case(subject, problem)
        given = answer(problem)
        if failure := given.failure or _unusable(given.value, case.truth)[0]:
            return f"with {name}: {failure}"
        if worst_in(case, given.value).excess > 1:
            before = f"right with {right}, " if right else ""
            return f"with one loss at a time: {before}wrong with {name}"
        right = name
    return "each term alone is right: it is their sum that is wrong"


def _manners(cases, answers, again: Answer) -> tuple[Verdict, str, str]:
    """The verdict on a function apart from its numbers; `again` is its second answer to the first
    case."""
    if again.failure or np.any(np.abs(again.value - answers[0].value) > cases[0].tolerance):
        words = "called again with the same arguments it gives another result: what does it keep?"
        return Verdict.WRONG, words, "keeps state"
    if changed := sorted({name for a in answers for name in a.changed}):
        words = f"right, but it changes its argument {', '.join(changed)} in place: work on a copy"
        return Verdict.WRONG, words, "argument changed"
    if all(np.max(np.abs(case.truth)) <= case.tolerance for case in cases):
        return Verdict.INCONCLUSIVE, "the gradient is zero, to rounding: nothing was shown", ""
    return Verdict.PASS, "", ""


def _at_kinks(cases, answers) -> str:
    """Which of the permitted gradients was taken where there is no derivative."""
    for case, answer in zip(cases, answers, strict=True):
        if case.kinks is None:
            continue
        free = case.kinks.low != case.kinks.high
        differs = free & (np.abs(answer.value - case.truth) > case.tolerance)
        return f"at {np.count_nonzero(free)} kinks within the subgradients" + (
            ", another than the package's" if np.any(differs) else ""
        )
    return ""
