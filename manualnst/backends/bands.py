r"""The multiple of the gradient with which a quasi-Newton method begins, band by band of frequency.

The first guess of the inverse of a second derivative is commonly a multiple γ of 1. A picture's is
far from that: it is another for fine detail than for large features, and for colours than for
light and dark, and how it differs depends on the network. So each band b of frequencies has a
multiple of its own,

    H = Σ_b γ_b P_b      with P_b the projection on the band

which is symmetric, as the P_b are, and positive, as the γ_b are. Of a step s and how the gradient
changed along it, y, the γ_b are asked for with the least |s − H y|². The bands are orthogonal, so
the square falls apart into Σ_b |s_b − γ_b y_b|², and its minimum is where

    γ_b = ⟨s_b, y_b⟩ / ⟨y_b, y_b⟩

for one band the common γ = ⟨s, y⟩ / ⟨y, y⟩. One pair says little of a band in which little has
moved, and its ⟨s_b, y_b⟩ may be negative: γ_b is kept within ten times and a tenth of γ.

Frequencies are those of the cosine transform, in which a picture goes on mirrored beyond its
borders; a band is an octave of them, of luminance (the mean of the channels) or of chroma.
"""

from collections.abc import Callable

import numpy as np

OCTAVES = 6  # from the finest; the last one has all that is larger
MOST = 10.0
# Up to so many rows and columns products with a matrix cost hardly more than the fast transform,
# and need not wait for it: to load scipy.fft takes longer than to load all else.
PRODUCTS = 192

# An orthonormal basis of colours: luminance, and two of chroma, which are of one kind.
_COLOURS = np.array([[1, 1, 1], [1, -1, 0], [1, 1, -2]]).T / np.sqrt([3, 2, 6])
_KINDS = np.array([[1, 0, 0], [0, 1, 1], [0, 1, 1]])


class Bands:
    """The bands of pictures like x (H, W, 3), for arrays of NumPy or, where `put` puts them, a
    card."""

    def __init__(self, x, put: Callable | None = None):
        H, W, _ = x.shape
        products = put or max(H, W) <= PRODUCTS
        rows, columns = np.arange(H)[:, None] / H, np.arange(W) / W  # of half the sampling rate
        frequency = np.maximum(np.hypot(rows, columns), 2.0**-OCTAVES) / np.sqrt(2)
        octave = np.minimum(np.floor(-np.log2(frequency)), OCTAVES - 1)
        members = octave.ravel() == np.arange(OCTAVES)[:, None]
        cosines = [_cosines(H), _cosines(W)] if products else []
        self._members, self._colours, self._kinds, *self._cosines = (
            (put or np.asarray)(each.astype(x.dtype))
            for each in (members, _COLOURS, _KINDS, *cosines)
        )

    def multiples(self, s, y):
        """(H, W, 3): γ_b at all frequencies and colours of each band b."""
        s, y = self._transformed(s), self._transformed(y)
        # (OCTAVES, 3): a column for luminance, and two alike for chroma.
        s_y, y_y = (self._members @ (a * y).reshape(-1, 3) @ self._kinds for a in (s, y))
        of_all = np.vdot(s, y) / np.vdot(y, y)
        there = y_y > 0
        own = np.where(there, s_y / np.where(there, y_y, 1), of_all)
        own = np.minimum(np.maximum(own, of_all / MOST), of_all * MOST)
        return (self._members.T @ own).reshape(s.shape)

    def times(self, multiples, q):
        """H q."""
        return self._back(multiples * self._transformed(q))

    def _transformed(self, x):
        x = (x.reshape(-1, 3) @ self._colours).reshape(x.shape)
        if not self._cosines:
            return _fft().dctn(x, axes=(0, 1), norm="ortho")
        of_rows, of_columns = self._cosines
        return of_columns @ (of_rows @ x.reshape(len(x), -1)).reshape(x.shape)

    def _back(self, x):
        if self._cosines:
            of_rows, of_columns = self._cosines
            x = of_columns.T @ (of_rows.T @ x.reshape(len(x), -1)).reshape(x.shape)
        else:
            x = _fft().idctn(x, axes=(0, 1), norm="ortho")
        return (x.reshape(-1, 3) @ self._colours.T).reshape(x.shape)


def _fft():
    from scipy import fft

    return fft


def _cosines(n: int) -> np.ndarray:
    """The cosine transform of n numbers as an orthogonal matrix (n, n); on a card a product with it
    costs little at any size, and waits for nothing."""
    matrix = np.cos(np.pi / n * np.arange(n)[:, None] * (np.arange(n) + 0.5)) * np.sqrt(2 / n)
    matrix[0] /= np.sqrt(2)
    return matrix
