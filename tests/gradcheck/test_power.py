"""The measured power of the checker, and that it raises no false alarm."""

import numpy as np
import pytest

from manualnst.backends import get_backend
from manualnst.gradcheck.judge import Answer, judge, smooth_case
from manualnst.gradcheck.power import measure_power
from manualnst.gradcheck.proof import prove_once
from manualnst.gradcheck.subjects import EXERCISES

CASES_WITHOUT_FALSE_ALARM = 1000


@pytest.mark.slow
def test_every_planted_mistake_is_caught_and_nine_in_ten_are_named():
    power = measure_power(EXERCISES.values())
    assert power.planted > 500
    assert power.caught == power.planted, power.missed
    assert power.diagnosed >= 0.9 * power.planted, power.missed


def test_the_catalogue_has_at_least_thirty_mistakes_with_words():
    mistakes = [m for subject in EXERCISES.values() for m in subject.mistakes]
    assert len({(m.name, m.words) for m in mistakes}) >= 30
    for subject in EXERCISES.values():
        names = [m.name for m in subject.mistakes]
        assert len(names) == len(set(names))
        assert all(m.words for m in subject.mistakes)


def random_problem(rng, subject):
    """Of random shape and of a size from 1e-6 to 1e6."""
    lowest = 2  # a window of a pooling
    shape = tuple(int(n) for n in rng.integers(lowest, 7, 4))
    scale = 10 ** rng.uniform(-6, 6)
    problem = subject.draw(rng, shape)
    return problem if problem.hidden else problem.map(lambda array: array * scale)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(4))
def test_a_thousand_right_gradients_raise_no_alarm(part):
    rng = np.random.default_rng(part)
    subjects = list(EXERCISES.values())
    numpy = get_backend("numpy")
    for n in range(CASES_WITHOUT_FALSE_ALARM // 4):
        subject = subjects[n % len(subjects)]
        problem = random_problem(rng, subject)
        if n % 2:
            case = smooth_case(subject, problem)
            answer = lambda p, s=subject: Answer(s.own(p, numpy))  # noqa: E731
            row = judge(subject, [case], answer, "own")
            assert row.verdict == "PASS", (subject.name, row)
        else:
            dtype = ("float32", "float64")[n // 2 % 2]
            comparisons = prove_once(subject, problem, "numpy", dtype)
            wrong = [c for c in comparisons if c.verdict == "WRONG"]
            assert not wrong, (subject.name, dtype, wrong)
