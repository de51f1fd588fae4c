"""The inside of a map: what a margin of `margin` rows and columns on every side leaves.

The network sees a picture go on beyond its borders (mirror.py), and the losses should not: what is
mirrored would count twice for them, and be painted before all else. So they get of every map only
the part that the picture itself has made.

[M3] Forward:    F[i,j,c] = y[i + m, j + m, c]

[M4] Backward:   dL_dy[i + m, j + m, c] = dL_dF[i,j,c], and 0 in the margin
"""

from ..errors import InputError
from . import check


def crop_forward(y, margin: int, *, backend):
    """[M3]: y (H + 2 margin, W + 2 margin, N) → F (H, W, N), cache."""
    check.is_map("crop_forward", "y", y)
    if not 0 <= 2 * margin < min(y.shape[:2]):
        raise InputError(
            f"crop_forward: margin is {margin}; a map of {y.shape[0]} × {y.shape[1]} has no inside "
            "then, give a smaller one"
        )
    return backend.crop_forward(y, margin)


def crop_backward(dL_dF, cache, onto=None, *, backend):
    """[M4]: dL_dF (H, W, N) → dL_dy (H + 2 margin, W + 2 margin, N), added to `onto` if that is
    given."""
    check.is_map("crop_backward", "dL_dF", dL_dF)
    return backend.crop_backward(dL_dF, cache, onto)
