"""3×3 convolution as one matrix product: every 3×3 patch a row, every filter a column.

    forward    Y (HW, K) = P (HW, 9C) · w (9C, K)          gather the patches, multiply
    backward   dL_dP = dL_dY · wᵀ, and each entry of a patch is added where it was gathered

The whole patch matrix would be nine times the map; it is made in strips of rows.
"""

from collections.abc import Callable
from threading import Lock

import numpy as np
from numpy.lib.stride_tricks import as_strided

from ...system import threads
from .strips import add_rows, split

# A strip's patches of about this many bytes are still in a cache when they are used.
_STRIP_BYTES = 2 << 20
_STRIPS_AT_LEAST = 4  # for the threads to share


def forward(x, w, finish: Callable) -> None:
    """x (H, W, C), w (3, 3, C, K) → `finish` gets y (H, W, K) in strips: a slice of rows and what
    is in them, as an array of its own."""
    (H, W, C), K = x.shape, w.shape[3]
    w_matrix = w.reshape(9 * C, K)

    def convolve(pairs: range) -> None:
        rows = _rows(pairs, H)
        y = gather(x, rows) @ w_matrix
        finish(rows, y.reshape(-1, W, K))

    threads.for_each(convolve, _strips(x.shape, x.dtype.itemsize))


def backward(read: Callable, shape: tuple[int, int, int], w):
    """dL_dy of this shape (H, W, K), which is read in strips: `read` gets a slice of rows and
    gives what is in them; w (3, 3, C, K) → dL_dx (H, W, C)."""
    (H, W, K), C = shape, w.shape[2]
    w_matrix = w.reshape(9 * C, K)
    dL_dx = np.zeros((H, W, C), w.dtype)
    lock = Lock()  # of the rows around a strip: to its first and last its neighbours add too

    def convolve(pairs: range) -> None:
        rows = _rows(pairs, H)
        dL_dP = read(rows).reshape(-1, K) @ w_matrix.T
        around = _scattered(dL_dP.reshape(-1, W, 3, 3, C))  # from the row above to that below
        with lock:
            add_rows(dL_dx, rows.start - 1, around[:, 1:-1])

    threads.for_each(convolve, _strips((H, W, C), w.dtype.itemsize))
    return dL_dx


def gather(x, rows: slice):
    """The 3×3 patches around every position of these rows, as a matrix (rows · W, 9C)."""
    H, W, C = x.shape
    around = np.zeros((rows.stop - rows.start + 2, W + 2, C), x.dtype)
    inside = slice(max(rows.start - 1, 0), min(rows.stop + 1, H))
    top = rows.start - 1
    around[inside.start - top : inside.stop - top, 1:-1] = x[inside]
    down, right, channel = around.strides
    windows = as_strided(
        around,
        shape=(len(around) - 2, W, 3, 3, C),
        strides=(down, right, down, right, channel),
        writeable=False,
    )
    return windows.reshape(-1, 9 * C)


def _scattered(patches):
    """Patches (rows, W, 3, 3, C), added up where they overlap: (rows + 2, W + 2, C)."""
    rows, W, _, _, C = patches.shape
    around = np.zeros((rows + 2, W + 2, C), patches.dtype)
    for u, v in np.ndindex(3, 3):
        around[u : u + rows, v : v + W] += patches[:, :, u, v]
    return around


def strips(x) -> list[slice]:
    """The rows of x, cut into strips of which the patches stay in the cache."""
    return [_rows(pairs, len(x)) for pairs in _strips(x.shape, x.dtype.itemsize)]


def strip_bytes(shape, filters_shape) -> int:
    """A strip's patches and what is made of them, in single precision."""
    of_all = 4 * 9 * shape[0] * shape[1] * filters_shape[2]
    return 2 * min(_STRIP_BYTES, of_all // _STRIPS_AT_LEAST)


def _strips(shape, itemsize: int) -> list[range]:
    """Pairs of rows, so that no window of a pooling is cut."""
    H, W, C = shape
    count = 9 * H * W * C * itemsize // _STRIP_BYTES
    return split(-(-H // 2), max(count, _STRIPS_AT_LEAST))


def _rows(pairs: range, H: int) -> slice:
    return slice(2 * pairs.start, min(2 * pairs.stop, H))
