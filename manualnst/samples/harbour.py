"""The harbour: a town on a hill, a lighthouse, mountains and the water that mirrors them.

The picture is rendered as a photograph would come about. `_land` says how high the ground is
everywhere; a town, trees and boats are put on it, as polygons and balls; sun and sky light it;
haze lies between it and the viewer. All that is drawn twice, the second time for an eye as deep
below the water as the first is above it: that is what the water mirrors, ruffled by its waves.
"""

import numpy as np
from scipy.ndimage import map_coordinates

from .canvas import colour, finish, fractal, smoothstep
from .scene import Camera, Film, Lamp, unit

HEIGHT, WIDTH = 448, 640
SCALE = 2
EYE = 9.0  # metres above the water
FOCAL = 1.1  # in widths of the picture
HORIZON = 0.60  # of the picture's height, from above

SUN = unit([-0.80, 0.50, -0.55])
SUNLIGHT = np.array([1.00, 0.76, 0.50]) * 3.3
SKYLIGHT = np.array([0.42, 0.58, 0.90]) * 1.0
HAZE = np.array([0.86, 0.80, 0.78])


def paint(code: str) -> np.ndarray:
    """A colour as the light sees it: linear, not as a screen encodes it."""
    return colour(code) ** 2.2


WALLS = [
    paint(c)
    for c in (
        "#e8c07a", "#d9895b", "#c7614a", "#efe3cc", "#dba89a", "#a9b8a0",
        "#e3b04f", "#b5523f", "#8fa9b8", "#f0d9a8", "#cf7f6b", "#f4efe4",
    )
]  # fmt: skip
ROOFS = [paint(c) for c in ("#a8492f", "#b85b38", "#8f3d2c", "#c06a44", "#6d5a55", "#9c4a35")]
SHUTTERS = [paint(c) for c in ("#3e6b58", "#2f5272", "#7a3b34", "#e9e2d2", "#4d5b3c")]
HULLS = [paint(c) for c in ("#b3312c", "#1f4f86", "#f0ece2", "#2f6d5f", "#e0a23a", "#20304a")]
LEAVES = [paint(c) for c in ("#4a6b2e", "#5f7d36", "#38582c", "#6f7f33", "#7d8a3c")]


class Noise:
    """Periodic noise in the plane, to be looked up anywhere."""

    def __init__(self, seed: int, slope: float):
        self.table = fractal(np.random.RandomState(seed), (512, 512), slope)

    def __call__(self, x, y):
        """Noise of mean 0 and deviation 1; it repeats with period 1 in x and in y."""
        return map_coordinates(self.table, [y * 512, x * 512], order=1, mode="grid-wrap")


SOFT, ROUGH, FINE = Noise(1, 2.2), Noise(2, 1.5), Noise(3, 0.9)


# ---- the land ----------------------------------------------------------------------------------


def _shore(x):
    """z of the quay: almost straight before the town, far away to the left of it."""
    return 92 - 0.12 * x + 4.5 * 6 * np.log1p(np.exp(-np.clip((x + 15) / 6, -50, 50)))


def _bump(x, z, at_x, at_z, wide, deep):
    return np.exp(-(((x - at_x) / wide) ** 2) - ((z - at_z) / deep) ** 2)


def _land(x, z):
    """The height of the ground in metres; negative under water."""
    inland = z - _shore(x)
    hill = 60 * _bump(x, z, 66, 300, 80, 112) * (1 + 0.05 * ROUGH(x / 300, z / 300))
    town = np.where(z < 900, np.clip(inland * 2, -3, 2.2) + hill * smoothstep(8, 40, inland), -3)
    islet = 7 * _bump(x, z, -50, 152, 15, 7) - 2.0 + 0.5 * ROUGH(x / 60, z / 60)
    coast = (45 + 30 * ROUGH(x / 2600, z / 2600)) * smoothstep(
        1100, 1500, z + 250 * SOFT(x / 3000, 0.3 + 0 * z)
    ) - 3
    ridges = sum(
        0.5**k * (1 - np.abs(SOFT(x * 2**k / 9000 + 0.37 * k, z * 2**k / 9000))) for k in range(5)
    )
    range_ = _bump(x, z, -1100, 5200, 1500, 1700) * 1.25 + _bump(x, z, 1500, 6500, 2600, 1500)
    mountains = 560 * np.clip(ridges + 0.35, 0, None) * range_ - 3
    return np.maximum.reduce([town, islet, coast, mountains])


