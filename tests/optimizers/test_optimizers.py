"""The optimisers on problems whose answers are known."""

from dataclasses import replace

import numpy as np
import pytest

from manualnst.backends.bands import MOST, OCTAVES, PRODUCTS, Bands
from manualnst.objective.objective import Evaluation, Term
from manualnst.optimizers import (
    DIVERGED,
    OPTIMIZERS,
    State,
    enlarged_averages,
    in_units,
    make_optimizer,
)
from manualnst.optimizers.lbfgs import LOSS_IS_LEVEL, _Pair, _times_inverse

SHAPE = (3, 4, 3)
TARGET = np.random.default_rng(0).uniform(-0.5, 1.5, SHAPE)  # partly outside the box
CURVATURE = np.random.default_rng(1).uniform(0.5, 20, SHAPE)
START = np.full(SHAPE, 0.5, np.float32)


def valley(x):
    """Σ ½ c (x − target)²: in the box its minimum is the target, clipped."""
    assert x.dtype == np.float32
    D = x - TARGET.astype(np.float32)
    loss = float(np.sum(0.5 * CURVATURE * D**2))
    return Evaluation(loss, (CURVATURE * D).astype(np.float32), {"valley": Term(loss, 1.0)})


def minimise(name, steps=1500, evaluate=valley, state=None, on_step=None, rate=None):
    taken = []

    def take(step):
        taken.append(step)
        return on_step(step) if on_step else None

    reason = make_optimizer(name, rate).minimise(evaluate, state or State(START), steps, take)
    return reason, taken


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_finds_the_minimum_within_the_box(name):
    _, steps = minimise(name, rate=None if name.startswith("lbfgs") else 0.005)
    assert np.allclose(steps[-1].state.x, np.clip(TARGET, 0, 1), atol=2e-3)
    assert all(step.state.x.min() >= 0 and step.state.x.max() <= 1 for step in steps)
    assert steps[-1].state.x.dtype == np.float32


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_each_step_tells_what_it_evaluated(name):
    asked = []

    def counting(x):
        asked.append(x.copy())
        return valley(x)

    reason, steps = minimise(name, steps=7, evaluate=counting)
    assert [step.state.iterations for step in steps] == list(range(1, 8))
    assert reason == "all 7 steps are done"
    assert steps[-1].state.evaluations == len(asked)
    for step in steps:
        assert step.evaluation.loss == valley(step.state.x).loss


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_step_of_the_past_does_not_change(name):
    _, steps = minimise(name, steps=5)
    for before, after in zip(steps, steps[1:], strict=False):
        assert not np.array_equal(before.state.x, after.state.x)


@pytest.mark.parametrize("name", [n for n, kind in OPTIMIZERS.items() if kind.resumes_exactly])
def test_going_on_from_a_state_is_exact(name):
    _, whole = minimise(name, steps=20)
    _, first = minimise(name, steps=8)
    _, second = minimise(name, steps=20, state=first[-1].state)
    assert len(first) + len(second) == len(whole) >= 10
    assert np.array_equal(second[-1].state.x, whole[-1].state.x)
    assert second[-1].evaluation.loss == whole[-1].evaluation.loss


@pytest.mark.parametrize("name", ["lbfgs", "lbfgsb"])
def test_lbfgs_counts_on_from_a_state(name):
    _, first = minimise(name, steps=3)
    reason, second = minimise(name, steps=5, state=first[-1].state)
    assert [step.state.iterations for step in second] == [4, 5]
    assert second[0].state.evaluations > first[-1].state.evaluations
    assert reason == "all 5 steps are done"


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_can_be_stopped_from_outside(name):
    reason, steps = minimise(name, on_step=lambda step: "enough" if len(step.state.x) else None)
    assert reason == "enough"
    assert len(steps) == 1


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_interrupt_passes_through(name):
    def interrupted(x):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        minimise(name, evaluate=interrupted)


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("what", ["loss", "gradient"])
def test_divergence_is_told(name, what):
    def broken(x):
        good = valley(x)
        if what == "loss":
            return good._replace(loss=float("nan"))
        return good._replace(dL_dx=np.full_like(good.dL_dx, np.inf))

    reason, steps = minimise(name, evaluate=broken)
    assert reason == DIVERGED
    assert not steps


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_no_steps_left_is_no_work(name):
    def must_not_run(x):
        raise AssertionError("evaluated")

    reason, _ = minimise(name, steps=3, evaluate=must_not_run, state=State(START, iterations=3))
    assert reason == "all 3 steps are done"


