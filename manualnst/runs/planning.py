"""What a run is to do, found before it begins: its sizes, and whether memory suffices."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import numpy as np

from ..backends import CUDA, memory_of_card
from ..errors import InputError
from ..network.tiles import needs_tiles
from ..network.vgg import Weights, halvings
from ..objective.objective import for_each_style
from ..objective.terms import LossSettings, style_terms
from ..objective.tiles import can_be_tiled, check_tiled
from ..pictures.masks import mask_names
from ..pictures.resizing import fitted_size, resize_linearly
from ..system import blas, machine
from ..system.notice import Notice
from . import costs, preflight
from .inputs import scaled
from .kept import Pictures
from .scales import Scale, plan, shrunk
from .settings import OFF, Settings


def losses_of(settings: Settings, pictures: Pictures) -> LossSettings:
    """The losses that are asked for, with masks or without."""
    losses = settings.losses
    return replace(losses, mask_form=settings.mask_form) if pictures.masks else losses


class Memory(NamedTuple):
    needed: int  # bytes, above what the process holds
    tile: int | None  # the side of tiles, where the picture is computed in such
    told: list[Notice]


class Plan(NamedTuple):
    scales: list[Scale]
    memory: Memory


def plan_run(settings: Settings, weights: Weights, pictures: Pictures) -> Plan:
    """The sizes at which all pictures are large enough for the network and the losses, and what
    memory they take."""
    content, masks = pictures.content, pictures.masks
    losses = losses_of(settings, pictures)

    def check(factor: float) -> None:
        for picture in (content, *pictures.styles):
            size = shrunk(*picture.pixels.shape[:2], factor)
            preflight.check_size(weights, losses, size)
        for role, mask in zip(mask_names(len(masks)), masks, strict=True):
            size = shrunk(*mask.pixels.shape, factor)
            _check_mask(role, resize_linearly(mask.pixels, *size), losses)

    def works(factor: float) -> bool:
        with suppress(InputError):
            check(factor)
            return True
        return False

    def cost(*size: int) -> float:
        return costs.of_step(
            weights,
            losses,
            size,
            margin=settings.margin,
            optimizer=settings.optimizer,
            tile=memory.tile,
        )

    try:
        check(1)
    except InputError as error:
        does = _size_that_does(settings, weights, losses, pictures)
        raise InputError(f"{error}{does}") from error
    memory = _plan_memory(settings, weights, losses, pictures)
    height, width = content.pixels.shape[:2]
    scales = plan(
        height,
        width,
        steps=settings.steps,
        first_steps=settings.first_steps,
        count=settings.scales,
        min_size=settings.min_size,
        works=works,
        cost=cost,
    )
    return Plan(scales, memory)


def _size_that_does(
    settings: Settings, weights: Weights, losses: LossSettings, pictures: Pictures
) -> str:
    """The least at which pictures that were made smaller are large enough; or nothing."""
    styles = pictures.styles
    style_scales = for_each_style("style_scale", settings.style_scale, len(styles))
    originals = [each.facts["original_size"][::-1] for each in (pictures.content, *styles)]

    def is_too_small(long_side: int) -> bool:
        try:
            for size, scale in zip(originals, [1, *style_scales], strict=True):
                preflight.check_size(weights, losses, fitted_size(*size, scaled(long_side, scale)))
        except InputError:
            return True
        return False

    most = max(map(max, originals))
    if most <= settings.size or is_too_small(most):
        return ""
    least = 1 + (preflight.largest(is_too_small, most) or 0)
    return f"; with --size {least} these pictures are large enough"


def _check_mask(role: str, mask: np.ndarray, losses: LossSettings) -> None:
    """Refuse one of which a layer sees nothing: poolings leave out an odd last row or column."""
    for _, _, [layer], _ in style_terms(losses):
        cut = [side >> halvings(layer) << halvings(layer) for side in mask.shape]
        if not mask[: cut[0], : cut[1]].any():
            raise InputError(
                f"{role}: nothing of its white reaches {layer}; make it larger, or take shallower "
                "layers"
            )


# Sides of tiles to choose from, when a picture does not fit. What a tile sees beyond its own costs
# more, the smaller it is.
_TILES = (1024, 768, 512, 384, 256)


def _plan_memory(
    settings: Settings, weights: Weights, losses: LossSettings, pictures: Pictures
) -> Memory:
    """What a run needs, in tiles if that is what fits."""
    sizes = [each.pixels.shape[:2] for each in (pictures.content, *pictures.styles)]
    on_card = settings.backend == CUDA

    def need(*sizes: tuple[int, int], tile: int | None) -> int:
        return preflight.peak_bytes(
            weights,
            losses,
            sizes,
            settings.optimizer,
            settings.pool,
            margin=settings.margin,
            on_card=on_card,
            tile=tile,
        )

    available = _available(settings, on_card)
    tile, needed = _first_that_fits(_tiles_to_try(settings, losses), sizes, need, available)
    if available is not None and needed > available:
        fewest = partial(need, tile=tile)
        largest = _largest_that_fits(settings, sizes, fewest, available)
        height, width = sizes[0]
        raise InputError(
            f"not enough memory{' on the card' if on_card else ''}: {width} × {height} needs "
            f"about {machine.format_bytes(needed)}, {machine.format_bytes(available)} are "
            f"available; " + (f"--size {largest} fits" if largest else "no size fits")
        )
    if not any(needs_tiles(size, tile) for size in sizes):
        tile = None
    in_tiles = f", in tiles of about {tile} × {tile}" if tile else ""
    if on_card:
        told = Notice("memory", f"about {machine.format_bytes(needed)} of the card{in_tiles}")
        return Memory(needed, tile, [told])
    total = needed + (machine.peak_memory() or 0)  # what is held already, and what is to come
    told = Notice("memory", f"about {machine.format_bytes(total)} at the peak{in_tiles}")
    notices = [notice for notice in (blas.advice(), told) if notice is not None]
    return Memory(needed, tile, notices)


def _available(settings: Settings, on_card: bool) -> int | None:
    """The bytes that the run may take more than are held; None if nobody knows."""
    free = memory_of_card() if on_card else machine.available_memory()
    if settings.memory is None:
        return free
    allowed = max(settings.memory - (0 if on_card else machine.peak_memory() or 0), 0)
    return allowed if free is None else min(free, allowed)


def _tiles_to_try(settings: Settings, losses: LossSettings) -> list[int | None]:
    if isinstance(settings.tile, int):
        check_tiled(losses)
        return [settings.tile]
    return [None] if settings.tile == OFF or not can_be_tiled(losses) else [None, *_TILES]


def _first_that_fits(
    tiles: list[int | None], sizes: list[tuple[int, int]], need: Callable, available: int | None
) -> tuple[int | None, int]:
    """The largest tiles that fit, or none, with what they need; else those that need least."""
    needs = []
    for tile in tiles:
        needs.append((need(*sizes, tile=tile), tile))
        if available is None or needs[-1][0] <= available:
            return tile, needs[-1][0]
    needed, tile = min(needs, key=lambda each: each[0])
    return tile, needed


def _largest_that_fits(
    settings: Settings, sizes: list[tuple[int, int]], need: Callable[..., int], available: int
) -> int | None:
    style_scales = for_each_style("style_scale", settings.style_scale, len(sizes) - 1)

    def need_at(long_side: int) -> int | None:
        # Fitted anew from the original pictures, these may come out one row larger.
        fitted = [
            fitted_size(*size, scaled(long_side, scale))
            for size, scale in zip(sizes, [1, *style_scales], strict=True)
        ]
        with suppress(InputError):  # too small to be pooled
            return need(*((height + 1, width + 1) for height, width in fitted))
        return None

    largest = preflight.largest(
        lambda long_side: (need_at(long_side) or 0) <= available, max(sizes[0])
    )
    return largest if largest and need_at(largest) is not None else None
