"""The networks to be measured, by name."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from manualnst.errors import InputError
from manualnst.vgg import WIDTHS, Weights
from manualnst.weights import BUILTIN_NAME, find_weights

from ..calibrated import calibrated_network, sample_pictures

NAMES = "builtin, a name of `manualnst weights list`, vgg19-random, random:SEED, or a weights file"

_PIXELS = 128  # side of the pictures that random networks are calibrated on


class Named(NamedTuple):
    name: str
    weights: Weights


def find_networks(names: Sequence[str]) -> list[Named]:
    """`random:SEED` has the widths of the first that is not random, or of the built-in one."""
    if len(set(names)) < len(names):
        raise InputError(f"networks: a name is given twice in {' '.join(names)}; give each once")
    known = {name: find_weights(name) for name in names if not _is_random(name)}
    widths = widths_of(next(iter(known.values()), None) or find_weights(BUILTIN_NAME))
    return [Named(name, known.get(name) or _made(name, widths)) for name in names]


def _is_random(name: str) -> bool:
    return name == "vgg19-random" or name.startswith("random:")


def _made(name: str, widths: Sequence[int]) -> Weights:
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
    """VGG-19 to conv5_1 with normal numbers for filters, He's, calibrated."""
    random = np.random.RandomState(seed)  # its stream never changes

    def draw(name: str, channels: int) -> np.ndarray:
        filters = random.standard_normal((3, 3, channels, widths[int(name[4]) - 1]))
        return (filters * np.sqrt(2 / (9 * channels))).astype(np.float32)

    provenance = {"name": "random", "seed": str(seed)}
    return calibrated_network(draw, sample_pictures(_PIXELS), provenance)
