"""The terms that compare maps: their targets, and the way back from all of them to the layers."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from .. import losses
from ..losses.accumulated import accumulated
from ..network.network import Network
from ..network.vgg import halvings
from ..pictures.resizing import resize_linearly
from ..system.memo import Memo
from .targets import Asked, map_itself, measured
from .terms import LossSettings, style_terms


class Part(NamedTuple):
    """One term of the loss: what it is called, what it compares, and how."""

    name: str
    layers: tuple[str, ...]  # whose maps it takes, the deeper one first
    weight: float
    target: Any
    loss: losses.Loss


def content_parts(
    network: Network, picture, weights: dict[str, float], memo: Memo, tile: int | None
) -> Iterator[Part]:
    statistic = losses.CONTENT_LOSS.statistic
    asked = [Asked(map_itself, (layer,), (), statistic) for layer in weights]
    targets = measured(network, picture, asked, memo, tile)
    for (layer, weight), P in zip(weights.items(), targets, strict=True):
        yield Part(f"content {layer}", (layer,), weight, P, losses.CONTENT_LOSS)


def style_parts(
    title: str,
    network: Network,
    picture,
    share: float,
    settings: LossSettings,
    mask,
    memo: Memo,
    tile: int | None,
) -> Iterator[Part]:
    """The parts of the loss of one style picture, which has this share of the style's weight, and
    maybe a mask."""
    asked = []
    for _, name, layers, _ in (terms := style_terms(settings)):
        loss = losses.STYLE_LOSSES[name]
        more = tuple(getattr(settings, each) for each in loss.settings)
        if mask is not None:
            more = _pooled_masks(mask, picture, layers[0], loss.mask_form, network)
        asked.append(Asked(loss.target_of, layers, more, loss.statistic))
    targets = measured(network, picture, asked, memo if mask is None else None, tile)
    for (title_there, name, layers, weight), target in zip(terms, targets, strict=True):
        loss = losses.STYLE_LOSSES[name]
        yield Part(f"{title} {title_there}", layers, weight * share, target, loss)


def _pooled_masks(mask, picture, layer: str, mask_form: str, network: Network):
    """The mask (H, W) at the size of a layer, and the one of the style picture there.

    A guided loss compares the mean of the masked part with that of the whole style picture. The
    product compares sums, which are larger for more of a picture: the style's map is multiplied by
    the same mask, as if it were its own.
    """
    own = np.ones_like(mask, shape=picture.shape[:2])
    if mask_form == "product":
        own = resize_linearly(mask.real, *picture.shape[:2]).astype(mask.dtype)
    n, backend = halvings(layer), network.backend
    return tuple(
        losses.pooled_mask(
            backend.from_host(each), tuple(side >> n for side in each.shape), backend=backend
        )
        for each in (mask, own)
    )


def with_maps(parts: Sequence[Part], features: dict[str, Any]) -> Iterator[tuple[Part, list]]:
    """Every part with its maps, layer by layer; a map can go as soon as its losses are done."""
    to_come = Counter(layer for part in parts for layer in part.layers)
    for layer in list(features):
        for part in parts:
            if part.layers[0] == layer:
                maps = [features[each] for each in part.layers]
                to_come.subtract(part.layers)
                for each in part.layers:
                    if not to_come[each]:
                        del features[each]
                yield part, maps


def ways_back(
    parts: Sequence[Part], features: dict[str, Any], way_back: Callable
) -> dict[str, Callable]:
    """What the network's backward takes for every layer. `way_back` (part, maps) is of one part the
    function that leads back to its map: (onto) → dL_dF."""
    waiting: dict[str, list[Callable]] = {layer: [] for part in parts for layer in part.layers}
    for part, maps in with_maps(parts, features):
        go_back = way_back(part, maps)
        layer, *before = part.layers
        for other in before:
            go_back = partial(_back_to_two, go_back, waiting[other])
        waiting[layer].append(go_back)
    return {layer: partial(_add_all, of_layer) for layer, of_layer in waiting.items()}


def _back_to_two(backward: Callable, before: list[Callable], onto):
    """The way back of a loss of two maps: to the deeper one now; the other's share waits there."""
    dL_dF, dL_dB = backward()
    before.append(partial(accumulated, dL_dB))
    return accumulated(dL_dF, onto)


def _add_all(waiting: list[Callable], gradient):
    """Every loss of a layer adds its dL_dF to the gradient; what it kept for that can go then."""
    while waiting:
        gradient = waiting.pop()(gradient)
    return gradient
