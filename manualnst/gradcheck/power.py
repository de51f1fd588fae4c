"""The measured power of the checker: mistakes are planted, and counted when caught and named."""

from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

import numpy as np

from .diagnosis import MISTREATMENTS
from .factors import name_factor
from .judge import Answer, Case, cases_of, judge
from .report import Verdict
from .subjects import Mistake, Problem, Subject

_FACTORS = (2.0, 0.5, -1.0, 4.0, 0.25, 3.0)


class Power(NamedTuple):
    planted: int
    caught: int
    diagnosed: int
    missed: tuple[str, ...]  # "gram_backward: mask missing → PASS"


def measure_power(subjects) -> Power:
    """Plant every mistake of the catalogue into every one of these functions."""
    planted = caught = diagnosed = 0
    missed = []
    for subject in subjects:
        cases = cases_of(subject)
        for mistake in planted_mistakes(subject, cases[0]):
            if not any(_changes(subject, mistake, case) for case in cases):
                continue  # in the objective, some mistakes of a step do no harm
            row = judge(subject, cases, partial(_answer, subject, mistake), "planted")
            planted += 1
            caught += row.verdict == Verdict.WRONG
            diagnosed += row.mistake == mistake.name
            if row.mistake != mistake.name:
                found = row.mistake or row.verdict
                missed.append(f"{subject.name}: {mistake.name} → {found}")
    return Power(planted, caught, diagnosed, tuple(missed))


def _answer(subject: Subject, mistake: Mistake, problem: Problem) -> Answer:
    """Where the shapes do not even allow the mistake, what is right."""
    try:
        return Answer(np.array(mistake.wrong(**problem.arguments), dtype=float))
    except (IndexError, ValueError):
        return Answer(subject.right(**problem.arguments))


def _changes(subject: Subject, mistake: Mistake, case: Case) -> bool:
    given = _answer(subject, mistake, case.problem).value
    return given.shape != case.truth.shape or not np.allclose(given, case.truth, rtol=1e-9, atol=0)


def planted_mistakes(subject: Subject, case: Case) -> Iterator[Mistake]:
    """The subject's own; a wrong factor; a part lacking, turned or doubled; and all that spoils a
    right gradient, as that of `case`."""
    yield from subject.mistakes
    right = subject.right
    yield Mistake("zero", "", lambda **a: 0 * right(**a))
    for factor in _FACTORS:
        name = name_factor([factor], [{}], 1e-9)
        yield Mistake(f"× {name}", "", lambda f=factor, **a: f * right(**a))
    for part in subject.parts(**case.problem.arguments) if subject.parts else ():
        for factor, name in ((0, "is missing"), (-1, "has the wrong sign"), (2, "counts 2 times")):
            yield Mistake(f"{part} {name}", "", _with_part(subject, part, factor))
    for mistake in MISTREATMENTS:
        if _applies(mistake, case.truth):
            yield Mistake(mistake.name, "", lambda m=mistake, **a: m.wrong(right(**a)))


def _with_part(subject: Subject, part: str, factor: float):
    def wrong(**arguments):
        parts = subject.parts(**arguments)
        return sum(parts.values()) + (factor - 1) * parts.get(part, 0.0)  # a term alone may lack it

    return wrong


def _applies(mistake: Mistake, truth: np.ndarray) -> bool:
    try:
        mistake.wrong(truth)
    except (IndexError, ValueError):
        return False
    return True