def _draw_land(film: Film) -> None:
    """Find, column by column, the first ground that each pixel's ray meets."""
    camera = film.view
    rows, columns = camera.shape
    u = (np.arange(columns) + 0.5 - camera.middle) / camera.focal
    v = (camera.horizon - np.arange(rows) - 0.5) / camera.focal
    z = np.geomspace(60, 9000, 1400)
    x = z[:, None] * u
    ground = _land(x, np.broadcast_to(z[:, None], x.shape))
    height = np.where(ground > 0, (ground - camera.eye[1]) / z[:, None], -np.inf)  # as v
    skyline = np.maximum.accumulate(height, axis=0)  # (steps, columns)
    depth = film.depth
    for column in range(columns):
        step = np.searchsorted(skyline[:, column], v)
        hit = step < len(z)
        far = step[hit]
        near = np.maximum(far - 1, 0)
        before, after = height[near, column], height[far, column]
        share = np.where(
            np.isfinite(before), (v[hit] - before) / np.maximum(after - before, 1e-9), 1
        )
        depth[hit, column] = z[near] + np.clip(share, 0, 1) * (z[far] - z[near])
    seen = np.isfinite(depth)
    position = film.positions()[seen]
    px, pz = position[:, 0], position[:, 2]
    step = 0.4 + 0.0025 * depth[seen]
    slope_x = (_land(px + step, pz) - _land(px - step, pz)) / (2 * step)
    slope_z = (_land(px, pz + step) - _land(px, pz - step)) / (2 * step)
    film.normal[seen] = unit(np.stack([-slope_x, np.ones_like(px), -slope_z], axis=-1))
    film.colour[seen] = _ground_colour(px, position[:, 1], pz, np.hypot(slope_x, slope_z))


def _ground_colour(x, y, z, slope):
    def blend(a, b, t):
        return a + (b - a) * t[:, None]

    patches = ROUGH(x / 90, z / 90)
    grass = blend(paint("#6f7f3c"), paint("#9a8f4f"), smoothstep(-1, 1.5, patches))
    stone = paint("#8d8377") * (1 + 0.25 * FINE(x / 40, (z + 5 * y) / 40))[:, None]
    near = blend(grass, stone, smoothstep(0.7, 1.2, slope))
    quay = paint("#a39785") * (1 + 0.12 * FINE(x / 30, (z + 3 * y) / 30))[:, None]
    near = blend(near, quay, smoothstep(16, 12, z - _shore(x)) * (x > -40))
    rocks = blend(
        paint("#5c4d42"), paint("#9b8874"), smoothstep(-1.5, 1.5, FINE(x / 25, (z + 4 * y) / 25))
    )
    near = blend(
        near, rocks, smoothstep(25, 15, np.hypot(x + 50, (z - 152))) * smoothstep(5.2, 4, y)
    )
    broken = 70 * ROUGH(x / 1500, z / 1500)
    wood = blend(paint("#3d5230"), paint("#5f6b3a"), smoothstep(-1, 1, FINE(x / 900, z / 900)))
    rock = paint("#7d7268") * (1 + 0.18 * ROUGH(x / 600, z / 600 + y / 700))[:, None]
    far = blend(wood, rock, smoothstep(190, 380, y + broken + 120 * (slope - 0.6)))
    snow = smoothstep(520, 640, y + broken) * smoothstep(1.35, 0.75, slope)
    far = blend(far, paint("#f3f4f8"), snow)
    return blend(near, far, smoothstep(600, 900, z))


# ---- what stands on it -------------------------------------------------------------------------


def _plain(tint, rough=0.08):
    return lambda u, v: tint * (1 + rough * FINE(u / 12, v / 12))[:, None]


def _roof(tint, seed):
    def material(u, v):
        courses = 0.10 * np.sin(2 * np.pi * v / 0.45) + 0.07 * np.sin(2 * np.pi * u / 0.6)
        age = 0.16 * ROUGH(u / 35 + seed, v / 35)
        return (
            tint * np.clip(1 + courses + age + 0.10 * FINE(u / 14 + seed, v / 14), 0.3, 2)[:, None]
        )

    return material


