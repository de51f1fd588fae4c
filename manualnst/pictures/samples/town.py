"""What people built and planted at the harbour: houses, a church, a lighthouse, boats, trees."""

import numpy as np

from .canvas import paint, smoothstep
from .land import height_at, shore
from .noise import FINE, ROUGH
from .scene import Model, Place

WALLS = [
    paint(c)
    for c in (
        "#e0b877", "#c98255", "#ac5541", "#ebdfc8", "#d09c90", "#8faa8c", "#d8a850",
        "#9c4838", "#6f93ae", "#e6d0a2", "#c9806c", "#efe8d8", "#86a8a0", "#5f87a0",
    )
]  # fmt: skip
ROOFS = [paint(c) for c in ("#8f4430", "#9c5038", "#7a3a2d", "#a66045", "#655752", "#85463a")]
SHUTTERS = [paint(c) for c in ("#3a5f50", "#2f4c68", "#6c3630", "#ddd5c4", "#49543a")]
HULLS = [paint(c) for c in ("#a9322c", "#1f4a7a", "#ece7da", "#2d665a", "#d29a3c", "#20304a")]
AWNINGS = [paint(c) for c in ("#a63a30", "#2f5a7c", "#3f6e57", "#c08a3a")]
LEAVES = [paint(c) for c in ("#42602a", "#526e30", "#33502a", "#61702f", "#6f7a36")]
CREAM, WHITE, DARK = paint("#e9e0cf"), paint("#f0ebdf"), paint("#23262b")


def build(rng: np.random.RandomState) -> Model:
    model = Model()
    _houses(model, rng)
    _church(model, 66, 268)
    _lighthouse(model, -50, 152)
    _boats(model, rng)
    _trees(model, rng)
    return model


# ---- materials ----------------------------------------------------------------------------------


def _plain(tint, rough=0.08):
    return lambda u, v: tint * (1 + rough * FINE(u / 12, v / 12))[:, None]


def _tiles(tint, seed):
    """A roof: courses of tiles, of different ages."""

    def material(u, v):
        courses = 0.10 * np.sin(2 * np.pi * v / 0.5) + 0.08 * np.sin(2 * np.pi * u / 0.6)
        age = 0.20 * ROUGH(u / 30 + seed, v / 30) + 0.16 * FINE(u / 14 + seed, v / 14)
        return tint * np.clip(1 + courses + age, 0.3, 2)[:, None]

    return material


class Facade:
    """A wall with windows, and perhaps shops; its lowest `base` metres are below the ground."""

    def __init__(self, rng, wall, width, height, base, shop):
        self.wall, self.width, self.height, self.base, self.shop = wall, width, height, base, shop
        self.shutter = SHUTTERS[rng.randint(len(SHUTTERS))] if rng.rand() < 0.6 else None
        self.awning = AWNINGS[rng.randint(len(AWNINGS))]
        self.storeys, self.across = max(round(height / 3.1), 1), max(round(width / 2.3), 1)
        self.seed = rng.rand()
        self.moods = rng.rand(8, 8)  # of the windows: how much light is behind them

    def __call__(self, u, v):
        v = v - self.base
        column, row = u / self.width * self.across, v / self.height * self.storeys
        mood = self.moods[row.astype(int) % 8, column.astype(int) % 8]
        # Within the cell of a window: a goes from 0, its middle, to 0.5; b from 0 to 1, upwards.
        a, b = np.abs(column % 1 - 0.5), row % 1
        above_ground = (v > 0) & (v < self.height)
        tint = self._plaster(u, v)
        tint = self._windows(tint, above_ground, a, b, mood)
        if self.shop:
            tint = self._shops(tint, above_ground & (row < 1), u, a, b, mood)
        return _put(tint, above_ground & (v > self.height - 0.4), tint * 0.8)

    def _plaster(self, u, v):
        stains = 0.10 * ROUGH(u / 40 + self.seed, v / 40) + 0.06 * FINE(u / 9, v / 9)
        streaks = 0.10 * np.clip(ROUGH(u / 12 + self.seed, v / 90), 0, None)
        damp = 0.22 * smoothstep(2, 0, v)
        return self.wall * (1 + stains - streaks - damp)[:, None]

    def _windows(self, tint, where, a, b, mood):
        where = where & (b > 0.22) & (b < 0.82)
        if self.shutter is not None:
            tint = _put(tint, where & (a > 0.25) & (a < 0.42), self.shutter)
        tint = _put(tint, where & (a < 0.25), CREAM)  # the frame
        bars = (a < 0.025) | (np.abs(b - 0.56) < 0.02)
        pane = paint("#26323f") * (0.4 + 1.2 * mood**2)[:, None] + 0.10 * (b - 0.2)[:, None]
        return _put(tint, where & (a < 0.19) & (b > 0.26) & (b < 0.78) & ~bars, pane)

    def _shops(self, tint, where, u, a, b, mood):
        tint = _put(tint, where & (b < 0.7), self.wall * 0.8)
        inside = DARK * (0.7 + 1.5 * mood)[:, None] + paint("#6a4a2a") * (b * mood)[:, None]
        tint = _put(tint, where & (b < 0.68) & (a < 0.40), inside)
        awning = _put(CREAM, np.sin(7 * u) > 0, self.awning)
        return _put(tint, where & (b > 0.66) & (b < 0.93), awning)


