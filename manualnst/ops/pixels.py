"""Pixel normalisation: from x in [0, 1], RGB, to what the network's weights expect.

Public VGG weights want the mean colour subtracted, some of them BGR, some 0 … 255. That is an
affine map of each channel, after a permutation π of the channels:

[N1] Forward:    z[i,j,c] = (range · x[i,j,π(c)] − mean[c]) / std[c]
                          = scale[c] · x[i,j,π(c)] + shift[c]
[N2] Backward:   dL_dx[i,j,π(c)] = scale[c] · dL_dz[i,j,c]

It is differentiated like any other operation, so the optimiser works on plain pixels and its
box bounds are simply 0 and 1.
"""

import numpy as np

from ..errors import InputError
from ..vgg import Preprocessing
from . import check


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
