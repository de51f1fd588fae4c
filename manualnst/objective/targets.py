"""What is measured of content and style pictures once, before the optimisation."""

import hashlib
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from ..losses.record import Statistic
from ..network.network import Network
from ..network.tiles import Tile, needs_tiles
from ..network.vgg import halvings
from ..system.memo import Memo


class Asked(NamedTuple):
    """A target: a function of the maps at these layers."""

    target_of: Callable  # (*maps, *more, backend=…) → target
    layers: tuple[str, ...]
    more: tuple = ()
    statistic: Statistic | None = None  # by which it can be measured in tiles


def measured(
    network: Network,
    picture: np.ndarray,
    asked: Sequence[Asked],
    memo: Memo | None,
    tile: int | None = None,
) -> list:
    """What was asked for, of this picture; in tiles of so many rows and columns if it is larger.
    `memo` must be this network's own, and is for what can be told by a key: without masks."""
    in_tiles = needs_tiles(picture.shape[:2], tile)
    measure = partial(_in_tiles, side=tile) if in_tiles else _at_once
    if memo is None:
        return measure(network, picture, asked)
    # All together: a map may be rounded otherwise where other layers are tapped too.
    pixels = hashlib.sha256(np.ascontiguousarray(picture)).digest()
    key = (pixels, picture.shape, tile if in_tiles else None, *asked)
    return memo.get(key, lambda: measure(network, picture, asked))


def _at_once(network: Network, picture: np.ndarray, asked: Sequence[Asked]) -> list[Any]:
    there = network.backend.from_host(picture)
    maps, _ = network.forward(there, _taps(asked), as_arrays=False)
    return [
        each.target_of(*_maps(each, maps), *each.more, backend=network.backend) for each in asked
    ]


def _in_tiles(
    network: Network, picture: np.ndarray, asked: Sequence[Asked], side: int
) -> list[Any]:
    y, cut, _ = network.cut(network.backend.from_host(picture), _taps(asked), side)
    so_far: list[Any] = [None for _ in asked]
    for tile in cut:
        maps, _ = network.forward(y[tile.seen].copy(), _taps(asked), as_arrays=False, tile=tile)
        so_far = [
            _with_tile(before, each, maps, tile, picture.shape, network.backend)
            for before, each in zip(so_far, asked, strict=True)
        ]
    return [_target(*each, cut, network.backend) for each in zip(so_far, asked, strict=True)]


def _with_tile(so_far, asked: Asked, maps: dict[str, Any], tile: Tile, shape, backend):
    """What the tiles up to this one have to a target: a sum, or a part of a map."""
    statistic, depth = asked.statistic, halvings(asked.layers[0])
    rows, columns = tile.own(depth)
    if statistic.measure is None:
        F = asked.target_of(*_maps(asked, maps), backend=backend)
        if so_far is None:
            so_far = np.empty_like(F, shape=(shape[0] >> depth, shape[1] >> depth, F.shape[2]))
        so_far[rows, columns] = F
        return so_far
    given = statistic.part_of_given(asked.more, rows, columns)
    S = statistic.measure(*_maps(asked, maps), *given, backend=backend)
    return statistic.merge.added(so_far, S, tile.positions(depth))


def _target(so_far, asked: Asked, cut: list[Tile], backend):
    statistic = asked.statistic
    if statistic.measure is None:
        return so_far
    S, _ = statistic.merge.whole(so_far)
    positions = sum(tile.positions(halvings(asked.layers[0])) for tile in cut)
    return statistic.target_from(S, positions, *asked.more, backend=backend)


def _taps(asked: Sequence[Asked]) -> set[str]:
    return {layer for each in asked for layer in each.layers}


def _maps(asked: Asked, maps: dict[str, Any]) -> list:
    return [maps[layer] for layer in asked.layers]


def map_itself(F, *, backend) -> np.ndarray:
    """F (H, W, N), or what makes it when its rows are read → F, without what it is a view of."""
    F = F[:]
    return F if F.flags.c_contiguous else F.copy()
