"""[T6], and the ways to get it wrong."""

from collections.abc import Callable

import numpy as np

from ... import losses
from .neighbours import differences, draw_with, to_both_ends, to_far, variation
from .subject import Mistake, Subject


def _smoothed_with(slope: Callable):
    """The gradient with slope(d, ε) in the place of d/√(d² + ε²)."""

    def gradient(x, epsilon):
        return to_both_ends(*(slope(d, epsilon) for d in differences(x)))

    return gradient


def _pull(d, epsilon):
    return d / np.sqrt(d**2 + epsilon**2)


def _jointly(x, epsilon):
    down, right = differences(x)
    length = np.sqrt(down**2 + right**2 + epsilon**2)
    return to_both_ends(down / length, right / length)


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
        lambda x, epsilon: to_far(*(_pull(d, epsilon) for d in differences(x))),
    ),
    Mistake(
        "near pixel only",
        "each pull is given to the near pixel of its pair only; the far one gets the same with the "
        "other sign",
        lambda x, epsilon: -sum(_pull(d, epsilon) for d in differences(x)),
    ),
    Mistake(
        "border wraps around",
        "the border wraps around (np.roll?): the first and last row, or column, are no neighbours",
        _smoothed_wrapped,
    ),
    Mistake(
        "zeros beyond the border",
        "beyond the border are zeros: a pixel at the border simply has fewer pairs",
        lambda x, epsilon: to_both_ends(*(_pull(d, epsilon) for d in differences(x, "constant"))),
    ),
    Mistake(
        "rows only",
        "only the pairs below each other are there; those beside each other are missing",
        lambda x, epsilon: to_both_ends(_pull(differences(x)[0], epsilon), np.zeros_like(x)),
    ),
    Mistake(
        "columns only",
        "only the pairs beside each other are there; those below each other are missing",
        lambda x, epsilon: to_both_ends(np.zeros_like(x), _pull(differences(x)[1], epsilon)),
    ),
)


def _smoothed_subject(normalisation: str, identifier: str, formula: str, **known) -> Subject:
    return variation(
        "smoothed_tv_backward",
        losses.smoothed_variation_forward,
        losses.smoothed_variation_backward,
        normalisation,
        identifier=identifier,
        formula=formula,
        describe="""L = Σ (√(d² + ε²) − ε) over the differences d of all pairs of neighbours, below
    and beside each other, within the picture. x (H, W, C), epsilon, a number → dL_dx (H, W, C)""",
        draw=draw_with("epsilon", (0.4, 0.7, 1.1)),
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
