"""[G1] and [E6], and the ways to get them wrong."""

import numpy as np

from ... import losses
from .subject import Mistake, Problem, Subject, numbers

# Each map as the matrix (M, N); a product's shape is that of the map again.


def matrix(F: np.ndarray) -> np.ndarray:
    return F.reshape(-1, F.shape[2])


def times(F: np.ndarray, D: np.ndarray) -> np.ndarray:
    """F D for every position: (H, W, N)."""
    return (matrix(F) @ D).reshape(F.shape)


def misread(F: np.ndarray) -> np.ndarray:
    """The numbers of F read as N × M without a transposition, as many do; (M, N) again."""
    return F.reshape(F.shape[2], -1).T


def gram(F: np.ndarray) -> np.ndarray:
    return matrix(F).T @ matrix(F)


def _sizes(shape):
    H, W, N, _ = shape
    return {"N": N, "H": H, "W": W}


def _draw_gram(rng, shape) -> Problem:
    H, W, N, _ = shape
    return Problem({"dL_dG": numbers(rng, N, N), "F": numbers(rng, H, W, N)}, _sizes(shape))


def _gram_own(problem, backend):
    dL_dG, F = problem.arguments.values()
    return backend.gram_backward(dL_dG, backend.gram_forward(F)[1])


_GRAM_MISTAKES = (
    Mistake(
        "symmetry assumed: 2 F dL_dG",
        "it is 2 F·dL_dG, which is right only for a symmetric dL_dG; in general it is "
        "F·(dL_dG + dL_dGᵀ)",
        lambda dL_dG, F: 2 * times(F, dL_dG),
    ),
    Mistake(
        "symmetry assumed: 2 F dL_dGᵀ",
        "it is 2 F·dL_dGᵀ, which is right only for a symmetric dL_dG; in general it is "
        "F·(dL_dG + dL_dGᵀ)",
        lambda dL_dG, F: 2 * times(F, dL_dG.T),
    ),
    Mistake(
        "diagonal counted once",
        "the diagonal of dL_dG is counted once: G_ii = Σ F_ki² has the derivative 2 F_ki",
        lambda dL_dG, F: times(F, dL_dG + dL_dG.T - np.diag(np.diag(dL_dG))),
    ),
    Mistake(
        "diagonal left out",
        "the diagonal of dL_dG is left out: G_ii = Σ F_ki² has the derivative 2 F_ki",
        lambda dL_dG, F: times(F, dL_dG + dL_dG.T - 2 * np.diag(np.diag(dL_dG))),
    ),
    Mistake(
        "upper triangle only",
        "only the upper triangle of dL_dG is used: every G_ij counts, G_ji too",
        lambda dL_dG, F: times(F, np.triu(dL_dG) + np.triu(dL_dG).T),
    ),
    Mistake(
        "lower triangle only",
        "only the lower triangle of dL_dG is used: every G_ij counts, G_ji too",
        lambda dL_dG, F: times(F, np.tril(dL_dG) + np.tril(dL_dG).T),
    ),
    Mistake(
        "diagonal only",
        "only the diagonal of dL_dG is used: G correlates each channel with all others",
        lambda dL_dG, F: times(F, 2 * np.diag(np.diag(dL_dG))),
    ),
    Mistake(
        "reshaped instead of transposed",
        "F was reshaped to (N, M), which mixes positions and channels: F is (H, W, N), so "
        "reshape it to (M, N), and transpose that",
        lambda dL_dG, F: (misread(F) @ (dL_dG + dL_dG.T)).T.reshape(F.shape),
    ),
    Mistake(
        "result not transposed back",
        "the matrix (N, M) was reshaped to (H, W, N) without transposing it back to (M, N)",
        lambda dL_dG, F: ((dL_dG + dL_dG.T) @ matrix(F).T).reshape(F.shape),
    ),
    Mistake(
        "F forgotten",
        "F is missing: every position has the same values, column sums of dL_dG + dL_dGᵀ",
        lambda dL_dG, F: np.broadcast_to(np.sum(dL_dG + dL_dG.T, axis=0), F.shape).copy(),
    ),
    Mistake(
        "masked where F > 0",
        "it is zero where F < 0: that is the ReLU's derivative ([R2]), not the Gram matrix's",
        lambda dL_dG, F: times(F, dL_dG + dL_dG.T) * (F > 0),
    ),
    Mistake(
        "centred features",
        "the mean of each channel was subtracted from F: the Gram matrix is not a covariance",
        lambda dL_dG, F: times(F - F.mean(axis=(0, 1)), dL_dG + dL_dG.T),
    ),
    Mistake(
        "height and width exchanged",
        "height and width of the result are exchanged",
        lambda dL_dG, F: times(
            F.reshape(F.shape[1], F.shape[0], -1).swapaxes(0, 1), dL_dG + dL_dG.T
        ),
    ),
)

