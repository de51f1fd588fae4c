"""[M4], and the ways to get it wrong."""

import numpy as np

from ... import ops
from .subject import Mistake, Problem, Subject, numbers


def _draw(rng, shape) -> Problem:
    H, W, N, _ = shape
    problem = {"dL_dF": numbers(rng, H, W, N), "margin": min(H, W, 2)}
    return Problem(problem, {"N": N, "H": H, "W": W})


def _loss(problem, y, backend):
    dL_dF, margin = problem.arguments.values()
    return np.sum(dL_dF * ops.crop_forward(y, margin, backend=backend)[0])


def _own(problem, backend):
    dL_dF, margin = problem.arguments.values()
    _, cache = ops.crop_forward(_right(dL_dF, margin), margin, backend=backend)
    return ops.crop_backward(dL_dF, cache, backend=backend)


def _right(dL_dF, margin):
    return _padded(dL_dF, margin, "constant")


def _padded(dL_dF, margin, mode, **given):
    return np.pad(dL_dF, ((margin, margin), (margin, margin), (0, 0)), mode, **given)


def _placed(dL_dF, margin, top, left):
    """The gradient with so many rows above and columns at the left, of the 2 margin that there
    are."""
    around = ((top, 2 * margin - top), (left, 2 * margin - left), (0, 0))
    return np.pad(dL_dF, around)


def _enlarged(dL_dF, margin):
    """Each row and column of y takes the nearest of dL_dF's."""
    rows, columns = (
        (2 * np.arange(size + 2 * margin) + 1) * size // (2 * (size + 2 * margin))
        for size in dL_dF.shape[:2]
    )
    return dL_dF[rows][:, columns]


CROP = Subject(
    name="crop_backward",
    identifier="M4",
    formula="dL_dy[i+m,j+m] = dL_dF[i,j], else 0",
    gives="dL_dy",
    describe="""F (H, W, N) is y without the `margin` rows and columns on every side that the losses
    are not to see. dL_dF → dL_dy (H + 2 margin, W + 2 margin, N)""",
    draw=_draw,
    variable=lambda problem: np.zeros_like(_right(*problem.arguments.values())),
    loss=_loss,
    own=_own,
    right=_right,
    summands=lambda problem: 1,
    mistakes=(
        Mistake(
            "mirrored",
            "the margin is filled with the reflection of dL_dF: no loss sees what lies there, and "
            "its gradient is 0",
            lambda dL_dF, margin: _padded(dL_dF, margin, "reflect"),
        ),
        Mistake(
            "border stretched",
            "the margin is filled with dL_dF's border: no loss sees what lies there, and its "
            "gradient is 0",
            lambda dL_dF, margin: _padded(dL_dF, margin, "edge"),
        ),
        Mistake(
            "wrapped around",
            "the margin is filled with dL_dF's opposite side: no loss sees what lies there, and "
            "its gradient is 0",
            lambda dL_dF, margin: _padded(dL_dF, margin, "wrap"),
        ),
        Mistake(
            "margin of ones",
            "the margin is 1: no loss sees what lies there, and its gradient is 0",
            lambda dL_dF, margin: _padded(dL_dF, margin, "constant", constant_values=1),
        ),
        Mistake(
            "top left corner",
            "dL_dF lies in the top left corner: its first entry belongs at [margin, margin]",
            lambda dL_dF, margin: _placed(dL_dF, margin, 0, 0),
        ),
        Mistake(
            "bottom right corner",
            "dL_dF lies in the bottom right corner, shifted by twice the margin: its first entry "
            "belongs at [margin, margin]",
            lambda dL_dF, margin: _placed(dL_dF, margin, 2 * margin, 2 * margin),
        ),
        Mistake(
            "rows not shifted",
            "only the columns are shifted by the margin: shift the rows as well",
            lambda dL_dF, margin: _placed(dL_dF, margin, 0, margin),
        ),
        Mistake(
            "columns not shifted",
            "only the rows are shifted by the margin: shift the columns as well",
            lambda dL_dF, margin: _placed(dL_dF, margin, margin, 0),
        ),
        Mistake(
            "one too early",
            "dL_dF lies one row and one column too early, at [margin − 1, margin − 1]",
            lambda dL_dF, margin: _placed(dL_dF, margin, margin - 1, margin - 1),
        ),
        Mistake(
            "enlarged",
            "dL_dF is enlarged to the size of y: the inside was cut out, not made smaller",
            _enlarged,
        ),
    ),
    is_linear=True,
)
