"""The networks to be measured, by name."""

import os
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from manualnst import ops, samples
from manualnst.backends import get_backend
from manualnst.errors import InputError
from manualnst.images import load_picture, resize
from manualnst.network import normalise_filters
from manualnst.vgg import (
    IMAGENET_MEAN_RGB_255,
    WIDTHS,
    Preprocessing,
    Weights,
    convolution_names,
)
from manualnst.weights import find_weights

NAMES = "builtin, vgg19-random, random:SEED, or the path of a weights file"
# Of random networks that are not compared with a file: the small network's of the recipe.
SMALL_WIDTHS = (32, 64, 96, 128, 128)

_ARCHITECTURE, _LAST = "vgg19", "conv5_1"
_PIXELS = 128  # side of the pictures that random networks are calibrated on
_PREPROCESSING = Preprocessing(
    "RGB", 1.0, tuple(v / 255 for v in IMAGENET_MEAN_RGB_255), (0.25, 0.25, 0.25)
)


class Named(NamedTuple):
    name: str
    weights: Weights


def find_networks(names: Sequence[str]) -> list[Named]:
    """`random:SEED` has the widths of the first file among them."""
    if len(set(names)) < len(names):
        raise InputError(f"networks: a name is given twice in {' '.join(names)}; give each once")
    is_random = [name == "vgg19-random" or name.startswith("random:") for name in names]
    files = [
        name
        for name, random in zip(names, is_random, strict=True)
        if not random and name != "builtin"
    ]
    for name in files:
        if not os.path.exists(name):
            raise InputError(f"network {name!r} is none; give {NAMES}")
    known = {name: find_weights(name) for name in files}
    widths = widths_of(known[files[0]]) if files else SMALL_WIDTHS
    return [Named(name, known[name] if name in known else _made(name, widths)) for name in names]


def _made(name: str, widths: Sequence[int]) -> Weights:
    if name == "builtin":
        return find_weights(name)
    if name == "vgg19-random":
        return random_network(WIDTHS, 0)
    seed = name.removeprefix("random:")
    if not (seed.isdecimal() and int(seed) < 2**32):
        raise InputError(f"network {name!r}: the seed must be a whole number, as in random:1")
    return random_network(widths, int(seed))


def widths_of(weights: Weights) -> tuple[int, ...]:
    """The filters of each block's first layer; blocks that are not there are as the last."""
    firsts = [weights.layers[f"conv{n}_1"][0].shape[3] for n in range(1, 6) if _has(weights, n)]
    return tuple(firsts + [firsts[-1]] * (5 - len(firsts)))


def _has(weights: Weights, block: int) -> bool:
    return f"conv{block}_1" in weights.layers


def random_network(widths: Sequence[int], seed: int) -> Weights:
    """VGG-19 to conv5_1 with normal numbers for filters, He's, and calibrated: over the package's
    samples every response has mean 0 and deviation 1, and then every activation has mean 1."""
    backend = get_backend("numpy")
    random = np.random.RandomState(seed)  # its stream never changes
    pictures = _sample_pictures()
    maps = [ops.pixels_forward(x, _PREPROCESSING, backend=backend)[0] for x in pictures]
    layers, channels = {}, 3
    names = convolution_names(_ARCHITECTURE)
    for name in names[: names.index(_LAST) + 1]:
        block, place = int(name[4]), int(name[6])
        if place == 1 and block > 1:
            maps = [ops.avgpool_forward(F, backend=backend)[0] for F in maps]
        filters = widths[block - 1]
        w = random.standard_normal((3, 3, channels, filters)) * np.sqrt(2 / (9 * channels))
        layers[name] = _standardised(w.astype(np.float32), maps, backend)
        maps = [
            ops.relu_forward(
                ops.conv3x3_forward(F, *layers[name], backend=backend)[0], backend=backend
            )[0]
            for F in maps
        ]
        channels = filters
    provenance = {"name": "random", "seed": str(seed)}
    return normalise_filters(Weights(_ARCHITECTURE, layers, _PREPROCESSING, provenance), pictures)


def _standardised(w: np.ndarray, maps: list[np.ndarray], backend) -> tuple[np.ndarray, np.ndarray]:
    """Filters and biases with responses of mean 0 and deviation 1 over these maps."""
    zero = np.zeros(w.shape[3], np.float32)
    responses = np.concatenate(
        [ops.conv3x3_forward(F, w, zero, backend=backend)[0].reshape(-1, w.shape[3]) for F in maps]
    )
    mean, deviation = responses.mean(axis=0), responses.std(axis=0)
    return w / deviation, -mean / deviation


def _sample_pictures() -> list[np.ndarray]:
    names = (samples.CONTENT, *samples.STYLES)
    pictures = (load_picture(samples.sample_path(name)).pixels for name in names)
    return [resize(picture, _PIXELS, _PIXELS) for picture in pictures]
