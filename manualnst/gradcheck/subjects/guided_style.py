"""[K2], [K4] and [K6], and the ways to get them wrong."""

from collections.abc import Callable

import numpy as np

from ... import losses
from .gram import matrix, times
from .subject import Mistake, Problem, Subject, numbers


def _weights(rng, H: int, W: int) -> np.ndarray:
    """From 0 to 1, some of them 0, and at least one not."""
    weights = rng.uniform(0.1, 1, (H, W)) * (rng.random((H, W)) < 0.8)
    weights[0, 0] = 0.5
    return weights


def _gram(F, w):
    return (matrix(F) * w.reshape(-1, 1)).T @ matrix(F)


def _weighted(F, w, D):
    """w F D for every position: (H, W, N)."""
    return w[:, :, None] * times(F, D)


# [K2]


def _draw_gram(rng, shape) -> Problem:
    H, W, N, _ = shape
    arguments = {
        "dL_dG": numbers(rng, N, N),
        "F": numbers(rng, H, W, N),
        "weights": _weights(rng, H, W),
    }
    return Problem(arguments, {"N": N, "H": H, "W": W})


def _gram_loss(problem, F, backend):
    dL_dG, _, weights = problem.arguments.values()
    return np.sum(dL_dG * backend.weighted_gram_forward(F, weights.astype(F.dtype))[0])


def _gram_own(problem, backend):
    dL_dG, F, weights = problem.arguments.values()
    return backend.weighted_gram_backward(dL_dG, backend.weighted_gram_forward(F, weights)[1])


def _gram_with(weigh: Callable):
    """The gradient with weigh(w) in the place of w."""
    return lambda dL_dG, F, weights: _weighted(F, weigh(weights), dL_dG + dL_dG.T)


WEIGHTED_GRAM = Subject(
    name="weighted_gram_backward",
    identifier="K2",
    formula="dL_dF = w F (dL_dG + dL_dGᵀ)",
    gives="dL_dF",
    describe="""G_ij = Σ_k w_k F_ki F_kj over the positions k. dL_dG (N, N), which is any matrix,
    F (H, W, N), weights (H, W), none of them negative → dL_dF (H, W, N)""",
    draw=_draw_gram,
    variable=lambda problem: problem.arguments["F"],
    loss=_gram_loss,
    own=_gram_own,
    right=_gram_with(lambda w: w),
    summands=lambda problem: 2 * problem.sizes["N"],
    parts=lambda dL_dG, F, weights: {
        "w F·dL_dG": _weighted(F, weights, dL_dG),
        "w F·dL_dGᵀ": _weighted(F, weights, dL_dG.T),
    },
    mistakes=(
        Mistake(
            "weights forgotten",
            "the weights are missing: a position counts as much in the gradient as in G",
            _gram_with(np.ones_like),
        ),
        Mistake(
            "root of the weights",
            "it is √w: G has √w in either factor, and both come out",
            _gram_with(np.sqrt),
        ),
        Mistake(
            "weights squared",
            "the weights are squared: in [K1] each product has its weight once",
            _gram_with(np.square),
        ),
        Mistake(
            "weights taken for a mask",
            "wherever the weight is not 0 it is taken for 1: weights may lie between",
            _gram_with(lambda w: (w > 0).astype(float)),
        ),
        Mistake(
            "weights scaled to the sum 1",
            "the weights are divided by their sum: [K1] is a weighted sum, not a mean",
            _gram_with(lambda w: w / w.sum()),
        ),
        Mistake(
            "weights upside down",
            "the weights are upside down or mirrored",
            _gram_with(lambda w: w[::-1, ::-1]),
        ),
        Mistake(
            "weights inverted",
            "it is 1 − w: what should be left out is kept",
            _gram_with(lambda w: 1 - w),
        ),
        Mistake(
            "symmetry assumed",
            "it is 2 w F·dL_dG, which is right only for a symmetric dL_dG",
            lambda dL_dG, F, weights: 2 * _weighted(F, weights, dL_dG),
        ),
    ),
    hints={"1/2": "F_ki enters G_ij and G_ji: both count"},
)

# [K4]


def _draw_guided(rng, shape) -> Problem:
    H, W, N, _ = shape
    v, w = _weights(rng, H, W), _weights(rng, H, W)
    A = _gram(numbers(rng, H, W, N), v) / v.sum()
    total = float(w.sum())
    arguments = {"F": numbers(rng, H, W, N), "A": A, "weights": w}
    return Problem(arguments, {"N": N, "H": H, "W": W, "Σw": total}, {"positions": total})


