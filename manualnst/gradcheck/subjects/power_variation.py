"""[T4], and the ways to get it wrong."""

from collections.abc import Callable

import numpy as np

from ... import losses
from .neighbours import differences, draw_with, to_both_ends, to_far, variation
from .subject import Mistake, Subject


def _power_slopes(x, beta, beyond="edge"):
    down, right = differences(x, beyond)
    slope = beta * (down**2 + right**2) ** (beta / 2 - 1)
    return slope * down, slope * right


def _power(x, beta, beyond="edge"):
    return to_both_ends(*_power_slopes(x, beta, beyond))


def _power_with(slope: Callable):
    """The gradient with slope(squares, β) in the place of β (d² + r²)^{β/2 − 1}."""

    def wrong(x, beta):
        down, right = differences(x)
        factor = slope(down**2 + right**2, beta)
        return to_both_ends(factor * down, factor * right)

    return wrong


def _pairs_alone(x, beta):
    slopes = (beta * np.abs(d) ** (beta - 1) * np.sign(d) for d in differences(x))
    return to_both_ends(*slopes)


def _without_last_row_and_column(x, beta):
    kept = np.zeros_like(x)
    kept[:-1, :-1] = 1
    down, right = _power_slopes(x, beta)
    return to_both_ends(kept * down, kept * right)


def _with_pixels_before(x, beta):
    """The length of the slope to the pixels above and to the left."""
    return _power(x[::-1, ::-1], beta)[::-1, ::-1]


def _channels_together(x, beta):
    down, right = differences(x)
    squares = np.sum(down**2 + right**2, axis=2, keepdims=True)
    slope = beta * squares ** (beta / 2 - 1)
    return to_both_ends(slope * down, slope * right)


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
        lambda x, beta: to_far(*_power_slopes(x, beta)),
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
        lambda x, beta: to_both_ends(*map(np.abs, _power_slopes(x, beta))),
    ),
)


def _power_subject(normalisation: str, identifier: str, formula: str, **known) -> Subject:
    return variation(
        "power_tv_backward",
        losses.power_variation_forward,
        losses.power_variation_backward,
        normalisation,
        identifier=identifier,
        formula=formula,
        describe="""L = Σ_ijc (d² + r²)^{β/2} with d = x[i+1,j,c] − x[i,j,c] and
    r = x[i,j+1,c] − x[i,j,c], each 0 where that neighbour is missing. x (H, W, C), beta, a number
    above 2 → dL_dx (H, W, C)""",
        draw=draw_with("beta", (2.5, 3.0, 3.5)),
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
