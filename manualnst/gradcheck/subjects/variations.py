"""[T4], [T6] and [T8], and the ways to get them wrong."""

from collections.abc import Callable

import numpy as np

from ... import losses
from .subject import Mistake, Problem, Subject, numbers


def _differences(x, beyond: str = "edge"):
    """To the pixel below and to the one on the right; `beyond` says what lies outside."""
    padded = np.pad(x, ((0, 1), (0, 1), (0, 0)), beyond)
    return padded[1:, :-1] - x, padded[:-1, 1:] - x


def _to_both_ends(down, right):
    """Each slope added to the far pixel of its pair, taken from the near one."""
    return _to_far(down, right) - down - right


def _to_far(down, right):
    shares = np.zeros_like(down)
    shares[1:] += down[:-1]
    shares[:, 1:] += right[:, :-1]
    return shares


def _draw(name: str, values: tuple[float, ...]):
    """x, and a parameter of this name that is one of these values."""

    def draw(rng, shape) -> Problem:
        H, W, C, _ = shape
        parameter = float(rng.choice(values))
        sizes = {"C": C, "H": H, "W": W, name: parameter}
        return Problem({"x": numbers(rng, H, W, C), name: parameter}, sizes)

    return draw


def _subject(name: str, forward: Callable, backward: Callable, normalisation="paper", **known):
    def forward_at(problem, x, backend):
        _, parameter = problem.arguments.values()
        return forward(x, parameter, normalisation, backend=backend)

    def own(problem, backend):
        _, cache = forward_at(problem, problem.arguments["x"], backend)
        return backward(1.0, cache, backend=backend)

    return Subject(
        name=name,
        gives="dL_dx",
        variable=lambda problem: problem.arguments["x"],
        loss=lambda problem, x, backend: forward_at(problem, x, backend)[0],
        own=own,
        summands=lambda problem: 8,
        is_polynomial=False,
        **known,
    )


# [T4]


def _power_slopes(x, beta, beyond="edge"):
    down, right = _differences(x, beyond)
    slope = beta * (down**2 + right**2) ** (beta / 2 - 1)
    return slope * down, slope * right


def _power(x, beta, beyond="edge"):
    return _to_both_ends(*_power_slopes(x, beta, beyond))


def _power_with(slope: Callable):
    """With slope(squares, β) in the place of β (d² + r²)^{β/2 − 1}."""

    def wrong(x, beta):
        down, right = _differences(x)
        factor = slope(down**2 + right**2, beta)
        return _to_both_ends(factor * down, factor * right)

    return wrong


def _pairs_alone(x, beta):
    slopes = (beta * np.abs(d) ** (beta - 1) * np.sign(d) for d in _differences(x))
    return _to_both_ends(*slopes)


def _without_last_row_and_column(x, beta):
    kept = np.zeros_like(x)
    kept[:-1, :-1] = 1
    down, right = _power_slopes(x, beta)
    return _to_both_ends(kept * down, kept * right)


def _with_pixels_before(x, beta):
    """The length of the slope to the pixels above and to the left."""
    return _power(x[::-1, ::-1], beta)[::-1, ::-1]


def _channels_together(x, beta):
    down, right = _differences(x)
    squares = np.sum(down**2 + right**2, axis=2, keepdims=True)
    slope = beta * squares ** (beta / 2 - 1)
    return _to_both_ends(slope * down, slope * right)


def _power_wrapped(x, beta):
    down, right = np.roll(x, -1, axis=0) - x, np.roll(x, -1, axis=1) - x
    slope = beta * (down**2 + right**2) ** (beta / 2 - 1)
    down, right = slope * down, slope * right
    return np.roll(down, 1, axis=0) + np.roll(right, 1, axis=1) - down - right


