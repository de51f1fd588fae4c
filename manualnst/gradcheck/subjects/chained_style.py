"""[J2], [J3], [J5] and [J6], and the ways to get them wrong."""

import numpy as np

from ... import losses
from .gram import matrix
from .subject import Mistake, Problem, Subject, numbers


def _sizes(shape):
    H, W, N, K = shape
    return {"N": N, "K": K, "H": H, "W": W}


# [J2] and [J3]


def _draw_cross(of: str):
    """dL_dC and both maps; of `of` nothing but its shape matters."""

    def draw(rng, shape) -> Problem:
        H, W, N, K = shape
        maps = {"F": numbers(rng, H, W, N), "R": numbers(rng, H, W, K)}
        dL_dC = numbers(rng, N, K)
        other = "R" if of == "F" else "F"
        return Problem({"dL_dC": dL_dC, other: maps[other]}, _sizes(shape), {of: maps[of]})

    return draw


def _maps(problem):
    given = problem.arguments | problem.hidden
    return given["F"], given["R"]


def _cross_loss(of: str):
    def loss(problem, x, backend):
        F, R = (x, _maps(problem)[1]) if of == "F" else (_maps(problem)[0], x)
        F, R = F.astype(x.dtype), R.astype(x.dtype)
        return np.sum(problem.arguments["dL_dC"] * backend.cross_gram_forward(F, R)[0])

    return loss


def _cross_own(of: str):
    def own(problem, backend):
        _, cache = backend.cross_gram_forward(*_maps(problem))
        gradients = backend.cross_gram_backward(problem.arguments["dL_dC"], cache)
        return gradients["FR".index(of)]

    return own


def _product(F: np.ndarray, D: np.ndarray) -> np.ndarray:
    """F D for every position."""
    return (matrix(F) @ D).reshape(*F.shape[:2], D.shape[1])


def _either(dL_dC, F=None, R=None):
    return _product(R, dL_dC.T) if F is None else _product(F, dL_dC)


_FORGOTTEN = Mistake(
    "other map forgotten",
    "the other map is missing: every position has the same values",
    lambda dL_dC, **maps: _either(dL_dC, **{name: np.ones_like(m) for name, m in maps.items()}),
)
_MASKED = Mistake(
    "masked where the other map is positive",
    "what is negative in the other map is taken for 0: no ReLU is in the product",
    lambda dL_dC, **maps: _either(dL_dC, **{name: m.clip(0) for name, m in maps.items()}),
)
_READ = Mistake(
    "other map reshaped instead of transposed",
    "the map was reshaped to (channels, M), which mixes positions and channels: it is (H, W, "
    "channels), so reshape it to (M, channels), and transpose that",
    lambda dL_dC, **maps: _either(
        dL_dC, **{name: m.reshape(m.shape[2], -1).T.reshape(m.shape) for name, m in maps.items()}
    ),
)


def _cross_subject(of: str, **known) -> Subject:
    return Subject(
        gives=f"dL_d{of}",
        draw=_draw_cross(of),
        variable=lambda problem: _maps(problem)["FR".index(of)],
        loss=_cross_loss(of),
        own=_cross_own(of),
        right=_either,
        mistakes=(_FORGOTTEN, _MASKED, _READ),
        hints={
            "1/M": "[J1] is a sum over the positions, not a mean",
            "2": "[G1] has two terms, as the Gram matrix has each filter in a row and in a column: "
            "here rows and columns are other filters, and each entry enters C once",
        },
        is_linear=True,
        **known,
    )


CROSS_GRAM = _cross_subject(
    "F",
    name="cross_gram_backward",
    identifier="J2",
    formula="dL_dF = R dL_dCᵀ",
    describe="""C_ij = Σ_k F_ki R_kj over the positions k. dL_dC (N, K), R (H, W, K)
    → dL_dF (H, W, N)""",
    summands=lambda problem: problem.sizes["K"],
)
CROSS_GRAM_BELOW = _cross_subject(
    "R",
    name="cross_gram_backward_below",
    identifier="J3",
    formula="dL_dR = F dL_dC",
    describe="""C_ij = Σ_k F_ki R_kj over the positions k. dL_dC (N, K), F (H, W, N)
    → dL_dR (H, W, K)""",
    summands=lambda problem: problem.sizes["N"],
)

# [J5] and [J6]


