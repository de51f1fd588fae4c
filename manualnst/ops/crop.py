"""The inside of a map: what is left without some rows and columns at its edges.

The network sees a picture go on beyond its borders (mirror.py), and the losses should not: what is
mirrored would count twice for them, and be painted before all else. So they get of every map only
the part that the picture itself has made. Of a tile they get what is its own (network/tiles.py): it
sees more on those sides where the picture goes on.

[M3] Forward:    F[i,j,c] = y[i + m, j + m, c]

[M4] Backward:   dL_dy[i + m, j + m, c] = dL_dF[i,j,c], and 0 in the margin

for a margin of m on every side; else m is that of the top for the rows, and of the left for the
columns.
"""

from typing import NamedTuple

from ..errors import InputError
from . import check


class Edges(NamedTuple):
    """How many rows and columns are left out."""

    top: int
    bottom: int
    left: int
    right: int


def crop_forward(y, margin: int | Edges, *, backend):
    """[M3]: y (top + H + bottom, left + W + right, N) → F (H, W, N), cache."""
    check.is_map("crop_forward", "y", y)
    edges = Edges(*4 * (margin,)) if isinstance(margin, int) else margin
    H, W = y.shape[0] - edges.top - edges.bottom, y.shape[1] - edges.left - edges.right
    if min(edges) < 0 or min(H, W) < 1:
        raise InputError(
            f"crop_forward: margin is {margin}; a map of {y.shape[0]} × {y.shape[1]} has no inside "
            "then, give a smaller one"
        )
    return backend.crop_forward(y, edges)


def crop_backward(dL_dF, cache, onto=None, *, backend):
    """[M4]: dL_dF (H, W, N) → dL_dy (top + H + bottom, left + W + right, N), added to `onto` if
    that is given."""
    check.is_map("crop_backward", "dL_dF", dL_dF)
    return backend.crop_backward(dL_dF, cache, onto)
