"""[R2], and the ways to get it wrong."""

import numpy as np

from ... import ops
from .subject import Kinks, Mistake, Problem, Subject, numbers


def _draw(rng, shape) -> Problem:
    H, W, C, _ = shape
    # Of all sizes: a mask of x > 0.01, or a ReLU that is cut off at 6, must show.
    x = numbers(rng, H, W, C) * rng.choice([1e-9, 1e-3, 1.0, 8.0], (H, W, C))
    return Problem({"dL_dy": numbers(rng, H, W, C), "x": x}, {"C": C, "H": H, "W": W})


def _draw_kinks(rng):
    """A problem with exact zeros in x: there any slope from 0 to 1 is a subgradient."""
    problem = _draw(rng, (4, 3, 2, 0))
    dL_dy, x = problem.arguments.values()
    x[rng.random(x.shape) < 0.4] = 0.0
    slope_low, slope_high = x > 0, x >= 0
    ends = dL_dy * slope_low, dL_dy * slope_high
    return problem, Kinks(np.minimum(*ends), np.maximum(*ends))


def _own(problem, backend):
    dL_dy, x = problem.arguments.values()
    return ops.relu_backward(dL_dy, ops.relu_forward(x, backend=backend)[1], backend=backend)


def _sigmoid(x):
    return (1 + np.tanh(x / 2)) / 2


_MISTAKES = (
    Mistake(
        "mask missing",
        "it is dL_dy itself: the mask x > 0 is missing",
        lambda dL_dy, x: dL_dy.copy(),
    ),
    Mistake(
        "mask from dL_dy",
        "the mask is that of dL_dy > 0: it is the input x that decides",
        lambda dL_dy, x: np.maximum(dL_dy, 0),
    ),
    Mistake(
        "mask from both",
        "the mask is that of x > 0 and of dL_dy > 0 (guided back-propagation): x alone decides",
        lambda dL_dy, x: np.maximum(dL_dy, 0) * (x > 0),
    ),
    Mistake(
        "mask inverted",
        "the mask is that of x < 0: the wrong inequality",
        lambda dL_dy, x: dL_dy * (x < 0),
    ),
    Mistake(
        "multiplied by the output",
        "dL_dy is multiplied by max(x, 0), the output; the slope of a ReLU is 0 or 1",
        lambda dL_dy, x: dL_dy * np.maximum(x, 0),
    ),
    Mistake(
        "multiplied by the input",
        "dL_dy is multiplied by x: the slope of a ReLU is 0 or 1",
        lambda dL_dy, x: dL_dy * x,
    ),
    Mistake(
        "dL_dy forgotten",
        "it is the mask alone: by the chain rule it is to be multiplied with dL_dy",
        lambda dL_dy, x: (x > 0).astype(float),
    ),
    Mistake(
        "forward instead of backward",
        "it is max(x, 0), the forward",
        lambda dL_dy, x: np.maximum(x, 0),
    ),
    Mistake(
        "slope of the absolute value",
        "where x < 0 the slope is −1, as that of |x|; a ReLU's is 0",
        lambda dL_dy, x: dL_dy * np.sign(x),
    ),
    Mistake(
        "leaky",
        "where x < 0 the slope is 0.01, as that of a leaky ReLU; here it is 0",
        lambda dL_dy, x: dL_dy * np.where(x > 0, 1, 0.01),
    ),
    Mistake(
        "cut off at 6",
        "where x > 6 the slope is 0, as that of ReLU6; here it is 1",
        lambda dL_dy, x: dL_dy * ((x > 0) & (x < 6)),
    ),
    Mistake(
        "slope of a sigmoid",
        "the slope is σ(x)(1 − σ(x)), as that of a sigmoid; that of a ReLU is 0 or 1",
        lambda dL_dy, x: dL_dy * _sigmoid(x) * _sigmoid(-x),
    ),
    Mistake(
        "slope of a softplus",
        "the slope is σ(x), as that of a softplus; that of a ReLU is 0 or 1",
        lambda dL_dy, x: dL_dy * _sigmoid(x),
    ),
    Mistake(
        "slope of a hyperbolic tangent",
        "the slope is 1 − tanh²(x); that of a ReLU is 0 or 1",
        lambda dL_dy, x: dL_dy * (1 - np.tanh(x) ** 2),
    ),
    *(
        Mistake(
            f"threshold {threshold:g}",
            f"the mask is that of x > {threshold:g}: the kink is at 0",
            lambda dL_dy, x, threshold=threshold: dL_dy * (x > threshold),
        )
        for threshold in (1.0, 0.5, 0.1, 0.01, 1e-6)
    ),
    Mistake(
        "mask of the mean over the channels",
        "one mask serves all channels: each entry of x has its own",
        lambda dL_dy, x: dL_dy * (x.mean(axis=2, keepdims=True) > 0),
    ),
    Mistake(
        "mask of reversed rows and columns",
        "the mask is upside down or mirrored",
        lambda dL_dy, x: dL_dy * (x[::-1, ::-1] > 0),
    ),
)

RELU = Subject(
    name="relu_backward",
    identifier="R2",
    formula="dL_dx = dL_dy where x > 0, else 0",
    gives="dL_dx",
    describe="""y = max(x, 0); at x = 0 any slope from 0 to 1 will do.
    dL_dy and x (H, W, C) → dL_dx (H, W, C)""",
    draw=_draw,
    variable=lambda problem: problem.arguments["x"],
    loss=lambda problem, x, backend: np.sum(
        problem.arguments["dL_dy"] * ops.relu_forward(x, backend=backend)[0]
    ),
    own=_own,
    right=lambda dL_dy, x: dL_dy * (x > 0),
    summands=lambda problem: 1,
    parts=lambda dL_dy, x: {"the gradient where x > 0": dL_dy * (x > 0)},
    extras=lambda dL_dy, x: {"the gradient where x < 0, which is 0,": dL_dy * (x < 0)},
    mistakes=_MISTAKES,
    draw_kinks=_draw_kinks,
    branches=("relu",),
)
