"""[C2] and [C3], and the ways to get them wrong."""

from dataclasses import replace

import numpy as np

from ... import ops
from ...backends import get_backend
from .subject import Mistake, Problem, Subject, numbers

NUMPY = get_backend("numpy")


def sizes(shape) -> dict[str, int]:
    H, W, C, K = shape
    return {"C": C, "K": K, "H": H, "W": W}


def backward(dL_dy: np.ndarray, w: np.ndarray) -> np.ndarray:
    """[C2] by the package: what the mistakes below vary."""
    return ops.conv3x3_backward(dL_dy, w, backend=NUMPY)


def correlate(x: np.ndarray, w: np.ndarray) -> np.ndarray:
    """[C1] without bias."""
    return ops.conv3x3_forward(x, w, np.zeros(w.shape[3], x.dtype), backend=NUMPY)[0]


def _draw_input(rng, shape) -> Problem:
    H, W, C, K = shape
    return Problem({"dL_dy": numbers(rng, H, W, K), "w": numbers(rng, 3, 3, C, K)}, sizes(shape))


def weighted_output(dL_dy, x, w, b, backend):
    """Σ dL_dy · y, linear in each of x, w and b: the loss whose gradients are checked here."""
    dtype = np.result_type(x, w, b)
    y, _ = ops.conv3x3_forward(*(array.astype(dtype) for array in (x, w, b)), backend=backend)
    return np.sum(dL_dy * y)


def _input_loss(problem, x, backend):
    dL_dy, w = problem.arguments.values()
    return weighted_output(dL_dy, x, w, np.zeros(w.shape[3]), backend)


def _padded(mode):
    """The gradient with the border continued in some way instead of by zeros."""

    def wrong(dL_dy, w):
        return backward(np.pad(dL_dy, ((1, 1), (1, 1), (0, 0)), mode), w)[1:-1, 1:-1]

    return wrong


def shifted(array: np.ndarray, down: int, right: int) -> np.ndarray:
    """Moved by so many rows and columns, zeros following."""
    moved = np.zeros_like(array)
    H, W = array.shape[:2]
    moved[max(down, 0) : H + min(down, 0), max(right, 0) : W + min(right, 0)] = array[
        max(-down, 0) : H + min(-down, 0), max(-right, 0) : W + min(-right, 0)
    ]
    return moved


def _tap(dL_dy, w, u, v):
    one = np.zeros_like(w)
    one[u, v] = w[u, v]
    return backward(dL_dy, one)


def inside_only(array: np.ndarray) -> np.ndarray:
    kept = np.zeros_like(array)
    kept[1:-1, 1:-1] = array[1:-1, 1:-1]
    return kept


def _without_the_last(array: np.ndarray) -> np.ndarray:
    kept = array.copy()
    kept[-1] = kept[:, -1] = 0
    return kept


def _misread_channels(w):
    """The filters (3, 3, C, K) read as (3, 3, K, C) without moving a number."""
    return w.reshape(3, 3, w.shape[3], w.shape[2]).swapaxes(2, 3)


def _assigned_windows(dL_dy, w):
    H, W, _ = dL_dy.shape
    padded = np.zeros((H + 2, W + 2, w.shape[2]))
    for i, j in np.ndindex(H, W):
        padded[i : i + 3, j : j + 3] = w @ dL_dy[i, j]
    return padded[1:-1, 1:-1]


SHIFTS = {
    "one row down": (1, 0),
    "one row up": (-1, 0),
    "one column to the right": (0, 1),
    "one column to the left": (0, -1),
    "one row and column, down and right": (1, 1),
    "one row and column, up and left": (-1, -1),
}