_POWER_MISTAKES = (
    Mistake(
        "power not lowered",
        "the power is still β/2: the derivative of s^{β/2} has β/2 − 1",
        _power_with(lambda squares, beta: beta * squares ** (beta / 2)),
    ),
    Mistake(
        "power lowered by ½",
        "the power is β/2 − ½: that of the length is lowered by one, that of its square as well",
        _power_with(lambda squares, beta: beta * squares ** ((beta - 1) / 2)),
    ),
    Mistake(
        "power of the square",
        "the power is β − 1: d² + r² is the square of the length, and has the power β/2",
        _power_with(lambda squares, beta: 2 * beta * squares ** (beta - 1)),
    ),
    Mistake(
        "power forgotten",
        "it is the gradient of Σ (d² + r²), as if β were 2",
        _power_with(lambda squares, beta: 2 * np.ones_like(squares)),
    ),
    Mistake(
        "each pair to its own power",
        "each difference is raised to β by itself, Σ |d|^β + |r|^β: here it is the length of both",
        _pairs_alone,
    ),
    Mistake(
        "pairs of the last row and column left out",
        "the last row and the last column are left out, with the pairs in them: a pixel without a "
        "neighbour on one side still has one on the other",
        _without_last_row_and_column,
    ),
    Mistake(
        "pixels before in the place of those after",
        "the length is that of the differences to the pixels above and to the left: [T3] takes "
        "those below and to the right",
        _with_pixels_before,
    ),
    Mistake(
        "channels taken together",
        "d² + r² is summed over the channels: each channel has a length of its own",
        _channels_together,
    ),
    Mistake(
        "far pixel only",
        "each difference is given to the far pixel of its pair only; the near one gets the same "
        "with the other sign",
        lambda x, beta: _to_far(*_power_slopes(x, beta)),
    ),
    Mistake(
        "near pixel only",
        "each difference is taken from the near pixel of its pair only; the far one gets the same "
        "with the other sign",
        lambda x, beta: -sum(_power_slopes(x, beta)),
    ),
    Mistake(
        "border wraps around",
        "the border wraps around (np.roll?): the first and last row, or column, are no neighbours",
        _power_wrapped,
    ),
    Mistake(
        "power slopes without signs",
        "each difference lost its sign",
        lambda x, beta: _to_both_ends(*map(np.abs, _power_slopes(x, beta))),
    ),
)


def _power_subject(normalisation: str, identifier: str, formula: str, **known) -> Subject:
    return _subject(
        "power_tv_backward",
        losses.power_variation_forward,
        losses.power_variation_backward,
        normalisation,
        identifier=identifier,
        formula=formula,
        describe="""L = Σ_ijc (d² + r²)^{β/2} with d = x[i+1,j,c] − x[i,j,c] and
    r = x[i,j+1,c] − x[i,j,c], each 0 where that neighbour is missing. x (H, W, C), beta, a number
    above 2 → dL_dx (H, W, C)""",
        draw=_draw("beta", (2.5, 3.0, 3.5)),
        right=_power,
        **known,
    )


POWER_VARIATION = _power_subject(
    "paper",
    "T4",
    "dL_dx = Σ ± β (d² + r²)^{β/2−1} d",
    mistakes=_POWER_MISTAKES,
    hints={
        "1/2": "the power brings β/2, and d² brings 2 d: β in all",
        "2": "the power brings β/2, and d² brings 2 d: β in all",
        "1/beta": "the factor β is missing: β/2 of the power, times 2 of the square",
        "2/beta": "the factor of the power, β/2, is missing",
        "-1": "the sign: far minus near is added to far, and taken from near",
    },
)
NORMALISED_POWER_VARIATION = _power_subject(
    "relative", "V3", "dL_dx = Σ ± β (d² + r²)^{β/2−1} d/(3HW)"
)

# [T6]


def _smoothed_with(slope: Callable):
    """With slope(d, ε) in the place of d/√(d² + ε²)."""

    def gradient(x, epsilon):
        return _to_both_ends(*(slope(d, epsilon) for d in _differences(x)))

    return gradient


def _pull(d, epsilon):
    return d / np.sqrt(d**2 + epsilon**2)


def _jointly(x, epsilon):
    down, right = _differences(x)
    length = np.sqrt(down**2 + right**2 + epsilon**2)
    return _to_both_ends(down / length, right / length)


def _smoothed_wrapped(x, epsilon):
    gradient = np.zeros_like(x)
    for axis in (0, 1):
        pull = _pull(np.roll(x, -1, axis) - x, epsilon)
        gradient += np.roll(pull, 1, axis) - pull
    return gradient


