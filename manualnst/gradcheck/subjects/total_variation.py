"""[T2], and the ways to get it wrong."""

import numpy as np

from ... import losses
from .subject import Mistake, Problem, Subject, numbers


def _draw(rng, shape) -> Problem:
    H, W, C, _ = shape
    return Problem({"x": numbers(rng, H, W, C)}, {"C": C, "H": H, "W": W})


def _forward(x, normalisation, backend):
    return losses.total_variation_forward(x, normalisation, backend=backend)


def _toward(x: np.ndarray, axis: int, side: int) -> np.ndarray:
    """x minus its neighbour before (side −1) or after (+1) it along the axis; 0 without one."""
    difference = np.diff(x, axis=axis)
    edge = [(0, 0)] * 3
    edge[axis] = (1, 0) if side < 0 else (0, 1)
    return np.pad(-side * difference, edge)


def _parts(x) -> dict[str, np.ndarray]:
    return {
        "the pixel above": 2 * _toward(x, 0, -1),
        "the pixel below": 2 * _toward(x, 0, 1),
        "the pixel to the left": 2 * _toward(x, 1, -1),
        "the pixel to the right": 2 * _toward(x, 1, 1),
    }


def _of_each_difference(function):
    """The gradient with f(x − neighbour) in the place of 2 (x − neighbour)."""

    def wrong(x):
        parts = _parts(x).values()
        return np.sum([np.where(part == 0, 0, function(part / 2)) for part in parts], axis=0)

    return wrong


def _with_border(mode: str, **options):
    """The five-point Laplacian with something else than nothing beyond the border."""

    def wrong(x):
        padded = np.pad(x, ((1, 1), (1, 1), (0, 0)), mode, **options)
        neighbours = padded[:-2, 1:-1] + padded[2:, 1:-1] + padded[1:-1, :-2] + padded[1:-1, 2:]
        return 2 * (4 * x - neighbours)

    return wrong


# As the gradient is usually written: the difference to the neighbour before is that of the far
# pixel of a pair, x[1:] or x[:, 1:]; that to the one after, of the near pixel.
_STATEMENTS = {
    "the far pixels below": (0, -1),
    "the near pixels above": (0, 1),
    "the far pixels to the right": (1, -1),
    "the near pixels to the left": (1, 1),
}


def _central_twice(x):
    """np.gradient of np.gradient, which looks two pixels away."""
    axes = [axis for axis in (0, 1) if x.shape[axis] > 1]
    return -2 * np.sum([np.gradient(np.gradient(x, axis=a), axis=a) for a in axes], axis=0)


def _assigning(names):
    def wrong(x):
        gradient = np.zeros_like(x)
        for name, (axis, side) in _STATEMENTS.items():
            written = [slice(None)] * 3
            written[axis] = slice(1, None) if side < 0 else slice(None, -1)
            part = 2 * _toward(x, axis, side)[tuple(written)]
            gradient[tuple(written)] = part + (0 if name in names else gradient[tuple(written)])
        return gradient

    return wrong


def _right(x):
    return np.sum(list(_parts(x).values()), axis=0)


def _only(x, rows, columns):
    """The true gradient there, 0 elsewhere."""
    kept = np.zeros_like(x)
    kept[rows, columns] = _right(x)[rows, columns]
    return kept


