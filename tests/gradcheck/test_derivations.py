"""The derivations: their examples run, their quotations and names are held against the source."""

import doctest
import re
import shlex
import textwrap
from functools import cache
from pathlib import Path

import pytest

from manualnst.cli import main
from manualnst.gradcheck import side_by_side

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "manualnst" / "derivations"


def number(path):
    return int(path.name.split("-")[0]) if path.name[0].isdigit() else 0


TEXTS = {
    path.name: path.read_text(encoding="utf-8") for path in sorted(FOLDER.glob("*.md"), key=number)
}
INDEX = TEXTS["README.md"]
CHAPTERS = [name for name in TEXTS if name != "README.md"]


def blocks(text):
    """(what the fence says, what stands between the fences) of every fenced block."""
    return re.findall(r"^```([^\n]+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def run_examples(name, text):
    """(how many were run, what the runner complains of)."""
    complaints = []
    test = doctest.DocTestParser().get_doctest(text, {}, name, str(FOLDER / name), 0)
    results = doctest.DocTestRunner(verbose=False).run(test, out=complaints.append)
    return results.attempted, "".join(complaints)


@pytest.mark.parametrize("name", TEXTS)
def test_every_example_prints_what_it_says(name):
    attempted, complaints = run_examples(name, TEXTS[name])
    assert not complaints, complaints
    assert attempted == len(re.findall(r"^>>> ", TEXTS[name], re.MULTILINE)) > 0


def test_a_wrong_number_would_be_noticed():
    text = TEXTS["3-total-variation.md"]
    assert text.count("\n11.0\n") == 1
    assert "11.5" in run_examples("changed", text.replace("\n11.0\n", "\n11.5\n"))[1]


@pytest.mark.parametrize("name", TEXTS)
def test_every_block_is_formula_example_command_or_quotation(name):
    for info, body in blocks(TEXTS[name]):
        assert info in ("text", "pycon", "sh") or info.startswith("python manualnst/"), info
        assert (">>>" in body) == (info == "pycon"), body
    assert TEXTS[name].count("```") == 2 * len(blocks(TEXTS[name]))


# Quotations


def is_quoted_from(source, quotation):
    """Whether the quotation is a run of whole lines of the source, apart from their indentation."""
    lines, wanted = source.splitlines(), textwrap.dedent(quotation).strip("\n")
    count = len(wanted.splitlines())
    pieces = ("\n".join(lines[n : n + count]) for n in range(len(lines)))
    return any(textwrap.dedent(piece) == wanted for piece in pieces)


@pytest.mark.parametrize("name", CHAPTERS)
def test_quotations_are_the_code_s_own_lines(name):
    quotations = [block for block in blocks(TEXTS[name]) if block[0].startswith("python ")]
    assert quotations, f"{name} quotes no code"
    for info, body in quotations:
        path = info.removeprefix("python ")
        assert is_quoted_from((ROOT / path).read_text(encoding="utf-8"), body), f"{path}:\n{body}"


def test_a_changed_quotation_would_be_noticed():
    source = "def f(x):\n    y = 2 * x\n    return y\n"
    assert is_quoted_from(source, "y = 2 * x\nreturn y\n")
    assert not is_quoted_from(source, "y = 3 * x\nreturn y\n")
    assert not is_quoted_from(source, "def f(x):\n    return y\n")
    assert not is_quoted_from(source, "return\n")


# Equations


def claimed(name):
    heading = TEXTS[name].splitlines()[0]
    assert heading.startswith("# "), name
    return re.findall(r"\[([A-Z]\d)\]", heading)


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_chapter_derives_what_its_heading_claims(name):
    formulas = "".join(body for info, body in blocks(TEXTS[name]) if info == "text")
    derived = re.findall(r"^\[([A-Z]\d)\] ", formulas, re.MULTILINE)
    assert derived == claimed(name)


def test_the_index_lists_every_chapter_with_its_equations():
    rows = re.findall(r"^\| \[\d+\]\((.+?)\) \| .+ \| (.+) \|$", INDEX, re.MULTILINE)
    assert [(name, ids.split()) for name, ids in rows] == [(c, claimed(c)) for c in CHAPTERS]


def test_every_equation_of_the_table_has_one_chapter():
    table = re.findall(r"^\| ([A-Z]\d) \|", INDEX, re.MULTILINE)
    assert sorted(table) == sorted(id for name in CHAPTERS for id in claimed(name))


# Commands and links


def commands(name):
    lines = "".join(body for info, body in blocks(TEXTS[name]) if info == "sh").splitlines()
    return [shlex.split(line) for line in lines]


CHECKS = {
    shlex.join(command): command[3:]
    for name in TEXTS
    for command in commands(name)
    if command[:3] == ["python", "-m", "manualnst"]
}


PROVE = side_by_side._prove


class InThisProcess:
    """In the place of the pool of processes."""

    def __init__(self, *_given, **_options):
        pass

    def map(self, function, tasks):
        return map(function, tasks)

    def shutdown(self, **_options):
        pass


@cache
def proven(task):
    """Each row once, though several chapters ask for it."""
    return PROVE(task)


@pytest.mark.slow
@pytest.mark.parametrize("command", CHECKS)
def test_every_check_passes(command, capsys, monkeypatch):
    monkeypatch.setattr(side_by_side, "ProcessPoolExecutor", InThisProcess)
    monkeypatch.setattr(side_by_side, "_prove", proven)
    assert main(CHECKS[command]) == 0, capsys.readouterr().err


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_chapter_ends_with_the_check_of_its_own_equations(name):
    assert [info for info, _ in blocks(TEXTS[name])][-1] == "sh"
    [command] = commands(name)
    assert command[:5] == ["python", "-m", "manualnst", "check", "--only"]
    [names] = command[5:]
    assert set(names.split(",")) <= set(claimed(name))


def test_the_command_that_runs_a_chapter_names_one():
    *_, command = [c for c in commands("README.md") if c[2] == "doctest"]
    assert command[:3] == ["python", "-m", "doctest"]
    assert [ROOT / path for path in command[3:]] == [FOLDER / "2-gram-and-style.md"]


@pytest.mark.parametrize("name", TEXTS)
def test_links_and_files_that_are_named_exist(name):
    links = re.findall(r"\]\(([^)]+)\)", TEXTS[name])
    assert all((FOLDER / link).is_file() for link in links), links
    files = re.findall(r"\b(?:tests|manualnst)/[\w/-]+\.\w+", TEXTS[name])
    assert all((ROOT / file).is_file() for file in files), files
    following = CHAPTERS[CHAPTERS.index(name) + 1 :] if name in CHAPTERS else CHAPTERS
    assert set(following[:1]) <= set(links)
