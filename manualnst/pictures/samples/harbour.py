"""The harbour: a town on a hill, a lighthouse, mountains, and the water that mirrors them.

The picture comes about as a photograph would. `land` says how high the ground is everywhere and
`town` puts houses, boats and trees on it; sun and sky light them; haze lies between them and the
viewer. All that is drawn twice, the first time for an eye as deep below the water as the viewer's
is above it: that is what the water mirrors, and its waves ruffle.
"""

import numpy as np
from scipy.ndimage import gaussian_filter1d, map_coordinates

from . import land, town
from .canvas import finish, mix, smoothstep
from .noise import FINE, RIPPLES, ROUGH, SOFT
from .scene import Camera, Film, Lamp, Model, unit

HEIGHT, WIDTH = 448, 640
SCALE = 2  # drawn that much larger
EYE = 9.0  # metres above the water
FOCAL = 1.1  # in widths of the picture
HORIZON = 0.60  # in heights of the picture, from above

SUN = unit([-0.80, 0.45, -0.44])
SUNLIGHT = np.array([1.00, 0.74, 0.47]) * 3.6
SKYLIGHT = np.array([0.42, 0.57, 0.90]) * 0.9
SKY_LAMPS = 8

# Heaps of cloud: u, v of the middle of the base, width, height.
CLOUDS = [
    (-0.30, 0.20, 0.20, 0.115),
    (-0.10, 0.215, 0.12, 0.06),
    (0.16, 0.235, 0.24, 0.11),
    (0.42, 0.16, 0.14, 0.08),
    (0.02, 0.115, 0.20, 0.03),
]


def draw() -> np.ndarray:
    rng = np.random.RandomState(5)
    model = town.build(rng)
    lamps = _lamps(model)
    mirrored = _photograph(_camera(-EYE, 1), model, lamps, rng)[0]  # coarse will do
    camera = _camera(EYE, SCALE)
    picture, depth = _photograph(camera, model, lamps, rng)
    _water(picture, depth, camera, mirrored)
    return finish(_develop(picture), SCALE)


def _camera(eye: float, scale: int) -> Camera:
    shape = (HEIGHT * scale, WIDTH * scale)
    return Camera((0, eye, 0), FOCAL * shape[1], shape, HORIZON)


def _lamps(model: Model) -> list[tuple[Lamp, Film, np.ndarray]]:
    """The sun first; then, as the light of the sky, some weak suns all around."""
    lamps = [Lamp(SUN, width=330, pixels=1800, blur=0.35)]
    golden = np.pi * (3 - np.sqrt(5))  # spreads them evenly, as seeds in a sunflower
    for k in range(SKY_LAMPS):
        up = (k + 0.8) / (SKY_LAMPS + 0.4)
        r = np.sqrt(1 - up * up)
        towards = (r * np.cos(golden * k), up, r * np.sin(golden * k))
        lamps.append(Lamp(towards, width=330, pixels=500, blur=1.5))
    lights = [SUNLIGHT] + SKY_LAMPS * [2 * SKYLIGHT / SKY_LAMPS]
    films = [Film(lamp, only_depth=True) for lamp in lamps]
    for film in films:
        model.draw(film)
    return list(zip(lamps, films, lights, strict=True))


def _photograph(camera: Camera, model: Model, lamps, rng) -> tuple[np.ndarray, np.ndarray]:
    """The light that reaches an eye if there is no water: linear (H, W, 3), and depth (H, W)."""
    film = Film(camera)
    land.draw(film)
    model.draw(film)
    rows, columns = np.mgrid[: camera.shape[0], : camera.shape[1]]
    u, v = camera.slopes(columns, rows)
    picture = _sky(u, v)
    seen = np.isfinite(film.depth)
    surface = film.colour[seen] * _light(film, seen, lamps, rng)
    veil = 1 - np.exp(-film.depth[seen] / 7000)
    air = _sky(u[seen], np.full(len(veil), 0.05)) * [0.62, 0.80, 1.05]
    picture[seen] = mix(surface, air, veil)
    return picture, film.depth


def _light(film: Film, seen, lamps, rng) -> np.ndarray:
    """How much light falls on each surface that is seen, (N, 3)."""
    position, normal = film.positions()[seen], film.normal[seen].astype(float)
    # What comes back from the ground and from other walls, roughly.
    light = 0.10 * SUNLIGHT * (0.5 - 0.5 * normal[:, 1:2]) + 0.08 * SKYLIGHT
    for lamp, shadows, tint in lamps:
        share = np.clip(normal @ lamp.towards, 0, 1) * lamp.lit(shadows, position, rng)
        if tint is SUNLIGHT:
            share = share * land.lit(position, SUN)
        light = light + share[:, None] * tint
    return light


