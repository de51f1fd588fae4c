"""The oracles themselves, on functions whose derivatives are known."""

import numpy as np
import pytest

from manualnst.backends import get_backend
from manualnst.gradcheck import oracles
from manualnst.gradcheck.branches import Branches, crossed
from manualnst.gradcheck.factors import name_factor
from manualnst.gradcheck.location import locate
from manualnst.gradcheck.rounding import ROOM, UNIT, rounding
from manualnst.gradcheck.subjects import EXERCISES, Problem

X = np.array([[0.3, -1.2, 0.7], [2.0, 0.1, -0.4]])
D = np.array([[1.0, 0.5, -2.0], [0.3, -1.0, 0.2]])


def quartic(x):
    return np.sum(x**4 - 2 * x**3 + x)


QUARTIC_SLOPE = np.sum((4 * X**3 - 6 * X**2 + 1) * D)


def test_the_complex_step_is_exact():
    assert oracles.complex_step(quartic, X, D) == pytest.approx(QUARTIC_SLOPE, rel=1e-15)
    gradient = oracles.gradient_by_complex_step(lambda x: np.sum(np.exp(x)), X)
    assert np.allclose(gradient, np.exp(X), rtol=1e-15)


@pytest.mark.parametrize("h", [1.0, 0.1, 0.01])
def test_five_points_are_exact_to_degree_four_at_any_step(h):
    assert oracles.five_point(quartic, X, D, h) == pytest.approx(QUARTIC_SLOPE, rel=1e-12)
    quintic = lambda x: np.sum(x**5)  # noqa: E731
    slope = np.sum(5 * X**4 * D)
    assert oracles.five_point(quintic, X, D, 0.1) != pytest.approx(slope, rel=1e-6)


def test_two_points_are_off_by_the_square_of_the_step():
    errors = [abs(oracles.two_point(quartic, X, D, h) - QUARTIC_SLOPE) for h in (0.1, 0.05)]
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.05)


def test_taylor_remainders_have_slope_two_only_for_the_right_gradient():
    steps = 0.1 * 2.0 ** -np.arange(10)
    right = oracles.taylor_remainders(quartic, X, D, QUARTIC_SLOPE, steps)
    wrong = oracles.taylor_remainders(quartic, X, D, 1.03 * QUARTIC_SLOPE, steps)
    assert np.log2(right[-2] / right[-1]) == pytest.approx(2, abs=0.05)
    assert np.log2(wrong[-2] / wrong[-1]) == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("name", ["numpy", "naive"])
def test_recording_branches_changes_nothing(name):
    backend = get_backend(name)
    rng = np.random.default_rng(0)
    x = rng.standard_normal((5, 7, 3))
    recorder = Branches(backend)
    y, cache = recorder.relu_forward(x)
    assert np.array_equal(y, backend.relu_forward(x)[0])
    dL_dy = rng.standard_normal(x.shape)
    expected = backend.relu_backward(dL_dy, backend.relu_forward(x)[1])
    assert np.array_equal(recorder.relu_backward(dL_dy, cache), expected)
    assert np.array_equal(recorder.maxpool_forward(x)[0], backend.maxpool_forward(x)[0])
    assert len(recorder.taken) == 2


def test_held_branches_are_taken_again_elsewhere():
    backend = get_backend("numpy")
    x = np.random.default_rng(0).standard_normal((4, 6, 2))
    recorder = Branches(backend)
    recorder.relu_forward(x)
    recorder.maxpool_forward(x)
    held = Branches(backend, recorder.taken)
    assert np.array_equal(held.relu_forward(-x)[0], -x * (x > 0))
    minimum_there = -backend.maxpool_forward(x)[0]  # the winners of x, at −x the smallest
    assert np.array_equal(held.maxpool_forward(-x)[0], minimum_there)


