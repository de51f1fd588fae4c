"""Drawing tools for the pictures that are learned from: noise, light, palettes.

A picture is float (SIDE, SIDE, 3), RGB in [0, 1]; plane coordinates x and y run from 0 to 1.
Random numbers come from RandomState, whose streams NumPy has promised never to change.
"""

import colorsys
from functools import cache

import numpy as np

SIDE = 112
Random = np.random.RandomState


@cache
def grid(side: int = SIDE) -> tuple[np.ndarray, np.ndarray]:
    """x and y of the pixels' centres, each (side, side)."""
    y, x = (np.mgrid[:side, :side] + 0.5) / side
    return x, y


def turned(x, y, angle: float):
    """Coordinates along and across a direction."""
    c, s = np.cos(angle), np.sin(angle)
    return c * x + s * y, c * y - s * x


def noise(
    random: Random,
    slope: float,
    *,
    stretch: float = 1,
    angle: float = 0,
    coarsest: float = 0,
    side: int = SIDE,
):
    """Periodic noise (side, side) of mean 0 and deviation 1; its spectrum falls as 1/f^slope.

    With stretch > 1 it is that much longer along `angle`; nothing is larger than 1/coarsest.
    """
    v = np.fft.fftfreq(side)[:, None] * side
    u = np.fft.rfftfreq(side)[None, :] * side
    along, across = turned(u, v, angle)
    frequency = np.hypot(along * stretch, across)
    frequency[np.hypot(u, v) <= coarsest] = np.inf  # the mean, too, vanishes
    spectrum = np.fft.rfft2(random.standard_normal((side, side))) / frequency**slope
    values = np.fft.irfft2(spectrum, s=(side, side))
    return values / values.std()


def smoothstep(low, high, x):
    """0 below `low`, 1 above `high`, and a soft S between them."""
    t = np.clip((x - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def mix(a, b, t):
    """From colours a (t = 0) to colours b (t = 1); t is one number a pixel."""
    return a + (b - a) * np.asarray(t)[..., None]


def ramp(t, palette):
    """The colour at t in [0, 1] along a palette (n, 3) that is spread evenly over it."""
    stops = np.linspace(0, 1, len(palette))
    return np.stack([np.interp(t, stops, palette[:, i]) for i in range(3)], axis=-1)


def steps(t, palette):
    """The same in flat colours, without passages."""
    return palette[np.clip((t * len(palette)).astype(int), 0, len(palette) - 1)]


def spread(values):
    """Values of mean 0 and deviation 1 brought to 0 … 1."""
    return np.clip(0.5 + values / 4, 0, 1)


def relief(height, depth: float, angle: float):
    """How brightly light from `angle` falls on a height field: around 1."""
    down, right = np.gradient(height * (depth * len(height)))
    towards = right * np.cos(angle) + down * np.sin(angle)
    return (1 + 0.8 * towards) / np.sqrt(1 + right * right + down * down)


def shrink(picture):
    """The mean of each 2 × 2 pixels: smooths the edges of what was drawn at twice the size."""
    h, w = picture.shape[0] // 2, picture.shape[1] // 2
    return picture.reshape(h, 2, w, 2, -1).mean(axis=(1, 3))


@cache
def palettes() -> list[np.ndarray]:
    """The pool that all recipes draw from, so that colour alone does not tell them apart."""
    random = Random(60)
    return [_palette(random) for _ in range(60)]


def _palette(random: Random) -> np.ndarray:
    """2 to 5 colours of hues that lie together, opposite or anywhere; not all of one lightness."""
    count = random.randint(2, 6)
    hue, kind = random.uniform(), random.randint(3)
    colours = []
    for i in range(count):
        turn = (0.08 * random.standard_normal(), 0.5 * (i % 2), random.uniform())[kind]
        saturation = random.beta(1.6, 1.6)
        value = np.clip(random.uniform(0.1, 1) if i else random.uniform(0.05, 0.5), 0, 1)
        colours.append(colorsys.hsv_to_rgb((hue + turn) % 1, saturation, value))
    colours = np.array(colours)
    return colours[random.permutation(count)]
