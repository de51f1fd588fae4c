"""What people weave, braid, lay and saw: cloth, knots, a wall, wood."""

import numpy as np

from .canvas import SIZE, Pen, colour, grid, lit, mixed, ramp, smooth


def wall(random: np.random.RandomState) -> np.ndarray:
    """Brick in running bond: worn, each of its own burning, in sandy mortar."""
    y, x = grid()
    x, y = x + 2.5 * smooth(random, 24), y + 2.5 * smooth(random, 24)
    high, wide, joint = 34, 88, 5
    row = (y // high).astype(int)
    along = x + (row % 2) * wide / 2
    column = (along // wide).astype(int)
    # How far inside its brick a pixel lies.
    inside = (
        np.minimum.reduce([y % high, high - y % high, along % wide, wide - along % wide])
        - joint / 2
    )
    burning = random.rand(row.max() + 3, column.max() + 3)[row, column]
    grain = smooth(random, 128, 2)
    face = ramp(burning + 0.07 * grain, "#4a1f1a", "#8c3b26", "#a84f32", "#c9764a", "#7d4a3c")
    mortar = ramp(0.5 + 0.2 * smooth(random, 160), "#8d8672", "#cfc6ae")
    height = np.clip(inside, -2, 3) + 0.35 * grain
    picture = mixed(mortar, face, np.clip(inside + 0.5, 0, 1))
    return picture * lit(height, 0.14)[..., None]


def cloth(random: np.random.RandomState) -> np.ndarray:
    """A tartan in twill: each thread over two and under two, one further in every row."""
    pitch = 4
    count = SIZE // pitch
    sett = [("#1b3a5c", 12), ("#b3202c", 3), ("#1b3a5c", 4), ("#e8e0c8", 2), ("#24543a", 14)]
    sett += [("#e3b23c", 2), ("#24543a", 5), ("#101418", 6)]
    threads = np.concatenate([np.tile(colour(dye), (width, 1)) for dye, width in sett])
    colours = np.resize(threads, (count, 3))
    y, x = grid()
    i, j = (y // pitch).astype(int), (x // pitch).astype(int)
    warp_above = (i + j) % 4 < 2
    # Each thread is a cylinder: bright along its middle, and lower where it dives under another.
    across = np.where(warp_above, x % pitch, y % pitch) / (pitch - 1) - 0.5
    along = np.where(warp_above, y + x // pitch * pitch, x + y // pitch * pitch) % (2 * pitch)
    round_ = 1 - 1.6 * across**2
    dive = 0.75 + 0.25 * np.sin(np.pi * (along + 0.5) / (2 * pitch))
    fibres = 1 + 0.10 * random.standard_normal((SIZE, SIZE))
    dyed = np.where(warp_above[..., None], colours[j], colours[i])
    uneven = 1 + 0.06 * random.standard_normal((count, 1))
    worn = np.where(warp_above, uneven[j, 0], uneven[i, 0])
    folds = 1 + 0.10 * smooth(random, 3)
    return dyed * (round_ * dive * fibres * worn * folds)[..., None]


def knots(random: np.random.RandomState) -> np.ndarray:
    """Braided bands on Truchet tiles: arcs and crossings, each band over and under in turn."""
    cell = 64
    half, quarter = cell / 2, np.linspace(0, np.pi / 2, 24)
    pen = Pen("#14323a")
    tiles = random.rand(SIZE // cell, SIZE // cell)

    def band(points, fill):
        for width, ink in ((24, "#0b1a1e"), (19, fill), (7, "#f2e3b6"), (4, fill)):
            pen.line(points, width, ink)

    def arc(x, y, corner_x, corner_y):
        sign_x, sign_y = 1 - 2 * corner_x, 1 - 2 * corner_y
        centre = np.array([x + cell * corner_x, y + cell * corner_y])
        turn = np.stack([sign_x * np.cos(quarter), sign_y * np.sin(quarter)], axis=1)
        return [tuple(p) for p in centre + half * turn]

    for (row, column), kind in np.ndenumerate(tiles):
        x, y = column * cell, row * cell
        inks = ("#c9862b", "#a8392f") if (row + column) % 2 else ("#a8392f", "#c9862b")
        level = [(x - 1, y + half), (x + cell + 1, y + half)]
        upright = [(x + half, y - 1), (x + half, y + cell + 1)]
        if kind < 0.45:
            bands = [level, upright] if (row + column) % 2 else [upright, level]
        elif kind < 0.72:
            bands = [arc(x, y, 0, 0), arc(x, y, 1, 1)]
        else:
            bands = [arc(x, y, 1, 0), arc(x, y, 0, 1)]
        for points, ink in zip(bands, inks, strict=True):
            band(points, ink)
    worn = 1 + 0.05 * smooth(random, 40, 3)
    return pen.picture() * worn[..., None]


def wood(random: np.random.RandomState) -> np.ndarray:
    """Planks: year rings around a distant heart, drawn aside by knots; pores along the grain."""
    y, x = grid()
    picture = np.zeros((SIZE, SIZE, 3))
    plank = 128
    for n, top in enumerate(range(0, SIZE, plank)):
        rows = slice(top, top + plank)
        v, u = y[rows] - top, x[rows]
        heart = random.uniform(-260, 380)
        lean = random.uniform(-0.06, 0.06)
        wobble = 5 * smooth(random, 5, 2)[:plank]
        distance = np.hypot(v - heart + lean * (u - SIZE / 2) + wobble, 0.05 * (u - random.rand()))
        dark = np.zeros_like(u)
        for _ in range(random.randint(0, 3)):
            knot_x, knot_y = random.uniform(0, SIZE), random.uniform(20, plank - 20)
            near = np.hypot((u - knot_x) / 1.6, v - knot_y)
            distance += 26 * np.exp(-((near / 22) ** 2))
            dark = np.maximum(dark, np.exp(-((near / 9) ** 2)))
        ring = (distance / random.uniform(6, 9)) % 1.0
        late = np.exp(-5 * (1 - ring)) + 0.4 * np.exp(-12 * ring)  # dense wood ends each year
        stretched = random.standard_normal((plank, SIZE // 16))
        pores = np.repeat(stretched, 16, axis=1)[:, :SIZE] > 1.7
        tone = 0.25 + 0.55 * late + 0.05 * smooth(random, 64)[:plank] + 0.3 * pores + 0.6 * dark
        board = ramp(np.clip(tone, 0, 1), "#d9a866", "#b97a3d", "#7c4a22", "#3d2110")
        seam = np.clip(np.minimum(v, plank - 1 - v) / 2.5, 0.25, 1)
        tint = 1 + 0.08 * np.sin(2.1 * n + np.array([0.0, 0.4, 0.9]))
        picture[rows] = board * seam[..., None] * tint
    return picture
