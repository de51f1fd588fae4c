"""A file with somebody's functions: each is run in a process of its own, and judged here."""

import difflib
import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np

from ..errors import InputError
from .judge import Answer, cases_of, judge
from .pair import check_gradient
from .report import Comparison, Report, Row, Verdict
from .student import StudentFile
from .subjects import EXERCISES, Problem, Subject

_MOST_ENTRIES = 10**7
# What Python says of a call with the wrong arguments.
_WRONG_ARGUMENTS = re.compile(
    r"TypeError: .*(takes \d+ positional|takes from \d+|missing \d+ required positional)"
)


def examine(file: StudentFile, names: Iterable[str], seed: int) -> Iterator[Row]:
    """One row for each exercise of these names that the file has, in the order of the course."""
    found = file.functions()
    for name in names:
        if isinstance(found.get(name), str):
            yield _not_callable(file, EXERCISES[name], found[name])
        elif name in found:
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
        failures = []

        def answer(problem: Problem) -> Answer:
            outcome = _called(function, parameters, problem)
            failures.append(outcome.failure)
            return Answer(*outcome)

        row = judge(subject, cases, answer, file.path.name)
    if failures[0].startswith("NotImplementedError"):
        return replace(row, comparisons=(Comparison("", Verdict.MISSING),), words="not filled in")
    if _WRONG_ARGUMENTS.search(row.words) and parameters is not None:
        words = f"takes ({', '.join(parameters)}), expected ({', '.join(expected)})"
        return replace(row, words=words)
    return row


def _called(function, parameters: list[str] | None, problem: Problem):
    """Their own order of our arguments is understood; else names do not matter."""
    given = problem.arguments
    by_name = parameters != list(given) and sorted(parameters or []) == sorted(given)
    return function(**given) if by_name else function(*given.values())


def answers_to(file: StudentFile, names: Iterable[str], seed: int) -> Iterator[tuple]:
    """(subject, problem, gradient) of each of these exercises that the file has, at the first input
    of `examine`; of those that give an array of the right shape."""
    found = file.functions()
    callable_ones = [n for n in names if n in found and not isinstance(found[n], str)]
    for subject in (EXERCISES[name] for name in callable_ones):
        problem = subject.draw(np.random.default_rng(seed), subject.shapes[0])
        with file.open(subject.name) as function:
            outcome = _called(function, found[subject.name], problem)
        if outcome.value is not None and outcome.value.shape == subject.variable(problem).shape:
            yield subject, problem, outcome.value


def _not_callable(file: StudentFile, subject: Subject, kind: str) -> Row:
    return Row(
        name=subject.name,
        identifier=subject.identifier,
        formula=subject.formula,
        computed_by=file.path.name,
        dtype="",
        comparisons=(Comparison("", Verdict.ERROR),),
        words=f"is {kind}, not a function",
        mistake="failure",
    )


def examine_pair(file: StudentFile, f: str, gradient: str, at: str, seed: int) -> Report:
    """Any function of the file, and its gradient, where `at` says."""
    x = _point(file, at, seed)
    with file.open(f) as loss, file.open(gradient) as its_gradient:
        return check_gradient(_or_refuse(f, loss), _or_refuse(gradient, its_gradient), x)


def _point(file: StudentFile, at: str, seed: int) -> np.ndarray:
    if re.fullmatch(r"\d+(,\d+)*,?", at):
        shape = [int(n) for n in at.strip(",").split(",")]
        if math.prod(shape) > _MOST_ENTRIES:
            raise InputError(f"--at {at}: more than {_MOST_ENTRIES} entries; give a smaller shape")
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