GRAM = Subject(
    name="gram_backward",
    identifier="G1",
    formula="dL_dF = F (dL_dG + dL_dGᵀ)",
    gives="dL_dF",
    describe="""G_ij = Σ_k F_ki F_kj over the positions k. dL_dG (N, N), which is any matrix,
    symmetric or not, F (H, W, N) → dL_dF (H, W, N)""",
    draw=_draw_gram,
    variable=lambda problem: problem.arguments["F"],
    loss=lambda problem, F, backend: np.sum(
        problem.arguments["dL_dG"] * backend.gram_forward(F)[0]
    ),
    own=_gram_own,
    right=lambda dL_dG, F: times(F, dL_dG + dL_dG.T),
    summands=lambda problem: 2 * problem.sizes["N"],
    parts=lambda dL_dG, F: {"F·dL_dG": times(F, dL_dG), "F·dL_dGᵀ": times(F, dL_dG.T)},
    mistakes=_GRAM_MISTAKES,
    hints={
        "2": "the ½ of [E1] or a factor from differentiating the square? dL_dG has it already; "
        "or both G_ij and G_ji were counted twice",
        "1/2": "F_ki enters G_ij and G_ji: both count",
        "1/M": "[G1] is of a sum over positions, not a mean",
    },
)


def _draw_style(rng, shape) -> Problem:
    H, W, N, _ = shape
    A = gram(numbers(rng, H, W, N))
    return Problem({"F": numbers(rng, H, W, N), "A": A}, _sizes(shape))


def _style_forward(problem, F, normalisation, backend):
    A = problem.arguments["A"].astype(F.dtype)
    target = losses.Gram(A, F.shape[0] * F.shape[1])
    return losses.style_forward(F, target, normalisation, backend=backend)


def _constant(F) -> float:
    """1/(N² M²)"""
    return 1 / F.size**2


def _style(F, D):
    return _constant(F) * times(F, D)


_STYLE_MISTAKES = (
    Mistake(
        "masked where F > 0",
        "it is zero where F < 0. That condition of the paper's [E6] is the derivative of the ReLU "
        "that made F, and is applied there ([R2]), not in the loss",
        lambda F, A: _style(F, gram(F) - A) * (F > 0),
    ),
    Mistake(
        "zero where F ≥ 0",
        "it is zero where F > 0: a known misprint of [E6]; even with the ReLU's condition it "
        "would be zero where F < 0",
        lambda F, A: _style(F, gram(F) - A) * (F < 0),
    ),
    Mistake(
        "square not differentiated",
        "G − A is squared: differentiating the square leaves G − A",
        lambda F, A: _style(F, (gram(F) - A) ** 2),
    ),
    Mistake(
        "absolute difference of Gram matrices",
        "it uses |G − A|: the sign of each difference is lost",
        lambda F, A: _style(F, np.abs(gram(F) - A)),
    ),
    Mistake(
        "sign of the difference of Gram matrices",
        "it uses the sign of G − A: the derivative of Σ |G − A|, not of Σ (G − A)²",
        lambda F, A: _style(F, np.sign(gram(F) - A)),
    ),
    Mistake(
        "F multiplied entry by entry with column sums",
        "F is multiplied by the column sums of G − A, entry by entry: it is a matrix product",
        lambda F, A: _constant(F) * F * np.sum(gram(F) - A, axis=0),
    ),
    Mistake(
        "F reshaped instead of transposed, in G too",
        "F was reshaped to (N, M), which mixes positions and channels: F is (H, W, N), so "
        "reshape it to (M, N), and transpose that",
        lambda F, A: (
            _constant(F) * (misread(F) @ (misread(F).T @ misread(F) - A)).T.reshape(F.shape)
        ),
    ),
    Mistake(
        "result not transposed back",
        "the matrix (N, M) was reshaped to (H, W, N) without transposing it back to (M, N)",
        lambda F, A: _constant(F) * ((gram(F) - A) @ matrix(F).T).reshape(F.shape),
    ),
    Mistake(
        "centred features in the Gram matrix",
        "the mean of each channel was subtracted before G: the Gram matrix is not a covariance",
        lambda F, A: _style(F, gram(F - F.mean(axis=(0, 1))) - A),
    ),
    Mistake(
        "ReLU within the Gram matrix",
        "G is that of max(F, 0): F is the map itself, no ReLU follows",
        lambda F, A: _style(F, gram(np.maximum(F, 0)) - A),
    ),
    Mistake(
        "diagonal of G − A left out",
        "the diagonal of G − A is left out: each channel's own energy counts too",
        lambda F, A: _style(F, gram(F) - A - np.diag(np.diag(gram(F) - A))),
    ),
    Mistake(
        "diagonal of G − A alone",
        "only the diagonal of G − A is used: channels are correlated with each other too",
        lambda F, A: _style(F, np.diag(np.diag(gram(F) - A))),
    ),
    Mistake(
        "upper triangle of G − A alone",
        "only one triangle of G − A is used: every pair of channels counts twice",
        lambda F, A: _style(F, np.triu(gram(F) - A)),
    ),
    Mistake(
        "lower triangle of G − A alone",
        "only one triangle of G − A is used: every pair of channels counts twice",
        lambda F, A: _style(F, np.tril(gram(F) - A)),
    ),
    Mistake(
        "F forgotten",
        "F is missing: every position has the same values, column sums of G − A",
        lambda F, A: _constant(F) * np.broadcast_to(np.sum(gram(F) - A, axis=0), F.shape).copy(),
    ),
    Mistake(
        "height and width exchanged",
        "height and width of the result are exchanged",
        lambda F, A: _style(F.reshape(F.shape[1], F.shape[0], -1).swapaxes(0, 1), gram(F) - A),
    ),
)


