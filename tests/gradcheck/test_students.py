"""Hand-ins of many students, right, wrong and rude, judged as `manualnst check FILE` does.

Above a function stands what a good diagnosis of it must match, as a regular expression:
`# expect:` what it must say, `# expect-located:` where no more than the place can be told.
They were written before the checker had seen the files. `# expect: PASS` is the verdict.
"""

import re
from pathlib import Path
from typing import NamedTuple

import pytest

from manualnst.errors import InputError
from manualnst.gradcheck import exam
from manualnst.gradcheck.exam import examine, misspelt
from manualnst.gradcheck.show import entry_as_text
from manualnst.gradcheck.student import Limits, StudentFile
from manualnst.gradcheck.subjects import EXERCISES

pytestmark = pytest.mark.slow

STUDENTS = Path(__file__).parent / "students"
LONG, SHORT = Limits(seconds=60), Limits(seconds=0.5)
EXPECTATION = re.compile(r"^# expect(-located)?: (.+)\n(?:def |class )?(\w+)", re.MULTILINE)


class Expectation(NamedTuple):
    located: bool  # the place is enough
    words: re.Pattern


class Judgement(NamedTuple):
    verdict: str
    words: str
    place: str  # of the worst entry


@pytest.fixture(scope="module", autouse=True)
def one_set_of_cases():
    """The inputs and their true gradients, found once for all files: they are the same for all."""
    with pytest.MonkeyPatch.context() as patch:
        known = {}
        find = exam.cases_of

        def cases_of(subject, seed):
            if (subject.name, seed) not in known:
                known[subject.name, seed] = find(subject, seed)
            return known[subject.name, seed]

        patch.setattr(exam, "cases_of", cases_of)
        yield


def files(kind: str) -> list[Path]:
    return sorted(STUDENTS.glob(f"{kind}_[0-9][0-9].py"))


def expectations(path: Path) -> dict[str, Expectation]:
    return {
        name: Expectation(bool(located), re.compile(words, re.IGNORECASE))
        for located, words, name in EXPECTATION.findall(path.read_text("utf-8"))
    }


def judge(path: Path, limits: Limits = LONG) -> dict[str, Judgement]:
    """Everything that the file defines of the sheet, by name."""
    rows = examine(StudentFile(path, limits, prints=False), list(EXERCISES), 0)
    return {row.name: _judgement(row) for row in rows}


def _judgement(row) -> Judgement:
    [comparison] = row.comparisons
    worst = comparison.worst
    place = entry_as_text(worst) if worst and worst.excess > 1 else ""
    return Judgement(str(row.verdict), row.words or comparison.note, place)


@pytest.fixture(scope="module")
def wrong() -> list[tuple[str, Expectation, Judgement]]:
    """("FILE function", what is expected, what was found) of every wrong function."""
    found = []
    for path in files("wrong"):
        expected, judged = expectations(path), judge(path)
        assert judged.keys() == expected.keys(), path.name
        found += [(f"{path.name} {name}", expected[name], judged[name]) for name in judged]
    return found


def test_there_are_enough_of_them(wrong):
    exercises = [case.split()[1] for case, _, _ in wrong]
    assert len(wrong) >= 90
    assert set(exercises) == set(EXERCISES)
    assert exercises.count("objective_backward") >= 15


def test_every_wrong_one_is_caught(wrong):
    assert not [case for case, _, judged in wrong if judged.verdict == "PASS"]


def test_nine_in_ten_mistakes_are_named(wrong):
    named = [(case, e, j) for case, e, j in wrong if not e.located]
    missed = [f"{case}: {j.words}" for case, e, j in named if not e.words.search(j.words)]
    assert 10 * len(missed) <= len(named), "\n".join(
        [f"{len(missed)} of {len(named)} not named", *missed]
    )


def test_the_place_of_the_others_is_told(wrong):
    located = [(case, e, j) for case, e, j in wrong if e.located]
    assert located
    for case, expected, judged in located:
        assert expected.words.search(f"{judged.words} {judged.place}"), (case, judged)


@pytest.mark.parametrize("path", files("right"), ids=lambda path: path.stem)
def test_right_ones_pass(path):
    judged = judge(path)
    assert judged
    assert {name: j for name, j in judged.items() if j.verdict != "PASS"} == {}


def test_there_are_enough_right_ones():
    names = "|".join(EXERCISES)
    defined = rf"^(?:def )?({names})\b(?: =|\()"
    sources = [path.read_text("utf-8") for path in files("right")]
    assert sum(len(re.findall(defined, text, re.MULTILINE)) for text in sources) >= 40


@pytest.mark.parametrize("number", ["04", "05", "06"])
def test_rude_functions_harm_only_themselves(number):
    path = STUDENTS / f"rude_{number}.py"
    judged, expected = judge(path, SHORT), expectations(path)
    assert "PASS" in {judged[name].verdict for name in expected}
    for name, (_, words) in expected.items():
        found = judged[name]
        assert words.search(f"{found.verdict} {found.words}"), (name, found)
        assert (found.verdict == "PASS") == (words.pattern == "PASS"), (name, found)
        assert "\n" not in found.words


@pytest.mark.parametrize(
    "number, words",
    [
        ("01", r"line 8: expected ':'"),
        ("02", r"No module named 'style_transfer_solution_2019' \(line 2\)"),
        ("07", r"line 2: not UTF-8"),
        ("08", r"took longer than 0.5 s: an endless loop\?"),
    ],
)
def test_rude_files_are_refused_in_one_line(number, words):
    with pytest.raises(InputError, match=words) as refused:
        judge(STUDENTS / f"rude_{number}.py", SHORT)
    assert "\n" not in str(refused.value)


def test_a_file_without_any_exercise_has_no_rows():
    path = STUDENTS / "rude_03.py"
    assert judge(path) == {}
    assert list(misspelt(StudentFile(path, LONG))) == []
