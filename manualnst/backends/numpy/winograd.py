r"""3×3 convolution with a quarter of the multiplications: Winograd's F(4×4, 3×3).

Why it works, in one dimension. Four neighbouring outputs of a filter g of three taps are

    y[i] = Σ_v d[i+v] g[v]          i = 0 … 3, from six inputs d[0] … d[5]: 12 multiplications

(1) The other way round, let a polynomial of degree 3 with coefficients y be multiplied by one
of degree 2 with coefficients g: the product has degree 5, so it is fixed by six values, and each
of them is one multiplication, g(p) · y(p). With the points p = 0, 1, −1, 2, −2 and ∞ (the leading
coefficient) this reads, from right to left: evaluate y (the 6×4 matrix A), evaluate g (the 6×3
matrix G), multiply, and interpolate (the 6×6 matrix B, the inverse of evaluating degree 5):

    coefficients of the product = B [(G g) ⊙ (A y)]

(2) The product of polynomials is linear in y for a fixed g, as a matrix: d = T_g y. The outputs
above are its transpose applied to d: Σ_v d[i+v] g[v] = (T_gᵀ d)[i]. So transpose (1):

    y = Aᵀ [(G g) ⊙ (Bᵀ d)]          six multiplications

In two dimensions it is done along rows and along columns, 36 multiplications in the place of
144 for a tile of 4×4 outputs, which overlap by two rows and columns of their 6×6 inputs:

    Y = Aᵀ [ (G g Gᵀ) ⊙ (Bᵀ D B) ] A

and with channels each of the 36 products becomes a matrix product, tiles × C by C × K.

(3) The backward to the input is the transpose of that chain, step by step in reverse: A for
Aᵀ, the transposed products, B for Bᵀ, and where tiles overlapped their gradients are added:

    dL_dD = B [ (G g Gᵀ)ᵀ ⊙ (A dL_dY Aᵀ) ] Bᵀ

so it needs no filters of its own.

The price: the numbers grow on the way by up to a hundred, and with them rounding, which costs one
to two digits against the plain sum. The scale of a row of G is free, as B's column can take it
back: here A and B are made of small whole numbers, which are exact.
"""

from collections.abc import Callable
from functools import cache
from threading import Lock

import numpy as np
from numpy.lib.stride_tricks import as_strided

from ...system import threads
from .strips import add_rows, split

TILE = 4  # outputs of a tile, each way; it reads TILE + 2 inputs
_SPAN = TILE + 2
# Tiles of a strip: enough of them to make up for reading the transformed filters once, few enough
# to stay in a cache, with the product, where channels are few.
_TILES = 256
_FEW_TILES = 64  # that are not worth to have every thread read all filters
_CHANNELS_AT_LEAST, _TILES_AT_LEAST = 16, 8

AT = [
    [1, 1, 1, 1, 1, 0],  # p⁰
    [0, 1, -1, 2, -2, 0],  # p¹
    [0, 1, 1, 4, 4, 0],  # p²
    [0, 1, -1, 8, -8, 1],  # p³; at ∞ only the leading coefficient is left
]
BT = [  # its rows, times the denominators of G
    [4, 0, -5, 0, 1, 0],
    [0, -4, -4, 1, 1, 0],
    [0, 4, -4, -1, 1, 0],
    [0, -2, -1, 2, 1, 0],
    [0, 2, -1, -2, 1, 0],
    [0, 4, 0, -5, 0, 1],
]
G = [  # g(p) over Π (p − other points)
    [1 / 4, 0, 0],
    [-1 / 6, -1 / 6, -1 / 6],
    [-1 / 6, 1 / 6, -1 / 6],
    [1 / 24, 1 / 12, 1 / 6],
    [1 / 24, -1 / 12, 1 / 6],
    [0, 0, 1],
]


@cache
def _matrices(dtype: np.dtype) -> tuple[np.ndarray, np.ndarray]:
    """Aᵀ (4, 6) and Bᵀ (6, 6)."""
    return np.array(AT, dtype), np.array(BT, dtype)


