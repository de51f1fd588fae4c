"""The pictures of a run: opened, brought to size, and told about."""

import os
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from . import samples
from .images import Picture, fitted_size, load_picture, resize
from .settings import Settings

SAMPLE_PREFIX = "sample:"  # sample:harbour names a picture of the package's own

Source = str | os.PathLike | np.ndarray


@dataclass(frozen=True, eq=False)
class Input:
    """A picture as a run uses it."""

    pixels: np.ndarray  # (H, W, 3) float32 at the size used
    alpha: np.ndarray | None  # (H, W)
    facts: dict[str, Any]  # name, hash and sizes, for record and checkpoint
    notices: tuple[str, ...]  # lines that a person should see


def load_source(source: Source) -> Picture:
    """A picture by path, or by the name of a sample."""
    if isinstance(source, str) and source.startswith(SAMPLE_PREFIX):
        path = samples.sample_path(source.removeprefix(SAMPLE_PREFIX))
        return replace(load_picture(path), name=source)
    return load_picture(source)


def open_content(source: Source | None, size: int) -> Input:
    return _open("content", SAMPLE_PREFIX + samples.CONTENT if source is None else source, size)


def open_style(source: Source | None, size: int) -> Input:
    return _open("style", SAMPLE_PREFIX + samples.STYLES[0] if source is None else source, size)


def open_start(settings: Settings, content: Input, style: Input, height: int, width: int) -> Input:
    """The picture that the optimiser starts from, at this size."""
    if settings.init == "content":
        return Input(resize(content.pixels, height, width), None, {"name": "content"}, ())
    if settings.init == "style":
        return Input(resize(style.pixels, height, width), None, {"name": "style"}, ())
    if settings.init == "noise":
        noise = np.random.default_rng(settings.seed).random((height, width, 3), np.float32)
        return Input(noise, None, {"name": "noise", "seed": settings.seed}, ())
    return _used_at("start", load_source(settings.init), height, width)


def _open(role: str, source: Source, size: int) -> Input:
    picture = load_source(source)
    return _used_at(role, picture, *fitted_size(*picture.pixels.shape[:2], size))


def _used_at(role: str, picture: Picture, height: int, width: int) -> Input:
    original_height, original_width = picture.pixels.shape[:2]
    facts = {
        "name": picture.name,
        "sha256": picture.sha256,
        "original_size": [original_width, original_height],
        "used_size": [width, height],
    }
    sizes = f"{original_width} × {original_height} → {width} × {height}"
    notices = [f"{role}: {picture.name}, {sizes}"]
    notices += [f"{role}: {note}" for note in picture.notes]
    alpha = None if picture.alpha is None else resize(picture.alpha, height, width)
    return Input(resize(picture.pixels, height, width), alpha, facts, tuple(notices))
