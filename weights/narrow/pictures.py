"""All the pictures to learn from: recipes, each a family with parameters of its own.

Everything follows from a seed: picture k of recipe n of seed s is the same on any machine, up to
the rounding of its arithmetic.
"""

from collections.abc import Callable

import numpy as np

from .canvas import Random, grid, noise, turned
from .families import FAMILIES, Painter


def recipe(seed: int, number: int) -> Painter:
    """Recipe `number` of a seed."""
    random = Random([seed, number])
    return _finished(family_of(number)(random), random)


def draw_recipe(seed: int, number: int, pictures: int) -> np.ndarray:
    """The first pictures of a recipe: uint8 (pictures, SIDE, SIDE, 3)."""
    painter = recipe(seed, number)
    drawn = [painter(Random([seed, number, 1 + k])) for k in range(pictures)]
    return np.stack([np.uint8(np.clip(picture, 0, 1) * 255 + 0.5) for picture in drawn])


def family_of(number: int) -> Callable[[Random], Painter]:
    """Of every hundred recipes each family has its share, well mixed."""
    deck = [family for family, share in FAMILIES.items() for _ in range(share)]
    return deck[number * 37 % len(deck)]


def _finished(painter: Painter, r: Random) -> Painter:
    """A recipe's last touches: light that falls off to one side, a canvas, a contrast."""
    falloff, angle = r.uniform(0, 0.5) * (r.uniform() < 0.3), r.uniform(0, 2 * np.pi)
    grain, slope = r.uniform(0, 0.06) * (r.uniform() < 0.3), r.uniform(0, 0.8)
    gamma = np.exp(0.25 * r.standard_normal())
    x, y = grid()
    slant = 1 + falloff * 2 * turned(x - 0.5, y - 0.5, angle)[0]

    def paint(q: Random):
        picture = painter(q) * slant[..., None]
        if grain:
            picture = picture + grain * noise(q, slope)[..., None]
        return np.clip(picture, 0, 1) ** gamma

    return paint
