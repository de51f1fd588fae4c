"""VGG-16 and VGG-19 as tables, and what a set of weights for them consists of.

A network is five blocks of 3×3 convolutions, each convolution followed by a ReLU and each
block by a pooling. Layers go by the names of the literature: conv4_2 is the second
convolution of block 4 *before* its ReLU, relu4_2 the same map *after* it (the paper's
"conv4_2" is relu4_2 here).
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from ..errors import InputError
from ..ops.pixels import Preprocessing

# Convolutions in each of the five blocks, and their widths (filters) in the public networks.
BLOCKS = {"vgg16": (2, 2, 3, 3, 3), "vgg19": (2, 2, 4, 4, 4)}
WIDTHS = (64, 128, 256, 512, 512)

# The name of the map before all layers: the picture itself, (H, W, 3) in [0, 1].
PIXELS = "pixels"

IMAGENET_MEAN_RGB_255 = (123.68, 116.779, 103.939)


CONVOLUTION, RELU, POOLING = "convolution", "relu", "pooling"


class Layer(NamedTuple):
    name: str
    kind: str
    block: int  # from 1; a pooling is the last of its block


def layers(architecture: str) -> Iterator[Layer]:
    """In the order of evaluation: conv1_1, relu1_1, conv1_2, relu1_2, pool1, conv2_1, …"""
    if architecture not in BLOCKS:
        raise InputError(f"unknown architecture {architecture!r}; known: {', '.join(BLOCKS)}")
    for block, count in enumerate(BLOCKS[architecture], start=1):
        for n in range(1, count + 1):
            yield Layer(f"conv{block}_{n}", CONVOLUTION, block)
            yield Layer(f"relu{block}_{n}", RELU, block)
        yield Layer(f"pool{block}", POOLING, block)


_ALL = {layer.name: layer for layer in layers("vgg19")}  # VGG-16's are among them


def kind_of(name: str) -> str:
    return _ALL[name].kind


def block_of(name: str) -> int:
    return _ALL[name].block


def relu_after(convolution: str) -> str:
    names = list(_ALL)
    return names[names.index(convolution) + 1]


def layer_names(architecture: str) -> list[str]:
    return [layer.name for layer in layers(architecture)]


def convolution_names(architecture: str) -> list[str]:
    return [layer.name for layer in layers(architecture) if layer.kind == CONVOLUTION]


@dataclass(frozen=True)
class Weights:
    """The filters of a VGG, with all that is needed to use them rightly.

    `layers` maps conv1_1, conv1_2, … to (w, b): w (3, 3, C_in, C_out) cross-correlates, b (C_out,).
    It may end before the architecture does (a network to conv5_1 is whole for its purpose),
    but has no gap. `provenance` is free text by key: source, date, recipe, remarks. `recommended`
    are fields of `Settings` that suit the network; they do not decide what it computes.
    """

    architecture: str
    layers: dict[str, tuple[np.ndarray, np.ndarray]]
    preprocessing: Preprocessing
    provenance: dict[str, str] = field(default_factory=dict)
    recommended: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self):
        expected = convolution_names(self.architecture)[: len(self.layers)]
        if not self.layers:
            raise InputError(f"{self.architecture} weights: there is not a single layer")
        for name in expected:
            if name not in self.layers:
                raise InputError(f"{self.architecture} weights: layer {name} is missing")
        for name in self.layers:
            if name not in expected:
                raise InputError(f"{self.architecture} weights: layer {name} does not belong there")
        channels = 3
        for name in expected:
            channels = _check_layer(self.architecture, name, *self.layers[name], channels)

    def fingerprint(self) -> str:
        """SHA-256 over everything that decides what the network computes."""
        digest = hashlib.sha256(repr((self.architecture, self.preprocessing)).encode())
        for name in convolution_names(self.architecture)[: len(self.layers)]:
            for array in self.layers[name]:
                little_endian = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
                digest.update(f"{name} {array.dtype.name} {array.shape}".encode())
                digest.update(little_endian.tobytes())
        return digest.hexdigest()


def _check_layer(architecture: str, name: str, w, b, channels: int) -> int:
    """Check one layer's arrays against the channels that reach it; return those that leave it."""
    where = f"{architecture} weights, {name}"
    if w.ndim != 4 or w.shape[:3] != (3, 3, channels) or w.shape[3] == 0:
        raise InputError(
            f"{where}: the filters have shape {w.shape}, expected (3, 3, {channels}, filters)"
        )
    if b.shape != w.shape[3:]:
        raise InputError(f"{where}: the biases have shape {b.shape}, expected {w.shape[3:]}")
    if not (np.issubdtype(w.dtype, np.floating) and np.issubdtype(b.dtype, np.floating)):
        raise InputError(f"{where}: expected floating-point numbers, got {w.dtype} and {b.dtype}")
    if not (np.all(np.isfinite(w)) and np.all(np.isfinite(b))):
        raise InputError(f"{where}: there are NaN or infinite values")
    return w.shape[3]


def halvings(layer: str) -> int:
    """How many poolings lie before a layer."""
    return 0 if layer == PIXELS else block_of(layer) - 1


def check_tap(name: str, available: list[str]) -> None:
    """Refuse a layer name that cannot be tapped."""
    taps = [PIXELS, *(layer for layer in available if kind_of(layer) != POOLING)]
    if name not in taps:
        raise InputError(f"unknown layer {name!r}; this network has {', '.join(taps)}")