def _guided_forward(problem, F, normalisation, backend):
    _, A, weights = problem.arguments.values()
    gram = losses.Gram(A.astype(F.dtype), 1.0)
    target = losses.Guided(gram, weights.astype(F.dtype), problem.hidden["positions"])
    return losses.guided_style_forward(F, target, normalisation, backend=backend)


def _guided(F, w, D):
    """1/(N² Σw) w F D"""
    return _weighted(F, w, D) / (F.shape[2] ** 2 * w.sum())


def _guided_with(weigh: Callable):
    """The gradient with weigh(w) in the place of w throughout."""

    def gradient(F, A, weights):
        w = weigh(weights)
        return _guided(F, w, _gram(F, w) / w.sum() - A)

    return gradient


_GUIDED_MISTAKES = (
    Mistake(
        "weights forgotten outside",
        "the weights are in G only: each position's gradient has its own weight in front, too",
        lambda F, A, weights: (
            times(F, _gram(F, weights) / weights.sum() - A) / (F.shape[2] ** 2 * weights.sum())
        ),
    ),
    Mistake(
        "weights forgotten in G",
        "the weights are in front only: G is the weighted sum as well",
        lambda F, A, weights: _guided(F, weights, matrix(F).T @ matrix(F) / weights.size - A),
    ),
    Mistake(
        "weights forgotten",
        "there are no weights at all: it is the gradient of the whole map's Gram matrix",
        _guided_with(np.ones_like),
    ),
    Mistake(
        "G over all positions",
        "G is divided by the number of positions: it is the mean over the weights, G/Σw",
        lambda F, A, weights: _guided(F, weights, _gram(F, weights) / weights.size - A),
    ),
    Mistake(
        "G not divided",
        "G is not divided by Σw, as A is",
        lambda F, A, weights: _guided(F, weights, _gram(F, weights) - A),
    ),
    Mistake(
        "weights squared",
        "the map is multiplied by w, so that G has w²: multiply it by √w",
        _guided_with(np.square),
    ),
    Mistake(
        "weights rooted",
        "it has √w in the place of w",
        _guided_with(np.sqrt),
    ),
    Mistake(
        "weights taken for a mask",
        "wherever the weight is not 0 it is taken for 1: weights may lie between",
        _guided_with(lambda w: (w > 0).astype(float)),
    ),
    Mistake(
        "weights cut at ½",
        "the weights are rounded to 0 or 1: those between count for what they are",
        _guided_with(lambda w: (w >= 0.5).astype(float)),
    ),
    Mistake(
        "weights upside down",
        "the weights are upside down or mirrored",
        _guided_with(lambda w: w[::-1, ::-1]),
    ),
    Mistake(
        "masked where F > 0",
        "it is zero where F < 0: that is the derivative of the ReLU that made F, applied there "
        "([R2]), not in the loss",
        lambda F, A, weights: _guided_with(lambda w: w)(F, A, weights) * (F > 0),
    ),
)


def _guided_subject(normalisation: str, identifier: str, formula: str, **known) -> Subject:
    return Subject(
        name="guided_style_backward",
        identifier=identifier,
        formula=formula,
        describe="""E = 1/(4 N²) Σ_ij (G_ij/Σw − A_ij)² with G_ij = Σ_k w_k F_ki F_kj over the
    positions k. F (H, W, N), A (N, N), weights (H, W), none of them negative → dE_dF (H, W, N)""",
        draw=_draw_guided,
        loss=lambda problem, F, backend: _guided_forward(problem, F, normalisation, backend)[0],
        own=_own_by(_guided_forward, normalisation),
        right=_guided_with(lambda w: w),
        **_STYLE,
        **known,
    )


def _own_by(forward: Callable, *options):
    def own(problem, backend):
        _, cache = forward(problem, problem.arguments["F"], *options, backend)
        return losses.guided_style_backward(1.0, cache, backend=backend)

    return own


_STYLE = {
    "gives": "dE_dF",
    "variable": lambda problem: problem.arguments["F"],
    "summands": lambda problem: problem.arguments["F"].size,
}
_HINTS = {
    "4": "the 4 of [E4] is cancelled: 2 from the square, 2 from F entering G twice",
    "2": "the square brings 2 and F entering G twice brings 2: the 4 of [E4] cancels both",
    "1/2": "the square brings 2, and F enters G twice: 4 in all, which cancels [E4]'s 4",
    "1/4": "the 4 of [E4] is still there: the square and F entering twice cancel it",
    "-1": "it is G − A, not A − G",
}

