"""What flows: fire, and water with colour in it."""

import numpy as np

from .canvas import SIZE, blurred, colour, grid, ramp, smooth


def fire(random: np.random.RandomState) -> np.ndarray:
    """Hot particles rise from the ground, stirred by whirls, and leave their glow behind."""
    count, steps = 9000, 150
    x = random.uniform(0, SIZE, count)
    y = SIZE + random.uniform(0, 60, count)
    life = random.gamma(3.0, 0.33, count)
    whirls = np.column_stack(
        [random.uniform(0, SIZE, (40, 2)), random.uniform(20, 70, 40), random.choice([-1, 1], 40)]
    )
    glow = np.zeros((SIZE, SIZE))
    for step in range(steps):
        heat = np.clip(1 - step / steps / life, 0, 1)
        rise = -3.4 * (0.4 + heat)
        drift = np.zeros(count)
        lift = np.zeros(count)
        for whirl_x, whirl_y, reach, sense in whirls:
            across, down = x - whirl_x, y - whirl_y
            pull = 0.11 * sense * np.exp(-(across**2 + down**2) / (2 * reach**2))
            drift, lift = drift - pull * down, lift + pull * across
        x, y = x + drift + 0.5 * random.standard_normal(count), y + rise + lift
        whirls[:, 1] -= 1.2
        row, column = y.astype(int), x.astype(int) % SIZE
        seen = (row >= 0) & (row < SIZE) & (heat > 0)
        np.add.at(glow, (row[seen], column[seen]), heat[seen] ** 1.5)
    glow = glow + 4 * blurred(glow, 2) + 6 * blurred(glow, 10)
    bright = 1 - np.exp(-glow / np.percentile(glow, 82))
    return ramp(bright, "#070510", "#2a0a12", "#7d1608", "#d8480b", "#f99f1c", "#fde58a", "#fffbe8")


def watercolour(random: np.random.RandomState) -> np.ndarray:
    """Washes laid one over another: pigment gathers at the edge of each and in the paper's pits."""
    y, x = grid()
    paper = smooth(random, 170, 2)
    light = np.ones((SIZE, SIZE, 3)) * [0.97, 0.95, 0.90]
    inks = ("#1f5f8b", "#c8553d", "#e0a030", "#5b8c5a", "#6b4c8a", "#2e8b8b", "#b5446e")
    for n in range(34):
        ink = colour(inks[n % 7])
        centre = random.uniform(0, SIZE, 2)
        radius = random.uniform(28, 105)
        reach = 1.6 * radius + 40  # beyond lies no pigment
        low, high = (np.clip(centre + side * reach, 0, SIZE).astype(int) for side in (-1, 1))
        here = np.s_[low[0] : high[0], low[1] : high[1]]
        down, across = y[here] - centre[0], x[here] - centre[1]
        angle = np.arctan2(down, across)
        shape = sum(
            random.uniform(0, 0.22) / k * np.cos(k * angle + random.uniform(0, 6))
            for k in (2, 3, 5)
        )
        ragged = radius * (1 + shape) + 7 * smooth(random, 14, 3)[here]
        inside = ragged - np.hypot(down, across)
        wet = 1 / (1 + np.exp(-np.clip(inside, -60, 60) / 0.9))
        rim = np.exp(-(((inside - 2.5) / 3.0) ** 2))
        pools = smooth(random, 12, 2)[here]
        pigment = wet * np.clip(0.42 + 0.10 * pools + 0.06 * paper[here], 0.05, 1) + 0.55 * rim
        light[here] *= ink ** (0.75 * pigment[..., None])
    return light * (1 + 0.025 * paper)[..., None]
