"""[P4], and the ways to get it wrong."""

from collections.abc import Callable

import numpy as np

from ... import losses
from .subject import Kinks, Mistake, Problem, Subject, numbers


def _draw(rng, shape) -> Problem:
    """At least one patch in F, and two in S."""
    H, W, N, _ = shape
    F = numbers(rng, max(H + 1, 3), W + 1, N)
    S = 2 * numbers(rng, 4, H + 2, N) - 0.5
    return Problem({"F": F, "S": S}, {"N": N, "H": len(F), "W": W + 1})


def _forward(problem, F, normalisation, backend):
    target = losses.patches_target(problem.arguments["S"], backend=backend)
    target = target._replace(S=target.S.astype(F.dtype))
    return losses.patches_forward(F, target, normalisation, backend=backend)


def _patches(F):
    """(h, w, 3, 3, N)"""
    h, w = F.shape[0] - 2, F.shape[1] - 2
    windows = [F[u : u + h, v : v + w] for u, v in np.ndindex(3, 3)]
    return np.stack(windows, axis=2).reshape(h, w, 3, 3, -1)


def _rows(F):
    """The patches as rows: (h · w, 9 N)."""
    return _patches(F).reshape(-1, 9 * F.shape[2])


def _likeness(F, S):
    """The likeness of every pair of patches, apart from the norm of that of F."""
    norms = np.linalg.norm(_rows(S), axis=1)
    return _rows(F) @ _rows(S).T / np.where(norms > 0, norms, 1)


def _scattered(patches, shape):
    """Each patch's numbers added at their positions."""
    gradient = np.zeros(shape)
    h, w = patches.shape[:2]
    for u, v in np.ndindex(3, 3):
        gradient[u : u + h, v : v + w] += patches[:, :, u, v]
    return gradient


def _nearest(F, S, likeness):
    """The style's patches that are most like those of F: (h, w, 3, 3, N)."""
    return _rows(S)[likeness(F, S).argmax(axis=1)].reshape(_patches(F).shape)


def _differences(F, S, likeness=_likeness):
    return 2 * (_patches(F) - _nearest(F, S, likeness))


def _with(likeness: Callable):
    """The gradient with another measure of what is nearest."""
    return lambda F, S: _scattered(_differences(F, S, likeness), F.shape)


def _right(F, S):
    return _scattered(_differences(F, S), F.shape)


def _draw_kinks(rng):
    """A problem with each of the style's patches there twice, once of double size: as like by its
    angle."""
    problem = _draw(rng, (3, 3, 2, 0))
    F, S = problem.arguments.values()
    S = np.concatenate([S, 2 * S])
    likeness = _likeness(F, S)
    equal = likeness >= likeness.max(axis=1, keepdims=True) - 1e-12
    ends = [
        [choose(_rows(S)[row], axis=0) for row in equal] for choose in (np.max, np.min)
    ]  # of the patches that are equally like
    low, high = (
        _scattered(2 * (_patches(F) - np.reshape(end, _patches(F).shape)), F.shape) for end in ends
    )
    return Problem({"F": F, "S": S}, problem.sizes), Kinks(low, high)


def _by_product(F, S):
    return _rows(F) @ _rows(S).T


def _by_distance(F, S):
    return 2 * _by_product(F, S) - np.sum(_rows(S) ** 2, axis=1)


def _by_centred_likeness(F, S):
    centred = [rows - rows.mean(axis=1, keepdims=True) for rows in (_rows(F), _rows(S))]
    return centred[0] @ centred[1].T / np.linalg.norm(centred[1], axis=1)


def _by_centre(F, S):
    """By the middle position alone."""
    F, S = (x[1:-1, 1:-1].reshape(-1, x.shape[2]) for x in (F, S))
    return F @ S.T / np.linalg.norm(S, axis=1)


def _centres_only(F, S):
    gradient = np.zeros_like(F)
    gradient[1:-1, 1:-1] = _differences(F, S)[:, :, 1, 1]
    return gradient


def _assigned(F, S):
    gradient = np.zeros_like(F)
    differences = _differences(F, S)
    h, w = differences.shape[:2]
    for u, v in np.ndindex(3, 3):
        gradient[u : u + h, v : v + w] = differences[:, :, u, v]
    return gradient


def _averaged(F, S):
    return _right(F, S) / _scattered(np.ones_like(_patches(F)), F.shape)


def _turned_patches(F, S):
    nearest = _nearest(F, S, _likeness)[:, :, ::-1, ::-1]
    return _scattered(2 * (_patches(F) - nearest), F.shape)