GUIDED_STYLE = _guided_subject(
    "paper",
    "K4",
    "dE_dF = w F (G/Σw − A)/(N² Σw)",
    mistakes=_GUIDED_MISTAKES,
    hints=_HINTS
    | {
        "Σw": "1/Σw is missing in front: G is divided by it, and so is its derivative",
        "Σw/M": "in front is 1/M: G is divided by Σw, and so is its derivative",
        "1/Σw": "1/Σw is there twice",
    },
)
NORMALISED_GUIDED_STYLE = (
    _guided_subject("sum", "V1", "dE_dF = 4 w F (G − AΣw)"),
    _guided_subject("mean", "V2", "dE_dF = 4 w F (G − AΣw)/(NΣw)³"),
    _guided_subject("relative", "V3", "dE_dF = 4 w F (G/Σw − A)/(Σw ΣA²)"),
)

# [K6]


def _draw_masked(rng, shape) -> Problem:
    H, W, N, _ = shape
    A = _gram(numbers(rng, H, W, N), _weights(rng, H, W) ** 2)
    arguments = {"F": numbers(rng, H, W, N), "A": A, "mask": _weights(rng, H, W)}
    return Problem(arguments, {"N": N, "H": H, "W": W}, {"positions": H * W})


def _masked_forward(problem, F, backend):
    _, A, mask = problem.arguments.values()
    positions = problem.hidden["positions"]
    gram = losses.Gram(A.astype(F.dtype), positions)
    target = losses.Guided(gram, mask.astype(F.dtype) ** 2, positions)
    return losses.guided_style_forward(F, target, backend=backend)


def _masked(F, w, D):
    """1/(N² M²) w F D"""
    return _weighted(F, w, D) / F.size**2


_MASKED_MISTAKES = (
    Mistake(
        "mask once outside",
        "the mask stands in front once: m F is multiplied by m when it is differentiated",
        lambda F, A, mask: _masked(F, mask, _gram(F, mask**2) - A),
    ),
    Mistake(
        "mask not outside",
        "the mask is in G only: outside it is there twice, from m F and from its slope m",
        lambda F, A, mask: _masked(F, np.ones_like(mask), _gram(F, mask**2) - A),
    ),
    Mistake(
        "mask not in G",
        "G is that of the whole map: its factors are both multiplied by the mask",
        lambda F, A, mask: _masked(F, mask**2, _gram(F, np.ones_like(mask)) - A),
    ),
    Mistake(
        "mask once in G",
        "G has m once: both its factors are multiplied by the mask",
        lambda F, A, mask: _masked(F, mask**2, _gram(F, mask) - A),
    ),
    Mistake(
        "mask as weights",
        "it has m throughout in the place of m²: the map is multiplied, not weighted",
        lambda F, A, mask: _masked(F, mask, _gram(F, mask) - A),
    ),
    Mistake(
        "mask forgotten",
        "there is no mask at all: it is the gradient of the whole map's Gram matrix",
        lambda F, A, mask: _masked(F, np.ones_like(mask), _gram(F, np.ones_like(mask)) - A),
    ),
    Mistake(
        "mask taken for black and white",
        "wherever the mask is not 0 it is taken for 1: it may lie between",
        lambda F, A, mask: _masked(F, mask > 0, _gram(F, mask > 0) - A),
    ),
    Mistake(
        "mask upside down",
        "the mask is upside down or mirrored",
        lambda F, A, mask: _masked(F, mask[::-1, ::-1] ** 2, _gram(F, mask[::-1, ::-1] ** 2) - A),
    ),
    Mistake(
        "masked where F > 0",
        "it is zero where F < 0: that is the derivative of the ReLU that made F, applied there "
        "([R2]), not in the loss",
        lambda F, A, mask: _masked(F, mask**2, _gram(F, mask**2) - A) * (F > 0),
    ),
)

MASKED_STYLE = Subject(
    name="masked_style_backward",
    identifier="K6",
    formula="dE_dF = m² F (G − A)/(N²M²)",
    describe="""E = 1/(4 N² M²) Σ_ij (G_ij − A_ij)² with G the Gram matrix of m F, each position
    of F multiplied by its m, and M = H·W. F (H, W, N), A (N, N), mask (H, W) → dE_dF (H, W, N)""",
    draw=_draw_masked,
    loss=lambda problem, F, backend: _masked_forward(problem, F, backend)[0],
    own=_own_by(_masked_forward),
    right=lambda F, A, mask: _masked(F, mask**2, _gram(F, mask**2) - A),
    mistakes=_MASKED_MISTAKES,
    hints=_HINTS | {"M^2·N^2": "the constant 1/(N² M²) is missing"},
    **_STYLE,
)
