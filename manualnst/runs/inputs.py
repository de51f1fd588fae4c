"""The pictures of a run: opened, brought to size, and told about."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError
from ..objective.objective import for_each_style, style_names
from ..pictures import samples
from ..pictures.colours import luminance, match_style
from ..pictures.images import READABLE_SUFFIXES, Picture, Source, is_path, load_picture
from ..pictures.masks import has_shape_of, mask_names, one_for_each_style
from ..pictures.resizing import fitted_size, resize, resize_linearly
from ..system.memo import NOTHING_KEPT, Memo
from ..system.notice import Notice
from .settings import Settings

SAMPLE_PREFIX = "sample:"  # sample:harbour names a picture of the package's own


@dataclass(frozen=True, eq=False)
class Input:
    """A picture as a run uses it."""

    pixels: np.ndarray  # (H, W, 3) float32 at the size used; of a mask (H, W)
    alpha: np.ndarray | None  # (H, W)
    facts: dict[str, Any]  # name, hash and sizes, for record and checkpoint
    notices: tuple[Notice, ...]
    colours: np.ndarray | None = None  # (H, W, 3), the result's, where `pixels` are its greys


def is_picture(name: str) -> bool:
    """Whether it names a sample, or by its suffix a picture file."""
    return name.startswith(SAMPLE_PREFIX) or Path(name).suffix.lower() in READABLE_SUFFIXES


def load_source(source: Source) -> Picture:
    """A picture of any kind, or by the name of a sample."""
    if isinstance(source, str) and "://" in source:
        raise InputError(
            f"{source} is an address, and nothing is fetched: save the picture, and give its file"
        )
    if isinstance(source, str) and source.startswith(SAMPLE_PREFIX):
        path = samples.sample_path(source.removeprefix(SAMPLE_PREFIX))
        return replace(load_picture(path), name=source)
    return load_picture(source)


def open_content(source: Source | None, settings: Settings, pictures: Memo = NOTHING_KEPT) -> Input:
    source = SAMPLE_PREFIX + samples.CONTENT if source is None else source
    content = _open("content", source, settings.size, pictures)
    if not settings.in_greys:
        return content
    notice = Notice("content", "it keeps its colours; only its luminance is painted")
    return replace(
        content,
        pixels=luminance(content.pixels),
        colours=content.pixels,
        notices=(*content.notices, notice),
    )


def open_styles(
    sources: Source | Sequence[Source] | None,
    settings: Settings,
    content: Input,
    pictures: Memo = NOTHING_KEPT,
) -> list[Input]:
    if sources is None:
        sources = SAMPLE_PREFIX + samples.STYLES[0]
    sources = sources if isinstance(sources, list | tuple) else [sources]
    if not sources:
        raise InputError("there is no style picture; give at least one")
    for_each_style("style_weights", settings.style_weights, len(sources))  # refused before work
    scales = for_each_style("style_scale", settings.style_scale, len(sources))
    names = style_names(len(sources))
    opened = [
        _open(name, source, scaled(settings.size, scale), pictures)
        for name, source, scale in zip(names, sources, scales, strict=True)
    ]
    return [
        _with_colours(name, style, settings, content)
        for name, style in zip(names, opened, strict=True)
    ]


def open_masks(sources: Source | Sequence[Source], content: Input, styles: int) -> list[Input]:
    """Where each style is painted, of the content's size."""
    sources = sources if isinstance(sources, list | tuple) else [sources]
    one_for_each_style(sources, styles)  # refuses other numbers before work
    return [
        _open_mask(name, source, content)
        for name, source in zip(mask_names(len(sources)), sources, strict=True)
    ]


def _open_mask(role: str, source: Source, content: Input) -> Input:
    mask = load_source(source)
    size, (height, width) = mask.pixels.shape[:2], content.pixels.shape[:2]
    if not has_shape_of(size, (height, width)):
        own_width, own_height = content.facts["original_size"]
        raise InputError(
            f"{role} {mask.name} is {size[1]} × {size[0]}, the content {own_width} × {own_height}; "
            "a mask must have the shape of the content, in any size"
        )
    values = mask.pixels.mean(axis=2)
    if mask.alpha is not None:
        values = values * mask.alpha
    values = values if size == (height, width) else resize_linearly(values, height, width)
    if not values.any():
        raise InputError(
            f"{role} {mask.name} is black throughout: nothing would be painted; paint white where "
            "the style is wanted"
        )
    told = _used_at(role, replace(mask, alpha=None), height, width)
    notices = told.notices
    if values.max() < 0.5:
        whitest = f"{255 * values.max():.3g} of 255 where it is whitest"
        text = f"it is almost black, {whitest}; white is where the style is painted"
        notices += (Notice(role, text),)
    return replace(told, pixels=np.clip(values, 0, 1), notices=notices)


def scaled(size: int, scale: float) -> int:
    """The long side that a style picture of this scale has at most."""
    return max(1, round(size * scale))


def open_start(
    settings: Settings,
    content: Input,
    style: Input,
    height: int,
    width: int,
    picture: Picture | None = None,
) -> Input:
    """The picture that the optimiser starts from, at this size; as the settings say, if none is
    given."""
    if picture is None:
        start = _open_start(settings, content, style, height, width)
    else:
        start = _used_at("start", picture, height, width)
    return replace(start, pixels=luminance(start.pixels)) if settings.in_greys else start


def _open_start(settings: Settings, content: Input, style: Input, height: int, width: int) -> Input:
    if settings.init == "content":
        return Input(resize(content.pixels, height, width), None, {"name": "content"}, ())
    if settings.init == "style":
        return Input(resize(style.pixels, height, width), None, {"name": "style"}, ())
    if settings.init == "noise":
        noise = np.random.default_rng(settings.seed).random((height, width, 3), np.float32)
        return Input(noise, None, {"name": "noise", "seed": settings.seed}, ())
    return _used_at("start", load_source(settings.init), height, width)


def _open(role: str, source: Source, size: int, pictures: Memo) -> Input:
    def open_anew() -> tuple[Source, Input]:
        picture = load_source(source)
        return source, _used_at(role, picture, *fitted_size(*picture.pixels.shape[:2], size))

    # With the source itself: as long as an array is kept its id is not another's.
    key = role, source if is_path(source) else id(source), size
    return pictures.get(key, open_anew)[1]


def _with_colours(role: str, style: Input, settings: Settings, content: Input) -> Input:
    """The style picture with the colours that the settings want it to have."""
    pixels, told = match_style(settings.colours, style.pixels, content.pixels, content.alpha)
    notices = (*style.notices, *(Notice(role, text) for text in told))
    return replace(style, pixels=pixels, notices=notices)


def _used_at(role: str, picture: Picture, height: int, width: int) -> Input:
    original_height, original_width = picture.pixels.shape[:2]
    facts = {
        "name": picture.name,
        "sha256": picture.sha256,
        "original_size": [original_width, original_height],
        "used_size": [width, height],
    }
    sizes = f"{original_width} × {original_height} → {width} × {height}"
    notices = [Notice(role, text) for text in (f"{picture.name}, {sizes}", *picture.notes)]
    alpha = None if picture.alpha is None else resize(picture.alpha, height, width)
    return Input(resize(picture.pixels, height, width), alpha, facts, tuple(notices))