def _style_subject(normalisation: str, identifier: str, formula: str, **known) -> Subject:
    def own(problem, backend):
        _, cache = _style_forward(problem, problem.arguments["F"], normalisation, backend)
        return losses.style_backward(1.0, cache, backend=backend)

    return Subject(
        name="style_backward",
        identifier=identifier,
        formula=formula,
        gives="dE_dF",
        describe="""E = 1/(4 N² M²) Σ_ij (G_ij − A_ij)² of one layer, with G the Gram matrix of F
    and M = H·W. F (H, W, N), A (N, N), that of a style picture of the same size
    → dE_dF (H, W, N)""",
        draw=_draw_style,
        variable=lambda problem: problem.arguments["F"],
        loss=lambda problem, F, backend: _style_forward(problem, F, normalisation, backend)[0],
        own=own,
        right=lambda F, A: _style(F, gram(F) - A),
        summands=lambda problem: problem.arguments["F"].size,
        **known,
    )


_HINTS = {
    "4": "the 4 of 1/(4 N² M²) is cancelled: 2 from the square, 2 from F entering twice",
    "2": "a factor 2 too many: the square brings 2, F entering G twice brings 2, and "
    "[E4]'s 4 cancels both",
    "1/2": "the square brings 2, and F enters G twice: 4 in all, which cancels [E4]'s 4",
    "1/4": "the 4 of [E4] is still there: 2 from the square and 2 from F entering G twice "
    "cancel it",
    "-1": "it is G − A, not A − G",
    "M^2·N^2": "the constant 1/(N² M²) is missing",
    "4·M^2·N^2": "the constant 1/(4 N² M²) of [E4] is missing",
    "2·M^2·N^2": "the constant 1/(4 N² M²) of [E4] is missing",
    "1/(4·M^2·N^2)": "the constant 1/(4 N² M²) of [E4] was applied twice",
    "M^2": "1/M² is missing: M is the number of positions, H·W",
    "N^2": "1/N² is missing: N is the number of channels",
    "M·N": "the constant is 1/(N² M²), squared, not 1/(N M)",
}

STYLE = _style_subject(
    "paper",
    "E6",
    "dE_dF = F (G − A)/(N²M²)",
    parts=lambda F, A: {"F·G": _style(F, gram(F)), "−F·A": _style(F, -A)},
    mistakes=_STYLE_MISTAKES,
    hints=_HINTS,
)
NORMALISED_STYLE = (
    _style_subject("sum", "V1", "dE_dF = 4 F (G − A)"),
    _style_subject("mean", "V2", "dE_dF = 4 F (G − A)/(NM)³"),
    _style_subject("mse", "V4", "dE_dF = 4 F (G − A)/(N²M)²"),
    _style_subject("relative", "V3", "dE_dF = 4 F (G − A)/ΣA²"),
)
