"""[T8], and the ways to get it wrong."""

import numpy as np

from ... import losses
from .neighbours import differences, to_both_ends
from .subject import Mistake, Problem, Subject, numbers


def _diagonals(x, beyond="edge"):
    padded = np.pad(x, ((1, 1), (1, 1), (0, 0)), beyond)
    return padded[1:, 1:] - padded[:-1, :-1], padded[1:, :-1] - padded[:-1, 1:]


def _by_side(x):
    return to_both_ends(*(4 * d / (3 * x.size) for d in differences(x)))


def _by_corner(x, beyond="edge", copies=True, of_both=(1, 1), ends=(1, 1)):
    """What may be varied: what lies `beyond` the border, whether its `copies` within get its
    share, how much there is `of_both` diagonals, and what their far and near `ends` get."""
    H, W, C = x.shape
    gradient = np.zeros((H + 2, W + 2, C), x.dtype)
    e, f = _diagonals(x, beyond)
    e, f = (
        share * d / (3 * (H + 1) * (W + 1) * C) for share, d in zip(of_both, (e, f), strict=True)
    )
    gradient[1:, 1:] += ends[0] * e
    gradient[:-1, :-1] -= ends[1] * e
    gradient[1:, :-1] += ends[0] * f
    gradient[:-1, 1:] -= ends[1] * f
    if copies:
        for border, inner in ((0, 1), (-1, -2)):
            gradient[inner] += gradient[border]
            gradient[:, inner] += gradient[:, border]
    return gradient[1:-1, 1:-1]


def _nine_point(x, **varied):
    return _by_side(x) + _by_corner(x, **varied)


def _inner_windows_only(x):
    """Without the windows that reach beyond the border."""
    H, W, C = x.shape
    gradient = np.zeros_like(x)
    e = (x[1:, 1:] - x[:-1, :-1]) / (3 * (H + 1) * (W + 1) * C)
    f = (x[1:, :-1] - x[:-1, 1:]) / (3 * (H + 1) * (W + 1) * C)
    gradient[1:, 1:] += e
    gradient[:-1, :-1] -= e
    gradient[1:, :-1] += f
    gradient[:-1, 1:] -= f
    return _by_side(x) + gradient


def _count_of_windows(x):
    """The number of pixels in the place of that of the windows."""
    H, W, _ = x.shape
    return _by_side(x) + _by_corner(x) * (H + 1) * (W + 1) / (H * W)


_NINE_POINT_MISTAKES = (
    Mistake("no corners", "the diagonal pairs are missing", _by_side),
    Mistake("no sides", "the pairs below and beside each other are missing", _by_corner),
    Mistake(
        "one diagonal only",
        "only the diagonal from the upper left to the lower right is there; each window has two",
        lambda x: _nine_point(x, of_both=(1, 0)),
    ),
    Mistake(
        "the other diagonal only",
        "only the diagonal from the upper right to the lower left is there; each window has two",
        lambda x: _nine_point(x, of_both=(0, 1)),
    ),
    Mistake(
        "copies keep their share",
        "what the pixels beyond the border get is lost: they are copies of those at the border, "
        "which get it",
        lambda x: _nine_point(x, copies=False),
    ),
    Mistake(
        "inner windows only",
        "the windows that reach beyond the border are missing; there are (H+1)(W+1)",
        _inner_windows_only,
    ),
    Mistake(
        "windows counted as pixels",
        "the squares of the diagonals are divided by H·W·C: there are (H+1)(W+1) windows",
        _count_of_windows,
    ),
    Mistake(
        "corners as heavy as sides",
        "a pair by corner weighs as much as one by side: it has a quarter of that",
        lambda x: _by_side(x) + 4 * _by_corner(x),
    ),
    Mistake(
        "zeros beyond the border",
        "beyond the border are zeros: there are copies of the border's pixels",
        lambda x: _nine_point(x, beyond="constant", copies=False),
    ),
    Mistake(
        "mirrored beyond the border",
        "beyond the border the picture is mirrored: there are copies of the border's pixels",
        lambda x: _nine_point(x, beyond="reflect", copies=False),
    ),
    Mistake(
        "far ends of the diagonals only",
        "each diagonal's difference is given to its far pixel only; the near one gets the same "
        "with the other sign",
        lambda x: _nine_point(x, ends=(1, 0)),
    ),
    Mistake(
        "near ends of the diagonals only",
        "each diagonal's difference is taken from its near pixel only; the far one gets the same "
        "with the other sign",
        lambda x: _nine_point(x, ends=(0, 1)),
    ),
    Mistake(
        "diagonals with one sign",
        "both pixels of a diagonal get the difference with the same sign",
        lambda x: _nine_point(x, ends=(1, -1)),
    ),
)


def _draw_picture(rng, shape) -> Problem:
    H, W, C, _ = shape
    return Problem({"x": numbers(rng, H, W, C)}, {"C": C, "H": H, "W": W})


def _own_nine_point(problem, backend):
    _, cache = losses.nine_point_variation_forward(problem.arguments["x"], backend=backend)
    return losses.nine_point_variation_backward(1.0, cache, backend=backend)


NINE_POINT_VARIATION = Subject(
    name="nine_point_tv_backward",
    identifier="T8",
    formula="dL_dx = Σ ± 2c (far − near)",
    gives="dL_dx",
    describe="""L = 2/(3HWC) Σ (d² + r²) + 1/(6(H+1)(W+1)C) Σ (e² + f²). d, r: the differences to
    the pixels below and to the right, within the picture. p: the picture with a copy of its border
    around; e = p[i+1,j+1] − p[i,j] and f = p[i+1,j] − p[i,j+1], for all (H+1)(W+1) windows of p.
    x (H, W, C) → dL_dx (H, W, C)""",
    draw=_draw_picture,
    variable=lambda problem: problem.arguments["x"],
    loss=lambda problem, x, backend: losses.nine_point_variation_forward(x, backend=backend)[0],
    own=_own_nine_point,
    right=_nine_point,
    summands=lambda problem: 24,
    mistakes=_NINE_POINT_MISTAKES,
    hints={
        "1/2": "the derivative of d² is 2 d",
        "2": "[T7] has the factors 2/3 and 1/6, the square brings 2: 4/3 and 1/3",
        "-1": "the sign: far minus near is added to far, and taken from near",
        "C·H·W": "[T7] is a mean, not a sum",
        "H·W": "[T7] is a mean, not a sum",
    },
)
