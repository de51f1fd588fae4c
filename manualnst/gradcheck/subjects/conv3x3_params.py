"""[C3], the gradients of filters and bias, and the ways to get them wrong."""

import numpy as np

from ... import ops
from .conv3x3 import NUMPY, SHIFTS, inside_only, shifted, sizes, weighted_output
from .subject import Mistake, Problem, Subject, numbers


def backward_w(dL_dy: np.ndarray, x: np.ndarray) -> np.ndarray:
    return ops.conv3x3_backward_params(dL_dy, x, backend=NUMPY)[0]


def _draw_filters(rng, shape) -> Problem:
    H, W, C, K = shape
    return Problem({"dL_dy": numbers(rng, H, W, K), "x": numbers(rng, H, W, C)}, sizes(shape))


def _filters_loss(problem, w, backend):
    dL_dy, x = problem.arguments.values()
    return weighted_output(dL_dy, x, w, np.zeros(w.shape[3]), backend)


def _filters_with_border(mode):
    """dL_dw when x is continued beyond its border in some way instead of by zeros."""

    def wrong(dL_dy, x):
        around = ((1, 1), (1, 1), (0, 0))
        return backward_w(np.pad(dL_dy, around), np.pad(x, around, mode))

    return wrong


def _last_only(dL_dy):
    kept = np.zeros_like(dL_dy)
    kept[-1, -1] = dL_dy[-1, -1]
    return kept


_FILTER_MISTAKES = (
    Mistake(
        "kernel turned",
        "the result is turned by 180°: x and dL_dy are exchanged, or the filters turned as in [C2]",
        lambda dL_dy, x: backward_w(dL_dy, x)[::-1, ::-1],
    ),
    Mistake(
        "mirrored top to bottom",
        "the result is mirrored top to bottom",
        lambda dL_dy, x: backward_w(dL_dy, x)[::-1],
    ),
    Mistake(
        "mirrored left to right",
        "the result is mirrored left to right",
        lambda dL_dy, x: backward_w(dL_dy, x)[:, ::-1],
    ),
    Mistake(
        "rows and columns exchanged",
        "rows and columns of the filters are exchanged",
        lambda dL_dy, x: backward_w(dL_dy, x).swapaxes(0, 1),
    ),
    Mistake(
        "channels reshaped instead of exchanged",
        "the result (3, 3, K, C) was reshaped to (3, 3, C, K) instead of being transposed",
        lambda dL_dy, x: (
            backward_w(dL_dy, x).swapaxes(2, 3).reshape(3, 3, x.shape[2], dL_dy.shape[2])
        ),
    ),
    Mistake(
        "border wraps around",
        "x wraps around at its border (np.roll?): beyond it are zeros",
        _filters_with_border("wrap"),
    ),
    Mistake(
        "border repeated",
        "the border of x is repeated outwards: beyond it are zeros",
        _filters_with_border("edge"),
    ),
    Mistake(
        "border left out",
        "the border of dL_dy is not used: with zero padding every entry of dL_dy counts",
        lambda dL_dy, x: backward_w(inside_only(dL_dy), x),
    ),
    Mistake(
        "border of x left out",
        "the border of x is not used: every entry of x counts",
        lambda dL_dy, x: backward_w(dL_dy, inside_only(x)),
    ),
    Mistake(
        "x forgotten",
        "x is missing: the result is that of an x full of ones",
        lambda dL_dy, x: backward_w(dL_dy, np.ones_like(x)),
    ),
    Mistake(
        "dL_dy forgotten",
        "dL_dy is missing: the result is that of a dL_dy full of ones",
        lambda dL_dy, x: backward_w(np.ones_like(dL_dy), x),
    ),
    Mistake(
        "last position only",
        "only the last position is there: assigned (=) where it is to be added up (+=)?",
        lambda dL_dy, x: backward_w(_last_only(dL_dy), x),
    ),
    Mistake(
        "same for all taps",
        "all nine taps are those of the centre: x is to be shifted for each",
        lambda dL_dy, x: np.broadcast_to(
            backward_w(dL_dy, x)[1, 1], (3, 3, x.shape[2], dL_dy.shape[2])
        ).copy(),
    ),
    Mistake(
        "centre tap only",
        "only the tap of the centre is there",
        lambda dL_dy, x: inside_only(backward_w(dL_dy, x)),
    ),
    *(
        Mistake(
            f"padding off by one: {name}",
            f"x is moved {name}: the padding is off by one",
            lambda dL_dy, x, shift=shift: backward_w(
                np.pad(dL_dy, ((1, 1), (1, 1), (0, 0))),
                shifted(np.pad(x, ((1, 1), (1, 1), (0, 0))), *shift),
            ),
        )
        for name, shift in SHIFTS.items()
    ),
)

