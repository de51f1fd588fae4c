"""Where the crops come from: cut anew each time out of a folder's pictures and of drawn ones.

A crop is a function of the seed and its number alone, so learning can be resumed anywhere.
"""

import hashlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np

from manualnst.errors import InputError
from manualnst.pictures.images import READABLE_SUFFIXES, load_picture
from manualnst.pictures.resizing import fitted_size, resize

from . import pictures
from .canvas import Random

SIDE = 128  # of a crop
DRAWN = 0.4  # share of the crops that are drawn; all of them without a folder
RECIPES = 100_000  # to draw by, so that hardly any is met twice
LARGEST = 768  # long side at which a folder's pictures are kept
WIDEST = 3.0  # a crop shows at most so many times SIDE pixels of a picture


def load_folder(folder: Path | None) -> list[np.ndarray]:
    """Its pictures by name, uint8 (H, W, 3), each side at least SIDE."""
    if folder is None:
        return []
    try:
        paths = sorted(p for p in folder.iterdir() if p.suffix.lower() in READABLE_SUFFIXES)
    except OSError as error:
        raise InputError(f"cannot read the folder {folder}: {error.strerror}") from error
    if not paths:
        raise InputError(f"there is no picture in {folder}; give a folder with some")
    return [_kept(path) for path in paths]


def _kept(path: Path) -> np.ndarray:
    pixels = load_picture(path).pixels
    height, width = fitted_size(*pixels.shape[:2], LARGEST)
    if min(height, width) < SIDE:
        raise InputError(f"{path} is too small: {width} × {height}, but crops have {SIDE} pixels")
    return np.uint8(resize(pixels, height, width) * 255 + np.float32(0.5))


def digest(folder_pictures: Sequence[np.ndarray]) -> str:
    """Tells what was learned from: the folder's pictures, and the code that draws."""
    found = hashlib.sha256()
    for name in ("canvas.py", "crops.py", "families.py", "pictures.py"):
        found.update(Path(__file__).with_name(name).read_bytes())
    for picture in folder_pictures:
        found.update(repr(picture.shape).encode() + picture.tobytes())
    return found.hexdigest()


def crop(folder_pictures: Sequence[np.ndarray], seed: int, number: int) -> np.ndarray:
    """Crop `number`: float32 (SIDE, SIDE, 3), around 0 … 1.

    Of any scale, mirrored or not. Half of them have their colours exchanged, so that filters are
    right for all colours; some are blended with another, or get noise of the pixels' or of the
    colours' own, as half-painted pictures have it.
    """
    random = Random([seed, 3, number])
    x = _cut(folder_pictures, seed, random)
    if random.uniform() < 0.15:
        share = np.float32(random.uniform(0.2, 0.8))
        x = share * x + (1 - share) * _cut(folder_pictures, seed, random)
    if random.randint(2):
        x = x[..., random.permutation(3)]
    contrast, light = random.uniform(0.6, 1.15), random.uniform(-0.1, 0.1)
    x = (x - np.float32(0.5)) * np.float32(contrast) + np.float32(0.5 + light)
    kind, strength = random.randint(4), np.float32(0.12 * random.uniform() ** 2)
    if kind == 0:
        x = x + strength * _noise_table()[random.randint(16)]
    elif kind == 1:
        x = x + strength * _noise_table()[random.randint(16), :, :, :1]
    return np.clip(x, 0, 1)


def _cut(folder_pictures: Sequence[np.ndarray], seed: int, random: Random) -> np.ndarray:
    """A square of one picture at some scale, mirrored by chance: float32 (SIDE, SIDE, 3)."""
    if not folder_pictures or random.uniform() < DRAWN:
        number = random.randint(RECIPES)
        [picture] = pictures.draw_recipe(seed, number, 1)
        width = random.randint(len(picture) // 2, len(picture) + 1)
    else:
        picture = folder_pictures[random.randint(len(folder_pictures))]
        widest = min(*picture.shape[:2], WIDEST * SIDE)
        width = int(SIDE * (widest / SIDE) ** random.uniform(-0.3, 1))
    top, left = (random.randint(side - width + 1) for side in picture.shape[:2])
    found = picture[top : top + width, left : left + width].astype(np.float32) / np.float32(255)
    found = resize(found, SIDE, SIDE)
    return found[:, ::-1] if random.randint(2) else found


@cache
def _noise_table() -> np.ndarray:
    """Grain to be added to crops, drawn once."""
    return Random(5).standard_normal((16, SIDE, SIDE, 3)).astype(np.float32)