def _transposed_patches(F, S):
    nearest = _nearest(F, S, _likeness).swapaxes(2, 3)
    return _scattered(2 * (_patches(F) - nearest), F.shape)


def _padded(F, S):
    """The gradient with zeros around both maps."""
    F, S = (np.pad(x, ((1, 1), (1, 1), (0, 0))) for x in (F, S))
    return _right(F, S)[1:-1, 1:-1]


_MISTAKES = (
    Mistake(
        "nearest by the plain product",
        "the nearest patch is that of the largest product: divide by the norm of the style's patch",
        _with(_by_product),
    ),
    Mistake(
        "nearest by distance",
        "the nearest patch is that of the least distance: it is that of the largest normalised "
        "product",
        _with(_by_distance),
    ),
    Mistake(
        "means taken from the patches",
        "the patches' means were subtracted before they were compared: [P2] has them as they are",
        _with(_by_centred_likeness),
    ),
    Mistake(
        "compared by the middle alone",
        "patches are compared by their middle position alone: all nine count",
        _with(_by_centre),
    ),
    Mistake(
        "farthest for nearest",
        "it is the least like patch that is taken: argmin for argmax?",
        _with(lambda F, S: -_likeness(F, S)),
    ),
    Mistake(
        "middle positions only",
        "only the middle position of each patch gets a gradient: all nine do",
        _centres_only,
    ),
    Mistake(
        "assigned instead of added",
        "the differences are assigned (=) where they are to be added (+=): patches overlap",
        _assigned,
    ),
    Mistake(
        "averaged over the patches",
        "each position's gradient is divided by the number of its patches: their sum is wanted",
        _averaged,
    ),
    Mistake(
        "nearest patch turned",
        "the nearest patch is turned by 180°, as in a convolution: compare position by position",
        _turned_patches,
    ),
    Mistake(
        "nearest patch transposed",
        "rows and columns of the nearest patch are exchanged",
        _transposed_patches,
    ),
    Mistake(
        "zeros beyond the border",
        "there are patches that reach beyond the border, with zeros there: those within count",
        _padded,
    ),
    Mistake(
        "square not differentiated",
        "the differences are squared: the derivative of d² is 2 d",
        lambda F, S: _scattered(_differences(F, S) ** 2 / 4, F.shape),
    ),
    Mistake(
        "masked where F > 0",
        "it is zero where F < 0: that is the derivative of the ReLU that made F, applied there "
        "([R2]), not in the loss",
        lambda F, S: _right(F, S) * (F > 0),
    ),
)


def _subject(normalisation: str, identifier: str, formula: str, **known) -> Subject:
    def own(problem, backend):
        _, cache = _forward(problem, problem.arguments["F"], normalisation, backend)
        return losses.patches_backward(1.0, cache, backend=backend)

    return Subject(
        name="patches_backward",
        identifier=identifier,
        formula=formula,
        gives="dL_dF",
        describe="""L = Σ_p ‖Ψ_p − Φ_p‖², where Ψ_p are all 3×3 patches of F that lie within it, and
    Φ_p is that one of S with the largest ⟨Ψ_p, Φ⟩/‖Φ‖, taken as a constant. F (H, W, N), S another
    map (…, …, N) → dL_dF (H, W, N)""",
        draw=_draw,
        variable=lambda problem: problem.arguments["F"],
        loss=lambda problem, F, backend: _forward(problem, F, normalisation, backend)[0],
        own=own,
        right=_right,
        summands=lambda problem: problem.arguments["S"].size,
        branches=("nearest patch",),
        **known,
    )


PATCHES = _subject(
    "paper",
    "P4",
    "dL_dF = Σ 2 (F − nearest), patch by patch",
    parts=lambda F, S: {
        "F": _scattered(2 * _patches(F), F.shape),
        "− the nearest patches": _scattered(-2 * _nearest(F, S, _likeness), F.shape),
    },
    mistakes=_MISTAKES,
    hints={"1/2": "the square brings a 2, and there is no ½ in [P3]", "-1": "it is F − nearest"},
    draw_kinks=_draw_kinks,
)
NORMALISED_PATCHES = (
    _subject("mean", "V2", "dL_dF = Σ 2 (F − nearest)/(9Nm), of m patches"),
    _subject("relative", "V3", "dL_dF = Σ 2 (F − nearest)/(m · mean ‖Ψ(S)‖²)"),
)
