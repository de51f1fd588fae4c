"""What a loss says of itself, in one place: the record at the end of its file.

All style losses are used alike: the target is made once of the style picture's map, with whatever
else the loss wants to know (a shift, a mask …), and holds all of that.

    target = target_of(F_style, …, backend=backend)
    loss, cache = forward(F, target, normalisation, backend=backend)
    dL_dF = backward(dL_dloss, cache, onto, backend=backend)     onto: None, or what it is added to

Most are a distance between statistics: what they know of a map are sums over its positions, and of
a picture in tiles those of the tiles can be put together (merging.py). They are made of two pairs,

    S, cache = statistic.forward(F, target, backend=backend)
    loss, cache = distance.forward(S, positions, target, normalisation, backend=backend)
    dL_dS = distance.backward(dL_dloss, cache, backend=backend)
    dL_dF = statistic.backward(dL_dS, cache, onto, backend=backend)

and a target of which the statistic needs what belongs to a position has a part for every tile. So
is the target:

    S = measure(F_style, …, backend=backend)
    target = target_from(S, positions, …, backend=backend)
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from .merging import SUMS, Merge


class Need(NamedTuple):
    """Memory beside the map itself, in maps of its size or in bytes."""

    kept: float  # from the loss' forward to its backward
    forward: float  # the most that is there during its forward, what it keeps included
    backward: float  # likewise during its backward, beside the gradient and what it has kept
    keeps_map: bool = False
    whole: bool = True  # it wants the whole map, even one that is made again wherever it is read

    def more(self, kept: float, forward: float, backward: float) -> "Need":
        return self._replace(
            kept=self.kept + kept, forward=self.forward + forward, backward=self.backward + backward
        )

    def times(self, size: float) -> "Need":
        return self._replace(
            kept=self.kept * size, forward=self.forward * size, backward=self.backward * size
        )


class Statistic(NamedTuple):
    forward: Callable
    backward: Callable
    measure: Callable | None = None  # None: the target is the map itself
    target_from: Callable | None = None
    merge: Merge = SUMS
    part_of: Callable = lambda target, rows, columns: target
    part_of_given: Callable = lambda given, rows, columns: given  # of what stands at … above


class Distance(NamedTuple):
    forward: Callable
    backward: Callable


@dataclass(frozen=True, kw_only=True)
class Loss:
    forward: Callable
    backward: Callable
    need: Need
    statistic: Statistic | None = None  # of those that are a distance between statistics
    distance: Distance | None = None


@dataclass(frozen=True, kw_only=True)
class StyleLoss(Loss):
    target_of: Callable
    need_on_card: Need | None = None  # if it is another there
    matrices: Need = Need(0, 0, 0)  # in N × N matrices of double precision
    search: str | None = None  # the backend's function that tells the bytes of its search
    target_is_map: bool = False  # or as large as one
    smallest: int = 1  # the side of the smallest map that it can compare
    of_pairs: bool = False  # it takes the map of the layer before, too, and gives two gradients
    at_pixels: str | None = None  # the loss that stands for it there, if not itself
    mask_form: str | None = None  # how a mask takes part, for one that is of a masked part
    settings: tuple[str, ...] = ()  # that its target is made with
    words: str = ""  # for who chooses it

    def need_where(self, on_card: bool) -> Need:
        return self.need_on_card if on_card and self.need_on_card else self.need


@dataclass(frozen=True, kw_only=True)
class Variation:
    """A total variation of the picture itself: loss, cache = forward(x, *settings, backend=…)."""

    forward: Callable
    backward: Callable
    settings: tuple[str, ...] = ()