def _sky(u, v) -> np.ndarray:
    """The colour of the sky in the directions (u, v, 1)."""
    up = np.clip(v, 0, None)
    low, top = np.array([1.00, 0.79, 0.60]), np.array([0.08, 0.24, 0.62])
    sky = mix(low, top, 1 - np.exp(-6 * up))
    warm = np.exp(-(((u + 0.55) / 0.5) ** 2) - 6 * up)
    sky = sky + np.array([0.34, 0.15, 0.0]) * warm[..., None]
    density = _cloud(u, v)
    # The more cloud lies between a place and the sun, up on the left, the darker it is.
    before = sum(np.clip(_cloud(u - 0.009 * k, v + 0.010 * k), 0, 1) for k in range(1, 5))
    shade, bright = np.array([0.36, 0.39, 0.53]), np.array([2.0, 1.62, 1.22])
    cloud = mix(shade, bright, np.exp(-0.75 * before))
    cloud = mix(cloud, sky, 0.45 * np.exp(-6 * up))
    return mix(sky, cloud, 0.95 * smoothstep(0, 0.5, density))


def _cloud(u, v):
    """How dense the clouds are: heaps with flat bottoms, torn by noise; none below 0."""
    heaps = -1.0
    for at, base, wide, high in CLOUDS:
        rise = np.where(v > base, (v - base) / high, (base - v) / (0.32 * high))
        heaps = np.maximum(heaps, 1 - ((u - at) / wide) ** 2 - rise**2)
    torn = 0.42 * ROUGH(1.3 * u + 0.424, 2 * v + 0.646) + 0.13 * FINE(2.2 * u + 0.424, 3.5 * v)
    return np.clip(heaps, -1, 0.6) + torn


def _water(picture, depth, camera: Camera, mirrored) -> None:
    """Lay the water over all that is behind its surface."""
    rows, columns = np.mgrid[: camera.shape[0], : camera.shape[1]]
    _, ray = camera.rays(columns, rows)
    t = EYE / np.maximum(-ray[..., 1], 1e-6)
    wet = t < np.minimum(depth, 9000)
    ray, z = ray[wet], t[wet]
    x = ray[:, 0] * z
    gusts = 1 + 0.5 * SOFT(x / 260, z / 500)
    normal = _ripples(x, z, gusts)
    ray = unit(ray)
    cos = np.clip(-(ray * normal).sum(-1), 0.02, 1)
    away = ray + 2 * cos[:, None] * normal
    far = smoothstep(60, 500, z)
    # Far away we see the sides of waves that face us, and they mirror what stands higher up.
    u, v = away[:, 0] / away[:, 2], np.abs(away[:, 1] / away[:, 2]) + 0.05 * gusts * far
    reflection = _mirror(mirrored, u, v, far)
    fresnel = 0.04 + 0.96 * (1 - cos) ** 4
    deep = np.array([0.020, 0.080, 0.100]) * (1 + 0.25 * SOFT(x / 200, z / 400))[:, None]
    picture[wet] = mix(deep, reflection, fresnel)


def _ripples(x, z, gusts) -> np.ndarray:
    """The normals of the water at points (x, z), (N, 3)."""
    slope_x, slope_z = np.zeros_like(x), np.zeros_like(x)
    for size, steep in ((67, 0.010), (29, 0.007)):
        # Ripples that are smaller than a pixel only blur: leave them out.
        steep = steep * gusts * smoothstep(26 * size, 3 * size, z)
        slope_x += steep * RIPPLES(x / size + 0.2, z / size)
        slope_z += steep * RIPPLES(x / size + 0.7, z / size + 0.4)
    return unit(np.stack([-0.5 * slope_x, np.ones_like(x), -slope_z], axis=-1))


def _mirror(mirrored, u, v, blur):
    """What stands in the mirror in the directions (u, v); blur from 0 to 1."""
    column, row = _camera(-EYE, 1).pixels(u, v)
    soft = gaussian_filter1d(mirrored, 7, axis=0)

    def look(image):
        where = [np.clip(row, 0, None), column]
        channels = np.moveaxis(image, -1, 0)
        seen = [map_coordinates(channel, where, order=1, mode="nearest") for channel in channels]
        return np.stack(seen, axis=-1)

    seen = mix(look(mirrored), look(soft), blur)
    return np.where(row[:, None] >= 0, seen, _sky(u, v))


def _develop(light) -> np.ndarray:
    """From light to a print: a film's curve, some contrast and colour, darker corners."""
    tone = (1 - np.exp(-1.15 * light)) ** (1 / 2.2)
    tone = tone + 0.05 * np.sin(2 * np.pi * (tone - 0.5))
    grey = tone.mean(axis=-1, keepdims=True)
    tone = grey + 1.05 * (tone - grey)
    y, x = np.mgrid[-1 : 1 : light.shape[0] * 1j, -1 : 1 : light.shape[1] * 1j]
    return tone * (1 - 0.09 * (x * x + y * y))[..., None]
