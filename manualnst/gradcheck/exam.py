"""A file with somebody's functions: each is run in a process of its own, and judged here."""

import difflib
import re
from collections.abc import Iterable, Iterator

import numpy as np

from ..errors import InputError
from .judge import Answer, cases_of, judge
from .pair import check_gradient
from .report import Comparison, Report, Row, Verdict
from .student import StudentFile
from .subjects import EXERCISES, Problem, Subject


def examine(file: StudentFile, names: Iterable[str], seed: int) -> Iterator[Row]:
    """One row for each exercise of these names that the file has, in the order of the course."""
    found = file.functions()
    for name in names:
        if name in found:
            yield _examine_one(file, EXERCISES[name], found[name], seed)


def misspelt(file: StudentFile) -> list[str]:
    """Functions that look as if they were to be an exercise: one line on each."""
    found = file.functions()
    lines = []
    for name in found.keys() - EXERCISES.keys():
        near = difflib.get_close_matches(name, EXERCISES.keys() - found.keys(), 1, 0.85)
        if near:
            lines.append(f"{name} is not an exercise; did you mean {near[0]}?")
    return sorted(lines)


def _examine_one(file, subject: Subject, parameters: list[str] | None, seed: int) -> Row:
    with file.open(subject.name) as function:
        cases = cases_of(subject, seed)
        expected = list(cases[0].problem.arguments)
        if parameters is not None and not _takes(parameters, len(expected)):
            words = f"takes ({', '.join(parameters)}), expected ({', '.join(expected)})"
            return failed(subject, file.path.name, Verdict.ERROR, words)
        by_name = parameters is not None and set(parameters) == set(expected)

        def answer(problem: Problem) -> Answer:
            given = problem.arguments
            outcome = function(**given) if by_name else function(*given.values())
            return Answer(*outcome)

        row = judge(subject, cases, answer, file.path.name)
    if row.verdict == Verdict.ERROR and "NotImplementedError" in row.words:
        return failed(subject, file.path.name, Verdict.MISSING, "not filled in")
    return row


def _takes(parameters: list[str], count: int) -> bool:
    return len(parameters) == count or any(name.startswith("*") for name in parameters)


def failed(subject: Subject, file: str, verdict: Verdict, words: str) -> Row:
    """A row on a function that could not even be compared."""
    comparison = Comparison("", verdict)
    return Row(
        subject.name, subject.identifier, subject.formula, file, "", (comparison,), words, ""
    )


def examine_pair(file: StudentFile, f: str, gradient: str, at: str, seed: int) -> Report:
    """Any function of the file, and its gradient, where `at` says."""
    x = _point(file, at, seed)
    with file.open(f) as loss, file.open(gradient) as its_gradient:
        return check_gradient(_or_refuse(f, loss), _or_refuse(gradient, its_gradient), x)


def _point(file: StudentFile, at: str, seed: int) -> np.ndarray:
    if re.fullmatch(r"\d+(,\d+)*,?", at):
        shape = [int(n) for n in at.strip(",").split(",")]
        return np.random.default_rng(seed).standard_normal(shape)
    outcome = file.constant(at)
    if outcome.failure:
        raise InputError(
            f"{file.path.name}: {at}: {outcome.failure}; --at wants an array of the file, a "
            "function that gives one, or a shape as 3,5,4"
        )
    return outcome.value


def _or_refuse(name: str, function):
    """A remote function as a plain one: what goes wrong in it ends the check."""

    def call(x):
        outcome = function(x)
        if outcome.failure:
            raise InputError(f"{name}: {outcome.failure}")
        return outcome.value

    return call
