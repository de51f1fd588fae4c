"""`check_gradient`: any function, its gradient, and no step or tolerance to choose."""

import itertools
import math
import re

import numpy as np
import pytest

import manualnst
from manualnst.errors import InputError
from manualnst.gradcheck import check_gradient

X = np.random.default_rng(0).standard_normal((4, 5))
WEIGHTS = np.arange(1.0, 21.0).reshape(4, 5)


def squares(x):
    return np.sum(x**2)


def relu(x):
    """Drops imaginary parts: the complex step is of no use."""
    return float(np.sum(np.maximum(x.real, 0) * WEIGHTS))


def relu_gradient(x):
    return (x > 0) * WEIGHTS


RIGHT = {
    "a polynomial": (squares, lambda x: 2 * x, X),
    "an array in the place of a function": (squares, 2 * X, X),
    "transcendental": (lambda x: np.sum(np.sin(3 * x)), lambda x: 3 * np.cos(3 * x), X),
    "not analytic": (lambda x: np.sum(np.abs(x) ** 3), lambda x: 3 * x * np.abs(x), X),
    "no complex numbers": (lambda x: float(np.sum(np.exp(x))), np.exp, X),
    "tiny": (lambda x: 1e-30 * squares(x), lambda x: 2e-30 * x, X),
    "huge": (lambda x: 1e30 * squares(x), lambda x: 2e30 * x, X * 1e6),
    "beside the end of its domain": (lambda x: np.sum(np.log(x)), lambda x: 1 / x, np.abs(X) / 1e3),
    "a norm": (np.linalg.norm, lambda x: x / np.linalg.norm(x), X),
    "a maximum": (lambda x: float(np.max(x)), lambda x: 1.0 * (x == x.max()), X),
    "a number": (lambda x: x**2, lambda x: 2 * x, 3.0),
    "many entries": (lambda x: np.sum(x**3), lambda x: 3 * x**2, np.linspace(-1, 2, 3000)),
    "of very different sizes": (lambda x: np.sum(1 / x), lambda x: -1 / x**2, np.array([1e5, 1.0])),
    "far from 0": (np.var, lambda x: 2 * (x - x.mean()) / x.size, 1e4 + X.ravel()),
    "nearly kinked": (
        lambda x: np.sum(np.sqrt(x**2 + 1e-8)),
        lambda x: x / np.sqrt(x**2 + 1e-8),
        np.array([0.0, 30.0, 200.0]),
    ),
    "raising where it is not defined": (
        lambda x: math.log(x[0]) + x[1],
        lambda x: np.array([1 / x[0], 1.0]),
        np.array([1e-3, 1.0]),
    ),
    "a gradient in single precision": (
        lambda x: np.sum(x**3),
        lambda x: (3 * x**2).astype(np.float32),
        X,
    ),
    "single precision inside": (lambda x: squares(x.astype(np.float32)), lambda x: 2 * x, X),
}


@pytest.mark.parametrize("case", RIGHT)
def test_right_gradients_pass(case):
    report = check_gradient(*RIGHT[case])
    assert report, str(report)
    assert report.verdict == "PASS"


