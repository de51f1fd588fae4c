"""A mosaic: some thousands of little stones, set along the lines of a garden of rosettes.

A design says which colour belongs where and which way the stones should lie. The stones are the
cells of a Voronoi diagram whose distance is measured along the axes of each stone, so that its
cells are square-ish and turn with the design; moving every stone to the middle of its cell, over
and over, packs them evenly (Hausner, "Simulating decorative mosaics", 2001).
"""

import numpy as np
from scipy.spatial import cKDTree

from .canvas import colour, finish, fractal, grid, mix, relief, smoothstep

SIZE = 512
SCALE = 3
STONES = 2800
ROUNDS = 20  # of moving the stones
PLAN = 384  # the design's own size in pixels, all that is needed to place the stones

PALETTE = [
    colour(c)
    for c in (
        "#0d4a73", "#11688a", "#1c8f97", "#58b8a4",  # 0-3 the ground: sea blue to turquoise
        "#f4e3b8", "#e9b949", "#d98a2b",  # 4-6 ivory, gold, amber
        "#b8323a", "#7d1f3c", "#e0664a",  # 7-9 crimson, wine, coral
        "#2d6a3e", "#6f9a4b",  # 10-11 leaf greens
        "#262a5c", "#5b5fa8",  # 12-13 night blue, iris
    )
]  # fmt: skip

# Rosettes: x, y, radius, petals, turn, and the colours from the heart outwards.
ROSETTES = [
    (0.36, 0.40, 0.30, 9, 0.2, (5, 8, 6, 4, 7, 9)),
    (0.80, 0.72, 0.21, 7, 0.9, (6, 12, 4, 13, 12, 5)),
    (0.83, 0.20, 0.14, 6, 0.1, (8, 5, 4, 6, 9, 4)),
    (0.17, 0.84, 0.13, 6, 0.5, (12, 4, 13, 4, 13, 5)),
    (0.53, 0.93, 0.085, 5, 0.3, (7, 5, 4, 5, 6, 4)),
    (0.63, 0.07, 0.065, 5, 0.0, (12, 6, 5, 4, 5, 4)),
]


def draw() -> np.ndarray:
    rng = np.random.RandomState(11)
    design, angle = _design()
    stones = _settle(rng.uniform(0, 1, (STONES, 2)), design, angle)
    return _render(rng, stones, design, angle)


def _design() -> tuple[np.ndarray, np.ndarray]:
    """The index into PALETTE and the angle at which stones lie, each (PLAN, PLAN)."""
    x, y = grid(PLAN, PLAN)
    # The ground: wide bands that swing across the picture; level is 1 from band to band.
    level = 9 * (y + 0.10 * np.sin(5 * x + 1) + 0.25 * x)
    band = np.floor(level).astype(int) % 6
    index = np.array([0, 1, 2, 3, 2, 1])[band]
    index = np.where((band == 3) & (level % 1 > 0.6), 5, index)
    lines = level / 9
    for cx, cy, radius, petals, turn, colours in ROSETTES:
        dx, dy = x - cx, y - cy
        polar = np.arctan2(dy, dx) + turn
        r = np.hypot(dx, dy) / radius
        petal = np.abs(np.cos(petals * polar / 2)) ** 0.7
        rim = 0.66 + 0.34 * petal  # of the outer flower
        inner = 0.34 + 0.20 * np.abs(np.sin(petals * polar / 2)) ** 0.7
        rings = [
            (r < 1.08 * rim + 0.05, colours[5]),
            (r < rim, colours[4]),
            (r < rim - 0.13, colours[3]),
            (r < inner + 0.07, colours[2]),
            (r < inner, colours[1]),
            (r < 0.2, colours[0]),
        ]
        for inside, which in rings:
            index = np.where(inside, which, index)
        lines = np.where(r < 1.08 * rim + 0.12, radius * r / rim, lines)
    dy, dx = np.gradient(lines)
    return index, np.arctan2(dy, dx)