FILTERS = Subject(
    name="conv3x3_backward_w",
    identifier="C3",
    formula="dL_dw[u,v] = Σ dL_dy[i,j] x[i+u−1, j+v−1]",
    gives="dL_dw",
    describe="y as in conv3x3_backward. dL_dy (H, W, K), x (H, W, C) → dL_dw (3, 3, C, K)",
    draw=_draw_filters,
    variable=lambda problem: np.zeros((3, 3, problem.sizes["C"], problem.sizes["K"])),
    loss=_filters_loss,
    own=lambda problem, backend: ops.conv3x3_backward_params(
        *problem.arguments.values(), backend=backend
    )[0],
    summands=lambda problem: problem.sizes["H"] * problem.sizes["W"],
    right=backward_w,
    mistakes=_FILTER_MISTAKES,
    hints={"1/M": "the filters' gradient is a sum over positions, not their mean"},
    is_linear=True,
)


def _draw_bias(rng, shape) -> Problem:
    H, W, _, K = shape
    return Problem({"dL_dy": numbers(rng, H, W, K)}, {"K": K, "H": H, "W": W})


def _bias_loss(problem, b, backend):
    [dL_dy] = problem.arguments.values()
    H, W, K = dL_dy.shape
    return weighted_output(dL_dy, np.zeros((H, W, 1)), np.zeros((3, 3, 1, K)), b, backend)


def _bias_own(problem, backend):
    [dL_dy] = problem.arguments.values()
    x = np.zeros((*dL_dy.shape[:2], 1), dL_dy.dtype)
    return ops.conv3x3_backward_params(dL_dy, x, backend=backend)[1]


def _for_every_channel(reduce):
    def wrong(dL_dy):
        return np.array([reduce(dL_dy[:, :, k], dL_dy) for k in range(dL_dy.shape[2])], dtype=float)

    return wrong


_BIAS_MISTAKES = (
    Mistake(
        "one position only",
        "it is dL_dy of the first position: b is added at every position, so they add up",
        _for_every_channel(lambda of_channel, dL_dy: of_channel[0, 0]),
    ),
    Mistake(
        "last position only",
        "only the last position is there: assigned (=) where it is to be added up (+=)?",
        _for_every_channel(lambda of_channel, dL_dy: of_channel[-1, -1]),
    ),
    Mistake(
        "first row only",
        "only the first row was added up: b is added at every position",
        _for_every_channel(lambda of_channel, dL_dy: of_channel[0].sum()),
    ),
    Mistake(
        "first column only",
        "only the first column was added up: b is added at every position",
        _for_every_channel(lambda of_channel, dL_dy: of_channel[:, 0].sum()),
    ),
    Mistake(
        "border left out",
        "the border of dL_dy was not added up: b is added at every position",
        _for_every_channel(lambda of_channel, dL_dy: of_channel[1:-1, 1:-1].sum()),
    ),
    Mistake(
        "channels added up",
        "the channels were added up as well: each has its own b",
        _for_every_channel(lambda of_channel, dL_dy: dL_dy.sum()),
    ),
    Mistake(
        "absolute values",
        "the absolute values were added up",
        _for_every_channel(lambda of_channel, dL_dy: np.abs(of_channel).sum()),
    ),
    Mistake(
        "largest",
        "it is the largest entry of each channel, not their sum",
        _for_every_channel(lambda of_channel, dL_dy: of_channel.max()),
    ),
    Mistake(
        "number of positions",
        "it is the number of positions: the derivative of y, not multiplied with dL_dy",
        _for_every_channel(lambda of_channel, dL_dy: of_channel.size),
    ),
    Mistake(
        "channels reshaped instead of kept",
        "dL_dy was reshaped to (K, M), which mixes positions and channels",
        lambda dL_dy: dL_dy.reshape(dL_dy.shape[2], -1).sum(axis=1),
    ),
)

BIAS = Subject(
    name="conv3x3_backward_b",
    identifier="C3",
    formula="dL_db = Σ dL_dy[i,j]",
    gives="dL_db",
    describe="y as in conv3x3_backward. dL_dy (H, W, K) → dL_db (K,)",
    draw=_draw_bias,
    variable=lambda problem: np.zeros(problem.sizes["K"]),
    loss=_bias_loss,
    own=_bias_own,
    right=lambda dL_dy: dL_dy.sum(axis=(0, 1)),
    summands=lambda problem: problem.sizes["H"] * problem.sizes["W"],
    mistakes=_BIAS_MISTAKES,
    hints={"1/M": "the positions add up; there is no mean"},
    is_linear=True,
)