def _facade(rng, width, height, base):
    """A wall with windows; its first `base` metres are below the ground."""
    wall = WALLS[rng.randint(len(WALLS))] * rng.uniform(0.85, 1.05)
    shutter = SHUTTERS[rng.randint(len(SHUTTERS))]
    has_shutters, shop = rng.rand() < 0.6, rng.rand() < 0.5
    storeys, across = max(round(height / 3.1), 1), max(round(width / 2.3), 1)
    awning = HULLS[rng.randint(len(HULLS))]
    seed = rng.rand()
    moods = rng.rand(64, 64)

    def material(u, v):
        v = v - base
        column, row = u / width * across, v / height * storeys
        a, b = column % 1 - 0.5, row % 1  # within the cell of one window
        stains = 0.07 * ROUGH(u / 40 + seed, v / 40) + 0.05 * FINE(u / 9, v / 9)
        tint = wall * (1 + stains - 0.18 * smoothstep(1.5, 0, v))[:, None]
        inside = (v > 0) & (v < height)
        frame = inside & (np.abs(a) < 0.25) & (b > 0.22) & (b < 0.82)
        glass = inside & (np.abs(a) < 0.19) & (b > 0.26) & (b < 0.78)
        bars = (np.abs(a) < 0.025) | (np.abs(b - 0.56) < 0.02)
        mood = moods[row.astype(int) % 64, column.astype(int) % 64]
        pane = paint("#26323f") * (0.5 + 1.3 * mood)[:, None] + 0.10 * (b - 0.2)[:, None]
        if has_shutters:
            leaf = inside & (np.abs(a) > 0.25) & (np.abs(a) < 0.42) & (b > 0.22) & (b < 0.82)
            tint = np.where(leaf[:, None], shutter, tint)
        tint = np.where(frame[:, None], paint("#efe8da"), tint)
        tint = np.where((glass & ~bars)[:, None], pane, tint)
        if shop:
            ground_floor = inside & (row < 1)
            tint = np.where(
                (ground_floor & (b < 0.7) & (np.abs(a) < 0.42))[:, None], paint("#2b2a2c"), tint
            )
            stripes = np.where(np.sin(u * 7) > 0, 1.0, 0.0)[:, None]
            cloth = awning * stripes + paint("#efe6d6") * (1 - stripes)
            tint = np.where((ground_floor & (b > 0.66) & (b < 0.95))[:, None], cloth, tint)
        return tint * np.where(v > height - 0.35, 0.8, 1)[:, None]

    return material


class Frame:
    """A place with a direction: turns local (right, up, away) into space."""

    def __init__(self, x, y, z, turn=0.0):
        self.at = np.array([x, y, z])
        self.right = np.array([np.cos(turn), 0, np.sin(turn)])
        self.away = np.array([-np.sin(turn), 0, np.cos(turn)])

    def __call__(self, *points):
        return [self.at + p[0] * self.right + [0, p[1], 0] + p[2] * self.away for p in points]


def _box(things, frame, x0, x1, y0, y1, z0, z1, front, side, top):
    things.append((frame((x0, y0, z0), (x1, y0, z0), (x1, y1, z0), (x0, y1, z0)), front))
    things.append((frame((x1, y0, z1), (x0, y0, z1), (x0, y1, z1), (x1, y1, z1)), front))
    things.append((frame((x0, y0, z1), (x0, y0, z0), (x0, y1, z0), (x0, y1, z1)), side))
    things.append((frame((x1, y0, z0), (x1, y0, z1), (x1, y1, z1), (x1, y1, z0)), side))
    things.append((frame((x0, y1, z0), (x1, y1, z0), (x1, y1, z1), (x0, y1, z1)), top))