_SMOOTHED_MISTAKES = (
    Mistake(
        "sign of the difference",
        "each pair pulls with the sign of its difference, as |d| does: near 0 the pull is smaller",
        _smoothed_with(lambda d, epsilon: np.sign(d)),
    ),
    Mistake(
        "root forgotten",
        "the root below d is missing: d/(d² + ε²)",
        _smoothed_with(lambda d, epsilon: d / (d**2 + epsilon**2)),
    ),
    Mistake(
        "ε not squared",
        "it is d/√(d² + ε): ε is squared below the root",
        _smoothed_with(lambda d, epsilon: d / np.sqrt(d**2 + epsilon)),
    ),
    Mistake(
        "ε beside the root",
        "it is d/(|d| + ε): the root is that of the sum of squares",
        _smoothed_with(lambda d, epsilon: d / (np.abs(d) + epsilon)),
    ),
    Mistake(
        "clipped at ε",
        "it is d/ε, clipped to [−1, 1], the slope of Huber's loss; this one is d/√(d² + ε²)",
        _smoothed_with(lambda d, epsilon: np.clip(d / epsilon, -1, 1)),
    ),
    Mistake(
        "square not smoothed",
        "it is Σ 2 d, the gradient of [T1]: here the root is differentiated as well",
        _smoothed_with(lambda d, epsilon: 2 * d),
    ),
    Mistake(
        "loss in the place of its slope",
        "it is √(d² + ε²) − ε, the loss of a pair; its derivative is d/√(d² + ε²)",
        _smoothed_with(lambda d, epsilon: np.sqrt(d**2 + epsilon**2) - epsilon),
    ),
    Mistake(
        "both differences below one root",
        "the root is that of d² + r² + ε², the length of both: each pair has a root of its own",
        _jointly,
    ),
    Mistake(
        "far pixel only",
        "each pull is given to the far pixel of its pair only; the near one gets the same with the "
        "other sign",
        lambda x, epsilon: _to_far(*(_pull(d, epsilon) for d in _differences(x))),
    ),
    Mistake(
        "near pixel only",
        "each pull is given to the near pixel of its pair only; the far one gets the same with the "
        "other sign",
        lambda x, epsilon: -sum(_pull(d, epsilon) for d in _differences(x)),
    ),
    Mistake(
        "border wraps around",
        "the border wraps around (np.roll?): the first and last row, or column, are no neighbours",
        _smoothed_wrapped,
    ),
    Mistake(
        "zeros beyond the border",
        "beyond the border are zeros: a pixel at the border simply has fewer pairs",
        lambda x, epsilon: _to_both_ends(*(_pull(d, epsilon) for d in _differences(x, "constant"))),
    ),
    Mistake(
        "rows only",
        "only the pairs below each other are there; those beside each other are missing",
        lambda x, epsilon: _to_both_ends(_pull(_differences(x)[0], epsilon), np.zeros_like(x)),
    ),
    Mistake(
        "columns only",
        "only the pairs beside each other are there; those below each other are missing",
        lambda x, epsilon: _to_both_ends(np.zeros_like(x), _pull(_differences(x)[1], epsilon)),
    ),
)


def _smoothed_subject(normalisation: str, identifier: str, formula: str, **known) -> Subject:
    return _subject(
        "smoothed_tv_backward",
        losses.smoothed_variation_forward,
        losses.smoothed_variation_backward,
        normalisation,
        identifier=identifier,
        formula=formula,
        describe="""L = Σ (√(d² + ε²) − ε) over the differences d of all pairs of neighbours, below
    and beside each other, within the picture. x (H, W, C), epsilon, a number → dL_dx (H, W, C)""",
        draw=_draw("epsilon", (0.4, 0.7, 1.1)),
        right=_smoothed_with(_pull),
        **known,
    )


SMOOTHED_VARIATION = _smoothed_subject(
    "paper",
    "T6",
    "dL_dx = Σ ± d/√(d² + ε²)",
    mistakes=_SMOOTHED_MISTAKES,
    hints={
        "2": "the square below the root brings 2, the root ½: 1 in all",
        "1/2": "the square below the root brings 2, the root ½: 1 in all",
        "epsilon": "[T5] is not divided by ε",
        "1/epsilon": "[T5] is not divided by ε",
        "-1": "the sign: far minus near is added to far, and taken from near",
    },
)
NORMALISED_SMOOTHED_VARIATION = _smoothed_subject(
    "relative", "V3", "dL_dx = Σ ± d/√(d² + ε²)/(3HW)"
)

# [T8]


def _diagonals(x, beyond="edge"):
    padded = np.pad(x, ((1, 1), (1, 1), (0, 0)), beyond)
    return padded[1:, 1:] - padded[:-1, :-1], padded[1:, :-1] - padded[:-1, 1:]


def _by_side(x):
    return _to_both_ends(*(4 * d / (3 * x.size) for d in _differences(x)))


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