def _put(tint, where, other):
    """The colour `other` where that holds (N,), else `tint`."""
    return np.where(where[:, None], other, tint)


# ---- houses -------------------------------------------------------------------------------------


def _houses(model, rng):
    """Nine rows of houses, one behind and above the other; the first is closed."""
    walls = np.concatenate([rng.permutation(len(WALLS)) for _ in range(9)])
    for row in range(9):
        x = -12.0 + 2.5 * row
        while x < 60 + 14 * row:
            width = rng.uniform(6.0, 9.5)
            middle = x + width / 2
            z = shore(middle) + 9 + 17.0 * row
            walls = np.roll(walls, 1)
            tint = WALLS[walls[0]] * rng.uniform(0.85, 1.05)
            if row == 0:
                size = (width, rng.uniform(9, 11), rng.uniform(8.5, 13.5))
                _house(model, rng, (middle, z, -0.12), size, tint, shop=rng.rand() < 0.6)
                x += width + (0 if rng.rand() < 0.85 else 1.5)
            else:
                z, turn = z + rng.uniform(-2.5, 2.5), -0.12 + rng.uniform(-0.22, 0.22)
                size = (0.92 * width, rng.uniform(8, 11), rng.uniform(5.5, 9.0))
                if rng.rand() < 0.88 - 0.06 * row and height_at(middle, z) < 48:
                    _house(model, rng, (middle, z, turn), size, tint, shop=False)
                x += width + rng.uniform(0.3, 4.0)


def _house(model, rng, spot, size, wall, shop):
    x, z, turn = spot
    width, depth, top = size
    place = Place(x, min(height_at(x + dx, z) for dx in (-4, 0, 4)), z, turn)
    base = 5.0  # the walls go down into the slope
    front = Facade(rng, wall, width, top, base, shop)
    side = Facade(rng, wall, depth, top, base, False)
    roof = _tiles(ROOFS[rng.randint(len(ROOFS))] * rng.uniform(0.8, 1.2), rng.rand())
    model.box(place, (-width / 2, width / 2), (-base, top), (0, depth), front, side)
    pitch = rng.uniform(0.35, 0.55)
    gabled = rng.rand() < 0.5  # the gable, not the eaves, looks at the water
    peak = top + pitch * (width if gabled else depth)
    _roof(model, place, (-width / 2, width / 2), (0, depth), top, peak, gabled, roof, _plain(wall))
    _chimney(model, rng, place, width, depth, top, peak)
    if not gabled and rng.rand() < 0.6:
        for at in (-0.25, 0.25):
            _dormer(model, place, at * width, depth, top, peak, wall, roof)


def _roof(model, place, xs, zs, top, peak, gabled, tiles, wall):
    """A saddle roof over a box; its ridge runs along z if `gabled`, else along x."""
    if not gabled:  # the same, turned by a right angle
        place = place.turned()
        xs, zs = zs, (-xs[1], -xs[0])
    (x0, x1), (z0, z1) = xs, zs
    ridge, over = (x0 + x1) / 2, 0.45
    eaves = top - over * (peak - top) / (ridge - x0)
    for z in zs:
        model.add(place, wall, (x0, top, z), (x1, top, z), (ridge, peak, z))
    for x in (x0 - over, x1 + over):
        low = (x, eaves, z0 - over), (x, eaves, z1 + over)
        model.add(
            place, tiles, *low, (ridge, peak + 0.1, z1 + over), (ridge, peak + 0.1, z0 - over)
        )


def _chimney(model, rng, place, width, depth, top, peak):
    brick = _plain(paint("#84523f"), 0.15)
    x, z = rng.uniform(-0.3, 0.3) * width, rng.uniform(0.35, 0.65) * depth
    model.box(place, (x - 0.45, x + 0.45), (top, peak + 0.9), (z - 0.4, z + 0.4), brick, brick)


def _dormer(model, place, x, depth, top, peak, wall, roof):
    z = 0.16 * depth
    y = top + (peak - top) * 2 * z / depth

    def window(u, v):
        pane = (np.abs(u - 0.8) < 0.5) & (v > 0.4) & (v < 1.5)
        return np.where(pane[:, None], DARK, wall)

    model.box(place, (x - 0.8, x + 0.8), (y - 0.3, y + 1.6), (z, z + 2.2), window, _plain(wall))
    xs, zs = (x - 0.8, x + 0.8), (z, z + 2.4)
    _roof(model, place, xs, zs, y + 1.6, y + 2.3, True, roof, _plain(wall))