@pytest.mark.parametrize("name", ["lbfgs", "lbfgsb"])
def test_lbfgs_says_in_words_that_it_converged(name):
    reason, _ = minimise(name)
    assert reason.startswith("converged: ")

    def flat(x):
        return Evaluation(1.0, np.zeros_like(x), {})

    assert "gradient is zero" in minimise(name, evaluate=flat)[0]


def test_lbfgs_stops_where_what_is_left_to_gain_is_lost_in_the_loss():
    def high(x):
        there = valley(x)
        return Evaluation(1e11 + there.loss, there.dL_dx, there.terms)

    reason, taken = minimise("lbfgs", evaluate=high)
    assert reason == LOSS_IS_LEVEL and 1 <= len(taken) < 10


def test_momentum_is_the_textbook_formula():
    _, steps = minimise("momentum", steps=3, rate=0.001)
    x, velocity = START.astype(float), 0.0
    for step in steps:
        velocity = 0.9 * velocity + 0.001 * CURVATURE * (x - TARGET)
        x = np.clip(x - velocity, 0, 1)
        assert np.allclose(step.state.x, x, atol=1e-6)


def test_adams_first_step_is_the_rate_against_the_gradients_sign():
    _, steps = minimise("adam", steps=1, rate=0.01)
    moved = steps[0].state.x - START
    assert np.allclose(moved, -0.01 * np.sign(START - TARGET), atol=1e-6)


@pytest.mark.parametrize("name", ["adam", "momentum"])
def test_the_average_is_that_of_the_pictures_with_their_weights(name):
    taken, d = [], 0.8
    optimizer = make_optimizer(name, 0.003, average=d)
    assert "average" in optimizer.arrays
    optimizer.minimise(valley, State(START), 6, lambda step: taken.append(step))
    pictures = np.array([START, *(step.state.x for step in taken)], np.float64)
    for n, step in enumerate(taken, start=2):
        weights = d ** np.arange(n)[::-1]
        expected = np.tensordot(weights / weights.sum(), pictures[:n], axes=1)
        assert np.allclose(step.average, expected, atol=1e-6)
    again = []
    optimizer.minimise(valley, taken[2].state, 6, lambda step: again.append(step))
    assert np.array_equal(again[-1].average, taken[-1].average)


@pytest.mark.parametrize("name", ["adam", "momentum"])
def test_averages_go_to_another_size_and_unit(name):
    """Of a gradient that is the same everywhere, in other units: the next move is the same."""
    optimizer = make_optimizer(name, 0.001)  # far from the bounds

    def slope(factor):
        return lambda x: Evaluation(0.0, np.full_like(x, factor), {})

    taken, after = [], []
    optimizer.minimise(slope(1.0), State(START), 4, taken.append)
    before = taken[-1].state
    averages = enlarged_averages(optimizer, before, lambda a: np.repeat(a, 2, axis=0))
    assert set(averages) == set(optimizer.powers) and "dL_dx" not in averages
    larger = State(np.repeat(before.x, 2, axis=0), arrays=averages, earlier=4)
    optimizer.minimise(slope(5.0), in_units(optimizer, larger, 5.0), 2, after.append)
    optimizer.minimise(slope(1.0), before, 6, taken.append)
    ratio = 5.0 if name == "momentum" else 1.0  # Adam does not know units
    for n, step in enumerate(after):
        moved = larger.x - step.state.x
        expected = before.x - taken[4 + n].state.x
        assert np.allclose(moved, ratio * np.repeat(expected, 2, axis=0), atol=1e-6)
        assert step.state.earlier == 4