def _draw(rng, shape) -> Problem:
    """B is twice as large as F where F's height is odd, with an edge that is dropped."""
    H, W, N, K = shape
    larger = (2 * H + 1, 2 * W) if H % 2 else (H, W)
    A = _cross(numbers(rng, H, W, N), numbers(rng, H, W, K))
    arguments = {"F": numbers(rng, H, W, N), "B": numbers(rng, *larger, K), "A": A}
    return Problem(arguments, _sizes(shape))


def _forward(problem, F, B, normalisation, backend):
    gram = losses.Gram(problem.arguments["A"].astype(F.dtype), F.shape[0] * F.shape[1])
    target = losses.ChainedGram(gram, 0.0)
    return losses.chained_style_forward(F, B, target, normalisation, backend=backend)


def _cross(F, R):
    return matrix(F).T @ matrix(R)


def _windows(F, B):
    """The four entries of each 2×2 window of B, as maps of F's size; B itself four times, if it
    has that size."""
    H, W, _ = F.shape
    if B.shape[:2] == (H, W):
        return 4 * [B]
    return [B[u : 2 * H : 2, v : 2 * W : 2] for u in (0, 1) for v in (0, 1)]


def _pooled(F, B):
    return sum(_windows(F, B)) / 4


def _spread(shares, F, B):
    """Each share to its place in its window."""
    if B.shape[:2] == F.shape[:2]:
        return sum(shares)
    gradient = np.zeros_like(B)
    for corner, share in zip(_windows(F, gradient), shares, strict=True):
        corner += share
    return gradient


def _constant(F, B) -> float:
    """1/(2 N K M²)"""
    return 1 / (2 * F.shape[2] * B.shape[2] * (F.shape[0] * F.shape[1]) ** 2)


def _upper(F, R, D, B):
    return _constant(F, B) * _product(R, D.T)


def _lower(F, D, B):
    """On the way back, at F's size."""
    return _constant(F, B) * _product(F, D)


def _difference(F, B, A):
    return _cross(F, _pooled(F, B)) - A


def _right_upper(F, B, A):
    return _upper(F, _pooled(F, B), _difference(F, B, A), B)


def _right_lower(F, B, A):
    return _spread(4 * [_lower(F, _difference(F, B, A), B) / 4], F, B)


def _subject(of: str, normalisation: str, **known) -> Subject:
    def loss(problem, x, backend):
        F, B, _ = problem.arguments.values()
        F, B = (x, B.astype(x.dtype)) if of == "F" else (F.astype(x.dtype), x)
        return _forward(problem, F, B, normalisation, backend)[0]

    def own(problem, backend):
        F, B, _ = problem.arguments.values()
        _, cache = _forward(problem, F, B, normalisation, backend)
        return losses.chained_style_backward(1.0, cache, backend=backend)["FB".index(of)]

    return Subject(
        gives=f"dE_d{of}",
        draw=_draw,
        variable=lambda problem: problem.arguments[of],
        loss=loss,
        own=own,
        summands=lambda problem: problem.arguments["F"].size,
        **known,
    )


_LOSS = """E = 1/(4 N K M²) Σ_ij (C_ij − A_ij)² with C_ij = Σ_k F_ki R_kj over the M positions k
    of F, and R the map B at F's size: B itself, or its 2×2 windows' means, where B is twice as
    large (of an odd height or width the last row or column belongs to no window). F (H, W, N),
    B (H or 2H and more, W or 2W and more, K), A (N, K)"""

_HINTS = {
    "2": "each entry of F enters C once: one 2, from the square, and it leaves the ½ of ¼",
    "1/2": "the square brings a 2, which leaves the ½ of ¼",
    "-1": "it is C − A, not A − C",
    "2·K·M^2·N": "the constant 1/(2 N K M²) is missing",
    "K·M^2·N": "the constant 1/(2 N K M²) is missing but for its ½",
    "4·K·M^2·N": "the constant 1/(4 N K M²) of [J4] is missing",
    "K/N": "the constant has N K, one factor for the rows of C and one for its columns, not N²",
    "N/K": "the constant has N K, one factor for the rows of C and one for its columns, not K²",
}


def _strided(F, B):
    return _windows(F, B)[0]