_MISTAKES = (
    Mistake(
        "difference assigned to one pixel of the pair",
        "each difference is given to the later pixel of its pair only; the earlier one gets the "
        "same with the other sign",
        lambda x: 2 * (_toward(x, 0, -1) + _toward(x, 1, -1)),
    ),
    Mistake(
        "difference given to the earlier pixel only",
        "each difference is given to the earlier pixel of its pair only; the later one gets the "
        "same with the other sign",
        lambda x: 2 * (_toward(x, 0, 1) + _toward(x, 1, 1)),
    ),
    Mistake(
        "rows only",
        "only the pairs below each other are there; those beside each other are missing",
        lambda x: 2 * (_toward(x, 0, -1) + _toward(x, 0, 1)),
    ),
    Mistake(
        "columns only",
        "only the pairs beside each other are there; those below each other are missing",
        lambda x: 2 * (_toward(x, 1, -1) + _toward(x, 1, 1)),
    ),
    Mistake(
        "both pixels of a pair with one sign",
        "both pixels of a pair get the difference with the same sign: the nearer one needs minus",
        lambda x: 2 * (_toward(x, 0, -1) - _toward(x, 0, 1) + _toward(x, 1, -1) - _toward(x, 1, 1)),
    ),
    *(
        Mistake(
            f"assigned instead of added: {name}",
            f"the differences of {name} are assigned (=) where they are to be added (+=): what was "
            "there is lost",
            _assigning({name}),
        )
        for name in list(_STATEMENTS)[1:]
    ),
    Mistake(
        "assigned instead of added",
        "all differences are assigned (=) where they are to be added (+=): the later overwrite the "
        "earlier",
        _assigning(_STATEMENTS),
    ),
    Mistake(
        "central differences",
        "differences are taken over two pixels (np.gradient twice?): the loss has those of "
        "neighbours",
        _central_twice,
    ),
    Mistake(
        "border wraps around",
        "the border wraps around (np.roll?): the first and last row, or column, are no neighbours",
        _with_border("wrap"),
    ),
    Mistake(
        "zeros beyond the border",
        "beyond the border are zeros: a pixel at the border simply has fewer pairs",
        _with_border("constant"),
    ),
    Mistake(
        "mirrored beyond the border",
        "beyond the border the picture is mirrored: a pixel at the border simply has fewer pairs",
        _with_border("reflect"),
    ),
    Mistake(
        "border left out",
        "the border's gradient is zero: its pixels have fewer pairs, but they have some",
        lambda x: _only(x, slice(1, -1), slice(1, -1)),
    ),
    Mistake(
        "last row and column left out",
        "the last row and column get no gradient: they are the far pixels of pairs",
        lambda x: _only(x, slice(None, -1), slice(None, -1)),
    ),
    Mistake(
        "first row and column left out",
        "the first row and column get no gradient: they are the near pixels of pairs",
        lambda x: _only(x, slice(1, None), slice(1, None)),
    ),
    Mistake(
        "sign only",
        "only the sign of each difference counts: the derivative of Σ |d|, not of Σ d²",
        _of_each_difference(np.sign),
    ),
    Mistake(
        "square not differentiated",
        "each difference is squared: the derivative of d² is 2 d",
        _of_each_difference(np.square),
    ),
    Mistake(
        "absolute differences",
        "each difference lost its sign",
        _of_each_difference(lambda d: 2 * np.abs(d)),
    ),
    Mistake(
        "channels taken for neighbours",
        "differences of neighbouring channels are there too: neighbours lie below and beside",
        lambda x: _right(x) + 2 * (_toward(x, 2, -1) + _toward(x, 2, 1)),
    ),
    Mistake(
        "channels taken for columns",
        "the differences are those of rows and channels, not of rows and columns: x is (H, W, C)",
        lambda x: 2 * sum(_toward(x, axis, side) for axis in (0, 2) for side in (-1, 1)),
    ),
    Mistake(
        "columns and channels taken for neighbours",
        "the differences are those of columns and channels, not of rows and columns: x is "
        "(H, W, C)",
        lambda x: 2 * sum(_toward(x, axis, side) for axis in (1, 2) for side in (-1, 1)),
    ),
    Mistake(
        "root of the sum",
        "it is divided by 2√TV: [T1] has no root",
        lambda x: (
            _right(x)
            / (2 * np.sqrt(np.sum(np.diff(x, axis=0) ** 2) + np.sum(np.diff(x, axis=1) ** 2)))
        ),
    ),
)


def _subject(normalisation: str, identifier: str, formula: str, **known) -> Subject:
    def own(problem, backend):
        _, cache = _forward(problem.arguments["x"], normalisation, backend)
        return losses.total_variation_backward(1.0, cache, backend=backend)

    return Subject(
        name="tv_backward",
        identifier=identifier,
        formula=formula,
        gives="dL_dx",
        describe="""L = Σ (x[i+1,j,c] − x[i,j,c])² + (x[i,j+1,c] − x[i,j,c])² over all pairs of
    neighbours within the picture. x (H, W, C) → dL_dx (H, W, C)""",
        draw=_draw,
        variable=lambda problem: problem.arguments["x"],
        loss=lambda problem, x, backend: _forward(x, normalisation, backend)[0],
        own=own,
        right=_right,
        summands=lambda problem: 8,
        **known,
    )


TOTAL_VARIATION = _subject(
    "paper",
    "T2",
    "dL_dx = Σ 2 (x − neighbour)",
    parts=_parts,
    mistakes=_MISTAKES,
    hints={
        "1/2": "the derivative of d² is 2 d",
        "2": "each pair was counted twice, once from either side",
        "-1": "the sign: a pixel gets 2 (x − neighbour)",
        "1/(C·H·W)": "[T1] is a sum, not a mean",
        "1/(H·W)": "[T1] is a sum, not a mean",
    },
)
NORMALISED_TOTAL_VARIATION = (_subject("relative", "V3", "dL_dx = Σ 2 (x − neighbour)/(3HW)"),)