def _house(things, rng, x, z, width, depth, height, turn):
    ground = min(_land(np.array([x - 4.0, x, x + 4]), np.array([z, z, z])).min(), 1e9)
    base = 5.0
    frame = Frame(x, ground, z, turn)
    w, top, rise = width / 2, height, rng.uniform(0.32, 0.5)
    front, side = _facade(rng, width, height, base), _facade(rng, depth, height, base)
    roof = _roof(ROOFS[rng.randint(len(ROOFS))] * rng.uniform(0.8, 1.15), rng.rand())
    o = 0.45  # how far the roof hangs over
    if rng.rand() < 0.45:  # the gable looks at the water
        peak = top + rise * width
        eave = top - o * 2 * rise
        for zz in (0, depth):
            things.append(
                (
                    frame(
                        (-w, -base, zz), (w, -base, zz), (w, top, zz), (0, peak, zz), (-w, top, zz)
                    ),
                    front,
                )
            )
        for s in (-1, 1):
            things.append(
                (
                    frame(
                        (s * w, -base, 0),
                        (s * w, -base, depth),
                        (s * w, top, depth),
                        (s * w, top, 0),
                    ),
                    side,
                )
            )
            things.append(
                (
                    frame(
                        (s * (w + o), eave, -o),
                        (s * (w + o), eave, depth + o),
                        (0, peak + 0.1, depth + o),
                        (0, peak + 0.1, -o),
                    ),
                    roof,
                )
            )
    else:
        peak = top + rise * depth
        eave = top - o * 2 * rise
        m = depth / 2
        for zz in (0, depth):
            things.append(
                (frame((-w, -base, zz), (w, -base, zz), (w, top, zz), (-w, top, zz)), front)
            )
        for s in (-1, 1):
            things.append(
                (
                    frame(
                        (s * w, -base, 0),
                        (s * w, -base, depth),
                        (s * w, top, depth),
                        (s * w, peak, m),
                        (s * w, top, 0),
                    ),
                    side,
                )
            )
        for zz in (-o, depth + o):
            things.append(
                (
                    frame(
                        (-w - 0.3, eave, zz),
                        (w + 0.3, eave, zz),
                        (w + 0.3, peak + 0.1, m),
                        (-w - 0.3, peak + 0.1, m),
                    ),
                    roof,
                )
            )
    chimney = _plain(paint("#8c5a48"))
    cx, cz = rng.uniform(-0.3, 0.3) * width, depth * rng.uniform(0.35, 0.65)
    _box(
        things,
        frame,
        cx - 0.45,
        cx + 0.45,
        top,
        peak + 0.9,
        cz - 0.4,
        cz + 0.4,
        chimney,
        chimney,
        chimney,
    )


def _town(rng):
    things = []
    for row in range(9):
        inland = 9 + 17.0 * row + (0 if row else 0)
        x = -13.0 + 2.5 * row if row else -12.0
        while x < 60 + 14 * row:
            width = rng.uniform(6.0, 10.5)
            middle = x + width / 2
            z = _shore(middle) + inland + rng.uniform(-1.5, 1.5) * (row > 0)
            height = rng.uniform(8.0, 13.0) if row == 0 else rng.uniform(5.5, 9.5)
            turn = -0.12 + (rng.uniform(-0.15, 0.15) if row else 0)
            crowded = row == 0 or rng.rand() < 0.86 - 0.06 * row
            if crowded and _land(np.array([middle]), np.array([z]))[0] < 48:
                _house(
                    things,
                    rng,
                    middle,
                    z,
                    width * (1 if row == 0 else 0.92),
                    rng.uniform(8, 11),
                    height,
                    turn,
                )
            x += width + (0.0 if row == 0 and rng.rand() < 0.8 else rng.uniform(0.5, 4.5))
    return things


def _church(things, x, z):
    ground = float(_land(np.array([x]), np.array([z]))[0]) - 1
    frame = Frame(x, ground, z, -0.35)
    wall, slate = paint("#efe2c6"), _roof(paint("#8f4632"), 0.3)

    def windows(u, v):
        tint = wall * (1 + 0.06 * ROUGH(u / 40, v / 40))[:, None]
        a = np.abs(u % 4.4 - 2.2)
        opening = (a < 0.6) & (v > 5) & (v < 9 - 0.8 * a * a)
        return np.where(opening[:, None], paint("#2c2a30"), tint)

    def belfry(u, v):
        tint = wall * (1 + 0.06 * ROUGH(u / 40, v / 40))[:, None]
        a = np.abs(np.abs(u - 3.5) - 1.2)
        opening = (a < 0.7) & (v > 21) & (v < 25 - a * a)
        band = (np.abs(v - 19) < 0.3) | (np.abs(v - 12.5) < 0.3) | (v > 27.3)
        tint = np.where(band[:, None], tint * 0.72, tint)
        return np.where(opening[:, None], paint("#2a2428"), tint)

    w, top, peak, long = 6.0, 11.0, 17.0, 26.0
    for s in (0, long):
        things.append(
            (frame((s, -4, -w), (s, -4, w), (s, top, w), (s, peak, 0), (s, top, -w)), windows)
        )
    for s in (-1, 1):
        things.append(
            (frame((0, -4, s * w), (long, -4, s * w), (long, top, s * w), (0, top, s * w)), windows)
        )
        things.append(
            (
                frame(
                    (-0.4, top - 0.4, s * (w + 0.5)),
                    (long + 0.4, top - 0.4, s * (w + 0.5)),
                    (long + 0.4, peak + 0.2, 0),
                    (-0.4, peak + 0.2, 0),
                ),
                slate,
            )
        )
    _box(things, frame, -7, 0, -4, 28, -3.5, 3.5, belfry, belfry, belfry)
    tip = (-3.5, 43, 0)
    ring = [(-7.3, 28, -3.8), (0.3, 28, -3.8), (0.3, 28, 3.8), (-7.3, 28, 3.8)]
    spire = _roof(paint("#5d6f66"), 0.6)
    for a, b in zip(ring, ring[1:] + ring[:1], strict=True):
        things.append((frame(a, b, tip), spire))


