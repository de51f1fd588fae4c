"""`manualnst check` as people use it."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from manualnst.cli import main
from manualnst.gradcheck import steps
from manualnst.gradcheck.exam import answers_to
from manualnst.gradcheck.student import Limits, StudentFile
from manualnst.gradcheck.subjects import COURSE

MINE = """
import numpy as np

def content_backward(F, P):
    return F - P

def gram_backward(dL_dG, F):
    f = F.reshape(-1, F.shape[2])
    return 2 * (f @ (dL_dG + dL_dG.T)).reshape(F.shape)

def relu_backward(dL_dy, x):
    raise NotImplementedError("later")

def tv_backward(x):
    return oops

def loss(x):
    return np.sum(x**3)

def right(x):
    return 3 * x**2

def wrong(x):
    return x**2

x = np.linspace(-1, 2, 12).reshape(3, 4)

def elsewhere():
    return np.ones((2, 2))

text = "no array"
"""


@pytest.fixture
def desk(tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text(MINE, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refused(capsys, *arguments):
    """The one line on standard error of a command that is refused."""
    assert main(["check", *arguments]) == 2
    output = capsys.readouterr()
    assert not output.out
    [line] = output.err.splitlines()
    return line


def test_the_packages_own_pass(capsys):
    assert main(["check", "--only", "E6,gram_backward"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("[E6] style_backward: dE_dF = F (G − A)/(N²M²)") for line in lines)
    assert any("naive  float32" in line for line in lines)
    assert lines[-1].startswith("8 of 8 right")


def test_what_was_found_as_json(capsys):
    assert main(["check", "--only", "R2", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["verdict"] == "PASS"
    row = found["rows"][0]
    assert row["identifier"] == "R2" and row["dtype"] == "float32"
    compared = row["comparisons"][0]
    assert {"oracle", "verdict", "tolerance_from", "note", "worst"} == set(compared)
    assert {"index", "given", "expected", "tolerance"} == set(compared["worst"])


def test_something_broken_ends_with_one(capsys, monkeypatch):
    from manualnst.backends import get_backend

    numpy_backend = get_backend("numpy")

    backward = numpy_backend.relu_backward
    monkeypatch.setattr(numpy_backend, "relu_backward", lambda *given: 2 * backward(*given))
    assert main(["check", "--only", "R2"]) == 1
    assert "WRONG" in capsys.readouterr().out


def test_full_measures_the_power(capsys, monkeypatch):
    monkeypatch.setattr("manualnst.gradcheck.subjects.FULL_VGG", ())
    assert main(["check", "--full", "--only", "A2"]) == 0
    assert "planted mistakes: caught 48 of 48, diagnosed by name 4" in capsys.readouterr().out


@pytest.mark.slow
def test_a_template_can_be_filled_in(desk, capsys):
    assert main(["check", "--template", "sheet.py"]) == 0
    text = (desk / "sheet.py").read_text(encoding="utf-8")
    assert all(f"def {name}(" in text for name in COURSE)
    assert main(["check", "sheet.py"]) == 1
    output = capsys.readouterr().out
    assert output.count("not filled in") == len(COURSE)
    assert "exists" in refused(capsys, "--template", "sheet.py")
    assert main(["check", "--template", "sheet.py", "--overwrite"]) == 0
    capsys.readouterr()
    assert main(["check", "--template"]) == 0
    assert "def objective_backward(" in capsys.readouterr().out


def test_a_template_of_further_exercises(desk, capsys):
    assert main(["check", "--template", "more.py", "--only", "histogram_backward,W4"]) == 0
    text = (desk / "more.py").read_text(encoding="utf-8")
    assert "def histogram_backward(F, S):" in text and "def wasserstein_backward(" in text
    assert text.count("raise NotImplementedError") == 2
    capsys.readouterr()
    assert main(["check", "more.py"]) == 1
    assert capsys.readouterr().out.count("not filled in") == 2
    assert "unknown" in refused(capsys, "--template", "other.py", "--only", "E9")


def test_each_function_is_judged(desk, capsys):
    assert main(["check", "mine.py"]) == 1
    content, gram, worst, tv, relu, summary = capsys.readouterr().out.splitlines()
    assert content.split()[:2] == ["PASS", "content_backward"]
    assert "gram_backward [G1]: yours is 2.0000 × the true gradient at every entry" in gram
    assert "worst at [" in worst
    assert tv.split()[:2] == ["ERROR", "tv_backward"] and "'oops' is not defined" in tv
    assert relu.split()[0] == "MISSING"
    assert summary.startswith("1 of 3 right")


def test_any_subset_that_is_right_ends_with_zero(desk):
    assert main(["check", "mine.py", "--only", "E2"]) == 0


def test_a_misspelt_name_is_told(desk, capsys):
    (desk / "mine.py").write_text(
        "def grams_backward(a, b): pass\ndef content_backward(F, P): return F - P"
    )
    assert main(["check", "mine.py"]) == 0
    assert "did you mean gram_backward?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("def content_backward(F P): pass", "line 1: "),
        ("import nowhere_to_be_found", "No module named 'nowhere_to_be_found'"),
        ("x = 1 / 0", "division by zero"),
        ("def mine(x): return x", "has none of the functions content_backward"),
    ],
)
def test_a_file_that_cannot_be_judged_is_one_line(desk, capsys, source, words):
    (desk / "mine.py").write_text(source)
    line = refused(capsys, "mine.py")
    assert line.startswith("manualnst: ") and words in line


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("def content_backward(F): return F", "takes (F), expected (F, P)"),
        ("def content_backward(F, P): pass", "None"),
        ("def content_backward(F, P): return F[0] - P[0]", "returned shape (5, 4), expected"),
        ("def content_backward(F, P): return (F - P).T", "numbers are right, transposed"),
        ("def content_backward(F, P): return (F - P).astype('f')", "returned float32, expected"),
        ("def content_backward(F, P): return (F - P) / 0", "not finite"),
        ("def content_backward(F, P):\n F -= P\n return F", "changes its argument F in place"),
        ("n = 0\ndef content_backward(F, P):\n global n\n n += 1\n return (F - P) * (n < 7 or 2)",
         "called again"),
    ],
)  # fmt: skip
def test_bad_functions_are_one_line_each_and_the_others_are_judged(desk, capsys, source, words):
    good = "\ndef conv3x3_backward_b(dL_dy): return dL_dy.sum(axis=(0, 1))"
    (desk / "mine.py").write_text(source + good)
    assert main(["check", "mine.py"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert words in lines[0]
    assert lines[-2].split()[:2] == ["PASS", "conv3x3_backward_b"]


def test_a_function_that_gives_up_half_way_is_not_just_missing(desk, capsys):
    (desk / "mine.py").write_text(
        "def content_backward(F, P):\n if F.shape[0] == 4: raise NotImplementedError('four')\n"
        " return F - P"
    )
    assert main(["check", "mine.py"]) == 1
    assert capsys.readouterr().out.startswith("ERROR")


@pytest.mark.parametrize(
    "source",
    [
        "def content_backward(F, P, eps=1e-8): return F - P",
        "def content_backward(F, P, *, out=None): return F - P",
        "def content_backward(F, P, /): return F - P",
        "def content_backward(*maps): return maps[0] - maps[1]",
        "import numpy as np\ncontent_backward = np.subtract",
        "import functools\ncontent_backward = functools.partial(lambda F, P, k: k * (F - P), k=1)",
    ],
)
def test_any_signature_that_can_be_called_will_do(desk, source):
    (desk / "mine.py").write_text(source)
    assert main(["check", "mine.py"]) == 0


@pytest.mark.parametrize("value", ["None", "3.0", "type('T', (), {})"])
def test_what_is_no_function_is_told(desk, capsys, value):
    (desk / "mine.py").write_text(f"content_backward = {value}")
    assert main(["check", "mine.py"]) == 1
    assert "not a function" in capsys.readouterr().out


def test_arguments_may_be_named_in_another_order(desk):
    (desk / "mine.py").write_text("def content_backward(P, F): return F - P")
    assert main(["check", "mine.py"]) == 0


@pytest.mark.slow
@pytest.mark.parametrize("at", [[], ["--at", "elsewhere"], ["--at", "2,3,4"]])
def test_any_pair_of_a_file(desk, capsys, at):
    assert main(["check", "mine.py", "--pair", "loss", "right", *at]) == 0
    assert capsys.readouterr().out.startswith("PASS")
    assert main(["check", "mine.py", "--pair", "loss", "wrong", *at]) == 1
    assert "0.3333 × the true gradient" in capsys.readouterr().out


def test_a_pair_that_cannot_be_judged_is_refused(desk, capsys):
    assert "there is no lost" in refused(capsys, "mine.py", "--pair", "lost", "right")
    assert "there is no y" in refused(capsys, "mine.py", "--pair", "loss", "right", "--at", "y")
    assert "--at wants" in refused(capsys, "mine.py", "--pair", "loss", "right", "--at", "text")
    assert "--pair needs a FILE" in refused(capsys, "--pair", "loss", "right")


def grades(desk, *arguments):
    assert main(["check", "mine.py", "--grade", "results.json", *arguments]) == 0
    text = (desk / "results.json").read_text()
    return json.loads(text), text


def test_scores_are_gradescopes_and_tell_no_gradient(desk, capsys):
    results, text = grades(desk)
    assert results["score"] == 1
    tests = {test["name"].split()[1]: test for test in results["tests"]}
    assert set(tests) == set(COURSE)
    for test in tests.values():
        assert set(test) == {"name", "score", "max_score", "status", "output", "visibility"}
    assert (tests["content_backward"]["score"], tests["content_backward"]["status"]) == (
        1,
        "passed",
    )
    assert tests["gram_backward"]["score"] == 0
    assert "2.0000 × the true gradient" in tests["gram_backward"]["output"]
    assert tests["style_backward"]["output"] == "not handed in"
    assert isinstance(results["extra_data"]["seed"], int)
    assert "worst" not in text and "expected" not in text


def test_scores_without_hints_and_for_some(desk):
    results, _ = grades(desk, "--no-hints", "--only", "G1,E2")
    assert [test["output"] for test in results["tests"]] == ["PASS", "WRONG"]


def test_a_file_that_cannot_be_run_scores_nothing(desk):
    (desk / "mine.py").write_text("def content_backward(F, P:")
    results, _ = grades(desk)
    assert results["score"] == 0 and "line 1" in results["output"]
    assert {test["output"] for test in results["tests"]} == {"could not be loaded"}


def test_while_grading_the_package_is_out_of_reach(desk):
    (desk / "mine.py").write_text(
        "def content_backward(F, P):\n import manualnst.losses\n return F - P\n"
    )
    results, _ = grades(desk, "--only", "E2")
    assert results["score"] == 0
    assert "may not be used" in results["tests"][0]["output"]


def test_the_plot_is_drawn_and_not_over_another(desk, capsys):
    assert main(["check", "--plot", "errors.png"]) == 0
    with Image.open("errors.png") as picture:
        assert np.asarray(picture).std() > 0
    capsys.readouterr()
    assert "exists" in refused(capsys, "--plot", "errors.png")


def test_the_gradients_of_a_file_are_drawn(desk, capsys):
    assert main(["check", "mine.py", "--only", "E2,G1", "--plot", "mine.png"]) == 0
    assert main(["check", "mine.py", "--only", "E2", "--plot", "one.png"]) == 0
    with Image.open("mine.png") as both, Image.open("one.png") as one:
        assert not np.array_equal(np.asarray(both), np.asarray(one))
    capsys.readouterr()
    assert "gives a gradient" in refused(capsys, "mine.py", "--only", "T2", "--plot", "none.png")


def test_the_remainder_of_a_right_gradient_falls_with_the_square(desk):
    [(subject, problem, gradient)] = answers_to(
        StudentFile(Path("mine.py"), Limits(10.0, 2 << 30)), ["content_backward"], 0
    )
    right = dict(steps._remainders(subject, problem, gradient))
    wrong = dict(steps._remainders(subject, problem, 2 * gradient))
    assert right[0.01] / right[0.1] == pytest.approx(0.01, rel=1e-3)
    assert wrong[1e-5] / wrong[1e-4] == pytest.approx(0.1, rel=1e-3)


def test_arguments_in_another_order_are_drawn_as_they_are_judged(desk):
    (desk / "turned.py").write_text("def content_backward(P, F):\n    return F - P\n")
    file = StudentFile(Path("turned.py"), Limits(10.0, 2 << 30))
    [(subject, problem, gradient)] = answers_to(file, ["content_backward"], 0)
    assert np.array_equal(gradient, subject.right(**problem.arguments))


def test_a_crash_at_a_thin_input_is_told_with_it_and_the_others_are_judged(desk, capsys):
    (desk / "thin.py").write_text(
        "def content_backward(F, P):\n"
        "    F[1, 0, 0]\n"
        "    return 3 * (F - P)\n"
        "def relu_backward(dL_dy, x):\n"
        "    x[1, 0, 0]\n"
        "    return dL_dy * (x > 0)\n"
    )
    assert main(["check", "thin.py"]) == 1
    content, relu, _ = capsys.readouterr().out.splitlines()
    assert "(line 2), with F (1, 6, 3), P (1, 6, 3); on 8 of 9 inputs: yours is 3.0000 ×" in content
    assert "with dL_dy (1, 6, 3), x (1, 6, 3); on" in relu and relu.endswith("inputs: right")
    assert main(["check", "thin.py", "--json"]) == 1
    row = json.loads(capsys.readouterr().out)["rows"][0]
    assert row["shapes"] == {"F": [1, 6, 3], "P": [1, 6, 3]}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["mine.py", "--plot", "p.png", "--pair", "loss", "right"], "leave out --pair"),
        (["--only", "E9"], "--only E9: unknown; there are"),
        (["missing.py"], "missing.py"),
        (["mine.py", "--seconds", "0"], "larger than 0"),
        (["--grade", "results.json"], "--grade needs a FILE"),
        (["mine.py", "--grade", "mine.py"], "would replace the file"),
        (["missing.py", "--grade", "results.json"], "there is no such file"),
        (["mine.py", "--grade", "r.json", "--pair", "loss", "right"], "leave out --pair"),
        (["mine.py", "--no-hints"], "--no-hints is for --grade"),
        (["mine.py", "--full"], "leave out the FILE"),
        (["mine.py", "--seed", "-1"], "must be 0 or larger"),
        (["mine.py", "--seconds", "nan"], "larger than 0"),
        (["mine.py", "--pair", "loss", "right", "--at", "99999,99999"], "smaller shape"),
        (["mine.py", "--grade", "nowhere/results.json"], "nowhere"),
        (["--plot", "errors.txt"], "errors.txt"),
    ],
)
def test_bad_options_are_one_line(desk, capsys, arguments, words):
    assert words in refused(capsys, *arguments)