_UPPER_MISTAKES = (
    Mistake(
        "B not averaged outside",
        "outside stands one entry of each window of B: it is the windows' mean, as in C",
        lambda F, B, A: _upper(F, _strided(F, B), _difference(F, B, A), B),
    ),
    Mistake(
        "B not averaged",
        "R is one entry of each window of B: it is their mean",
        lambda F, B, A: _upper(F, _strided(F, B), _cross(F, _strided(F, B)) - A, B),
    ),
    Mistake(
        "B summed over the windows",
        "R is the windows' sum: it is their mean",
        lambda F, B, A: _upper(F, 4 * _pooled(F, B), 4 * _cross(F, _pooled(F, B)) - A, B),
    ),
    Mistake(
        "largest of each window",
        "R has the largest entry of each window of B: it is their mean",
        lambda F, B, A: _upper(
            F, np.max(_windows(F, B), axis=0), _cross(F, np.max(_windows(F, B), axis=0)) - A, B
        ),
    ),
    Mistake(
        "square not differentiated",
        "C − A is squared: differentiating the square leaves C − A",
        lambda F, B, A: _upper(F, _pooled(F, B), _difference(F, B, A) ** 2, B),
    ),
    Mistake(
        "masked where F > 0",
        "it is zero where F < 0: that is the derivative of the ReLU that made F, applied there "
        "([R2]), not in the loss",
        lambda F, B, A: _right_upper(F, B, A) * (F > 0),
    ),
)

CHAINED_STYLE = _subject(
    "F",
    "paper",
    name="chained_style_backward",
    identifier="J5",
    formula="dE_dF = R (C − A)ᵀ/(2NKM²)",
    describe=_LOSS + " → dE_dF (H, W, N)",
    right=_right_upper,
    parts=lambda F, B, A: {
        "R·Cᵀ": _upper(F, _pooled(F, B), _cross(F, _pooled(F, B)), B),
        "−R·Aᵀ": _upper(F, _pooled(F, B), -A, B),
    },
    mistakes=_UPPER_MISTAKES,
    hints=_HINTS,
)


def _to_one_corner(F, B, A):
    nothing = np.zeros((*F.shape[:2], B.shape[2]))
    return _spread([_lower(F, _difference(F, B, A), B), *3 * [nothing]], F, B)


_LOWER_MISTAKES = (
    Mistake(
        "¼ of the pooling forgotten",
        "each entry of a window gets all of the window's gradient: it has ¼ of its mean",
        lambda F, B, A: _spread(
            4 * [_lower(F, _difference(F, B, A), B) / (1 if len(B) > len(F) else 4)], F, B
        ),
    ),
    Mistake(
        "to one entry of each window",
        "only one entry of each window has a gradient: all four make the mean",
        _to_one_corner,
    ),
    Mistake(
        "B not averaged in C",
        "C is made with one entry of each window of B: it is their mean",
        lambda F, B, A: _spread(4 * [_lower(F, _cross(F, _strided(F, B)) - A, B) / 4], F, B),
    ),
    Mistake(
        "edge repeated",
        "the row or column that belongs to no window has its neighbour's gradient: it has none",
        lambda F, B, A: _with_edge(_right_lower(F, B, A), F, B),
    ),
    Mistake(
        "square not differentiated",
        "C − A is squared: differentiating the square leaves C − A",
        lambda F, B, A: _spread(4 * [_lower(F, _difference(F, B, A) ** 2, B) / 4], F, B),
    ),
    Mistake(
        "masked where B > 0",
        "it is zero where B < 0: that is the derivative of the ReLU that made B, applied there "
        "([R2]), not in the loss",
        lambda F, B, A: _right_lower(F, B, A) * (B > 0),
    ),
)


def _with_edge(gradient, F, B):
    H, W, _ = F.shape
    if B.shape[:2] != (H, W):
        gradient[2 * H :] = gradient[2 * H - 1]
        gradient[:, 2 * W :] = gradient[:, 2 * W - 1 : 2 * W]
    return gradient


CHAINED_STYLE_BELOW = _subject(
    "B",
    "paper",
    name="chained_style_backward_below",
    identifier="J6",
    formula="dE_dB = ¼ F (C − A)/(2NKM²) in each window",
    describe=_LOSS + " → dE_dB, of the shape of B",
    right=_right_lower,
    mistakes=_LOWER_MISTAKES,
    hints=_HINTS,
)


def _normalised(normalisation: str, identifier: str, formula: str) -> Subject:
    return _subject(
        "F",
        normalisation,
        name="chained_style_backward",
        identifier=identifier,
        formula=formula,
        describe="",
        right=_right_upper,
    )


NORMALISED_CHAINED_STYLE = (
    _normalised("sum", "V1", "dE_dF = 2 R (C − A)ᵀ"),
    _normalised("mean", "V2", "dE_dF = 2 R (C − A)ᵀ/(√(NK) M)³"),
    _normalised("relative", "V3", "dE_dF = 2 R (C − A)ᵀ/ΣA²"),
)
