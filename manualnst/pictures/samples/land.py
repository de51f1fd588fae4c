"""The land around the harbour: how high it is everywhere, and of what colour."""

import numpy as np

from .canvas import mix, paint, smoothstep
from .noise import FINE, ROUGH, SOFT
from .scene import Film, unit


def shore(x):
    """z of the quay: before the town almost straight, to the left of it far away."""
    return 92 - 0.12 * x + 27 * np.log1p(np.exp(-np.clip((x + 15) / 6, -50, 50)))


def _bump(x, z, at_x, at_z, wide, deep):
    return np.exp(-(((x - at_x) / wide) ** 2) - ((z - at_z) / deep) ** 2)


def height(x, z):
    """The height of the ground in metres; negative where there is water. Arrays of one shape."""
    return np.maximum.reduce([_town_hill(x, z), _islet(x, z), _coast(x, z), _mountains(x, z)])


def height_at(x: float, z: float) -> float:
    return float(height(np.array([x]), np.array([z]))[0])


def _town_hill(x, z):
    inland = z - shore(x)
    hill = 60 * _bump(x, z, 66, 300, 80, 112) + 24 * _bump(x, z, -25, 420, 45, 120)
    hill = hill * (1 + 0.05 * ROUGH(x / 300, z / 300)) * smoothstep(8, 40, inland)
    return np.where(z < 900, np.clip(inland * 2, -3, 2.2) + hill, -3)


def _islet(x, z):
    rocks = 1.2 * ROUGH(x / 50, z / 50) + 0.35 * FINE(x / 30, z / 30)
    return 8 * _bump(x, z, -50, 152, 19, 9) - 2.5 + rocks * _bump(x, z, -50, 152, 25, 12)


def _coast(x, z):
    beach = smoothstep(1100, 1500, z + 250 * SOFT(x / 3000, 0.3))
    return (42 + 22 * ROUGH(x / 2600, z / 2600) + 4 * FINE(x / 1100, z / 1100)) * beach - 3


def _mountains(x, z):
    ridges = sum(
        0.48**k * (1 - np.abs(SOFT(x * 2**k / 8200 + 0.37 * k, z * 2**k / 8200 + 0.11 * k)))
        for k in range(5)
    )
    chain = 1.2 * _bump(x, z, -1150, 5200, 1500, 1700) + _bump(x, z, 1500, 6500, 2600, 1500)
    return 520 * np.clip(ridges + 0.35, 0, None) * chain - 3


def draw(film: Film) -> None:
    """Find the first ground that each pixel's ray meets."""
    # An eye below the water sees nothing but water through the foot of the near land; so the
    # far land is looked for once more, by itself.
    for nearest in (60, 900):
        _march(film, nearest)
    seen = np.isfinite(film.depth)
    x, y, z = film.positions()[seen].T
    step = 0.4 + 0.0015 * z
    slope_x = (height(x + step, z) - height(x - step, z)) / (2 * step)
    slope_z = (height(x, z + step) - height(x, z - step)) / (2 * step)
    film.normal[seen] = unit(np.stack([-slope_x, np.ones_like(x), -slope_z], axis=-1))
    film.colour[seen] = _colour(x, y, z, np.hypot(slope_x, slope_z))


def _march(film: Film, nearest: float) -> None:
    """Walk away from the viewer, in all columns of the picture at once, and fill in the depth."""
    camera = film.view
    rows, columns = camera.shape
    u, v = camera.slopes(np.arange(columns), np.arange(rows))
    z = np.geomspace(nearest, 9000, 1200)
    x = z[:, None] * u
    ground = height(x, np.broadcast_to(z[:, None], x.shape))
    # In the units of v, so that a ray with v meets the ground where this exceeds it.
    rise = np.where(ground > 0, (ground - camera.eye[1]) / z[:, None], -9.0)
    skyline = np.maximum.accumulate(rise, axis=0)  # (steps, columns)
    for column in range(columns):
        far = np.minimum(np.searchsorted(skyline[:, column], v), len(z) - 1)
        near = np.maximum(far - 1, 0)
        before, after = rise[near, column], rise[far, column]
        share = np.clip((v - before) / np.maximum(after - before, 1e-9), 0, 1)
        depth = z[near] + share * (z[far] - z[near])
        dry = camera.eye[1] + v * depth > -0.5
        met = (skyline[-1, column] >= v) & dry & np.isinf(film.depth[:, column])
        film.depth[met, column] = depth[met]


def lit(position, sun):
    """False where other land stands between a point, (N, 3), and the sun."""
    free = np.ones(len(position), bool)
    for distance in np.geomspace(25, 2500, 10):
        x, y, z = (position + distance * sun).T
        free &= y > height(x, z) - 0.02 * distance
    return free


def _colour(x, y, z, slope):
    near = mix(_meadow(x, z), _stone(x, y, z), smoothstep(0.7, 1.2, slope))
    pavement = paint("#a09484") * (1 + 0.12 * FINE(x / 30, (z + 3 * y) / 30))[:, None]
    near = mix(near, pavement, smoothstep(16, 12, z - shore(x)) * (x > -40))
    on_islet = smoothstep(30, 24, np.hypot(x + 50, z - 152))
    near = mix(near, _stone(x, y, z), on_islet * smoothstep(7, 5.5, y))
    return mix(near, _wilderness(x, y, z, slope), smoothstep(600, 900, z))


def _meadow(x, z):
    patches = ROUGH(x / 90, z / 90) + 0.6 * FINE(x / 40, z / 40)
    return mix(paint("#55652f"), paint("#8b8049"), smoothstep(-1.5, 1.8, patches))


def _stone(x, y, z):
    grain = FINE(x / 25, (z + 4 * y) / 25) + 0.5 * ROUGH(x / 60, (z + y) / 60)
    dry = mix(paint("#5f5348"), paint("#a3937f"), smoothstep(-1.8, 1.8, grain))
    return mix(dry, paint("#3b3631"), smoothstep(1.0, 0.3, y))  # the waterline is dark


def _wilderness(x, y, z, slope):
    """Woods below, rock above them, snow on the heights."""
    broken = 50 * ROUGH(x / 2200, z / 2200)
    leaves = FINE(x / 420, z / 420) + 0.7 * ROUGH(x / 2000, z / 2000)
    wood = mix(paint("#26381f"), paint("#62703a"), smoothstep(-1.6, 1.8, leaves))
    strata = 0.22 * ROUGH(x / 900, y / 160) + 0.14 * FINE(x / 500, y / 200)
    rock = mix(paint("#6f6a68"), paint("#8d8072"), smoothstep(-1, 1, ROUGH(x / 3000, z / 3000)))
    rock = rock * (1 + strata)[:, None]
    high = mix(wood, rock, smoothstep(170, 330, y + broken + 150 * (slope - 0.7)))
    snow = smoothstep(430, 560, y + 1.2 * broken) * smoothstep(1.5, 0.9, slope)
    return mix(high, paint("#f3f4f8"), snow)
