"""MatConvNet's weights in MATLAB files: a cell array `layers` of structs."""

from pathlib import Path

import numpy as np

from ..errors import InputError
from ..network.vgg import convolution_names
from .layouts import Found, require_architecture
from .matlab import Elements, find_variable
from .reading import Layers, quote, refusing

CONVOLUTIONS = convolution_names("vgg19")  # VGG-16's are among them


def read_matconvnet(path: str | Path, architecture: str | None = None) -> Found:
    """Filters are (height, width, in, out), for RGB pixels: as here, so nothing is moved."""
    with refusing(path, "MATLAB"), open(path, "rb") as file:
        elements, matrix = find_variable(file, "layers")
        layers: Layers = {}
        for _ in elements.cells(matrix, most=1000):
            name, arrays = _read_layer(elements)
            if name in CONVOLUTIONS:
                layers[name] = _filters_and_biases(name, arrays)
        return Found(require_architecture(layers, architecture), layers, "caffe-rgb")


def _read_layer(elements: Elements) -> tuple[str, list[np.ndarray | None]]:
    """A layer's name and its filters and biases, which lie in two fields or in a cell of one."""
    layer = elements.matrix()
    name, arrays = "", {}
    for field in elements.fields(layer):
        if field == "name":
            name = elements.text()
        elif field in ("filters", "biases"):
            arrays[field] = [elements.array()]
        elif field == "weights":
            arrays["filters"] = _read_cell(elements)
        else:
            elements.skip()
    elements.leave(layer)
    return name, arrays.get("filters", []) + arrays.get("biases", [])


def _read_cell(elements: Elements) -> list[np.ndarray | None]:
    cell = elements.matrix()
    arrays = [elements.array() for _ in elements.cells(cell, most=2)]
    elements.leave(cell)
    return arrays


def _filters_and_biases(name: str, arrays: list) -> tuple[np.ndarray, np.ndarray]:
    if len(arrays) != 2 or any(array is None for array in arrays):
        raise InputError(f"the layer {quote(name)} has no filters and biases that a VGG could have")
    w, b = arrays
    # MATLAB drops the last dimensions where they are 1, and has no vectors: biases are a row.
    return w.reshape(w.shape + (1,) * (4 - w.ndim)), b.ravel()
