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
GLOW = [
    colour(c)
    for c in (
        "#fffae0", "#ffec8a", "#ffd23f", "#fbb02d", "#ee8426", "#f6ba3c", "#d4dc86", "#8cccb4",
        "#4fa3c8", "#2f74ba",
    )
]  # fmt: skip
FIELD = [colour(c) for c in ("#2b1d4a", "#6a2c3e", "#b4512a", "#e08a2c", "#f2bf4e", "#8a7a2e")]

# Width and length of the strokes in units of the picture, their number, and their loose colour.
LAYERS = [
    (0.034, 0.16, 1600, 0.05),
    (0.020, 0.12, 3600, 0.07),
    (0.013, 0.09, 5000, 0.09),
    (0.009, 0.06, 3200, 0.11),
]


def draw() -> np.ndarray:
    rng = np.random.RandomState(7)
    size = SIZE * SCALE
    plan, flow = _plan(rng, size)
    # What the hairs of the brush do to the paint: streaks, (along, across).
    bristles = fractal(rng, (512, 512), 0.9, stretch=0.06)
    paint = plan * 0.45  # the ground, dark where strokes leave gaps
    height = np.zeros((size, size))
    for width, length, count, looseness in LAYERS:
        starts = rng.uniform(-0.02, 1.02, (count, 2)) * size
        paths = _paths(flow, starts, length * size)
        for path in paths:
            column, row = np.clip(path[len(path) // 2], 0, size - 1).astype(int)
            lighter, other_hue = 0.6 * rng.standard_normal(), 0.4 * rng.standard_normal(3)
            shade = plan[row, column] + looseness * (lighter + other_hue)
            _stroke(paint, height, path, width * size, shade, bristles, rng)
    light = relief(height, 1.5 * SCALE)
    gloss = smoothstep(1.15, 1.6, light) * 0.22
    picture = paint * np.clip(0.42 + 0.6 * light, 0.3, 1.35)[..., None] + gloss[..., None]
    return finish(picture, SCALE)


def _plan(rng, size: int) -> tuple[np.ndarray, np.ndarray]:
    """The colours wanted, (size, size, 3), and the direction of the stream, (size, size, 2)."""
    x, y = grid(size, size)
    clouds = fractal(rng, (size, size), 2.0, stretch=1.6)
    night, air = _night(x, y, clouds)
    hills = 0.80 + 0.035 * np.sin(5 * x + 0.5) + 0.02 * np.sin(11 * x + 2)
    slope = 0.035 * 5 * np.cos(5 * x + 0.5) + 0.02 * 11 * np.cos(11 * x + 2)
    field, furrows = _field(x, y, (y - hills) / 0.2, slope, clouds)
    below = smoothstep(-0.004, 0.004, y - hills)
    flow = mix(air, furrows, below)
    return mix(night, field, below), flow / np.linalg.norm(flow, axis=-1, keepdims=True)


def _night(x, y, clouds):
    """The air streams to the right and waves a little; every sun turns it around itself."""
    flow_x = np.ones_like(x)
    flow_y = 0.45 * np.sin(6.5 * x + 3 * y + 0.8 * clouds)
    plan = ramp(0.5 + 0.22 * clouds - 0.35 * (0.45 - y), NIGHT)
    for sun_x, sun_y, radius, spin in SUNS:
        dx, dy = (x - sun_x) / radius, (y - sun_y) / radius
        r = np.hypot(dx, dy)
        calm = 1 - np.exp(-((r / 2.8) ** 4))  # near a sun nothing else moves the air
        pull = 4.5 * spin * np.exp(-((r / 3.4) ** 2)) / (r + 0.2)
        flow_x, flow_y = calm * flow_x - pull * dy, calm * flow_y + pull * dx
        rings = r + 0.22 * np.sin(7 * r)
        plan = mix(plan, ramp(rings / 3.3, GLOW), smoothstep(3.6, 2.2, r + 0.35 * clouds))
    return plan, np.stack([flow_x, flow_y], axis=-1)


def _field(x, y, depth, slope, clouds):
    """Furrows that follow the hills; depth goes from 0, at the horizon, to about 1."""
    waves = np.sin(17 * np.clip(depth, 0, None) ** 0.8 + 7 * x + 0.9 * clouds)
    plan = ramp(0.5 + 0.34 * waves + 0.12 * clouds, FIELD)
    flow_y = slope + 0.25 * np.sin(9 * x + 8 * y)
    return plan, np.stack([np.ones_like(x), flow_y], axis=-1)


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
    # The ribbon's own coordinates: along (K, 1) from 0 to 1, across (1, M) from -1 to 1.
    length = np.linalg.norm(np.diff(path, axis=0), axis=1).sum()
    along = np.linspace(0, 1, int(length / 0.7) + 2)[:, None]
    across = np.linspace(-1, 1, int(width / 0.7) + 2)[None, :]
    spots = _ribbon(path, along, across, width / 2)  # (K, M, 2)

    corner = rng.randint(0, 512, 2)
    i, j = corner[0] + (along * length).astype(int), corner[1] + (across * width / 2).astype(int)
    hairs = bristles[i % 512, j % 512]  # (K, M)
    # Towards its end and its rim the brush runs dry, and some hairs leave nothing.
    wet = hairs > -2.2 + 1.5 * along**3 + 0.8 * np.abs(across) ** 6
    column, row = np.floor(spots).astype(int).transpose(2, 0, 1)
    seen = wet & (column >= 0) & (column < len(paint)) & (row >= 0) & (row < len(paint))
    column, row = column[seen], row[seen]
    paint[row, column] = shade + 0.035 * hairs[seen][:, None]
    ridge = 0.06 * width * (1 - across**4) * (0.75 + 0.25 * along)
    height[row, column] = (ridge + 0.25 * hairs)[seen]


def _ribbon(path, along, across, reach):
    """Where the points (along, across) of a ribbon lie in the picture, (K, M, 2)."""
    stops = np.linspace(0, 1, len(path))
    spine = np.stack([np.interp(along[:, 0], stops, path[:, i]) for i in (0, 1)], axis=-1)
    tangent = np.gradient(spine, axis=0)
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True) + 1e-9
    normal = np.stack([-tangent[:, 1], tangent[:, 0]], axis=-1)  # (K, 2)
    taper = np.sqrt(1 - np.abs(2 * along - 1) ** 5)  # (K, 1)
    return spine[:, None, :] + normal[:, None, :] * (across * taper * reach)[..., None]
