"""What the drawings have in common: a canvas, smooth noise, ramps of colours."""

import numpy as np
from PIL import Image, ImageDraw

SIZE = 512  # side of every drawing
_FINE = 2  # drawn lines are that much finer, and averaged: smooth edges


def grid() -> tuple[np.ndarray, np.ndarray]:
    """(y, x) of every pixel, each (SIZE, SIZE)."""
    y, x = np.mgrid[:SIZE, :SIZE].astype(float)
    return y, x


def colour(text: str) -> np.ndarray:
    """ "#804020" as (3,) in [0, 1]."""
    return np.array([int(text[n : n + 2], 16) for n in (1, 3, 5)]) / 255


def ramp(values: np.ndarray, *colours: str) -> np.ndarray:
    """Any shape of values in [0, 1] → the same with 3 channels, along evenly spaced colours."""
    places = np.linspace(0, 1, len(colours))
    channels = np.transpose([colour(text) for text in colours])
    return np.stack([np.interp(values, places, channel) for channel in channels], axis=-1)


def mixed(below: np.ndarray, above: np.ndarray, share: np.ndarray | float) -> np.ndarray:
    """`share` (H, W) of what lies above, the rest of what lies below; each (…, 3)."""
    return below + np.asarray(share)[..., None] * (above - below)


def smooth(random: np.random.RandomState, cells: int, octaves: int = 1) -> np.ndarray:
    """Values about 0 that change over SIZE/cells pixels, and ever finer by octaves."""
    total = np.zeros((SIZE, SIZE))
    for octave in range(octaves):
        count = cells * 2**octave
        knots = random.standard_normal((count + 3, count + 3)).astype(np.float32)
        side = SIZE * (count + 3) // count
        full = Image.fromarray(knots).resize((side, side), Image.Resampling.BICUBIC)
        total += np.asarray(full)[:SIZE, :SIZE] / 2**octave
    return total


def blurred(plane: np.ndarray, radius: int, times: int = 3) -> np.ndarray:
    """By running means along both axes, several times over; the border is repeated."""
    width = 2 * radius + 1
    for _ in range(times):
        for _ in range(2):
            padded = np.pad(plane, ((radius + 1, radius), (0, 0)), "edge").cumsum(axis=0)
            plane = ((padded[width:] - padded[:-width]) / width).T
    return plane


def lit(height: np.ndarray, strength: float) -> np.ndarray:
    """Light from the upper left on a relief: factors about 1."""
    slope = np.gradient(height, axis=0) + np.gradient(height, axis=1)
    return 1 + np.clip(strength * slope, -0.6, 0.6)


class Pen:
    """Lines and discs with smooth edges, in coordinates of the canvas; inks are as Pillow's."""

    def __init__(self, background: np.ndarray | str):
        if isinstance(background, str):
            self._image = Image.new("RGB", 2 * (_FINE * SIZE,), background)
        else:
            levels = np.round(255 * np.clip(background, 0, 1)).astype(np.uint8)
            self._image = Image.fromarray(levels).resize(2 * (_FINE * SIZE,))
        self._draw = ImageDraw.Draw(self._image)

    def line(self, points, width: float, fill) -> None:
        scaled = [(_FINE * x, _FINE * y) for x, y in points]
        self._draw.line(scaled, fill, max(1, round(_FINE * width)), joint="curve")

    def disc(self, x: float, y: float, radius: float, fill) -> None:
        box = [_FINE * (v + side) for side in (-radius, radius) for v in (x, y)]
        self._draw.ellipse(box, fill)

    def picture(self) -> np.ndarray:
        fine = np.asarray(self._image) / 255
        return fine.reshape(SIZE, _FINE, SIZE, _FINE, 3).mean(axis=(1, 3))