def _settle(stones: np.ndarray, design, angle) -> np.ndarray:
    """Move each stone (x, y) to the middle of its cell, ROUNDS times; stones (STONES, 2)."""
    x, y = grid(PLAN, PLAN)
    pixels = np.stack([x.ravel(), y.ravel()], axis=-1)
    # Pixels at the border between two colours belong to nobody: that pushes stones off it.
    border = np.zeros(design.shape, bool)
    border[:, 1:] |= design[:, 1:] != design[:, :-1]
    border[1:, :] |= design[1:, :] != design[:-1, :]
    inner = pixels[~border.ravel()]
    for _ in range(ROUNDS):
        owner = _nearest(inner, stones, angle)[0][:, 0]
        count = np.bincount(owner, minlength=STONES)
        sums = [np.bincount(owner, inner[:, i], minlength=STONES) for i in (0, 1)]
        middles = np.stack(sums, axis=-1) / np.maximum(count, 1)[:, None]
        stones = np.where(count[:, None] > 0, middles, stones)
        # Rounding keeps the last bit of a platform's arithmetic from growing round by round.
        stones = np.round(stones * 2**14) / 2**14
    return stones


def _look_up(table: np.ndarray, points: np.ndarray) -> np.ndarray:
    """The table's entries at points (N, 2) of the unit square."""
    column, row = np.clip(points * PLAN, 0, PLAN - 1).astype(int).T
    return table[row, column]


def _nearest(points: np.ndarray, stones: np.ndarray, angle) -> tuple[np.ndarray, np.ndarray]:
    """The two nearest stones to each point, as indices (N, 2), and their distances (N, 2)."""
    _, candidates = cKDTree(stones).query(points, k=7)  # (N, 7)
    turn = _look_up(angle, stones)
    offset = points[:, None, :] - stones[candidates]  # (N, 7, 2)
    cos, sin = np.cos(turn)[candidates], np.sin(turn)[candidates]
    a = offset[..., 0] * cos + offset[..., 1] * sin
    b = offset[..., 1] * cos - offset[..., 0] * sin
    distance = (a**6 + b**6) ** (1 / 6)  # its circles are squares with rounded corners
    order = np.argsort(distance, axis=1, kind="stable")[:, :2]
    return np.take_along_axis(candidates, order, 1), np.take_along_axis(distance, order, 1)


def _render(rng, stones: np.ndarray, design, angle) -> np.ndarray:
    size = SIZE * SCALE
    x, y = grid(size, size)
    wobble = 0.0012 * fractal(rng, (size, size), 1.3)  # no stone is cut with a ruler
    points = np.stack([(x + wobble).ravel(), (y + wobble.T).ravel()], axis=-1)
    nearest, distance = _nearest(points, stones, angle)
    owner = nearest[:, 0].reshape(size, size)
    seam = (distance[:, 1] - distance[:, 0]).reshape(size, size)  # 0 on the border of a cell

    tints = np.array(PALETTE)[_look_up(design, stones)]
    tints = tints * (1 + 0.13 * rng.standard_normal((STONES, 1)))
    tints = tints + 0.03 * rng.standard_normal((STONES, 3))
    tilt = 0.09 * rng.standard_normal((STONES, 2))  # stones do not lie quite flat

    grain = fractal(rng, (size, size), 0.8)
    body = smoothstep(0.0022, 0.0038, seam)  # 1 on a stone, 0 in the mortar
    dome = np.sqrt(np.clip(seam / 0.009, 0, 1))
    light = relief(dome * body + 0.012 * grain, 7)
    light = light + tilt[owner, 0] + tilt[owner, 1]
    stone = tints[owner] * (0.40 + 0.72 * np.clip(light, 0, 1.6))[..., None]
    stone = stone + 0.25 * smoothstep(1.25, 1.6, light)[..., None]
    mortar = colour("#2a241f") * (1 + 0.15 * grain)[..., None]
    return finish(mix(mortar, stone, body), SCALE)
