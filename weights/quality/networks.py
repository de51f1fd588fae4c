"""The networks to be measured, by name."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from manualnst.errors import InputError
from manualnst.network.vgg import WIDTHS, Weights, block_of, convolution_names
from manualnst.weights import BUILTIN_NAME, find_weights

from ..calibrated import ARCHITECTURE, LAST, calibrated_network, sample_pictures

NAMES = "builtin, a name of `manualnst weights list`, vgg19-random, random:SEED, or a weights file"

_CONVOLUTIONS = convolution_names(ARCHITECTURE)
_CONVOLUTIONS = _CONVOLUTIONS[: _CONVOLUTIONS.index(LAST) + 1]
_PIXELS = 128  # side of the pictures that random networks are calibrated on


class Named(NamedTuple):
    name: str
    weights: Weights


def find_networks(names: Sequence[str]) -> list[Named]:
    """`random:SEED` has the widths of the first that is not random, or of the built-in one."""
    if len(set(names)) < len(names):
        raise InputError(f"networks: a name is given twice in {' '.join(names)}; give each once")
    known = {name: find_weights(name) for name in names if not is_random(name)}
    widths = widths_of(next(iter(known.values()), None) or find_weights(BUILTIN_NAME))
    return [Named(name, known.get(name) or _made(name, widths)) for name in names]


def is_random(name: str) -> bool:
    return name == "vgg19-random" or name.startswith("random:")


def _made(name: str, widths: dict[str, int]) -> Weights:
    if name == "vgg19-random":
        return random_network(widths_by_block(WIDTHS), 0)
    seed = name.removeprefix("random:")
    if not (seed.isdecimal() and int(seed) < 2**32):
        raise InputError(f"network {name!r}: the seed must be a whole number, as in random:1")
    return random_network(widths, int(seed))


def widths_of(weights: Weights) -> dict[str, int]:
    """The filters of every convolution; one that is not there has as many as the one before."""
    widths, count = {}, 0
    for name in _CONVOLUTIONS:
        if name in weights.layers:
            count = weights.layers[name][0].shape[3]
        widths[name] = count
    return widths


def widths_by_block(widths: Sequence[int]) -> dict[str, int]:
    """As many filters in every convolution of a block."""
    return {name: widths[block_of(name) - 1] for name in _CONVOLUTIONS}


def random_network(widths: dict[str, int], seed: int) -> Weights:
    """VGG-19 to conv5_1 with normal numbers for filters, He's, calibrated."""
    random = np.random.RandomState(seed)  # its stream never changes

    def draw(name: str, channels: int) -> np.ndarray:
        filters = random.standard_normal((3, 3, channels, widths[name]))
        return (filters * np.sqrt(2 / (9 * channels))).astype(np.float32)

    provenance = {"name": "random", "seed": str(seed)}
    return calibrated_network(draw, sample_pictures(_PIXELS), provenance)