def _tube(things, x, y, z, bottom, top, height, material, sides=14):
    turns = np.linspace(0, 2 * np.pi, sides + 1)
    for a, b in zip(turns[:-1], turns[1:], strict=True):
        p = [
            np.array([x + r * np.cos(t), yy, z + r * np.sin(t)])
            for r, yy, t in (
                (bottom, y, b),
                (bottom, y, a),
                (top, y + height, a),
                (top, y + height, b),
            )
        ]
        things.append((p if top > 0 else p[:3], material))


def _lighthouse(things, x, z):
    y = 4.0

    def bands(u, v):
        red = (v // 4.2).astype(int) % 2 == 1
        tint = np.where(red[:, None], paint("#c03a2e"), paint("#f3ede0"))
        return tint * (1 + 0.06 * ROUGH(u / 20, v / 20))[:, None]

    white, dark = _plain(paint("#f0eadd")), _plain(paint("#3a3d42"))
    _tube(things, x, y - 3, z, 3.2, 2.0, 21, bands)
    _tube(things, x, y + 18, z, 2.7, 2.7, 0.5, dark)
    _tube(things, x, y + 18.5, z, 1.4, 1.4, 2.2, _plain(paint("#d8c98a")))
    _tube(things, x, y + 20.7, z, 1.9, 0.0, 1.8, _plain(paint("#a8352b")))
    frame = Frame(x + 7, y - 1, z - 1, -0.2)
    _box(things, frame, -3.5, 3.5, -2, 3.2, 0, 5, white, white, white)
    roof = _roof(paint("#a8492f"), 0.1)
    for s in (-0.4, 5.4):
        things.append((frame((-3.9, 3, s), (3.9, 3, s), (3.9, 5.4, 2.5), (-3.9, 5.4, 2.5)), roof))
    for s in (-3.5, 3.5):
        things.append((frame((s, 3.2, 0), (s, 3.2, 5), (s, 5.3, 2.5)), white))


def _hull(things, frame, length, beam, height, tint):
    def planks(u, v):
        stripe = np.where((v > height * 0.72)[:, None], paint("#f1ebdd"), tint)
        return np.where((v < 0.35)[:, None], paint("#5b2320"), stripe)

    half, b = length / 2, beam / 2
    deck = _plain(paint("#a9814f"))
    for s in (-1, 1):
        things.append(
            (
                frame(
                    (-half * 0.86, -0.1, s * b * 0.7),
                    (half * 0.8, -0.1, s * b * 0.7),
                    (half * 0.72, height, s * b),
                    (-half * 0.9, height, s * b),
                ),
                planks,
            )
        )
        things.append(
            (
                frame(
                    (half * 0.8, -0.1, s * b * 0.7),
                    (half * 0.9, -0.1, 0),
                    (half * 1.08, height * 1.3, 0),
                    (half * 0.72, height, s * b),
                ),
                planks,
            )
        )
    things.append(
        (
            frame(
                (-half * 0.86, -0.1, -b * 0.7),
                (-half * 0.86, -0.1, b * 0.7),
                (-half * 0.9, height, b),
                (-half * 0.9, height, -b),
            ),
            planks,
        )
    )
    things.append(
        (
            frame(
                (-half * 0.9, height * 0.9, -b),
                (half * 0.72, height * 0.9, -b),
                (half, height * 0.95, 0),
                (half * 0.72, height * 0.9, b),
                (-half * 0.9, height * 0.9, b),
            ),
            deck,
        )
    )


def _pole(things, frame, x, y0, y1, thick=0.16):
    wood = _plain(paint("#6e5034"))
    things.append(
        (
            frame(
                (x - thick, y0, 0),
                (x + thick, y0, 0),
                (x + thick * 0.5, y1, 0),
                (x - thick * 0.5, y1, 0),
            ),
            wood,
        )
    )
    things.append((frame((x, y0, -thick), (x, y0, thick), (x, y1, thick), (x, y1, -thick)), wood))


def _fishing_boat(things, rng, x, z, turn, length):
    frame = Frame(x, 0, z, turn)
    tint = HULLS[rng.randint(len(HULLS))]
    _hull(things, frame, length, length * 0.32, length * 0.15, tint)
    cabin, height = _plain(paint("#efe9dc")), length * 0.15

    def glazed(u, v):
        pane = (v > 0.9) & (v < 1.5) & (u % 1.0 > 0.2)
        return np.where(pane[:, None], paint("#2b3a45"), paint("#efe9dc"))

    c = -length * 0.18
    _box(
        things,
        frame,
        c - length * 0.12,
        c + length * 0.12,
        height * 0.8,
        height + 1.7,
        -length * 0.09,
        length * 0.09,
        glazed,
        glazed,
        _plain(tint),
    )
    _pole(things, frame, length * 0.10, height * 0.8, height + length * 0.55, 0.11)
    _pole(things, frame, c, height + 1.7, height + length * 0.42, 0.08)
    return cabin


def _sailing_boat(things, rng, x, z, turn, length, sails):
    frame = Frame(x, 0, z, turn)
    _hull(things, frame, length, length * 0.28, length * 0.12, HULLS[rng.randint(len(HULLS))])
    height, mast = length * 0.12, length * 1.35
    _pole(things, frame, 0.08 * length, height * 0.8, mast, 0.13)
    if sails is not None:
        cloth = _plain(sails, 0.05)
        things.append(
            (
                frame(
                    (0.06 * length, height + 1.0, 0),
                    (-0.45 * length, height + 1.2, 0.06 * length),
                    (0.06 * length, mast * 0.97, 0),
                ),
                cloth,
            )
        )
        things.append(
            (
                frame(
                    (0.5 * length, height + 0.4, 0),
                    (0.12 * length, height + 0.9, 0.05 * length),
                    (0.10 * length, mast * 0.85, 0),
                ),
                cloth,
            )
        )
    else:
        things.append(
            (
                frame(
                    (-0.42 * length, height + 1.0, -0.1),
                    (0.07 * length, height + 1.0, -0.1),
                    (0.07 * length, height + 1.5, -0.1),
                    (-0.42 * length, height + 1.4, -0.1),
                ),
                _plain(paint("#d9d2c0")),
            )
        )


def _boats(rng):
    things = []
    _sailing_boat(things, rng, -15.5, 60, 0.25, 9.5, paint("#f4ead2"))
    _sailing_boat(things, rng, -62, 240, 2.8, 11, paint("#d98a4a"))
    _sailing_boat(things, rng, -85, 330, 0.3, 12, paint("#f4ead2"))
    for x in np.arange(-8, 45, 5.6):
        x = x + rng.uniform(-1, 1)
        z = _shore(x) - rng.uniform(3, 6)
        turn = -0.12 + rng.uniform(-0.2, 0.2) + (np.pi if rng.rand() < 0.5 else 0)
        if rng.rand() < 0.5:
            _fishing_boat(things, rng, x, z, turn, rng.uniform(6, 8.5))
        else:
            _sailing_boat(things, rng, x, z, turn, rng.uniform(6.5, 8.5), None)
    _fishing_boat(things, rng, 11, 62, 0.5, 8)
    return things


def _trees(rng):
    """Balls of leaves: (centre, radius, colour)."""
    balls = []

    def tree(x, z, size, tall):
        ground = float(_land(np.array([x]), np.array([z]))[0])
        tint = LEAVES[rng.randint(len(LEAVES))] * rng.uniform(0.75, 1.1)
        if tall:  # a cypress
            tint = tint * 0.6
            for k in range(7):
                balls.append(
                    ((x, ground + size * (0.2 + 0.30 * k), z), size * 0.42 * (1 - 0.10 * k), tint)
                )
            return
        balls.append(((x, ground + size * 0.95, z), size * 0.62, tint))
        for _ in range(6):
            a, up = rng.uniform(0, 2 * np.pi), rng.uniform(0.6, 1.45)
            spot = (x + 0.5 * size * np.cos(a), ground + size * up, z + 0.5 * size * np.sin(a))
            balls.append((spot, size * rng.uniform(0.30, 0.48), tint * rng.uniform(0.85, 1.15)))

    for _ in range(900):
        x, z = rng.uniform(-10, 150), rng.uniform(112, 330)
        inland = z - _shore(x)
        ground = float(_land(np.array([x]), np.array([z]))[0])
        chance = (
            0.10
            + 0.9 * smoothstep(26, 46, ground)
            + 0.5 * smoothstep(30, 8, x - 0.0 * z) * (inland > 30)
        )
        if inland > 24 and rng.rand() < chance * 0.75 and np.hypot(x - 66, z - 268) > 20:
            tree(x, z, rng.uniform(2.6, 4.6), rng.rand() < 0.18)
    for x in (-10.5, 3.5, 17, 31):
        tree(x, _shore(x) + 5.5, 3.0, False)
    return balls


# ---- light -------------------------------------------------------------------------------------


def _draw_things(film, things, balls, lowest=None):
    def fuzz(u, v):
        return np.stack([FINE(u / 16 + k, v / 16 + 0.3 * k) for k in (0.1, 0.4, 0.7)], axis=-1)

    for corners, material in things:
        film.polygon(corners, material)
    for centre, radius, tint in balls:

        def leaves(u, v, tint=tint):
            return tint * np.clip(1 + 0.35 * FINE(u / 10, v / 10), 0.2, 2)[:, None]

        film.ball(centre, radius, leaves, fuzz)


def _lamps(things, balls):
    """The sun and, for the light of the sky, a ring of weak suns: (lamp, film, colour, blur)."""
    centre = (40.0, 20.0, 190.0)
    spots = [(SUN, SUNLIGHT, 0.35, 1800)]
    golden = np.pi * (3 - np.sqrt(5))
    for k in range(12):
        up = (k + 0.8) / 12.4
        r = np.sqrt(1 - up * up)
        towards = (r * np.cos(golden * k), up, r * np.sin(golden * k))
        spots.append((towards, SKYLIGHT / 12 * 2, 1.5, 500))
    lamps = []
    for towards, light, blur, pixels in spots:
        lamp = Lamp(towards, centre, 330, pixels)
        film = Film(lamp)
        _draw_things(film, things, balls)
        lamps.append((lamp, film, light, blur))
    return lamps


def _sunlit(position):
    """False where another part of the land stands before the sun; position (N, 3)."""
    free = np.ones(len(position), bool)
    for distance in np.geomspace(25, 2500, 16):
        p = position + distance * SUN
        free &= p[:, 1] > _land(p[:, 0], p[:, 2]) - 0.02 * distance
    return free


def _sky(u, v):
    """The colour of the sky in the direction (u, v, 1); arrays of any one shape."""
    up = np.clip(v, 0, None)
    t = 1 - np.exp(-up * 5.0)
    top, low = np.array([0.16, 0.36, 0.78]), np.array([1.02, 0.86, 0.70])
    sky = low + (top - low) * t[..., None]
    warm = np.exp(-(((u + 0.55) / 0.5) ** 2)) * np.exp(-up * 5)
    sky = sky + np.array([0.30, 0.14, 0.02]) * warm[..., None]
    # The clouds lie in a layer; its distance shrinks them towards the horizon.
    far = 1 / (up + 0.09)
    x, y = u * far * 0.085, far * 0.16

    def density(x, y):
        return ROUGH(x + 0.61, y + 0.18) + 0.25 * FINE(3 * x, 3 * y)

    here = density(x, y)
    cover = smoothstep(0.15, 1.3, here) * smoothstep(0.01, 0.07, up)
    lit = np.clip(0.55 + 0.35 * (here - density(x - 0.02, y + 0.012)), 0, 1)
    shade, bright = np.array([0.62, 0.62, 0.72]), np.array([1.35, 1.20, 1.02])
    cloud = shade + (bright - shade) * lit[..., None]
    return sky + (cloud - sky) * (0.9 * cover)[..., None]


def _photograph(eye_height, things, balls, lamps, rng):
    """The light that reaches an eye, without the water: linear (H, W, 3), and the depth (H, W)."""
    shape = (HEIGHT * SCALE, WIDTH * SCALE)
    camera = Camera((0, eye_height, 0), FOCAL * shape[1], shape, HORIZON)
    film = Film(camera)
    _draw_land(film)
    _draw_things(film, things, balls)
    rows, columns = np.mgrid[: shape[0], : shape[1]].astype(float)
    _, ray = camera.rays(columns, rows)
    picture = _sky(ray[..., 0], ray[..., 1])
    seen = np.isfinite(film.depth)
    position, normal = film.positions()[seen], film.normal[seen].astype(float)
    light = np.zeros_like(position)
    for k, (lamp, shadow, tint, blur) in enumerate(lamps):
        share = np.clip(normal @ lamp.towards, 0, 1) * lamp.lit(
            shadow, position, blur, rng, 5 if k == 0 else 2
        )
        if k == 0:
            share = share * _sunlit(position)
        light += share[:, None] * tint
    light += 0.12 * SUNLIGHT * np.clip(0.5 - 0.5 * normal[:, 1:2], 0, 1) * 0.8  # from the ground
    light += 0.10 * SKYLIGHT
    surface = film.colour[seen] * light
    veil = 1 - np.exp(-film.depth[seen] / 5200 * np.exp(-np.clip(position[:, 1], 0, None) / 900))
    air = _sky(ray[seen][:, 0], np.full(len(veil), 0.02)) * np.array([0.80, 0.86, 1.0])
    picture[seen] = surface + (air - surface) * veil[:, None]
    return picture, film.depth, camera


def _water(picture, depth, mirrored, camera, rng):
    """Lay the water over all that is deeper than its surface."""
    rows, columns = np.mgrid[: depth.shape[0], : depth.shape[1]].astype(float)
    _, ray = camera.rays(columns, rows)
    with np.errstate(divide="ignore"):
        t = np.where(ray[..., 1] < 0, EYE / -ray[..., 1], np.inf)
    wet = t < np.minimum(depth, 8000)
    ray, t = ray[wet], t[wet]
    x, z = ray[:, 0] * t, t
    slope_x, slope_z = np.zeros_like(x), np.zeros_like(x)
    for size, steep in ((260, 0.010), (90, 0.014), (31, 0.016)):
        # Waves that are smaller than a pixel only blur: leave them out.
        strength = steep * smoothstep(1500, 100, t * 90 / size)
        strength = strength * (1 + 0.5 * SOFT(x / 300, z / 500))
        slope_x += strength * ROUGH(x / size + 0.2, z / size) * 0.7
        slope_z += strength * ROUGH(x / size + 0.7, z / size + 0.4)
    normal = unit(np.stack([-slope_x, np.ones_like(x), -slope_z], axis=-1))
    d = unit(ray)
    cos = np.clip(-(d * normal).sum(-1), 0.02, 1)
    r = d + 2 * cos[:, None] * normal
    u, v = r[:, 0] / r[:, 2], np.abs(r[:, 1] / r[:, 2])
    column = camera.middle + camera.focal * u - 0.5
    row = camera.horizon - camera.focal * v - 0.5
    inside = row >= 0
    look = [np.clip(row, 0, None), column]
    mirror = np.stack(
        [map_coordinates(mirrored[..., i], look, order=1, mode="nearest") for i in range(3)],
        axis=-1,
    )
    mirror = np.where(inside[:, None], mirror, _sky(u, v))
    fresnel = 0.04 + 0.96 * (1 - cos) ** 4
    deep = np.array([0.025, 0.085, 0.10]) * (1 + 0.25 * SOFT(x / 200, z / 400))[:, None]
    picture[wet] = deep + (mirror - deep) * fresnel[:, None]


def _develop(light):
    """From light to a print: a film's curve, a little more contrast, darker corners."""
    print_ = 1 - np.exp(-1.25 * light)
    print_ = np.clip(print_, 0, 1) ** (1 / 2.2)
    print_ = print_ + 0.10 * np.sin(2 * np.pi * (print_ - 0.5)) / 2
    grey = print_.mean(axis=-1, keepdims=True)
    print_ = grey + 1.12 * (print_ - grey)
    y, x = np.mgrid[-1 : 1 : light.shape[0] * 1j, -1 : 1 : light.shape[1] * 1j]
    return print_ * (1 - 0.10 * (x * x + y * y))[..., None]


def draw() -> np.ndarray:
    rng = np.random.RandomState(3)
    things = _town(rng)
    _church(things, 66, 268)
    _lighthouse(things, -50, 152)
    things += _boats(rng)
    balls = _trees(rng)
    lamps = _lamps(things, balls)
    mirrored, _, _ = _photograph(-EYE, things, balls, lamps, rng)
    picture, depth, camera = _photograph(EYE, things, balls, lamps, rng)
    _water(picture, depth, mirrored, camera, rng)
    return finish(_develop(picture), SCALE)
