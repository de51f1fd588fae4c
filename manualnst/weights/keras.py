"""Keras' weights in HDF5: a group per layer, and somewhere below it its two arrays."""

import re
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np

from ..errors import InputError
from .hdf5 import has, member, open_hdf5, read_array, subgroup
from .layouts import Found, require_architecture
from .reading import Layers, quote

_CONVOLUTION = re.compile(r"block(\d)_conv(\d)")


def read_keras(path: str | Path, architecture: str | None = None) -> Found:
    """Filters are (height, width, in, out), for BGR pixels: as here, so nothing is moved.

    The arrays' names differ between versions (block1_conv1_W_1:0, block1_conv1/kernel:0) and are
    listed in attributes, but as text of variable length in newer files (see `hdf5`). Their
    dimensions tell them apart as well.
    """
    with open_hdf5(path) as file:
        # A whole model, saved with its configuration, has its weights in a group of their own.
        group = subgroup(file, "model_weights") if has(file, "model_weights") else file
        layers: Layers = {}
        for name in group:
            if match := _CONVOLUTION.fullmatch(name):
                layers["conv{}_{}".format(*match.groups())] = _read_layer(subgroup(group, name))
        return Found(require_architecture(layers, architecture), layers, "caffe-bgr")


def _read_layer(group: h5py.Group) -> tuple[np.ndarray, np.ndarray]:
    arrays = {array.ndim: array for array in _arrays(group, depth=3)}
    if set(arrays) != {1, 4}:
        raise InputError(f"{quote(group.name)} does not hold filters and biases")
    return arrays[4], arrays[1]


def _arrays(group: h5py.Group, depth: int) -> Iterator[np.ndarray]:
    if len(group) > 2 or not depth:  # or a file could lead around in circles
        raise InputError(f"{quote(group.name)} holds more than filters and biases")
    for name in group:
        if isinstance(member(group, name), h5py.Group):
            yield from _arrays(subgroup(group, name), depth - 1)
        else:
            yield read_array(group, name)
