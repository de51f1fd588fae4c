"""A picture in tiles: each has positions of its own, and sees beyond them as far as the network.

A convolution reads one row beyond each that it computes, at the scale of its map. To the pixels a
position of a map therefore reaches

    halo = Σ 2^p  over the convolutions before it, p the number of poolings before each

rows in every direction. Tiles begin at multiples of 16, the pixels of a position after four
poolings, so that every window of a pooling lies within one tile. What a tile has computed of its
own positions is what the whole picture has there, and each position is one tile's own.
"""

from collections.abc import Iterable
from typing import NamedTuple

from ..ops.crop import Edges
from .vgg import CONVOLUTION, POOLING, kind_of

UNIT = 16  # pixels of a position after four poolings, and before the deepest layers are no more


class Tile(NamedTuple):
    """Its own rows and columns of the picture, and those that it sees of it with its margin."""

    rows: slice
    columns: slice
    seen_rows: slice
    seen_columns: slice
    margin: int

    @property
    def seen(self) -> tuple[slice, slice]:
        return self.seen_rows, self.seen_columns

    @property
    def size_seen(self) -> tuple[int, int]:
        rows, columns = self.seen
        return rows.stop - rows.start, columns.stop - columns.start

    def own(self, halvings: int) -> tuple[slice, slice]:
        """The rows and columns of a map of the whole picture that are this tile's."""
        return _halved(self.rows, halvings), _halved(self.columns, halvings)

    def positions(self, halvings: int) -> int:
        rows, columns = self.own(halvings)
        return (rows.stop - rows.start) * (columns.stop - columns.start)

    def edges(self, halvings: int) -> Edges:
        """What of a map of this tile is not its own."""
        return Edges(
            *_around(self.rows, self.seen_rows, self.margin, halvings),
            *_around(self.columns, self.seen_columns, self.margin, halvings),
        )


def needs_tiles(size: tuple[int, int], side: int | None) -> bool:
    """Whether a picture is larger than tiles of this side; None: there are no tiles."""
    return side is not None and max(size) > side


def tiles(height: int, width: int, side: int, halo: int, margin: int) -> list[Tile]:
    """Tiles of about `side` rows and columns, row by row."""
    return [
        Tile(rows, columns, _seen(rows, height, halo, margin), _seen(columns, width, halo, margin),
             margin)
        for rows in _cut(height, side)
        for columns in _cut(width, side)
    ]  # fmt: skip


def halo_of(names: Iterable[str]) -> int:
    """How far the last of these layers, which follow each other, sees beyond its positions; in
    pixels, rounded up to whole units."""
    reach, scale = 0, 1
    for name in names:
        if kind_of(name) == CONVOLUTION:
            reach += scale
        elif kind_of(name) == POOLING:
            scale *= 2
    return _rounded_up(reach)


def _cut(length: int, side: int) -> list[slice]:
    """Parts alike but for a unit, of which each has a position after all poolings."""
    units = max(length // UNIT, 1)
    count = min(-(-length // side), units)
    starts = [units * n // count * UNIT for n in range(count)]
    return [slice(*ends) for ends in zip(starts, [*starts[1:], length], strict=True)]


def _seen(own: slice, length: int, halo: int, margin: int) -> slice:
    """Of the picture with its margin, which begins `margin` before it."""
    end = min(_rounded_up(own.stop + margin + halo), length + 2 * margin)
    return slice(max(own.start + margin - halo, 0), end)


def _halved(own: slice, halvings: int) -> slice:
    return slice(own.start >> halvings, own.stop >> halvings)


def _around(own: slice, seen: slice, margin: int, halvings: int) -> tuple[int, int]:
    before = (own.start + margin - seen.start) >> halvings
    there, shown = (seen.stop - seen.start) >> halvings, _halved(own, halvings)
    return before, there - before - (shown.stop - shown.start)


def _rounded_up(pixels: int) -> int:
    return -(-pixels // UNIT) * UNIT
