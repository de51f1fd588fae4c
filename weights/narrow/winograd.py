"""The same convolutions with a quarter of the multiplications, for a whole batch.

As manualnst/backends/numpy/winograd.py derives it, for each tile of 4 × 4 outputs

    Y = Aᵀ [ (G g Gᵀ) ⊙ (Bᵀ D B) ] A

with D the 6 × 6 inputs around it. The two sides of A, B and G are here taken at once, as one
matrix each over the 16, 36 or 9 numbers of a tile: A ⊗ A, B ⊗ B, G ⊗ G. Then everything is a
product of matrices, over all tiles and channels of a block of crops:

    D (36, T·C) → V = (B ⊗ B)ᵀ D → M = V U for each of the 36, C to K channels → Y = (A ⊗ A)ᵀ M

Needs heights and widths that are multiples of 4.
"""

from collections.abc import Iterator
from functools import cache

import numpy as np
from numpy.lib.stride_tricks import as_strided

from manualnst.backends.numpy import winograd

BLOCK_BYTES = 1 << 22  # of the transformed tiles of a block of crops; fewer re-read the filters
TILE, SPAN = 4, 6


def pays(x_shape, w_shape) -> bool:
    """Is it possible, and faster than the plain sum?"""
    return x_shape[1] % TILE == 0 and x_shape[2] % TILE == 0 and min(w_shape[2:]) >= 16


def transformed(w):
    """U = (G ⊗ G) g of all filters: w (3, 3, C, K) → (36, C, K)."""
    return winograd.transform_filters(w).reshape(SPAN**2, *w.shape[2:])


def forward(x, U):
    """x (n, H, W, C), U (36, C, K) → z (n, H, W, K)."""
    n, H, W, C = x.shape
    K = U.shape[2]
    z = np.empty((n, H, W, K), x.dtype)
    for crops in _blocks(x, max(C, K)):
        _put(np.matmul(_tiles_transformed(x[crops]), U), z[crops])
    return z


def backward(dL_dz, x, w):
    """dL_dz (n, H, W, K) → dL_dx (n, H, W, C), dL_dw (3, 3, C, K).

    dL_dx is the correlation of dL_dz with the turned filters w', so it is computed as above from
    V = (B ⊗ B)ᵀ D of dL_dz's tiles. That correlation is linear in w' too, and what it gives is
    multiplied with x in dL_dw: Σ x · correlation(dL_dz, w') has the derivative dL_dw' by w'. Back
    through the chain, from x in the place of the result:

        X = (A ⊗ A) x's tiles of 4 × 4      dU' = Vᵀ X for each of the 36      dL_dw' = (G ⊗ G)ᵀ dU'

    with the V that there is already.
    """
    C, K = w.shape[2:]
    U = transformed(_turned(w))
    A, _, G = _matrices(x.dtype)
    dU = np.zeros_like(U)
    dL_dx = np.empty_like(x)
    for crops in _blocks(x, max(C, K)):
        V = _tiles_transformed(dL_dz[crops])
        _put(np.matmul(V, U), dL_dx[crops])
        X = A @ _tiles(x[crops], TILE).reshape(TILE**2, -1)  # (36, T·C)
        dU += np.matmul(V.transpose(0, 2, 1), X.reshape(SPAN**2, -1, C))
    return dL_dx, _turned((G.T @ dU.reshape(SPAN**2, -1)).reshape(3, 3, K, C))


def _turned(w):
    """Each filter turned by 180°, its input and output channels exchanged."""
    return np.ascontiguousarray(w[::-1, ::-1].swapaxes(2, 3))


@cache
def _matrices(dtype: np.dtype) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A ⊗ A (36, 16), (B ⊗ B)ᵀ (36, 36), G ⊗ G (36, 9)."""
    A, BT, G = np.transpose(winograd.AT), winograd.BT, winograd.G
    return tuple(np.ascontiguousarray(np.kron(m, m), dtype) for m in (A, BT, G))


def _tiles_transformed(x):
    """V = (B ⊗ B)ᵀ D of all tiles of x, with a border of zeros around: (36, T, C)."""
    k, H, W, C = x.shape
    padded = np.zeros((k, H + 2, W + 2, C), x.dtype)
    padded[:, 1:-1, 1:-1] = x
    _, BBT, _ = _matrices(x.dtype)
    return (BBT @ _tiles(padded, SPAN).reshape(SPAN**2, -1)).reshape(SPAN**2, -1, C)


def _tiles(x, span: int):
    """The tiles of span × span that begin at every fourth row and column, as a view:
    (span, span, k, rows, columns, C)."""
    k, H, W, C = x.shape
    crop, down, right, channel = x.strides
    return as_strided(
        x,
        (span, span, k, H // TILE, W // TILE, C),
        (down, right, crop, TILE * down, TILE * right, channel),
        writeable=False,
    )


def _put(M, out) -> None:
    """Y = (A ⊗ A)ᵀ M, each tile in its place: M (36, T, K) → out (k, H, W, K)."""
    k, H, W, K = out.shape
    A, _, _ = _matrices(out.dtype)
    Y = (A.T @ M.reshape(SPAN**2, -1)).reshape(TILE, TILE, k, H // TILE, W // TILE, K)
    places = out.reshape(k, H // TILE, TILE, W // TILE, TILE, K)
    places[...] = Y.transpose(2, 3, 0, 4, 1, 5)


def _blocks(x, channels: int) -> Iterator[slice]:
    n, H, W, _ = x.shape
    tile_bytes = SPAN**2 * channels * x.itemsize
    step = max(1, BLOCK_BYTES // (tile_bytes * (H // TILE) * (W // TILE)))
    for first in range(0, n, step):
        yield slice(first, min(first + step, n))
