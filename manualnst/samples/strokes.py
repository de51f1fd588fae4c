"""A painting: thousands of thick strokes of the brush, laid along a whirling stream.

First a plan of the picture says where which colour belongs and where the stream flows. Then
the strokes come, coarse ones first and finer ones over them. Each is a ribbon that follows the
stream, and leaves colour and a relief of bristle marks; a raking light on that relief makes
the paint look thick.
"""

import numpy as np

from .canvas import colour, finish, fractal, grid, mix, ramp, relief, smoothstep

SIZE = 512
SCALE = 2  # drawn that much larger

# Suns: x, y, radius, and which way the stream turns around it (sign) and how strongly.
SUNS = [
    (0.70, 0.24, 0.085, 1.6),
    (0.22, 0.33, 0.060, -1.3),
    (0.47, 0.55, 0.038, 1.0),
    (0.90, 0.57, 0.034, -0.9),
    (0.42, 0.11, 0.026, -0.8),
    (0.07, 0.08, 0.030, 0.9),
    (0.10, 0.62, 0.024, 0.8),
]

NIGHT = [colour(c) for c in ("#0b1440", "#14307c", "#1f4fa8", "#2f79bd", "#6db1c9", "#1b3a8c")]
GLOW = [colour(c) for c in ("#fff3c4", "#ffd84f", "#f7a325", "#e0702a", "#8fb7a8", "#2c63b0")]
FIELD = [colour(c) for c in ("#2b1d4a", "#6a2c3e", "#b4512a", "#e08a2c", "#f2bf4e", "#8a7a2e")]

# Width and length of the strokes in units of the picture, their number, and their loose colour.
LAYERS = [
    (0.034, 0.16, 1600, 0.05),
    (0.019, 0.12, 3600, 0.07),
    (0.011, 0.085, 6500, 0.09),
    (0.007, 0.055, 6500, 0.11),
]


