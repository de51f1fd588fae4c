"""Loss and gradient tile by tile: those of the whole picture, in the memory that a tile takes.

What the losses know of a map are sums over its positions. So the picture is walked through twice:
forward, for the statistics of every tile, which are put together ([U1], [U3]); and, when their
distances and dL_dS are known, forward and backward, for every tile's share of the gradient ([U2],
[U4], then the network's way back). A pixel that several tiles see gets a share from each.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from .. import ops
from ..errors import InputError
from ..losses import STYLE_LOSSES
from ..network.network import Network
from ..network.tiles import Tile
from ..network.vgg import halvings
from .parts import Part, ways_back, with_maps
from .terms import LossSettings, style_terms


def check_tiled(settings: LossSettings) -> None:
    """Refuse the losses that no tiles can have."""
    for loss in _not_tiled(settings):
        raise InputError(
            f"style loss {loss}: it compares positions with one another, wherever they are, and "
            "cannot be computed in tiles; choose another one, or a smaller picture"
        )


def can_be_tiled(settings: LossSettings) -> bool:
    return not _not_tiled(settings)


def _not_tiled(settings: LossSettings) -> list[str]:
    terms = style_terms(settings)
    return [term.loss for term in terms if STYLE_LOSSES[term.loss].statistic is None]


class InTiles:
    """(x, scale) → the parts with their values, and scale times the gradient of their sum."""

    def __init__(self, network: Network, parts: Sequence[Part], normalisation: str, side: int):
        self._network, self._parts, self._normalisation = network, parts, normalisation
        self._side = side
        self._taps = {layer for part in parts for layer in part.layers}

    def __call__(self, x, scale: float):
        y, cut, mirrored = self._network.cut(x, self._taps, self._side)
        values, gradients = self._distances(cut, self._statistics(y, cut), scale)
        dL_dy = np.zeros_like(y)
        for tile, dL_dS in zip(cut, gradients, strict=True):
            dL_dy[tile.seen] += self._gradient(y, tile, dL_dS)
        return values, ops.mirror_backward(dL_dy, mirrored, backend=self._network.backend)

    def _statistics(self, y, cut: list[Tile]) -> dict[str, Any]:
        """{name of a part: S of all tiles, added up}, layer by layer."""
        so_far = {}
        for tile in cut:
            features, _ = self._forward(y, tile)
            for part, maps in with_maps(self._parts, features):
                S, _ = self._statistic(part, maps, tile)
                positions = tile.positions(halvings(part.layers[0]))
                merge = part.loss.statistic.merge
                so_far[part.name] = merge.added(so_far.get(part.name), S, positions)
        return so_far

    def _distances(self, cut: list[Tile], statistics: dict[str, Any], scale: float):
        """The parts with their values, and {name: dL_dS} for every tile."""
        backend, parts = self._network.backend, {part.name: part for part in self._parts}
        values, gradients = [], [{} for _ in cut]
        for name, so_far in statistics.items():
            part = parts[name]
            merge, distance = part.loss.statistic.merge, part.loss.distance
            S, merged = merge.whole(so_far)
            positions = sum(tile.positions(halvings(part.layers[0])) for tile in cut)
            value, cache = distance.forward(
                S, positions, part.target, self._normalisation, backend=backend
            )
            values.append((part, value))
            dL_dS = distance.backward(scale * part.weight, cache, backend=backend)
            for of_tile, own in zip(gradients, merge.backward(dL_dS, merged), strict=True):
                of_tile[name] = own
        return values, gradients

    def _gradient(self, y, tile: Tile, dL_dS: dict[str, Any]):
        """The tile's share of the gradient, at all pixels that it sees."""

        def way_back(part: Part, maps):
            _, cache = self._statistic(part, maps, tile)
            backward = part.loss.statistic.backward
            return partial(backward, dL_dS[part.name], cache, backend=self._network.backend)

        features, tape = self._forward(y, tile)
        return self._network.backward(ways_back(self._parts, features, way_back), tape)

    def _forward(self, y, tile: Tile):
        seen = y[tile.seen].copy()  # without gaps
        return self._network.forward(seen, self._taps, as_arrays=False, tile=tile)

    def _statistic(self, part: Part, maps, tile: Tile):
        statistic = part.loss.statistic
        target = statistic.part_of(part.target, *tile.own(halvings(part.layers[0])))
        return statistic.forward(*maps, target, backend=self._network.backend)
