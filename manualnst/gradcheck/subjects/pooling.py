"""[A2] and [X2], and the ways to get them wrong."""

import numpy as np

from ... import ops
from .subject import SHAPES, Kinks, Mistake, Problem, Subject, numbers

_CORNERS = {
    "top left": (0, 0),
    "top right": (0, 1),
    "bottom left": (1, 0),
    "bottom right": (1, 1),
}
_ALL_CORNERS = tuple(_CORNERS.values())


def _sizes(shape):
    H, W, C, _ = shape
    return {"C": C, "H": H, "W": W}


def _corner(x: np.ndarray, u: int, v: int) -> np.ndarray:
    """The entry (u, v) of every window, a view: (H // 2, W // 2, C)."""
    h, w = x.shape[0] // 2 * 2, x.shape[1] // 2 * 2
    return x[u:h:2, v:w:2]


def spread(dL_dy: np.ndarray, x_shape, corners=_ALL_CORNERS) -> np.ndarray:
    """dL_dy at these corners of its windows, 0 elsewhere."""
    dL_dx = np.zeros(x_shape)
    for u, v in corners:
        _corner(dL_dx, u, v)[...] = dL_dy
    return dL_dx


def _draw_average(rng, shape) -> Problem:
    H, W, C, _ = shape
    return Problem({"dL_dy": numbers(rng, H // 2, W // 2, C), "x_shape": (H, W, C)}, _sizes(shape))


def _from_the_end(dL_dy, x_shape):
    """Windows that are aligned to the last row and column instead of the first."""
    return spread(dL_dy[::-1, ::-1], x_shape)[::-1, ::-1] / 4


def _to_the_odd_edge(dL_dy, x_shape):
    """A dropped last row or column gets the gradient of the one before it."""
    dL_dx = spread(dL_dy, x_shape) / 4
    if x_shape[0] % 2:
        dL_dx[-1] = dL_dx[-2]
    if x_shape[1] % 2:
        dL_dx[:, -1] = dL_dx[:, -2]
    return dL_dx


def _tiled(dL_dy, x_shape):
    """np.tile in the place of np.repeat."""
    dL_dx = np.zeros(x_shape)
    h, w = dL_dy.shape[:2]
    dL_dx[: 2 * h, : 2 * w] = np.tile(dL_dy, (2, 2, 1)) / 4
    return dL_dx


def _overlapping(dL_dy, x_shape):
    """Stride 1 in the place of 2."""
    dL_dx = np.zeros(x_shape)
    h, w = dL_dy.shape[:2]
    for u, v in _ALL_CORNERS:
        dL_dx[u : u + h, v : v + w] += dL_dy / 4
    return dL_dx


def _exchanged(dL_dy, x_shape):
    """Filled in the order of a transposed picture."""
    h, w, C = dL_dy.shape
    return spread(dL_dy.reshape(w, h, C).swapaxes(0, 1), x_shape) / 4


def _three_by_three(dL_dy, x_shape):
    dL_dx = np.zeros((x_shape[0] + 2, x_shape[1] + 2, x_shape[2]))
    h, w = dL_dy.shape[:2]
    for u, v in np.ndindex(3, 3):
        dL_dx[u : u + 2 * h : 2, v : v + 2 * w : 2] += dL_dy / 9
    return dL_dx[: x_shape[0], : x_shape[1]]


def _reshaped(dL_dy, x_shape):
    """Each number four times in a row of numbers, which is then taken for the picture."""
    dL_dx = np.zeros(x_shape)
    h, w, C = dL_dy.shape
    dL_dx[: 2 * h, : 2 * w] = np.repeat(dL_dy.ravel(), 4).reshape(2 * h, 2 * w, C) / 4
    return dL_dx


def _without_the_last(dL_dy, x_shape):
    """Loops to h − 1 and w − 1."""
    kept = dL_dy.copy()
    kept[-1] = kept[:, -1] = 0
    return spread(kept, x_shape) / 4


_AVERAGE_MISTAKES = (
    Mistake(
        "reshaped instead of repeated along the axes",
        "each number is repeated, but in the order of memory (np.repeat without axis, then "
        "reshape): repeat along rows, then along columns",
        _reshaped,
    ),
    Mistake(
        "last windows left out",
        "the last row and column of windows are left out (a range that ends one too early?)",
        _without_the_last,
    ),
    Mistake(
        "whole numbers",
        "the gradient is cut down to whole numbers (//, or an array of integers?)",
        lambda dL_dy, x_shape: spread(dL_dy // 4, x_shape),
    ),
    Mistake(
        "all of it to the first corner",
        "all of dL_dy goes to the first entry of each window: each of the four gets ¼",
        lambda dL_dy, x_shape: spread(dL_dy, x_shape, [(0, 0)]),
    ),
    Mistake(
        "windows aligned to the end",
        "of an odd height or width the first row or column was dropped: it is the last",
        _from_the_end,
    ),
    Mistake(
        "gradient in the dropped edge",
        "the dropped last row or column of an odd picture has a gradient: no window reads it",
        _to_the_odd_edge,
    ),
    Mistake(
        "tiled instead of repeated",
        "dL_dy is laid out whole, four times (np.tile?), instead of each entry four times "
        "(np.repeat)",
        _tiled,
    ),
    Mistake(
        "stride 1",
        "the windows overlap: stride 1 in the place of 2",
        _overlapping,
    ),
    Mistake(
        "height and width exchanged",
        "height and width of dL_dy are exchanged",
        _exchanged,
    ),
    Mistake(
        "windows of 3 × 3",
        "each entry of dL_dy is spread over 3 × 3 entries with the factor 1/9: windows are 2 × 2",
        _three_by_three,
    ),
    Mistake(
        "averaged over the channels",
        "every channel gets the mean over the channels: each channel is pooled by itself",
        lambda dL_dy, x_shape: (
            spread(np.broadcast_to(dL_dy.mean(axis=2, keepdims=True), dL_dy.shape), x_shape) / 4
        ),
    ),
)

AVERAGE_POOLING = Subject(
    name="avgpool_backward",
    identifier="A2",
    formula="dL_dx = ¼ dL_dy",
    gives="dL_dx",
    describe="""y[i,j,c] = ¼ Σ x[2i+u, 2j+v, c] over u, v ∈ {0, 1}; of an odd H or W the last row or
    column is dropped. dL_dy (H // 2, W // 2, C), x_shape = (H, W, C) → dL_dx (H, W, C)""",
    draw=_draw_average,
    shapes=SHAPES,
    variable=lambda problem: np.zeros(problem.arguments["x_shape"]),
    loss=lambda problem, x, backend: np.sum(
        problem.arguments["dL_dy"] * ops.avgpool_forward(x, backend=backend)[0]
    ),
    right=lambda dL_dy, x_shape: spread(dL_dy, x_shape) / 4,
    own=lambda problem, backend: ops.avgpool_backward(
        problem.arguments["dL_dy"], problem.arguments["x_shape"], backend=backend
    ),
    summands=lambda problem: 1,
    parts=lambda dL_dy, x_shape: {
        f"the {name} entry of each window": spread(dL_dy, x_shape, [corner]) / 4
        for name, corner in _CORNERS.items()
    },
    mistakes=_AVERAGE_MISTAKES,
    hints={
        "4": "the ¼ of the average is missing",
        "2": "the average of 2 × 2 entries has the factor ¼, not ½",
        "1/4": "the ¼ was applied twice",
        "4/9": "windows are 2 × 2 here, not 3 × 3",
    },
    is_linear=True,
)


def _draw_maximum(rng, shape) -> Problem:
    H, W, C, _ = shape
    return Problem(
        {"dL_dy": numbers(rng, H // 2, W // 2, C), "x": numbers(rng, H, W, C)}, _sizes(shape)
    )


def _draw_ties(rng):
    """A problem with equal maxima: they may share the gradient, but not more than there is."""
    problem = _draw_maximum(rng, (4, 6, 3, 0))
    dL_dy, x = problem.arguments.values()
    x[...] = rng.integers(0, 2, x.shape)
    tops = _repeated_maximum(x)
    whole = spread(dL_dy, x.shape)
    is_top = x == tops
    alone = _corner_sum(is_top.astype(float)) == 1  # (H // 2, W // 2, C)
    certain = whole * is_top * spread(alone, x.shape)
    possible = whole * is_top
    low, high = np.minimum(certain, possible), np.maximum(certain, possible)
    return problem, Kinks(low, high, _corner_sum, dL_dy)


def _corner_sum(x) -> np.ndarray:
    return np.sum([_corner(x, u, v) for u, v in _ALL_CORNERS], axis=0)


def _repeated_maximum(x):
    return spread(_largest(x), x.shape)


def _largest(x) -> np.ndarray:
    """The largest of each window: (H // 2, W // 2, C)."""
    return np.max([_corner(x, u, v) for u, v in _ALL_CORNERS], axis=0)


def _windows_misread(dL_dy, x):
    h, w, C = dL_dy.shape
    even = x[: 2 * h, : 2 * w]
    runs = even.reshape(h, w, 4, C)
    winner = runs.argmax(axis=2)[:, :, None]
    gradient = np.zeros_like(runs)
    np.put_along_axis(gradient, winner, dL_dy[:, :, None], axis=2)
    dL_dx = np.zeros_like(x)
    dL_dx[: 2 * h, : 2 * w] = gradient.reshape(even.shape)
    return dL_dx


def _to_the(score):
    """To the entry of each window that has the highest score, of equals the first."""

    def wrong(dL_dy, x):
        scores = np.stack([score(_corner(x, u, v)) for u, v in _CORNERS.values()])
        winner = scores.argmax(axis=0)
        dL_dx = np.zeros_like(x)
        for n, (u, v) in enumerate(_ALL_CORNERS):
            _corner(dL_dx, u, v)[...] = dL_dy * (winner == n)
        return dL_dx

    return wrong


def _winner_over_channels(dL_dy, x):
    return _to_the(lambda corner: np.broadcast_to(corner.max(axis=2, keepdims=True), corner.shape))(
        dL_dy, x
    )


_MAXIMUM_MISTAKES = (
    Mistake(
        "spread as if averaged",
        "every entry of a window gets ¼: of a maximum only the winner gets the gradient, all of it",
        lambda dL_dy, x: spread(dL_dy, x.shape) / 4,
    ),
    Mistake(
        "given to all four",
        "every entry of a window gets dL_dy: only the winner does",
        lambda dL_dy, x: spread(dL_dy, x.shape),
    ),
    Mistake(
        "given to all equal maxima",
        "equal maxima of a window each get all of dL_dy: one of them gets it, or they share it",
        lambda dL_dy, x: spread(dL_dy, x.shape) * (x == _repeated_maximum(x)),
    ),
    Mistake("minimum", "the smallest entry gets the gradient", _to_the(np.negative)),
    Mistake(
        "largest by magnitude",
        "the entry with the largest |x| gets the gradient: the largest x does",
        _to_the(np.abs),
    ),
    Mistake(
        "always the first",
        "the first entry of each window gets the gradient, whoever won",
        lambda dL_dy, x: spread(dL_dy, x.shape, [(0, 0)]),
    ),
    Mistake(
        "one winner for all channels",
        "the winner over all channels gets the gradient in each: every channel has its own",
        _winner_over_channels,
    ),
    Mistake(
        "one winner among all channels",
        "of each window only the largest entry of all channels gets its gradient: every channel "
        "has its own",
        lambda dL_dy, x: (
            _to_the(lambda corner: corner)(dL_dy, x)
            * (x == spread(_largest(x).max(axis=2, keepdims=True) + 0 * dL_dy, x.shape))
        ),
    ),
    Mistake(
        "negative maxima get nothing",
        "where the largest entry of a window is negative, none gets the gradient (is it compared "
        "with 0?)",
        lambda dL_dy, x: _to_the(lambda corner: corner)(dL_dy * (_largest(x) > 0), x),
    ),
    Mistake(
        "windows reshaped without transposing",
        "the windows were reshaped to (H // 2, W // 2, 4, C) without transposing: they are runs of "
        "four entries, and not 2 × 2",
        _windows_misread,
    ),
    Mistake(
        "windows aligned to the end",
        "of an odd height or width the first row or column was dropped: it is the last",
        lambda dL_dy, x: _to_the(lambda corner: corner)(dL_dy[::-1, ::-1], x[::-1, ::-1])[
            ::-1, ::-1
        ],
    ),
    Mistake(
        "multiplied by the output",
        "dL_dy is multiplied by the maximum: the slope at the winner is 1",
        lambda dL_dy, x: _to_the(lambda corner: corner)(dL_dy * _largest(x), x),
    ),
    Mistake(
        "dL_dy forgotten",
        "it is the mask of the winners alone: by the chain rule it is to be multiplied with dL_dy",
        lambda dL_dy, x: _to_the(lambda corner: corner)(np.ones_like(dL_dy), x),
    ),
    Mistake(
        "rows and columns of the winner exchanged",
        "row and column of the winner within its window are exchanged",
        lambda dL_dy, x: _swap_within(_to_the(lambda corner: corner)(dL_dy, x)),
    ),
)


def _swap_within(dL_dx):
    swapped = dL_dx.copy()
    _corner(swapped, 0, 1)[...] = _corner(dL_dx, 1, 0)
    _corner(swapped, 1, 0)[...] = _corner(dL_dx, 0, 1)
    return swapped


def _maximum_own(problem, backend):
    dL_dy, x = problem.arguments.values()
    _, cache = ops.maxpool_forward(x, backend=backend)
    return ops.maxpool_backward(dL_dy, cache, backend=backend)


MAXIMUM_POOLING = Subject(
    name="maxpool_backward",
    identifier="X2",
    formula="dL_dx = dL_dy at the winner, else 0",
    gives="dL_dx",
    describe="""y[i,j,c] = max x[2i+u, 2j+v, c] over u, v ∈ {0, 1}; of an odd H or W the last row or
    column is dropped; of equal maxima one gets the gradient, or they share it.
    dL_dy (H // 2, W // 2, C), x (H, W, C) → dL_dx (H, W, C)""",
    draw=_draw_maximum,
    shapes=SHAPES,
    variable=lambda problem: problem.arguments["x"],
    loss=lambda problem, x, backend: np.sum(
        problem.arguments["dL_dy"] * ops.maxpool_forward(x, backend=backend)[0]
    ),
    own=_maximum_own,
    right=_to_the(lambda corner: corner),
    summands=lambda problem: 1,
    mistakes=_MAXIMUM_MISTAKES,
    draw_kinks=_draw_ties,
    branches=("maximum",),
)
