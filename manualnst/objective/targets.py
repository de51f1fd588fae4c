"""What is measured of content and style pictures once, before the optimisation."""

import hashlib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..network.network import Network
from ..system.memo import Memo


class Asked(NamedTuple):
    """A target: a function of the maps at these layers."""

    target_of: Callable  # (*maps, *more, backend=…) → target
    layers: tuple[str, ...]
    more: tuple = ()


def measured(
    network: Network, picture: np.ndarray, asked: Sequence[Asked], memo: Memo | None
) -> list:
    """What was asked for, of this picture. `memo` must be this network's own, and is for what can
    be told by a key: without masks."""

    def measure() -> list[Any]:
        taps = {layer for each in asked for layer in each.layers}
        there = network.backend.from_host(picture)
        maps, _ = network.forward(there, taps, as_arrays=False)
        return [
            target_of(*(maps[layer] for layer in layers), *more, backend=network.backend)
            for target_of, layers, more in asked
        ]

    if memo is None:
        return measure()
    # All together: a map may be rounded otherwise where other layers are tapped too.
    pixels = hashlib.sha256(np.ascontiguousarray(picture)).digest()
    return memo.get((pixels, picture.shape, *asked), measure)


def map_itself(F, *, backend) -> np.ndarray:
    """F (H, W, N), or what makes it when its rows are read → F, without what it is a view of."""
    F = F[:]
    return F if F.flags.c_contiguous else F.copy()
