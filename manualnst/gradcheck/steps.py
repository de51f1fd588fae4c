"""The error of the oracles by their step: rounding on one side, truncation on the other."""

from collections.abc import Callable, Iterable

import numpy as np

from ..backends import get_backend
from ..pictures.plots import draw_errors
from .branches import Branches
from .oracles import complex_step, five_point, two_point
from .rounding import UNIT
from .subjects import EXERCISES, Problem, Subject

TWO_POINT, FIVE_POINT, COMPLEX_STEP = "two points", "five points, masks held", "complex step"

_SMALLEST = {TWO_POINT: 16, FIVE_POINT: 16, COMPLEX_STEP: 30}  # steps, as 10^−k
# Where an error of 0 is drawn. Two different doubles are at least this far apart, relatively: no
# error that is not 0 is drawn lower.
_FLOOR = UNIT["float64"]

_CAPTION = (
    "Left of its dot a difference is off by rounding (slope -1). Right of it two points are off by "
    "truncation (slope 2),",
    "and with long steps by the kinks of ReLUs between them. Five points with held masks have no "
    "truncation at all.",
    "The complex step subtracts nothing, so that no step is too small. An error of 0 is drawn at "
    f"{_FLOOR:.1e}.",
)


def draw_error_by_step() -> np.ndarray:
    """A picture (H, W, 3), float32 in [0, 1], of `error_by_step`."""
    return draw_errors(
        error_by_step(),
        title="relative error of the objective's slope by step",
        caption=_CAPTION,
        x_label="step h along a random direction",
        marked=(TWO_POINT, FIVE_POINT),
    )


_REMAINDER = (
    "What the loss at x + h d has beside L(x) + h times the slope of your gradient along d, a "
    "random direction.",
    "It falls with h squared (slope 2) where the gradient is right, until rounding is all that is "
    "left; with h (slope 1) where it is wrong.",
)


def draw_remainders(answers: Iterable[tuple[Subject, Problem, np.ndarray]]) -> np.ndarray:
    """The same of somebody's gradients: what a Taylor series to the first order leaves, by step."""
    return draw_errors(
        {subject.name: _remainders(subject, *rest) for subject, *rest in answers},
        title="Taylor's remainder by step",
        caption=_REMAINDER,
        x_label="step h along a random direction",
        marked=(),
    )


def _remainders(subject: Subject, problem: Problem, gradient) -> list[tuple[float, float]]:
    """(step, remainder, relative to the loss and its slope); at kinks of ReLUs masks are held."""
    backend, x = get_backend("numpy"), subject.variable(problem)
    recorder = Branches(backend)
    start = subject.loss(problem, x, recorder)
    d = np.random.default_rng(0).standard_normal(x.shape)
    slope = float(np.sum(gradient * d))
    size = abs(start) + abs(slope)

    def remainder(h: float) -> float:
        there = subject.loss(problem, x + h * d, Branches(backend, recorder.taken))
        return max(abs(there - start - h * slope) / size, _FLOOR)

    return [(h, remainder(h)) for h in (10 ** (-k / 2) for k in range(17))]


def error_by_step() -> dict[str, list[tuple[float, float]]]:
    """Oracle → (step, relative error) from the step 1 down, two steps in a decade.

    What is differentiated is the whole objective, along one random direction, in double
    precision. The error is the distance from the package's own gradient; 0 is given as 2⁻⁵³.
    """
    slope, oracles = _slope_and_oracles()
    return {
        name: [(h, max(abs(oracle(h) - slope) / abs(slope), _FLOOR)) for h in _steps(name)]
        for name, oracle in oracles.items()
    }


def _steps(name: str) -> list[float]:
    return [10 ** (-k / 2) for k in range(2 * _SMALLEST[name] + 1)]


def _slope_and_oracles() -> tuple[float, dict[str, Callable[[float], float]]]:
    """The slope by the package's own gradient, and by the oracles as functions of their step."""
    subject, backend = EXERCISES["objective_backward"], get_backend("numpy")
    rng = np.random.default_rng(0)
    problem = subject.draw(rng, subject.shapes[0])
    x = subject.variable(problem)
    d = rng.standard_normal(x.shape)
    recorder = Branches(backend)
    slope = float(np.sum(subject.own(problem, recorder) * d))

    def free(x):
        return subject.loss(problem, x, backend)

    def held(x):
        return subject.loss(problem, x, Branches(backend, recorder.taken))

    # The last lies on top in the plot: where two lines coincide, the knee of two points is seen.
    return slope, {
        COMPLEX_STEP: lambda h: complex_step(free, x, d, h),
        FIVE_POINT: lambda h: five_point(held, x, d, h),
        TWO_POINT: lambda h: two_point(free, x, d, h),
    }