def _church(model, x, z):
    place = Place(x, height_at(x, z) - 1, z, -0.35)
    stone = paint("#e6d8bb")

    def wall(u, v):
        tint = stone * (1 + 0.08 * ROUGH(u / 40, v / 40) + 0.04 * FINE(u / 20, v / 20))[:, None]
        tint = tint * (1 - 0.2 * smoothstep(7, 4, v))[:, None]
        a = np.abs(u % 4.4 - 2.2)
        opening = (a < 0.6) & (v > 6) & (v < 10.5 - 0.8 * a * a)
        return np.where(opening[:, None], DARK, tint)

    def tower(u, v):
        tint = stone * (1 + 0.08 * ROUGH(u / 40, v / 40))[:, None]
        a = np.abs(np.abs(u - 3.5) - 1.2)
        opening = (a < 0.7) & (v > 24) & (v < 28 - a * a)
        bands = np.abs(v[:, None] - [16, 22.5, 31.5]).min(axis=1) < 0.35
        return np.where(opening[:, None], DARK, np.where(bands[:, None], 0.7 * tint, tint))

    model.box(place, (0, 26), (-4, 11), (-6, 6), wall, wall)
    tiles = _tiles(paint("#87402f"), 0.3)
    _roof(model, place, (0, 26), (-6, 6), 11, 17, False, tiles, _plain(stone))
    model.box(place, (-7, 0), (-4, 28), (-3.5, 3.5), tower, tower)
    copper = _tiles(paint("#557567"), 0.6)
    corners = [(-7.3, 28, -3.8), (0.3, 28, -3.8), (0.3, 28, 3.8), (-7.3, 28, 3.8)]
    for a, b in zip(corners, corners[1:] + corners[:1], strict=True):
        model.add(place, copper, a, b, (-3.5, 44, 0))


