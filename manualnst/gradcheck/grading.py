"""Scores for a course, in the layout that Gradescope's autograder reads from results.json:

    {"tests": [{"name", "score", "max_score", "status", "output", "visibility"} …],
     "score", "output", "visibility", "execution_time", "extra_data"}

One test a function, one point each. No output has a number of the true gradient in it: only
what is wrong, and of that, without hints, only that it is.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from .report import Row, Verdict
from .subjects import EXERCISES


def grade(
    rows: Sequence[Row],
    names: Iterable[str],
    remarks: Sequence[str],
    *,
    hints: bool,
    seconds: float,
    seed: int,
) -> dict[str, Any]:
    """The results of these exercises; one without a row was not handed in."""
    by_name = {row.name: row for row in rows}
    tests = [_test(name, by_name.get(name), hints) for name in names]
    score = sum(test["score"] for test in tests)
    return {
        "score": score,
        "execution_time": round(seconds, 3),
        "output": "; ".join([f"{score:g} of {len(tests)} derivatives are right", *remarks]),
        "visibility": "visible",
        "tests": tests,
        "extra_data": {"seed": seed},
    }


def failure_of_all(names: Iterable[str], words: str) -> dict[str, Any]:
    """The results of a file that cannot be run at all."""
    absent = "could not be loaded"
    tests = [_test(name, None, hints=False, absent=absent) for name in names]
    return {"score": 0.0, "output": words, "visibility": "visible", "tests": tests}


def _test(name: str, row: Row | None, hints: bool, absent: str = "not handed in") -> dict[str, Any]:
    passed = row is not None and row.verdict == Verdict.PASS
    return {
        "name": f"[{EXERCISES[name].identifier}] {name}",
        "score": 1.0 if passed else 0.0,
        "max_score": 1.0,
        "status": "passed" if passed else "failed",
        "output": absent if row is None else _output(row, hints),
        "visibility": "visible",
    }


def _output(row: Row, hints: bool) -> str:
    if row.verdict == Verdict.WRONG and not hints:
        return "WRONG"
    return f"{row.verdict}: {row.words}" if row.words else str(row.verdict)
