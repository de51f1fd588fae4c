"""[H5], and the ways to get it wrong."""

from collections.abc import Callable

import numpy as np

from ... import losses
from .gram import matrix
from .subject import Kinks, Mistake, Problem, Subject, numbers


def _draw(rng, shape) -> Problem:
    H, W, N, _ = shape
    arguments = {"F": numbers(rng, H, W, N), "S": 1 + 2 * numbers(rng, H, W, N)}
    return Problem(arguments, {"N": N, "H": H, "W": W})


def _forward(problem, F, normalisation, backend):
    S = problem.arguments["S"].astype(F.dtype)
    target = losses.histogram_target(S.real, backend=backend)
    target = target._replace(values=target.values.astype(F.dtype))
    return losses.histogram_forward(F, target, normalisation, backend=backend)


def _matched(F, S):
    """S's values of each channel, given out in the order of F's."""
    R = np.empty_like(matrix(F))
    for i, channel in enumerate(matrix(F).T):
        R[np.argsort(channel, kind="stable"), i] = np.sort(matrix(S)[:, i])
    return R.reshape(F.shape)


def _draw_kinks(rng):
    """A problem with equal values: any order of theirs will do, and their gradients have one
    sum."""
    problem = _draw(rng, (4, 3, 2, 0))
    F, S = problem.arguments.values()
    F[rng.random(F.shape) < 0.4] = 0.0
    low, high = np.empty_like(F), np.empty_like(F)
    R = _matched(F, S)
    for index in np.ndindex(F.shape):
        equal = R[..., index[2]][F[..., index[2]] == F[index]]
        high[index], low[index] = 2 * (F[index] - equal.min()), 2 * (F[index] - equal.max())

    def sums(gradient):
        """Over the equal values of each channel, which are the zeros."""
        return np.sum(gradient * (F == 0), axis=(0, 1))

    return problem, Kinks(low, high, sums, sums(2 * (F - R)))


def _with(matched: Callable):
    """The gradient with matched(F, S) in the place of R."""
    return lambda F, S: 2 * (F - matched(F, S))


def _all_channels_together(F, S):
    R = np.empty(F.size)
    R[np.argsort(F.ravel(), kind="stable")] = np.sort(S.ravel())
    return R.reshape(F.shape)


def _same_mean_and_deviation(F, S):
    places = (0, 1)
    scale = S.std(axis=places) / F.std(axis=places)
    return S.mean(axis=places) + scale * (F - F.mean(axis=places))


def _order_in_the_place_of_rank(F, S):
    """np.sort(S)[argsort(F)]: the permutation in the place of its inverse."""
    R = [
        np.sort(s)[np.argsort(f, kind="stable")]
        for f, s in zip(matrix(F).T, matrix(S).T, strict=True)
    ]
    return np.transpose(R).reshape(F.shape)


def _binned(F, S):
    """By eight bins of the style's range."""
    R = _matched(F, S)
    low, width = S.min(axis=(0, 1)), np.ptp(S, axis=(0, 1)) / 8
    return low + (np.floor((R - low) / width).clip(0, 7) + 0.5) * width


def _given_out(F, S):
    R = np.empty_like(matrix(F))
    for i, channel in enumerate(matrix(F).T):
        R[np.argsort(channel, kind="stable"), i] = matrix(S)[:, i]
    return R.reshape(F.shape)


_MISTAKES = (
    Mistake(
        "square not differentiated",
        "F − R is squared: the derivative of the square is 2 (F − R)",
        lambda F, S: (F - _matched(F, S)) ** 2,
    ),
    Mistake(
        "not matched",
        "it is 2 (F − S), position by position: the style's values are given out in F's order",
        lambda F, S: 2 * (F - S),
    ),
    Mistake(
        "largest for smallest",
        "the order is reversed: the smallest of F gets the largest of the style's values",
        _with(lambda F, S: _matched(-F, S)),
    ),
    Mistake(
        "order taken for rank",
        "np.argsort gives the places in order of the values; what is wanted is the place of each "
        "value in that order, its rank: R[order] = t, not R = t[order]",
        _with(_order_in_the_place_of_rank),
    ),
    Mistake(
        "all channels together",
        "all channels are sorted together: each has a histogram of its own",
        _with(_all_channels_together),
    ),
    Mistake(
        "mean and deviation only",
        "each channel is scaled to the style's mean and deviation: its histogram is to be matched",
        _with(_same_mean_and_deviation),
    ),
    Mistake(
        "style not sorted",
        "the style's values are given out as they stand in the picture: sort them",
        _with(_given_out),
    ),
    Mistake(
        "values in bins",
        "the style's values are rounded to a few bins: they are to be used as they are",
        _with(_binned),
    ),
    Mistake(
        "sorted and left sorted",
        "F and the style's values are both sorted, and left so: the gradient belongs to the place "
        "where each value of F was",
        lambda F, S: 2 * (np.sort(matrix(F), axis=0) - np.sort(matrix(S), axis=0)).reshape(F.shape),
    ),
    Mistake(
        "masked where F > 0",
        "it is zero where F < 0: that is the derivative of the ReLU that made F, applied there "
        "([R2]), not in the loss",
        lambda F, S: 2 * (F - _matched(F, S)) * (F > 0),
    ),
)


def _subject(normalisation: str, identifier: str, formula: str, **known) -> Subject:
    def own(problem, backend):
        _, cache = _forward(problem, problem.arguments["F"], normalisation, backend)
        return losses.histogram_backward(1.0, cache, backend=backend)

    return Subject(
        name="histogram_backward",
        identifier=identifier,
        formula=formula,
        gives="dL_dF",
        describe="""L = Σ (F − R)²; in each channel R has the values of S, the smallest where F is
    smallest, and so on. F and S (H, W, N) → dL_dF (H, W, N)""",
        draw=_draw,
        variable=lambda problem: problem.arguments["F"],
        loss=lambda problem, F, backend: _forward(problem, F, normalisation, backend)[0],
        own=own,
        right=_with(_matched),
        summands=lambda problem: problem.arguments["F"].size if normalisation != "paper" else 1,
        branches=("order of the activations",),
        **known,
    )


HISTOGRAM = _subject(
    "paper",
    "H5",
    "dL_dF = 2 (F − R)",
    parts=lambda F, S: {"F": 2 * F, "−R": -2 * _matched(F, S)},
    mistakes=_MISTAKES,
    hints={
        "1/2": "the square brings a 2, and there is no ½ in [H4]",
        "1/(M·N)": "[H4] is a sum over all entries, not their mean",
        "-1": "it is F − R, not R − F",
    },
    draw_kinks=_draw_kinks,
)
NORMALISED_HISTOGRAM = (
    _subject("mean", "V2", "dL_dF = 2 (F − R)/(NM)"),
    _subject("relative", "V3", "dL_dF = 2 (F − R) M_s/(M ΣS²)"),
)