def pays(map_shape, filters_shape) -> bool:
    """Is it faster than the plain sum for a map (H, W, C) and filters (3, 3, C, K)?

    The transforms cost per channel what is saved per pair of channels; and with a few tiles only,
    to read the transformed filters, four times as many numbers, takes longest.
    """
    tiles = -(-map_shape[0] // TILE) * -(-map_shape[1] // TILE)
    return min(filters_shape[2:]) >= _CHANNELS_AT_LEAST and tiles >= _TILES_AT_LEAST


def transform_filters(w) -> np.ndarray:
    """G g Gᵀ: w (3, 3, C, K) → (6, 6, C, K)."""
    _, _, C, K = w.shape
    both = np.kron(G, G)  # (36, 9): down and across
    return (both.astype(w.dtype) @ w.reshape(9, C * K)).reshape(_SPAN, _SPAN, C, K)


def forward(x, U, finish: Callable) -> None:
    """(2): x (H, W, C), transformed filters U (6, 6, C, K) → `finish` gets y (H, W, K) in strips:
    a slice of rows and what is in them, as an array of its own."""
    (H, W, C), K = x.shape, U.shape[3]
    AT, BT = _matrices(x.dtype)
    columns = -(-W // TILE)

    strips, for_each_strip, for_each_row = _shared_out(H, W)

    def down_transformed(tiles: range):
        """Bᵀ D of every tile: (r, 6, 4 columns + 2, C)."""
        down = np.empty((len(tiles), _SPAN, TILE * columns + 2, C), x.dtype)
        down[:, :, 0] = down[:, :, W + 1 :] = 0
        inside = down.reshape(len(tiles), _SPAN, -1)[:, :, C : (W + 1) * C]
        np.matmul(BT, _overlapping(_rows_around(x, tiles), len(tiles)), out=inside)
        return down

    def convolve(tiles: range) -> None:
        across = _multiplied(down_transformed(tiles), U, for_each_row)
        Y = np.matmul(AT, across.reshape(len(tiles), _SPAN, -1)).reshape(-1, TILE * columns, K)
        rows = slice(TILE * tiles.start, min(TILE * tiles.stop, H))
        finish(rows, Y[: rows.stop - rows.start, :W])

    for_each_strip(convolve, strips)


def _multiplied(down, U, for_each_row: Callable):
    """Bᵀ D (r, 6, 4 columns + 2, C) → [(Bᵀ D B) ⊙ U] A of every tile: (r, 6, columns, 4, K).

    One of the six rows at a time, so that what is made on the way stays in a cache.
    """
    AT, BT = _matrices(down.dtype)
    (r, _, width, C), K = down.shape, U.shape[3]
    columns = width // TILE
    across = np.empty((r, _SPAN, columns, TILE, K), down.dtype)

    def multiply(u: int) -> None:
        V = np.empty((_SPAN, r, columns, C), down.dtype)  # row u of Bᵀ D B
        np.matmul(BT, _every_fourth(down[:, u], columns, _SPAN), out=V.transpose(1, 2, 0, 3))
        M = np.matmul(V.reshape(_SPAN, -1, C), U[u]).reshape(_SPAN, r, columns, K)
        np.matmul(AT, M.transpose(1, 2, 0, 3), out=across[:, u])

    for_each_row(multiply, range(_SPAN))
    return across


def backward(read: Callable, shape: tuple[int, int, int], U):
    """(3): dL_dy of this shape (H, W, K), which is read in strips: `read` gets a slice of rows
    and gives what is in them; U (6, 6, C, K) → dL_dx (H, W, C)."""
    (H, W, K), C = shape, U.shape[2]
    AT, BT = _matrices(U.dtype)
    columns = -(-W // TILE)
    dL_dx = np.zeros((H, W, C), U.dtype)
    lock = Lock()  # of the two rows at the top of each strip: the strip above adds to them too
    strips, for_each_strip, for_each_row = _shared_out(H, W)

    def down_transformed(tiles: range):
        """A dL_dY of every tile: (r, 6, columns, 4, K)."""
        rows = slice(TILE * tiles.start, min(TILE * tiles.stop, H))
        dL_dY = _whole_tiles(read(rows), len(tiles), columns)
        down = np.matmul(AT.T, dL_dY.reshape(len(tiles), TILE, -1))
        return down.reshape(len(tiles), _SPAN, columns, TILE, K)

    def convolve(tiles: range) -> None:
        r = len(tiles)
        across = _multiplied_back(down_transformed(tiles), U, for_each_row).reshape(r, _SPAN, -1)
        # Of a tile's six rows four are its own, and two lie in the next tile.
        own = np.matmul(BT.T[:TILE], across).reshape(r, TILE, -1, C)
        shared = np.matmul(BT.T[TILE:], across).reshape(r, 2, -1, C)
        own[1:, :2] += shared[:-1]
        own = own.reshape(TILE * r, -1, C)[:, 1 : W + 1]
        top = TILE * tiles.start - 1  # the first tile begins one row above the picture
        dL_dx[top + 2 : top + TILE * r] = own[2 : H - top]
        with lock:
            add_rows(dL_dx, top, own[:2])
            add_rows(dL_dx, top + TILE * r, shared[-1, :, 1 : W + 1])

    for_each_strip(convolve, strips)
    return dL_dx


def _multiplied_back(down, U, for_each_row: Callable):
    """A dL_dY (r, 6, columns, 4, K) → [(A dL_dY Aᵀ) ⊙ Uᵀ] Bᵀ, added up where tiles share columns:
    (r, 6, 4 columns + 2, C)."""
    AT, BT = _matrices(down.dtype)
    (r, _, columns, _, K), C = down.shape, U.shape[2]
    across = np.empty((r, _SPAN, TILE * columns + 2, C), down.dtype)

    def multiply(u: int) -> None:
        V = np.empty((_SPAN, r, columns, K), down.dtype)  # row u of A dL_dY Aᵀ
        np.matmul(AT.T, down[:, u], out=V.transpose(1, 2, 0, 3))
        M = np.matmul(V.reshape(_SPAN, -1, K), U[u].swapaxes(1, 2))
        M = M.reshape(_SPAN, r, columns, C).transpose(1, 2, 0, 3)
        _place_side_by_side(BT.T, M, across[:, u])

    for_each_row(multiply, range(_SPAN))
    return across


def strip_bytes(shape, filters_shape) -> int:
    """A strip's arrays that are alive together, in single precision: about four of its size."""
    tiles = max(map(len, _strips(*shape[:2]))) * -(-shape[1] // TILE)
    return 4 * 4 * TILE**2 * tiles * max(filters_shape[2:])


def _shared_out(H: int, W: int) -> tuple[list[range], Callable, Callable]:
    """The strips, and how to go through them and through the six rows of each: what the threads
    share is the strips, or if these are too few the rows, of which each reads its own filters."""
    strips = _strips(H, W)
    if len(strips) < threads.count():
        return strips, threads.in_order, threads.for_each
    return strips, threads.for_each, threads.in_order


def _strips(H: int, W: int) -> list[range]:
    """Rows of tiles in strips of about _TILES, of equal height; an even number, as most machines
    have an even number of processors. The same on all of them: a product of other height may
    have other last bits."""
    rows = -(-H // TILE)
    tiles = rows * -(-W // TILE)
    if tiles <= _FEW_TILES:
        return [range(rows)]
    return split(rows, 2 * max(1, round(tiles / _TILES / 2)))


def _rows_around(x, tiles: range):
    """The rows that these tiles read, with zeros above and below x: (4r + 2, W · C)."""
    H = len(x)
    top, bottom = TILE * tiles.start - 1, TILE * tiles.stop + 1
    rows = x[max(top, 0) : min(bottom, H)]
    rows = rows.reshape(len(rows), -1)
    if len(rows) == bottom - top:
        return rows
    return np.pad(rows, ((max(-top, 0), max(bottom - H, 0)), (0, 0)))


def _whole_tiles(dL_dY, r: int, columns: int):
    """Some rows, with zeros beyond the map's last row and column: (4r, 4 columns, K)."""
    rows, W, K = dL_dY.shape
    if (rows, W) == (TILE * r, TILE * columns):
        return dL_dY
    whole = np.zeros((TILE * r, TILE * columns, K), dL_dY.dtype)
    whole[:rows, :W] = dL_dY
    return whole


def _overlapping(D, r: int):
    """A view of the six rows of each tile, four on from tile to tile: (r, 6, width)."""
    down, right = D.strides
    return as_strided(D, (r, _SPAN, D.shape[1]), (TILE * down, down, right), writeable=False)


def _place_side_by_side(B, M, across) -> None:
    """B applied to the columns of each tile of M (r, columns, 6, C), and added up where tiles
    share columns: into across (r, 4 columns + 2, C)."""
    columns = M.shape[1]
    np.matmul(B[:TILE], M, out=_every_fourth(across, columns, TILE))
    across[:, TILE * columns :] = 0
    pairs = _every_fourth(across[:, TILE:], columns, 2)  # in the next tile
    pairs += np.matmul(B[TILE:], M)


def _every_fourth(across, columns: int, width: int):
    """A view of so many columns from every fourth on: (r, columns, width, C)."""
    r, _, C = across.shape
    tile, right, channel = across.strides
    return as_strided(across, (r, columns, width, C), (tile, TILE * right, right, channel))
