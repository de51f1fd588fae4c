"""A run as a moving picture: frames are kept as files while it goes, and put together at its end.

    animation = Animation("on-the-way.webp", every=5)
    result = stylize("photo.jpg", callback=animation)
    animation.save(result.image)

WebP is the better choice: all colours, in half the bytes. A GIF has 256 colours a frame. Each
frame here has its own and is not dithered: measured on a run of the samples, that is nearest to
the truth (root mean square error 9 of 255, 11 dithered, 15 with colours common to all frames), and
to the eye dithering puts dots into skies that have no bands without it.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import numpy as np
from PIL import Image

from ..errors import InputError
from ..system.files import check_writable_folder, make_folder, write_atomically
from .resizing import fitted_size, resize
from .saving import save_picture

LONGEST = 512  # pixels of a frame's long side: a page has room for so much
MOST_FRAMES = 500  # encoders hold them all
_MILLISECONDS, _LAST_MILLISECONDS = 100, 2500  # that a frame is shown
_FORMATS = (".gif", ".webp")
_NUMBERED = re.compile(r"\d{6,}\.png")

Frames = Iterator[Image.Image]


class _Progress(Protocol):
    step: int
    picture: np.ndarray  # (H, W, 3)


class Animation:
    """A callback for runs. Frames lie in a folder beside `path`, which `save` removes."""

    def __init__(self, path: str | os.PathLike, every: int, *, go_on: bool = False):
        """A frame after the first step and after `every` one of so many.

        Frames of an interrupted run are refused, unless it is to `go_on` with them.
        """
        self.path, self.every = Path(path), every
        self.folder = self.path.with_name(f"{self.path.name}.frames")
        if self.path.suffix.lower() not in _FORMATS:
            raise InputError(f"cannot write {path} as an animation; use one of .webp, .gif")
        if every < 1:
            raise InputError(f"a frame after every {every} steps; it must be at least 1")
        check_writable_folder(self.path)
        if not go_on and self.folder.exists():
            raise InputError(f"{self.folder} has the frames of another run; move them away first")

    def __call__(self, progress: _Progress) -> None:
        if progress.step != 1 and progress.step % self.every:
            return
        make_folder(self.folder)
        height, width = fitted_size(*progress.picture.shape[:2], LONGEST)
        picture = resize(progress.picture, height, width)
        save_picture(self.folder / f"{progress.step:06d}.png", picture)

    def save(self, last: np.ndarray) -> int:
        """Put the frames together, all at the size of the last one, (H, W, 3), but at most LONGEST;
        how many there are."""
        height, width = fitted_size(*last.shape[:2], LONGEST)
        kept = self._kept()
        pixels = np.rint(np.clip(resize(last, height, width), 0, 1) * 255).astype(np.uint8)

        def frames() -> Frames:
            for path in kept:
                with Image.open(path) as frame:
                    yield frame.convert("RGB").resize((width, height), Image.Resampling.LANCZOS)
            yield Image.fromarray(pixels)

        encode = _as_gif if self.path.suffix.lower() == ".gif" else _as_webp
        write_atomically(self.path, lambda temporary: encode(frames(), temporary, len(kept) + 1))
        self.discard()
        with Image.open(self.path) as animation:
            return animation.n_frames  # one that is the same as the one before needs none

    def discard(self) -> None:
        """Remove the frames."""
        for path in self._kept():
            path.unlink()
        if self.folder.exists() and not any(self.folder.iterdir()):
            self.folder.rmdir()

    def _kept(self) -> list[Path]:
        names = os.listdir(self.folder) if self.folder.is_dir() else []
        return [self.folder / name for name in sorted(filter(_NUMBERED.fullmatch, names))]


def check_frames(steps: int, every: int) -> None:
    """Refuse more frames than an encoder should hold."""
    if steps // every + 2 > MOST_FRAMES:
        least = -(-steps // (MOST_FRAMES - 2))
        raise InputError(
            f"an animation of {steps // every} frames is too long (at most {MOST_FRAMES}); give "
            f"--save-every {least} or more"
        )


def usual_interval(steps: int) -> int:
    """So many steps between frames that these are about forty."""
    return max(1, round(steps / 40))


def _as_gif(frames: Frames, path: Path, count: int) -> None:
    in_256_colours = (frame.quantize(256, Image.Quantize.MEDIANCUT) for frame in frames)
    _save(next(in_256_colours), path, count, append_images=in_256_colours)


def _as_webp(frames: Frames, path: Path, count: int) -> None:
    _save(next(frames), path, count, append_images=frames, quality=85, method=4)


def _save(first: Image.Image, path: Path, count: int, **options) -> None:
    durations = [_MILLISECONDS] * (count - 1) + [_LAST_MILLISECONDS]
    first.save(path, save_all=True, duration=durations, loop=0, **options)
