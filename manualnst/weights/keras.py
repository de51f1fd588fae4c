"""Keras' weights in HDF5: one group per layer, the arrays' names in attributes."""

import re
from pathlib import Path

from ..errors import InputError
from .hdf5 import open_hdf5, read_array, read_texts, subgroup
from .layouts import Found, require_architecture
from .reading import Layers, quote

_CONVOLUTION = re.compile(r"block(\d)_conv(\d)")


def read_keras(path: str | Path, architecture: str | None = None) -> Found:
    """Filters are (height, width, in, out), for BGR pixels: as here, so nothing is moved."""
    with open_hdf5(path) as file:
        # A whole model, saved with its configuration, has its weights in a group of their own.
        group = file if "layer_names" in file.attrs else subgroup(file, "model_weights")
        layers: Layers = {}
        for layer in read_texts(group.attrs, "layer_names"):
            if match := _CONVOLUTION.fullmatch(layer):
                layers["conv{}_{}".format(*match.groups())] = _read_layer(subgroup(group, layer))
        return Found(require_architecture(layers, architecture), layers, "caffe-bgr")


def _read_layer(group):
    names = read_texts(group.attrs, "weight_names")
    if len(names) != 2:
        raise InputError(
            f"{quote(group.name)} has {len(names)} arrays, expected filters and biases"
        )
    w, b = (read_array(group, name) for name in names)
    return (w, b) if w.ndim == 4 else (b, w)