_INPUT_MISTAKES = (
    Mistake(
        "kernel not turned",
        "the filters are not turned by 180°: y[i] took x[i+u−1], so x[p] went to y[p−u+1]",
        lambda dL_dy, w: backward(dL_dy, w[::-1, ::-1]),
    ),
    Mistake(
        "kernel turned vertically only",
        "the filters are mirrored top to bottom only; turn them left to right as well",
        lambda dL_dy, w: backward(dL_dy, w[:, ::-1]),
    ),
    Mistake(
        "kernel turned horizontally only",
        "the filters are mirrored left to right only; turn them top to bottom as well",
        lambda dL_dy, w: backward(dL_dy, w[::-1]),
    ),
    Mistake(
        "rows and columns of the kernel exchanged",
        "rows and columns of the filters are exchanged (transposed instead of turned?)",
        lambda dL_dy, w: backward(dL_dy, w.swapaxes(0, 1)),
    ),
    Mistake(
        "kernel transposed and not turned",
        "the filters are transposed, rows for columns, where they should be turned by 180°",
        lambda dL_dy, w: backward(dL_dy, w.swapaxes(0, 1)[::-1, ::-1]),
    ),
    Mistake(
        "channels reshaped instead of exchanged",
        "input and output channels of the filters were reshaped to (3, 3, K, C) instead of being "
        "transposed, which mixes them",
        lambda dL_dy, w: backward(dL_dy, _misread_channels(w)),
    ),
    Mistake(
        "channels reshaped and kernel not turned",
        "the filters are neither turned by 180° nor are their channels transposed, only reshaped",
        lambda dL_dy, w: backward(dL_dy, _misread_channels(w)[::-1, ::-1]),
    ),
    Mistake(
        "border wraps around",
        "the border wraps around (np.roll, or a Fourier transform?): beyond it are zeros",
        _padded("wrap"),
    ),
    Mistake(
        "border repeated",
        "the border of dL_dy is repeated outwards: beyond it are zeros",
        _padded("edge"),
    ),
    Mistake(
        "border mirrored",
        "dL_dy is mirrored at the border: beyond it are zeros",
        _padded("reflect"),
    ),
    Mistake(
        "border left out",
        "the border's gradient is zero: with zero padding the border gets its share too",
        lambda dL_dy, w: inside_only(backward(dL_dy, w)),
    ),
    Mistake(
        "border of dL_dy left out",
        "the border of dL_dy is not used (no padding?): every entry of dL_dy counts",
        lambda dL_dy, w: backward(inside_only(dL_dy), w),
    ),
    *(
        Mistake(
            f"padding off by one: {name}",
            f"the result is moved {name}: the padding is off by one",
            lambda dL_dy, w, shift=shift: shifted(
                backward(np.pad(dL_dy, ((1, 1), (1, 1), (0, 0))), w), *shift
            )[1:-1, 1:-1],
        )
        for name, shift in SHIFTS.items()
    ),
    *(
        Mistake(
            f"result moved: {name}",
            f"the result is moved {name}, and cut",
            lambda dL_dy, w, shift=shift: shifted(backward(dL_dy, w), *shift),
        )
        for name, shift in SHIFTS.items()
    ),
    Mistake(
        "input channels reversed",
        "the input channels of the filters are reversed ([::-1] on one axis too many?)",
        lambda dL_dy, w: backward(dL_dy, w[:, :, ::-1]),
    ),
    Mistake(
        "output channels reversed",
        "the output channels of the filters are reversed ([::-1] on one axis too many?)",
        lambda dL_dy, w: backward(dL_dy, w[..., ::-1]),
    ),
    Mistake(
        "all channels reversed",
        "the channels of the filters are reversed as well: turn rows and columns only",
        lambda dL_dy, w: backward(dL_dy, w[:, :, ::-1, ::-1]),
    ),
    Mistake(
        "last row and column of dL_dy left out",
        "the last row and column of dL_dy are left out (a range that ends one too early?)",
        lambda dL_dy, w: backward(_without_the_last(dL_dy), w),
    ),
    Mistake(
        "windows assigned instead of added",
        "the 3 × 3 windows are assigned (=) where they are to be added (+=): each overwrites what "
        "its neighbours wrote",
        _assigned_windows,
    ),
    Mistake(
        "centre tap only",
        "only the centre of each filter is used, as in a 1 × 1 convolution",
        lambda dL_dy, w: _tap(dL_dy, w, 1, 1),
    ),
    Mistake(
        "first output channel only",
        "only the first output channel of dL_dy is used: the gradient sums over all of them",
        lambda dL_dy, w: backward(dL_dy[:, :, :1], w[..., :1]),
    ),
    Mistake(
        "output channels summed before the filters",
        "the output channels of dL_dy were added up before the filters were applied",
        lambda dL_dy, w: backward(
            np.broadcast_to(dL_dy.sum(axis=2, keepdims=True), dL_dy.shape).copy(), w
        ),
    ),
    Mistake(
        "height and width exchanged",
        "height and width of dL_dy are exchanged",
        lambda dL_dy, w: backward(
            dL_dy.reshape(dL_dy.shape[1], dL_dy.shape[0], -1).swapaxes(0, 1).copy(), w
        ),
    ),
)

INPUT = Subject(
    name="conv3x3_backward",
    identifier="C2",
    formula="dL_dx[p,q] = Σ dL_dy[p−u+1, q−v+1] w[u,v]",
    gives="dL_dx",
    describe="""y[i,j,k] = b[k] + Σ x[i+u−1, j+v−1, c] w[u,v,c,k] over u, v ∈ {0, 1, 2} and c,
    where x is zero outside. dL_dy (H, W, K), w (3, 3, C, K) → dL_dx (H, W, C)""",
    draw=_draw_input,
    variable=lambda problem: np.zeros(
        (*problem.arguments["dL_dy"].shape[:2], problem.arguments["w"].shape[2])
    ),
    loss=_input_loss,
    own=lambda problem, backend: ops.conv3x3_backward(
        problem.arguments["dL_dy"], problem.arguments["w"], backend=backend
    ),
    summands=lambda problem: 9 * problem.sizes["K"],
    right=backward,
    parts=lambda dL_dy, w: {
        f"the filters' tap w[{u},{v}]": _tap(dL_dy, w, u, v) for u, v in np.ndindex(3, 3)
    },
    mistakes=_INPUT_MISTAKES,
    hints={
        "1/9": "the nine taps add up; there is no mean",
        "1/K": "the output channels add up; there is no mean",
    },
    is_linear=True,
)

# Of a size at which the numpy backend takes Winograd's algorithm.
WINOGRAD = replace(
    INPUT, formula="the same, by Winograd's algorithm", shapes=((9, 18, 16, 17),), mistakes=()
)
