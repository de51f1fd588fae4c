"""A contact sheet: what the network learned from, at a glance."""

import numpy as np

from . import pictures
from .families import FAMILIES

GAP = 4  # white pixels between recipes


def contact_sheet(seed: int, columns: int) -> np.ndarray:
    """A row for each family: two pictures each of its first recipes, uint8 (H, W, 3)."""
    rows = [
        _side_by_side([pictures.draw_recipe(seed, number, 2) for number in numbers])
        for numbers in _first_recipes(columns).values()
    ]
    return np.concatenate([part for row in rows for part in (row, _gap_below(row))][:-1])


def _first_recipes(count: int) -> dict[str, list[int]]:
    """The numbers of the first recipes of each family."""
    numbers = {family.__name__: [] for family in FAMILIES}
    n = 0
    while any(len(found) < count for found in numbers.values()):
        found = numbers[pictures.family_of(n).__name__]
        if len(found) < count:
            found.append(n)
        n += 1
    return numbers


def _side_by_side(recipes: list[np.ndarray]) -> np.ndarray:
    """Recipes (2, SIDE, SIDE, 3) with gaps between them, their own two pictures without."""
    parts = []
    for pair in recipes:
        parts += [*pair, np.full((len(pair[0]), GAP, 3), 255, np.uint8)]
    return np.concatenate(parts[:-1], axis=1)


def _gap_below(row: np.ndarray) -> np.ndarray:
    return np.full((GAP, row.shape[1], 3), 255, np.uint8)
