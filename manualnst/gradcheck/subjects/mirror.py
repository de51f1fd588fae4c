"""[M2], and the ways to get it wrong."""

import numpy as np

from ... import ops
from .subject import SHAPES, Mistake, Problem, Subject, numbers


def _draw(rng, shape) -> Problem:
    H, W, C, _ = shape
    margin = min(H, W, 4) - 1
    dL_dy = numbers(rng, H + 2 * margin, W + 2 * margin, C)
    return Problem({"dL_dy": dL_dy, "margin": margin}, {"H": H, "W": W})


def _loss(problem, x, backend):
    dL_dy, margin = problem.arguments.values()
    return np.sum(dL_dy * ops.mirror_forward(x, margin, backend=backend)[0])


def _own(problem, backend):
    dL_dy, margin = problem.arguments.values()
    _, cache = ops.mirror_forward(_inner(dL_dy, margin), margin, backend=backend)
    return ops.mirror_backward(dL_dy, cache, backend=backend)


def _inner(dL_dy, margin):
    return dL_dy[margin : len(dL_dy) - margin, margin : dL_dy.shape[1] - margin]


def _scattered(dL_dy, margin, mode="reflect"):
    """Each entry added where it was taken from, told by padding the numbers of the places."""
    H, W, C = _inner(dL_dy, margin).shape
    places = np.pad(np.arange(H * W).reshape(H, W), margin, mode=mode)
    dL_dx = np.zeros((H * W, C), dL_dy.dtype)
    np.add.at(dL_dx, places.ravel(), dL_dy.reshape(-1, C))
    return dL_dx.reshape(H, W, C)


def _without_corners(dL_dy, margin):
    kept = dL_dy.copy()
    for rows in (slice(margin), slice(len(dL_dy) - margin, None)):
        for columns in (slice(margin), slice(dL_dy.shape[1] - margin, None)):
            kept[rows, columns] = 0
    return _scattered(kept, margin)


def _only(dL_dy, margin, axis):
    """The margin of one direction left out."""
    kept = np.zeros_like(dL_dy)
    inside = [slice(None)] * 3
    inside[axis] = slice(margin, dL_dy.shape[axis] - margin)
    kept[tuple(inside)] = dL_dy[tuple(inside)]
    return _scattered(kept, margin)


def _counts(dL_dy, margin):
    return _scattered(np.ones_like(dL_dy), margin)


MIRROR = Subject(
    name="mirror_backward",
    identifier="M2",
    formula="dL_dx[r(i),s(j)] = Σ dL_dy[i,j]",
    gives="dL_dx",
    describe="""y is x (H, W, C) with `margin` mirrored rows and columns on every side, the border
    itself not repeated (numpy.pad's "reflect"). dL_dy (H + 2 margin, W + 2 margin, C) → dL_dx""",
    draw=_draw,
    variable=lambda problem: np.zeros_like(_inner(*problem.arguments.values())),
    loss=_loss,
    own=_own,
    right=_scattered,
    summands=lambda problem: 9,
    mistakes=(
        Mistake(
            "cropped",
            "the margin is cut off: what arrives there belongs to the pixels that it mirrors",
            lambda dL_dy, margin: _inner(dL_dy, margin).copy(),
        ),
        Mistake(
            "border repeated",
            "the margin is folded with the border row counted as its own reflection (numpy.pad's "
            '"symmetric"): the first mirrored row is the one after the border',
            lambda dL_dy, margin: _scattered(dL_dy, margin, "symmetric"),
        ),
        Mistake(
            "border stretched",
            'the margin is added to the border (numpy.pad\'s "edge"), not to what it mirrors',
            lambda dL_dy, margin: _scattered(dL_dy, margin, "edge"),
        ),
        Mistake(
            "wrapped around",
            'the margin is added on the opposite side (numpy.pad\'s "wrap")',
            lambda dL_dy, margin: _scattered(dL_dy, margin, "wrap"),
        ),
        Mistake(
            "corners forgotten",
            "the corners of the margin are missing: fold rows, then the columns of all that",
            _without_corners,
        ),
        Mistake(
            "rows not folded",
            "the rows above and below are missing",
            lambda dL_dy, margin: _only(dL_dy, margin, 0),
        ),
        Mistake(
            "columns not folded",
            "the columns left and right are missing",
            lambda dL_dy, margin: _only(dL_dy, margin, 1),
        ),
        Mistake(
            "averaged",
            "it is averaged over the places where a pixel stands: gradients add up",
            lambda dL_dy, margin: _scattered(dL_dy, margin) / _counts(dL_dy, margin),
        ),
    ),
    is_linear=True,
    shapes=SHAPES,
)