def test_a_crossed_kink_is_told_by_layer_and_place():
    here = [np.array([[True, False]]), np.array([1, 2])]
    there = [np.array([[True, True]]), np.array([1, 3])]
    assert crossed(("relu1_1", "pool1"), here, there) == "relu1_1 at (0, 1) and 1 more"
    assert crossed(("pool1",), here, there) == "pool1 at (1,)"
    assert crossed(("relu1_1", "pool1"), here, here) == ""


def test_rounding_grows_with_the_sum_and_sees_cancellation():
    unit = UNIT["float64"]
    one, many = (Problem({"a": np.full(n, 1.0)}, {}) for n in (1, 10_000))
    total = lambda p: p.arguments["a"].sum()  # noqa: E731
    assert rounding(total, many, 10_000, unit) > 100 * rounding(total, one, 1, unit)
    cancelling = Problem({"a": np.array([1e8, -1e8, 1.0])}, {})
    assert rounding(total, cancelling, 3, unit) > 1e7 * ROOM * unit


SIZES = [
    {"N": n, "H": h, "W": w} for n, h, w in [(4, 3, 5), (3, 5, 4), (2, 4, 7), (5, 2, 3), (3, 7, 2)]
]


@pytest.mark.parametrize(
    ("factor", "name"),
    [
        (lambda N, H, W: 2.0, "2"),
        (lambda N, H, W: -1 / 3, "-1/3"),
        (lambda N, H, W: N, "N"),
        (lambda N, H, W: 4 * N**2 * (H * W) ** 2, "4·M^2·N^2"),
        (lambda N, H, W: 1 / (N * H * W), "1/(M·N)"),
        (lambda N, H, W: -2 / (H * W) ** 2, "-2/M^2"),
        (lambda N, H, W: H, "H"),
        (lambda N, H, W: 0.0, "0"),
        (lambda N, H, W: N + H, None),
        (lambda N, H, W: (-1) ** H, None),
    ],
)
def test_factors_are_named_by_the_sizes(factor, name):
    assert name_factor([factor(**size) for size in SIZES], SIZES, 1e-9) == name


def test_errors_are_located():
    wrong = np.zeros((4, 5, 3), bool)
    wrong[-1, 1:3] = True
    assert locate(wrong, {}) == "6 of 60 entries are wrong, all of them in the last row"
    x = np.random.default_rng(0).standard_normal((4, 5, 3))
    assert locate(x <= 0, {"x": x}).endswith("all of them where x ≤ 0")
    assert locate(np.ones((4, 5, 3), bool), {"x": x}) == "60 of 60 entries are wrong"


@pytest.mark.parametrize("subject", EXERCISES.values(), ids=EXERCISES.keys())
def test_parts_add_up_to_what_is_right(subject):
    problem = subject.draw(np.random.default_rng(0), subject.shapes[0])
    right = subject.right(**problem.arguments)
    own = subject.own(problem, get_backend("numpy"))
    assert np.allclose(right, own, rtol=1e-12, atol=1e-12 * np.abs(own).max())
    if subject.parts:
        total = sum(subject.parts(**problem.arguments).values())
        assert np.allclose(total, right, rtol=1e-12, atol=1e-12 * np.abs(own).max())


def test_places_that_loops_leave_out_have_words():
    x = np.random.default_rng(0).standard_normal((5, 6))
    for name, here, words in (
        ("all rows but the first", np.s_[1:], "in a row that is not the first"),
        ("the last row and column", None, "in the last row or column"),
        ("all columns but the last", np.s_[:, :-1], "in a column that is not the last"),
    ):
        wrong = np.zeros(x.shape, bool)
        if here is None:
            wrong[-1] = wrong[:, -1] = True
        else:
            wrong[here] = True
        given = np.where(wrong, 0.0, x)
        told = locate(wrong, {}, given)
        assert told.endswith(f"all of them {words}; there yours is zero"), (name, told)
    assert "zero" not in locate(wrong, {}, x)
