"""Pixel normalisation: from x in [0, 1], RGB, to what the network's weights expect.

Public VGG weights want the mean colour subtracted, some of them BGR, some 0 … 255. That is an
affine map of each channel, after a permutation π of the channels:

[N1] Forward:    z[i,j,c] = (range · x[i,j,π(c)] − mean[c]) / std[c]
                          = scale[c] · x[i,j,π(c)] + shift[c]
[N2] Backward:   dL_dx[i,j,π(c)] = scale[c] · dL_dz[i,j,c]

It is differentiated like any other operation, so the optimiser works on plain pixels and its
box bounds are simply 0 and 1.
"""

from dataclasses import dataclass

import numpy as np

from ..errors import InputError
from . import check


@dataclass(frozen=True)
class Preprocessing:
    """How pixels x in [0, 1], RGB, become the network's input: z = (range · x − mean) / std.

    `mean` and `std` are in the order of `channels`, the order in which the network wants them.
    """

    channels: str  # "RGB" or "BGR"
    range: float  # 1 or 255
    mean: tuple[float, float, float]
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)

    def __post_init__(self):
        numbers = (self.range, *self.mean, *self.std)
        if self.channels not in ("RGB", "BGR"):
            raise InputError(f"preprocessing: channels is {self.channels!r}; must be RGB or BGR")
        if len(self.mean) != 3 or len(self.std) != 3:
            raise InputError("preprocessing: mean and std need three numbers each")
        if not np.all(np.isfinite(numbers)) or self.range <= 0 or min(self.std) <= 0:
            raise InputError(f"preprocessing: range, mean and std are not usable: {numbers}")
        # The fingerprint is taken of the repr, in which 255 and 255.0 would differ.
        object.__setattr__(self, "range", float(self.range))
        object.__setattr__(self, "mean", tuple(map(float, self.mean)))
        object.__setattr__(self, "std", tuple(map(float, self.std)))


def pixels_forward(x, preprocessing: Preprocessing, *, backend):
    """[N1]: x (H, W, 3) → z (H, W, 3), cache."""
    check.is_map("pixels_forward", "x", x)
    if x.shape[2] != 3:
        raise InputError(f"pixels_forward: a picture has 3 channels, got shape {x.shape}")
    std = np.asarray(preprocessing.std)
    scale = (preprocessing.range / std).astype(x.dtype)
    shift = (-np.asarray(preprocessing.mean) / std).astype(x.dtype)
    order = [0, 1, 2] if preprocessing.channels == "RGB" else [2, 1, 0]  # π
    return backend.pixels_forward(x, scale, shift, order)


def pixels_backward(dL_dz, cache, *, backend):
    """[N2]: dL_dz (H, W, 3) → dL_dx (H, W, 3)."""
    check.is_map("pixels_backward", "dL_dz", dL_dz)
    return backend.pixels_backward(dL_dz, cache)
