"""The measured power of the checker: mistakes are planted, and counted when caught and named."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from .diagnosis import MISTREATMENTS
from .factors import name_factor
from .judge import Answer, Case, cases_of, judge
from .report import Verdict
from .subjects import Mistake, Subject

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
            row = judge(subject, cases, lambda p, m=mistake: _answer(m, p), "planted")
            planted += 1
            caught += row.verdict == Verdict.WRONG
            diagnosed += row.mistake == mistake.name
            if row.mistake != mistake.name:
                found = row.mistake or row.verdict
                missed.append(f"{subject.name}: {mistake.name} → {found}")
    return Power(planted, caught, diagnosed, tuple(missed))


def _answer(mistake: Mistake, problem) -> Answer:
    return Answer(np.array(mistake.wrong(**problem.arguments), dtype=float))


def planted_mistakes(subject: Subject, case: Case) -> Iterator[Mistake]:
    """The subject's own; a wrong factor; a part lacking, turned or doubled; all that spoils a
    right gradient. What leaves the gradient of `case` as it is, is none."""
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
        return not np.allclose(mistake.wrong(truth), truth, rtol=1e-9, atol=0)
    except (IndexError, ValueError):
        return False