def _lighthouse(model, x, z):
    ground = 5.0
    place = Place(x, ground, z)

    def bands(u, v):
        red = ((v + 0.6) // 4.4).astype(int) % 2 == 1
        rust = (1 + 0.08 * ROUGH(u / 20, v / 60))[:, None]
        return np.where(red[:, None], paint("#b03a2e"), WHITE) * rust

    model.tube(place, (3.2, 2.0), (-3, 18), bands)
    model.tube(place, (2.8, 2.8), (18, 18.5), _plain(DARK))
    model.tube(place, (1.4, 1.4), (18.5, 20.7), _plain(paint("#d8c98a")))
    model.tube(place, (2.0, 0.0), (20.7, 22.6), _plain(paint("#9c352b")))
    cottage = Place(x + 7.5, ground - 1, z - 1, -0.2)
    model.box(cottage, (-3.5, 3.5), (-3, 3.2), (0, 5), _plain(WHITE), _plain(WHITE))
    tiles = _tiles(paint("#96432f"), 0.1)
    _roof(model, cottage, (-3.5, 3.5), (0, 5), 3.2, 5.6, False, tiles, _plain(WHITE))


# ---- boats --------------------------------------------------------------------------------------


def _boats(model, rng):
    _sailing_boat(model, rng, Place(-16.5, 0, 58, -0.35), 9.5, paint("#f0e4cb"))
    _sailing_boat(model, rng, Place(-98, 0, 240, -0.5), 12, paint("#c9743c"))
    for x in np.arange(-9, 45, 5.2):
        x = x + rng.uniform(-1, 1)
        turn = -0.12 + rng.uniform(-0.25, 0.25) + (np.pi if rng.rand() < 0.5 else 0)
        place = Place(x, 0, shore(x) - rng.uniform(3, 7), turn)
        if rng.rand() < 0.5:
            _fishing_boat(model, rng, place, rng.uniform(6, 8.5))
        else:
            _sailing_boat(model, rng, place, rng.uniform(6.5, 8.5), None)
    _fishing_boat(model, rng, Place(13, 0, 60, 0.5), 8)


def _hull(model, place, length, height, tint):
    """A boat without anything on it; its bow points to the right of `place`."""
    half, beam, keel = length / 2, 0.15 * length, 0.10 * length

    def planks(u, v):
        stripe = (v > 0.66 * height) & (v < 0.86 * height)
        paint_work = np.where(stripe[:, None], WHITE, tint)
        return np.where((v < 0.35)[:, None], paint("#4b2320"), paint_work)

    bow, stern, rail = (1.08 * half, 1.35 * height, 0), -0.9 * half, 0.7 * half
    foot = (0.9 * half, -0.1, 0)
    for s in (-1, 1):
        low = (0.95 * stern, -0.1, s * keel), (0.75 * half, -0.1, s * keel)
        model.add(place, planks, *low, (rail, height, s * beam), (stern, height, s * beam))
        model.add(place, planks, low[1], foot, bow, (rail, height, s * beam))
    y, low = height, 0.95 * stern
    model.add(
        place, planks, (low, -0.1, -keel), (low, -0.1, keel), (stern, y, beam), (stern, y, -beam)
    )
    y = 0.9 * height
    deck = (stern, y, -beam), (rail, y, -beam), (half, y, 0), (rail, y, beam), (stern, y, beam)
    model.add(place, _plain(paint("#96744a")), *deck)


def _mast(model, place, x, y0, y1, thick):
    model.tube(place.moved(x, 0), (thick, 0.6 * thick), (y0, y1), _plain(paint("#6b5138")), 6)


def _fishing_boat(model, rng, place, length):
    tint = HULLS[rng.randint(len(HULLS))]
    height = 0.18 * length
    _hull(model, place, length, height, tint)

    def cabin(u, v):
        pane = (v > 0.9) & (v < 1.5) & (u % 1.0 > 0.2)
        return np.where(pane[:, None], DARK, WHITE)

    x, half, deep = -0.18 * length, 0.12 * length, 0.09 * length
    top = height + 1.7
    model.box(
        place, (x - half, x + half), (0.8 * height, top), (-deep, deep), cabin, cabin, _plain(tint)
    )
    _mast(model, place, 0.10 * length, 0.8 * height, height + 0.55 * length, 0.09)
    _mast(model, place, x, top, height + 0.42 * length, 0.06)


def _sailing_boat(model, rng, place, length, sail_tint):
    """A boat; with `sail_tint` None the sails are furled."""
    height, mast = 0.14 * length, 1.35 * length
    _hull(model, place, length, height, HULLS[rng.randint(len(HULLS))])
    _mast(model, place, 0.08 * length, 0.8 * height, mast, 0.09)
    boom = height + 1.0
    if sail_tint is None:
        cloth = _plain(paint("#cfc7b4"))
        model.box(
            place, (-0.42 * length, 0.07 * length), (boom, boom + 0.4), (-0.2, 0.2), cloth, cloth
        )
        return

    def cloth(u, v):
        seams = 0.10 * (np.abs((v + 0.1 * u) % 1.5 - 0.75) < 0.06)
        return sail_tint * (1 - seams + 0.05 * ROUGH(u / 25, v / 25))[:, None]

    main = (0.06 * length, boom, 0), (-0.45 * length, boom + 0.2, -0.06 * length)
    model.add(place, cloth, *main, (0.06 * length, 0.97 * mast, 0))
    jib = (0.50 * length, boom - 0.6, 0), (0.12 * length, boom - 0.1, -0.05 * length)
    model.add(place, cloth, *jib, (0.10 * length, 0.85 * mast, 0))


# ---- trees --------------------------------------------------------------------------------------


def _trees(model, rng):
    for _ in range(1100):
        x, z = rng.uniform(-70, 150), rng.uniform(112, 430)
        inland, ground = z - shore(x), height_at(x, z)
        chance = 0.10 + 0.7 * smoothstep(26, 46, ground) + 0.6 * (x < 5)
        if inland > 24 and rng.rand() < chance and np.hypot(x - 66, z - 268) > 20:
            size = rng.uniform(2.6, 4.8)
            if rng.rand() < 0.15:
                _cypress(model, rng, x, ground, z, size)
            else:
                _crown(model, rng, x, ground, z, size)
    for x in (-11.5, 4.5, 17.5, 30):
        place = Place(x, 2.0, shore(x) + 5.0)
        model.tube(place, (0.18, 0.13), (0, 4), _plain(paint("#4a3a2c")), 6)
        _crown(model, rng, x, 3.6, place.spot[2], 2.6)


def _crown(model, rng, x, y, z, size):
    tint = LEAVES[rng.randint(len(LEAVES))] * rng.uniform(0.75, 1.1)
    model.leaves((x, y + 0.95 * size, z), 0.60 * size, tint)
    for _ in range(6):
        turn, up = rng.uniform(0, 2 * np.pi), rng.uniform(0.6, 1.5)
        spot = (x + 0.5 * size * np.cos(turn), y + size * up, z + 0.5 * size * np.sin(turn))
        model.leaves(spot, size * rng.uniform(0.26, 0.46), tint * rng.uniform(0.8, 1.2))


def _cypress(model, rng, x, y, z, size):
    tint = LEAVES[rng.randint(len(LEAVES))] * 0.55
    for k in range(7):
        model.leaves((x, y + size * (0.2 + 0.30 * k), z), size * (0.42 - 0.042 * k), tint)
