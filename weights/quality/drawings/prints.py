"""What is printed or spilt: halftone, pixels, splatter."""

import numpy as np

from .canvas import SIZE, Pen, colour, grid, smooth

_PRIMARIES = ("#00a0d8", "#e0218a", "#ffd800", "#1c1a1a")  # cyan, magenta, yellow, black
_ANGLES = (15, 75, 0, 45)  # at which their screens are turned, in degrees


def halftone(random: np.random.RandomState) -> np.ndarray:
    """A face of soft lights and shades, printed in four screens of dots."""
    y, x = (axis / SIZE - 0.5 for axis in grid())

    def soft(at_x, at_y, wide, high):
        return np.exp(-(((x - at_x) / wide) ** 2 + ((y - at_y) / high) ** 2))

    face = soft(0, 0.02, 0.27, 0.36)
    hair = soft(0, -0.28, 0.33, 0.22) - 0.5 * soft(0, -0.02, 0.22, 0.25)
    eyes = sum(soft(side * 0.11, -0.05, 0.05, 0.028) for side in (-1, 1))
    mouth = soft(0, 0.2, 0.085, 0.03)
    nose = soft(0.035, 0.07, 0.025, 0.08)
    cheeks = sum(soft(side * 0.15, 0.1, 0.07, 0.06) for side in (-1, 1))
    behind = 0.5 + 0.5 * x - 0.25 * y
    inks = (
        0.75 * behind * (1 - face) + 0.3 * eyes,
        0.25 + 0.35 * cheeks + 0.7 * mouth - 0.2 * behind + 0.2 * nose,
        0.55 * face + 0.45 * (1 - behind),
        0.9 * np.clip(hair, 0, 1) + 0.95 * eyes + 0.25 * nose + 0.3 * mouth,
    )
    page = np.ones((SIZE, SIZE, 3)) * [0.96, 0.94, 0.88]
    pitch = 11.0
    y, x = grid()
    for amount, ink, angle in zip(inks, _PRIMARIES, np.radians(_ANGLES), strict=True):
        u, v = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
        off = np.hypot((u + pitch / 2) % pitch - pitch / 2, (v + pitch / 2) % pitch - pitch / 2)
        radius = pitch * np.sqrt(np.clip(amount, 0, 1) / np.pi) * (1 + 0.05 * smooth(random, 100))
        dot = np.clip(radius - off + 0.5, 0, 1)
        page *= 1 + dot[..., None] * (colour(ink) - 1)
    return page


def pixels(random: np.random.RandomState) -> np.ndarray:
    """A landscape of large pixels in sixteen colours, its shades made by ordered dither."""
    block = 8
    side = SIZE // block
    row, column = np.mgrid[:side, :side]
    bayer = np.array([[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]]) / 16
    dither = np.tile(bayer, (side // 4, side // 4)) - 0.5
    sky = np.array(["#1a1c3c", "#3b2f6b", "#8a3f7d", "#d95d63", "#f2a65a", "#f9dc8c"])
    land = np.array(["#0d2b2b", "#1c4a3d", "#2f7a4b", "#77b255", "#c5dc6a"])
    level = np.clip(6 * row / (0.62 * side) + dither, 0, 5).astype(int)
    picture = sky[level]
    sun = np.hypot(row - 0.36 * side, column - 0.63 * side)
    picture = np.where(sun + 0.6 * dither < 9, "#fff6c8", picture)
    for distance in range(4):
        steps = np.cumsum(random.choice([-1, 0, 0, 1], side))
        ridge = 0.42 * side + 7 * distance + steps + 3 * np.abs((np.arange(side) * 7) % 13 - 6) / 6
        depth = row - ridge[None, :]
        shade = np.clip(distance + 0.09 * depth * (4 - distance) + 1.4 * dither, 0, 4).astype(int)
        picture = np.where(depth > 0, land[shade], picture)
    for at in random.randint(0, side, 9):
        foot = random.randint(int(0.72 * side), side)
        tall = random.randint(6, 15)
        crown = (np.abs(column - at) <= (row - foot + tall) // 2) & (row < foot)
        picture = np.where(crown & (row >= foot - tall), land[(row + column) % 2], picture)
    colours = {text: colour(text) for text in np.unique(picture)}
    small = np.array([[colours[text] for text in line] for line in picture])
    return np.repeat(np.repeat(small, block, axis=0), block, axis=1)


def splatter(random: np.random.RandomState) -> np.ndarray:
    """Ink thrown at canvas: threads that thin out in flight, blots, and droplets around them."""
    weave = 0.03 * random.standard_normal((SIZE, SIZE))
    canvas = np.ones((SIZE, SIZE, 3)) * [0.88, 0.84, 0.74] + weave[..., None]
    pen = Pen(canvas)
    inks = ("#16130f", "#16130f", "#f4efe2", "#8f2a1d", "#2f5d73", "#c7962f")
    for n in range(150):
        ink = inks[random.randint(len(inks))]
        place = random.uniform(-20, SIZE + 20, 2)
        speed = random.uniform(3, 9) * _direction(random)
        bend = random.uniform(-0.05, 0.05)
        width = random.pareto(2.2) * 1.6 + 0.8
        for _ in range(random.randint(15, 70)):
            turn = np.array([[np.cos(bend), -np.sin(bend)], [np.sin(bend), np.cos(bend)]])
            speed = turn @ speed
            bend += random.uniform(-0.03, 0.03)
            width = np.clip(width * random.uniform(0.9, 1.09), 0.4, 9)
            after = place + speed
            pen.line([tuple(place), tuple(after)], width, ink)
            place = after
            if random.rand() < 0.12:
                pen.disc(*place, width * random.uniform(0.7, 1.6), ink)
        if n % 3 == 0:
            _blot(random, pen, ink)
    return pen.picture()


def _blot(random: np.random.RandomState, pen: Pen, ink: str) -> None:
    centre = random.uniform(0, SIZE, 2)
    radius = 3 + 3 * random.pareto(1.8)
    radius = min(radius, 34)
    pen.disc(*centre, radius, ink)
    for _ in range(int(8 + radius)):
        out = _direction(random)
        far = radius * (1 + random.pareto(2.0))
        pen.line([tuple(centre), tuple(centre + radius * 1.25 * out)], radius / 7, ink)
        pen.disc(*(centre + far * out), max(0.7, radius / 5 * random.rand()), ink)


def _direction(random: np.random.RandomState) -> np.ndarray:
    angle = random.uniform(0, 2 * np.pi)
    return np.array([np.cos(angle), np.sin(angle)])