def test_adams_decays_are_its_own():
    plain = minimise("adam", steps=5, rate=0.01)[1][-1].state.x
    taken = []
    make_optimizer("adam", 0.01, beta1=0.5, beta2=0.9).minimise(
        valley, State(START), 5, lambda step: taken.append(step)
    )
    assert not np.array_equal(taken[-1].state.x, plain)


def test_lbfgs_two_loops_are_bfgs_unrolled():
    """Against the inverse as a matrix, updated as the formula is written."""
    rng, n = np.random.default_rng(0), START.size
    B = rng.uniform(0.5, 5, SHAPE)
    pairs = []
    for s in rng.standard_normal((4, *SHAPE)).astype(np.float32):
        pairs.append(_Pair(s, (B * s).astype(np.float32), float(np.vdot(s, B * s))))
    newest, bands = pairs[-1], Bands(START)
    multiples = bands.multiples(newest.s, newest.y)
    units = np.eye(n, dtype=np.float32).reshape(n, *SHAPE)
    H = np.array([bands.times(multiples, unit).ravel() for unit in units], np.float64)
    for s, y, s_y in pairs:
        left = np.eye(n) - np.outer(s, y) / s_y
        H = left @ H @ left.T + np.outer(s, s) / s_y
    g = rng.standard_normal(SHAPE).astype(np.float32)
    found = _times_inverse(g, pairs, bands)
    assert np.allclose(found.ravel(), H @ g.ravel(), rtol=1e-4, atol=1e-4)
    assert np.allclose(H @ newest.y.ravel(), newest.s.ravel(), rtol=1e-4, atol=1e-5)  # secant


@pytest.mark.parametrize("put", [None, np.asarray], ids=["fft", "products"])
@pytest.mark.parametrize("shape", [(1, 1, 3), (7, 40, 3), (5, PRODUCTS + 1, 3)])
def test_bands_are_symmetric_and_positive(shape, put):
    s, y, a, b = np.random.default_rng(5).standard_normal((4, *shape))
    y += 2 * s
    bands = Bands(a, put)
    multiples = bands.multiples(s, y)
    a_H_b, H_a_b = np.vdot(a, bands.times(multiples, b)), np.vdot(bands.times(multiples, a), b)
    assert a_H_b == pytest.approx(H_a_b, rel=1e-10)
    of_all = np.vdot(s, y) / np.vdot(y, y)
    assert multiples.min() > 0 and of_all / MOST <= multiples.min() * (1 + 1e-12)
    assert np.vdot(a, bands.times(multiples, a)) > 0
    assert np.allclose(bands.times(np.ones(shape), a), a)  # the bands are orthogonal, and all
    other = Bands(a, None if put else np.asarray)
    assert np.allclose(other.times(other.multiples(s, y), a), bands.times(multiples, a))


def test_bands_find_what_each_is_multiplied_by():
    """Of luminance and chroma, large and fine."""
    rng, shape = np.random.default_rng(6), (32, 48, 3)
    bands = Bands(np.zeros(shape))
    y = rng.standard_normal(shape)
    gammas = np.exp(rng.uniform(-1, 1, (OCTAVES, 2)))  # none ten times another
    wanted = (bands._members.T @ gammas[:, [0, 1, 1]]).reshape(shape)
    assert np.allclose(bands.multiples(bands.times(wanted, y), y), wanted)
    assert len(np.unique(wanted)) == 2 * OCTAVES
    waves = np.cos(np.pi / 48 * 47 * (np.arange(48) + 0.5))[None, :, None] * np.ones(shape)
    assert np.allclose(bands.times(wanted, waves), gammas[0, 0] * waves)  # fine, of luminance