WRONG = {
    "half": (squares, lambda x: x, r"0\.5000 × the true gradient at every entry.*square"),
    "a mean": (squares, lambda x: 2 * x / 20, r"mean over all 20 entries"),
    "the sign": (squares, lambda x: -2 * x, r"-1\.0000 ×.*sign"),
    "normalised": (squares, lambda x: x / np.linalg.norm(x), "divided by its own norm"),
    "mirrored": (squares, lambda x: 2 * x[:, ::-1], "mirrored left to right"),
    "one entry": (squares, lambda x: 2 * x + np.eye(4, 5), "4 of 20 entries are wrong"),
    "few digits": (squares, lambda x: 2 * x + 1e-6 * x**2, "digits only"),
    "wrong power": (
        lambda x: float(np.sum(x**4)),
        lambda x: 4 * x**2,
        "20 of 20 entries",
    ),
    "hidden by a large one": (
        lambda x: 1e12 * x[0, 0] ** 2 + squares(x.ravel()[1:]),
        lambda x: np.where(np.eye(4, 5) * (np.indices(x.shape)[0] == 0), 2e12 * x, -2 * x),
        "19 of 20 entries are wrong",
    ),
    "odd factor": (lambda x: 1e12 * squares(x), lambda x: 1e12 * 2.469 * x, r"1\.2345 × the true"),
    "tiny": (lambda x: 1e-30 * squares(x), lambda x: 1e-30 * x, r"0\.5000"),
    "zero": (squares, lambda x: 0 * x, "zero everywhere"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_gradients_are_named(case):
    f, gradient, words = WRONG[case]
    report = check_gradient(f, gradient, X)
    assert report.verdict == "WRONG" and not report
    assert re.search(words, str(report)), str(report)


def test_a_wrong_entry_among_many_is_found():
    x = np.random.default_rng(1).standard_normal((50, 60))

    def gradient(x):
        wrong = 3 * x**2
        wrong[17, 42] += 1e-3
        return wrong

    report = check_gradient(lambda x: np.sum(x**3), gradient, x)
    assert report.verdict == "WRONG"
    assert "wrong at [17, 42]" in str(report)


@pytest.mark.parametrize("slope", [0.0, 0.5, 1.0])
def test_at_a_kink_every_subgradient_passes_and_nothing_else(slope):
    x = X.copy()
    x[1, 2] = x[3, 3] = 0.0
    report = check_gradient(relu, lambda x: relu_gradient(x) + slope * (x == 0) * WEIGHTS, x)
    assert report, str(report)
    assert "at a kink, within the subgradients: 2, the first (1, 2)" in str(report)
    assert not check_gradient(relu, lambda x: relu_gradient(x) - 0.1 * (x == 0), x)
    assert not check_gradient(relu, lambda x: relu_gradient(x) + 1.1 * (x == 0) * WEIGHTS, x)


def test_beside_a_kink_only_the_slope_there_is_right():
    x = np.array([1e-5, 2e3, -1e3])
    for f in (lambda x: float(np.sum(np.abs(x))), lambda x: np.sum(x * np.sign(x.real))):
        assert check_gradient(f, np.sign(x), x)
        assert check_gradient(f, np.array([0.0, 1.0, -1.0]), x).verdict == "WRONG"


def test_a_kink_is_told_by_its_layer_and_place():
    x = X.copy()
    x[1, 2] = 0.0
    report = check_gradient(relu, relu_gradient, x, branches=lambda x: {"relu1": x > 0})
    assert "relu1 at (1, 2)" in str(report)


def test_equal_maxima_do_not_each_get_it_all():
    x = np.array([1.0, 1.0, 0.0])
    maximum = lambda x: float(np.max(x))  # noqa: E731
    assert check_gradient(maximum, np.array([0.5, 0.5, 0.0]), x)
    report = check_gradient(maximum, np.array([1.0, 1.0, 0.0]), x)
    assert report.verdict == "WRONG"
    assert "together they are not" in str(report)


@pytest.mark.parametrize("distance", 10.0 ** -np.arange(1, 13))
@pytest.mark.parametrize("noise", [0.0, 1e-7, 1e-4])
def test_a_kink_nearby_makes_no_right_gradient_wrong(distance, noise):
    """With noise no step can be so short that it does not meet the kink."""

    def noisy_relu(x):
        return relu(x) + noise * np.sin(1e9 * x.sum())

    x = X.copy()
    x[1, 2], x[3, 3] = distance, -distance
    verdict = check_gradient(noisy_relu, relu_gradient, x).verdict
    assert verdict == "PASS" if not noise and distance > 1e-10 else verdict != "WRONG"


def test_what_kinks_hide_is_told_and_not_passed():
    def noisy_relu(x):
        return relu(x) + 1e-3 * np.sin(1e9 * x.sum())

    x = X.copy()
    x[1, 2] = 1e-2
    report = check_gradient(noisy_relu, relu_gradient, x)
    assert report.verdict in ("KINK", "INCONCLUSIVE")
    assert "slopes cannot be measured well enough" in str(report)


@pytest.mark.parametrize("f", [lambda x: 1.0, lambda x: 1e10 + float(1e-12 * squares(x))])
def test_a_gradient_too_small_to_judge_is_inconclusive(f):
    report = check_gradient(f, lambda x: 0 * x, X)
    assert report.verdict == "INCONCLUSIVE"
    assert not report


def test_the_report_shows_itself():
    report = check_gradient(squares, lambda x: 2 * x + np.eye(4, 5), X)
    lines = str(report).splitlines()
    assert lines[0].startswith("WRONG: 4 of 20 entries are wrong")
    assert lines[2].split()[:3] == ["entry", "given", "expected"]
    page = report._repr_html_()
    assert "WRONG" in page and "data:image/png;base64," in page
    assert "<script" not in page
    assert report.row.as_json()["verdict"] == "WRONG"


@pytest.mark.parametrize(
    ("f", "gradient", "x", "words"),
    [
        (squares, lambda x: 2 * x[0], X, r"shape \(5,\), but x has \(4, 5\)"),
        (squares, lambda x: None, X, "the gradient is None"),
        (squares, lambda x: x + np.nan, X, "the gradient must have entries, all of them finite"),
        (squares, lambda x: "2x", X, "real numbers"),
        (lambda x: x**2, lambda x: 2 * x, X, r"f must return one number, got float64 of shape"),
        (lambda x: None, lambda x: 2 * x, X, "f must return one number"),
        (lambda x: np.nan, lambda x: 2 * x, X, "f is nan at x"),
        (squares, lambda x: 2 * x, X * np.inf, "x must have entries, all of them finite"),
        (squares, lambda x: 2 * x, [], "x must have entries"),
        (squares, lambda x: 2 * x, X + 0j, "x is complex"),
        (squares, lambda x: 2 * x, "x", "x must be an array of real numbers"),
        (lambda x: squares(np.subtract(x, 1, out=x)), lambda x: 2 * x, X, "changes its argument"),
    ],
)
def test_what_cannot_be_judged_is_refused(f, gradient, x, words):
    with pytest.raises(InputError, match=words):
        check_gradient(f, gradient, x)


def test_the_fixture_passes_and_fails(check_gradient):
    assert check_gradient(squares, lambda x: 2 * x, X)
    with pytest.raises(pytest.fail.Exception, match="0.5000 × the true gradient"):
        check_gradient(squares, lambda x: x, X)


def test_it_is_part_of_the_package():
    assert manualnst.check_gradient is check_gradient


@pytest.mark.parametrize("seed", range(12))
def test_a_function_that_turns_fast_far_from_zero_makes_no_right_gradient_wrong(seed):
    """Steps in proportion to x are many turns of a sine, and agree on a slope of 0."""
    x = 1e6 + np.random.default_rng(seed).standard_normal(5)
    report = check_gradient(lambda x: sum(map(math.sin, x)), np.cos, x)
    assert report.verdict in ("PASS", "INCONCLUSIVE"), report


@pytest.mark.parametrize("seed", range(20))
def test_kinks_are_spoken_of_only_where_one_was_found(seed):
    def f(x):
        x = x.astype(np.float32)
        return float(np.sum(np.tanh(x) * x))

    def off(x):
        x = x.astype(np.float32)
        return (np.tanh(x) + x * (1 - np.tanh(x) ** 2)) * np.float32(1.0005)

    report = check_gradient(f, off, np.random.default_rng(seed).standard_normal((3, 4)))
    assert "subgradient" not in str(report) and "maxima" not in str(report)


@pytest.mark.parametrize("x", [[0.0], [0.0, 1.0]])
def test_at_a_kink_the_interval_is_told_and_no_factor(x):
    report = check_gradient(lambda x: float(np.abs(x).sum()), np.array([5.0, 1.0][: len(x)]), x)
    assert report.verdict == "WRONG"
    words = "at [0] there is a kink, where any slope from -1 to 1 is right, and yours is 5"
    assert report.row.words == words


def test_why_nothing_is_known_is_true():
    large = check_gradient(lambda x: float(1e9 * x.sum() + 1e25), np.full(2, 1e9), [1.0, 2.0])
    assert "f is known to" in str(large) and "cannot be told from zero here: f" in str(large)
    count = itertools.count()
    unsteady = check_gradient(lambda x: float(x @ x) + next(count), lambda x: 2 * x, [1.0, 2.0])
    assert unsteady.verdict == "INCONCLUSIVE"
    assert "f gives another value at the same x: 5, then 6" in str(unsteady)


def test_a_pass_of_some_entries_says_so():
    x = np.random.default_rng(0).standard_normal(10_000)
    report = check_gradient(lambda x: float(x @ x), lambda x: 2 * x, x)
    assert report and "by 200 of 10000 entries, tried at random" in str(report)
