"""The numpy backend's convolution: which algorithm, and what either of them has in common.

Both take and give strips of rows, so that what comes before and after a convolution can be done
while a strip is in the cache (fused.py).
"""

import weakref
from collections.abc import Callable
from functools import partial

from ...system import threads
from . import patches, winograd


def forward(x, w, finish: Callable) -> None:
    """x (H, W, C), w (3, 3, C, K) → finish(rows, y of these rows), for every strip of rows."""
    if winograd.pays(x.shape, w.shape):
        winograd.forward(x, _transformed(w), finish)
    else:
        patches.forward(x, w, finish)


def backward(read: Callable, shape: tuple[int, int, int], w):
    """read(rows) → dL_dy of these rows, of a map of this shape (H, W, K) → dL_dx (H, W, C)."""
    if winograd.pays(shape, w.shape):
        return winograd.backward(read, shape, _transformed(w))
    return patches.backward(read, shape, w)


def strip_bytes(shape, filters_shape) -> int:
    """About what is alive at a time beside the maps: the strips that the threads work on."""
    engine = winograd if winograd.pays(shape, filters_shape) else patches
    return threads.count() * engine.strip_bytes(shape, filters_shape)


_transforms: dict[int, tuple[weakref.ref, object]] = {}  # id of the filters → (they, theirs)


def _transformed(w):
    """Winograd's form of the filters; remembered of those that own their numbers and were made
    unchangeable, for good."""
    if w.flags.writeable or w.base is not None:
        return winograd.transform_filters(w)
    known = _transforms.get(id(w))
    if known and known[0]() is w:
        return known[1]
    U = winograd.transform_filters(w)
    forget = partial(_transforms.pop, id(w), None)
    _transforms[id(w)] = weakref.ref(w, lambda _: forget()), U
    return U