def draw() -> np.ndarray:
    rng = np.random.RandomState(7)
    size = SIZE * SCALE
    plan, flow = _plan(rng, size)
    bristles = _bristles(rng)
    paint = plan * 0.45  # the ground, dark where strokes leave gaps
    height = np.zeros((size, size))
    for width, length, count, looseness in LAYERS:
        starts = rng.uniform(-0.02, 1.02, (count, 2)) * size
        paths = _paths(flow, starts, length * size)
        for path in paths:
            middle = np.clip(path[len(path) // 2], 0, size - 1).astype(int)
            shade = plan[middle[1], middle[0]] + looseness * rng.standard_normal() * 0.6
            shade = shade + looseness * 0.5 * rng.standard_normal(3)
            _stroke(paint, height, path, width * size, shade, bristles, rng)
    light = relief(height, 1.1 * SCALE)
    gloss = smoothstep(1.15, 1.6, light) * 0.22
    picture = paint * np.clip(0.42 + 0.6 * light, 0.3, 1.35)[..., None] + gloss[..., None]
    return finish(picture, SCALE)


def _plan(rng, size: int) -> tuple[np.ndarray, np.ndarray]:
    """The colours wanted, (size, size, 3), and the direction of the stream, (size, size, 2)."""
    x, y = grid(size, size)
    clouds = fractal(rng, (size, size), 2.0, stretch=1.6)
    hills = 0.80 + 0.035 * np.sin(5 * x + 0.5) + 0.02 * np.sin(11 * x + 2)
    depth = (y - hills) / 0.2  # of the field: 0 at its horizon, 1 at the lower edge

    # The air streams to the right and waves a little; every sun turns it around itself.
    flow_x = np.ones_like(x)
    flow_y = 0.45 * np.sin(6.5 * x + 3 * y + 0.8 * clouds)
    plan = ramp(0.5 + 0.22 * clouds - 0.35 * (0.45 - y), NIGHT)
    for sun_x, sun_y, radius, spin in SUNS:
        dx, dy = (x - sun_x) / radius, (y - sun_y) / radius
        r = np.hypot(dx, dy)
        pull = 4.5 * spin * np.exp(-((r / 3.4) ** 2))
        flow_x, flow_y = flow_x - pull * dy / (r + 0.2), flow_y + pull * dx / (r + 0.2)
        rings = r + 0.22 * np.sin(7 * r)
        plan = mix(plan, ramp(rings / 3.3, GLOW), smoothstep(3.6, 2.2, r + 0.35 * clouds))
    waves = np.sin(17 * np.clip(depth, 0, None) ** 0.8 + 7 * x + 0.9 * clouds)
    field = ramp(0.5 + 0.34 * waves + 0.12 * clouds, FIELD)
    inside = smoothstep(-0.02, 0.02, depth)
    plan = mix(plan, field, inside)
    slope = 0.035 * 5 * np.cos(5 * x + 0.5) + 0.02 * 11 * np.cos(11 * x + 2)
    flow_x = flow_x + inside * (1 - flow_x)
    flow_y = flow_y + inside * (slope + 0.25 * np.sin(9 * x + 8 * y) - flow_y)
    flow = np.stack([flow_x, flow_y], axis=-1)
    return plan, flow / np.linalg.norm(flow, axis=-1, keepdims=True)


def _bristles(rng) -> np.ndarray:
    """What the hairs of the brush do to the paint: streaks (along 512, across 512), std 1."""
    return fractal(rng, (512, 512), 0.9, stretch=0.06).astype(np.float32)


def _paths(flow: np.ndarray, starts: np.ndarray, length: float) -> np.ndarray:
    """Follow the stream from all the starts (N, 2) at once: paths (N, steps, 2)."""
    steps = 16
    size = len(flow)
    points = [starts]
    for _ in range(steps - 1):
        column, row = np.clip(points[-1], 0, size - 1).astype(int).T
        points.append(points[-1] + flow[row, column] * (length / steps))
    return np.stack(points, axis=1)


def _stroke(paint, height, path, width, shade, bristles, rng) -> None:
    """Lay one ribbon of paint along `path` (steps, 2), into `paint` and `height`."""
    # The ribbon has its own coordinates: along in [0, 1] (K, 1) and across in [-1, 1] (1, M).
    length = np.linalg.norm(np.diff(path, axis=0), axis=1).sum()
    along = np.linspace(0, 1, int(length / 0.7) + 2)
    across = np.linspace(-1, 1, int(width / 0.7) + 2)
    stops = np.linspace(0, 1, len(path))
    spine = np.stack([np.interp(along, stops, path[:, i]) for i in (0, 1)], axis=-1)  # (K, 2)
    tangent = np.gradient(spine, axis=0)
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True) + 1e-9
    normal = np.stack([-tangent[:, 1], tangent[:, 0]], axis=-1)  # (K, 2)

    row, column = rng.randint(0, 512, 2)
    i = (row + (along * length).astype(int)) % 512
    j = (column + (across * width / 2).astype(int)) % 512
    hairs = bristles[i[:, None], j[None, :]]  # (K, M)
    taper = np.sqrt(np.clip(1 - np.abs(2 * along - 1) ** 5, 0, 1))[:, None]
    reach = across[None, :] * taper * width / 2
    spots = spine[:, None, :] + normal[:, None, :] * reach[..., None]  # (K, M, 2)

    size = len(paint)
    columns, rows = np.floor(spots[..., 0]).astype(int), np.floor(spots[..., 1]).astype(int)
    # Towards its end and its rim the brush runs dry, and some hairs leave nothing.
    wet = hairs > -2.2 + 1.5 * along[:, None] ** 3 + 0.8 * np.abs(across)[None, :] ** 6
    seen = wet & (columns >= 0) & (columns < size) & (rows >= 0) & (rows < size)
    columns, rows = columns[seen], rows[seen]
    paint[rows, columns] = shade + 0.035 * hairs[seen][:, None]
    ridge = (1 - across[None, :] ** 4) * (0.75 + 0.25 * along[:, None]) * width * 0.06
    height[rows, columns] = (ridge + 0.25 * hairs)[seen]