def test_lbfgs_rarely_needs_a_second_evaluation():
    _, steps = minimise("lbfgs", steps=30)
    assert steps[-1].state.evaluations <= 1 + 1.3 * len(steps)


def test_lbfgs_gets_as_low_as_scipys_reference():
    for steps in (10, 20, 40):
        own, scipys = (minimise(name, steps=steps)[1][-1] for name in ("lbfgs", "lbfgsb"))
        assert own.evaluation.loss <= 1.01 * scipys.evaluation.loss


def test_lbfgs_begins_anew_where_its_memory_misleads():
    _, first = minimise("lbfgs", steps=5)
    state = first[-1].state
    misled = {name: -a if name[0] == "y" else a for name, a in state.arrays.items()}
    reason, steps = minimise("lbfgs", state=replace(state, arrays=misled))
    assert reason.startswith("converged")
    assert np.allclose(steps[-1].state.x, np.clip(TARGET, 0, 1), atol=2e-3)


def test_lbfgs_forgets_a_memory_that_points_uphill_at_once():
    state = minimise("lbfgs", steps=5)[1][-1].state
    misled = {name: -a if name[0] == "y" else a for name, a in state.arrays.items()}
    _, steps = minimise("lbfgs", steps=6, state=replace(state, arrays=misled))
    assert "s0" in steps[0].state.arrays and "s1" not in steps[0].state.arrays
    assert steps[0].state.evaluations < state.evaluations + 10  # no search was in vain


def steep(x):
    """√|x − ½| a pixel: its slope falls off, so that any curvature is met with the wrong sign."""
    D = x.astype(np.float64) - 0.5
    root = np.sqrt(np.abs(D) + 1e-3)
    return Evaluation(float(np.sum(root)), (np.sign(D) / (2 * root)).astype(np.float32), {})


def test_lbfgs_keeps_no_pair_that_met_no_curvature():
    start = State(np.full(SHAPE, 0.9, np.float32))
    _, steps = minimise("lbfgs", steps=3, evaluate=steep, state=start)
    assert steps[-1].evaluation.loss < steep(start.x).loss
    assert "s0" not in steps[0].state.arrays


def walled(x):
    """The valley, with a wall beyond which it is undefined, nearer than the first step's length."""
    if np.max(np.abs(x - START)) > 0.01:
        return Evaluation(float("nan"), np.zeros_like(x), {})
    return valley(x)


def test_lbfgs_shortens_a_step_that_leads_too_far():
    _, steps = minimise("lbfgs", steps=1, evaluate=walled)
    assert steps[0].state.evaluations > 2  # the start, the wall, and what was taken
    assert steps[0].evaluation.loss < valley(START).loss


def test_lbfgs_never_takes_a_step_up():
    def narrow(x):  # Rosenbrock's valley: x² = y is its floor
        x, y = x[..., 0].astype(np.float64), x[..., 1].astype(np.float64)
        off = y - x**2
        dL_dx, dL_dy = -400 * off * x - 2 * (1 - x), 200 * off
        gradient = np.stack([dL_dx, dL_dy, 0 * x], axis=2).astype(np.float32)
        return Evaluation(float(np.sum(100 * off**2 + (1 - x) ** 2)), gradient, {})

    _, steps = minimise("lbfgs", steps=40, evaluate=narrow)
    losses = [narrow(START).loss, *(step.evaluation.loss for step in steps)]
    assert all(np.diff(losses) < 0)
    assert steps[-1].state.evaluations > 1 + len(steps)  # some steps had to be shortened


def test_lbfgs_is_not_stopped_by_a_gradient_whose_squares_overflow():
    def large(x):
        loss, dL_dx, terms = valley(x)
        return Evaluation(loss * 1e25, dL_dx * np.float32(1e25), terms)

    with np.errstate(over="ignore"):
        _, steps = minimise("lbfgs", steps=1, evaluate=large)
    assert steps[0].evaluation.loss < large(START).loss
