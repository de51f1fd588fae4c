"""Mirrored borders: the picture goes on beyond its edges as its own reflection, `margin` m wide.

A convolution sees zeros beyond the border, and so does the style: both of them then have an edge
there that nobody painted, and the painting has a frame to match. With a margin that edge lies
outside of the picture.

Of H rows, row i of the larger map is row r(i) of x, with the border rows not repeated:

         r(i) = |i − m|              where that is below H, else 2 (H − 1) − (i − m)

[M1] Forward:    y[i,j,c] = x[r(i),s(j),c]          s(j) likewise of the columns
[M2] Backward:   dL_dx[k,l,c] = Σ dL_dy[i,j,c]      over all i, j with r(i) = k and s(j) = l

A number of x stands in up to four places of y, or nine where the picture is small, and what arrives
at them adds up: the margin is folded back onto the picture.
"""

from ..errors import InputError
from . import check


def mirror_forward(x, margin: int, *, backend):
    """[M1]: x (H, W, C) → y (H + 2 margin, W + 2 margin, C), cache."""
    check.is_map("mirror_forward", "x", x)
    if not 0 <= margin < min(x.shape[:2]):
        raise InputError(
            f"mirror_forward: margin is {margin}; of {x.shape[0]} × {x.shape[1]} at most "
            f"{min(x.shape[:2]) - 1} can be mirrored"
        )
    return backend.mirror_forward(x, margin)


def mirror_backward(dL_dy, cache, *, backend):
    """[M2]: dL_dy (H + 2 margin, W + 2 margin, C) → dL_dx (H, W, C)."""
    check.is_map("mirror_backward", "dL_dy", dL_dy)
    return backend.mirror_backward(dL_dy, cache)
