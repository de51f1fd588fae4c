"""[S2], and the ways to get it wrong."""

import numpy as np

from ... import losses
from .gram import gram, matrix, times
from .subject import Mistake, Problem, Subject, numbers


def _draw(rng, shape) -> Problem:
    H, W, N, _ = shape
    shift = float(rng.choice([-1.0, -0.6, 0.7]))
    A = gram(numbers(rng, H, W, N) + shift)
    arguments = {"F": numbers(rng, H, W, N), "A": A, "shift": shift}
    return Problem(arguments, {"N": N, "H": H, "W": W})


def _forward(problem, F, normalisation, backend):
    _, A, shift = problem.arguments.values()
    target = losses.ShiftedGram(losses.Gram(A.astype(F.dtype), F.shape[0] * F.shape[1]), shift)
    return losses.shifted_style_forward(F, target, normalisation, backend=backend)


def _style(F, D):
    return times(F, D) / F.size**2


def _right(F, A, shift):
    return _style(F + shift, gram(F + shift) - A)


def _sums(F):
    """The sums of the channels, in each row and in each column: (N, N), (N, N)."""
    sums = np.sum(matrix(F), axis=0)
    return np.add.outer(sums, np.zeros_like(sums)), np.add.outer(np.zeros_like(sums), sums)


_MISTAKES = (
    Mistake(
        "shift forgotten outside",
        "it is F (G − A), with the shift in G only: what stands before the bracket is F + s too",
        lambda F, A, shift: _style(F, gram(F + shift) - A),
    ),
    Mistake(
        "shift forgotten in G",
        "G is the Gram matrix of F, not of F + s: both pictures are shifted",
        lambda F, A, shift: _style(F + shift, gram(F) - A),
    ),
    Mistake(
        "shift forgotten",
        "it is the gradient without a shift, [E6], against a target that has one",
        lambda F, A, shift: _style(F, gram(F) - A),
    ),
    Mistake(
        "shift subtracted",
        "the shift is subtracted: it is F + s, with a negative s for a shift downwards",
        lambda F, A, shift: _style(F - shift, gram(F - shift) - A),
    ),
    Mistake(
        "shift added to G",
        "s was added to the Gram matrix: it is added to the map, before the product",
        lambda F, A, shift: _style(F, gram(F) + shift - A),
    ),
    Mistake(
        "square of the shift only",
        "G + M s² leaves out the middle terms of (F_ki + s)(F_kj + s), s times the channels' sums",
        lambda F, A, shift: _style(F + shift, gram(F) + shift**2 * F.shape[0] * F.shape[1] - A),
    ),
    Mistake(
        "one middle term only",
        "G has only one of the two middle terms of (F_ki + s)(F_kj + s): both channels' sums count",
        lambda F, A, shift: _style(F + shift, gram(F + shift) - shift * _sums(F)[0] - A),
    ),
    Mistake(
        "one factor shifted",
        "only one of the two factors of G is shifted: Σ (F_ki + s) F_kj",
        lambda F, A, shift: _style(F + shift, matrix(F + shift).T @ matrix(F) - A),
    ),
    Mistake(
        "masked where F > 0",
        "it is zero where F < 0: that is the derivative of the ReLU that made F, applied there "
        "([R2]), not in the loss",
        lambda F, A, shift: _right(F, A, shift) * (F > 0),
    ),
    Mistake(
        "masked where F + s > 0",
        "it is zero where F + s < 0: no ReLU follows the shift",
        lambda F, A, shift: _right(F, A, shift) * (F + shift > 0),
    ),
    Mistake(
        "multiplied by the shift",
        "it is multiplied by s, as if F + s had the slope s; its slope is 1",
        lambda F, A, shift: shift * _right(F, A, shift),
    ),
    Mistake(
        "centred features",
        "the mean of each channel was subtracted: the shift is one number for all of them",
        lambda F, A, shift: _style(F - F.mean(axis=(0, 1)), gram(F - F.mean(axis=(0, 1))) - A),
    ),
)


def _subject(normalisation: str, identifier: str, formula: str, **known) -> Subject:
    def own(problem, backend):
        _, cache = _forward(problem, problem.arguments["F"], normalisation, backend)
        return losses.shifted_style_backward(1.0, cache, backend=backend)

    return Subject(
        name="shifted_style_backward",
        identifier=identifier,
        formula=formula,
        gives="dE_dF",
        describe="""E = 1/(4 N² M²) Σ_ij (G_ij − A_ij)² with G the Gram matrix of F + shift and
    M = H·W. F (H, W, N), A (N, N), that of a style picture of the same size, shifted as well,
    shift, a number → dE_dF (H, W, N)""",
        draw=_draw,
        variable=lambda problem: problem.arguments["F"],
        loss=lambda problem, F, backend: _forward(problem, F, normalisation, backend)[0],
        own=own,
        right=_right,
        summands=lambda problem: problem.arguments["F"].size,
        **known,
    )


SHIFTED_STYLE = _subject(
    "paper",
    "S2",
    "dE_dF = (F + s)(G − A)/(N²M²)",
    mistakes=_MISTAKES,
    hints={
        "4": "the 4 of 1/(4 N² M²) is cancelled: 2 from the square, 2 from F entering twice",
        "2": "the square brings 2 and F entering G twice brings 2: the 4 of [E4] cancels both",
        "1/2": "the square brings 2, and F enters G twice: 4 in all, which cancels [E4]'s 4",
        "1/4": "the 4 of [E4] is still there: the square and F entering twice cancel it",
        "-1": "it is G − A, not A − G",
        "M^2·N^2": "the constant 1/(N² M²) is missing",
    },
)
NORMALISED_SHIFTED_STYLE = (
    _subject("sum", "V1", "dE_dF = 4 (F + s)(G − A)"),
    _subject("mean", "V2", "dE_dF = 4 (F + s)(G − A)/(NM)³"),
    _subject("relative", "V3", "dE_dF = 4 (F + s)(G − A)/ΣA²"),
)
