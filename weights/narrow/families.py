"""Families of procedural pictures: each draws a recipe's parameters, then any number of pictures.

A family is a function of a random stream that returns a painter; a painter is a function of
another stream that returns a picture. What is drawn in the family's body is the recipe's own and
the same in all its pictures; what is drawn in the painter differs from picture to picture.
"""

from collections.abc import Callable

import numpy as np
from scipy.spatial import cKDTree

from .canvas import (
    SIDE,
    Random,
    grid,
    mix,
    noise,
    palettes,
    ramp,
    relief,
    shrink,
    smoothstep,
    spread,
    steps,
    turned,
)

Painter = Callable[[Random], np.ndarray]
X, Y = grid()


def marble(r: Random) -> Painter:
    """Stripes and marbling: the sine of a warped ramp."""
    palette = choose_palette(r)
    cycles, angle = r.uniform(2, 14), r.uniform(0, np.pi)
    warp, slope = r.uniform(0, 0.16) * r.randint(0, 2) + 0.01, r.uniform(1.5, 2.6)
    profile, colouring = r.randint(3), r.randint(2)

    def paint(q: Random):
        along, _ = turned(X, Y, angle + 0.1 * q.standard_normal())
        phase = cycles * (along + warp * noise(q, slope)) + q.uniform()
        wave = 0.5 + 0.5 * np.sin(2 * np.pi * phase)
        t = (wave, phase % 1, smoothstep(0.4, 0.6, wave))[profile]
        return (ramp, steps)[colouring](t, palette)

    return paint


def strokes(r: Random) -> Painter:
    """Elongated strokes laid along a flow over a ground, often thick and lit from one side."""
    palette = choose_palette(r)
    count = r.randint(260, 601)
    length, width = r.uniform(0.06, 0.3), r.uniform(0.015, 0.06)
    angle, swing, slope = r.uniform(0, np.pi), r.uniform(0.1, 2.5), r.uniform(2, 3)
    whirl = r.uniform() < 0.25
    coherence, looseness = r.uniform(0, 1), r.uniform(0.02, 0.15)
    hairs, shade = r.uniform(0, 0.12), r.uniform(-0.3, 0.3)
    thickness = r.uniform(0.003, 0.02) * (r.uniform() < 0.6)
    light = r.uniform(0, 2 * np.pi)

    def paint(q: Random):
        side = 2 * SIDE
        direction = angle + swing * noise(q, slope)
        if whirl:
            cx, cy = q.uniform(0.1, 0.9, 2)
            direction = np.arctan2(Y - cy, X - cx) + np.pi / 2 + 0.3 * swing * noise(q, slope)
        region = noise(q, 2)
        starts = q.uniform(-0.05, 1.05, (count, 2))
        path = follow(direction, starts, length)  # (count, 9, 2)
        tone = coherence * at(region, starts) + (1 - coherence) * q.standard_normal(count)
        tint = looseness * (q.standard_normal((count, 1)) + 0.4 * q.standard_normal((count, 3)))
        colours = steps(spread(1.5 * tone), palette) + tint

        along = np.linspace(0, 1, max(8, int(length * side / 0.8)))  # (K,)
        across = np.linspace(-1, 1, max(3, int(width * side / 0.8)))  # (M,)
        spots = ribbons(path, along, across, width / 2)  # (count, K, M, 2)
        bristle = q.standard_normal((count, 1, len(across)))
        value = 1 + shade * across + hairs * bristle  # (count, 1, M)
        values = np.broadcast_to(value, spots.shape[:3])
        paint = colours[:, None, None, :] * values[..., None]
        column, row = np.floor(spots * side).astype(int).reshape(-1, 2).T
        seen = (column >= 0) & (column < side) & (row >= 0) & (row < side)
        place = row[seen] * side + column[seen]
        canvas = np.empty((side * side, 3))
        canvas[:] = palette[0] * 0.7
        canvas[place] = paint.reshape(-1, 3)[seen]  # of strokes that overlap, the last stays
        canvas = canvas.reshape(side, side, 3)
        if thickness:
            height = np.zeros(side * side)
            ridge = (1 - across**4) * (0.6 + 0.4 * along[:, None]) + 0.25 * bristle
            height[place] = np.broadcast_to(ridge, spots.shape[:3]).reshape(-1)[seen]
            canvas = canvas * relief(height.reshape(side, side), thickness, light)[..., None]
        return shrink(canvas)

    return paint


def leaves(r: Random) -> Painter:
    """Dead leaves: shapes of power-law sizes that cover each other, flat or shaded."""
    palette = choose_palette(r)
    count, smallest = r.randint(60, 200), r.uniform(0.02, 0.05)
    largest, power = r.uniform(0.12, 0.35), r.uniform(1.2, 3)
    kind, elongation = r.randint(4), r.uniform(1, 3)
    angle, swing = r.uniform(0, np.pi), r.uniform(0, 1.5) * r.randint(0, 2)
    shading, tinted = r.randint(4), r.uniform(0, 0.15)
    light, outline = r.uniform(0, 2 * np.pi), r.uniform() < 0.25

    def paint(q: Random):
        canvas = np.empty((SIDE, SIDE, 3))
        canvas[:] = palette[0]
        u = q.uniform(size=count)
        a, b = smallest ** (1 - power), largest ** (1 - power)
        radii = (a + (b - a) * u) ** (1 / (1 - power))
        centres = q.uniform(-0.05, 1.05, (count, 2))
        turns = angle + swing * q.standard_normal(count)
        inks = palette[q.randint(len(palette), size=count)]
        inks = inks * (1 + tinted * q.standard_normal((count, 1)))
        grain = noise(q, 1.2)
        for (cx, cy), radius, turn, ink in zip(centres, radii, turns, inks, strict=True):
            reach = radius * 1.45
            left, right = (int(np.clip((cx + s * reach) * SIDE, 0, SIDE)) for s in (-1, 1))
            top, bottom = (int(np.clip((cy + s * reach) * SIDE, 0, SIDE)) for s in (-1, 1))
            if left >= right or top >= bottom:
                continue
            box = np.s_[top:bottom, left:right]
            along, across = turned((X[box] - cx) / radius, (Y[box] - cy) / radius, turn)
            across = across * elongation
            distance = norm_of(along, across, kind)
            cover = np.clip((1 - distance) * radius * SIDE / elongation**0.5 + 0.5, 0, 1)
            if shading == 1:
                ink = ink * (1 + 0.5 * along)[..., None]
            elif shading == 2:
                ink = ink * ball(along, across, light - turn)[..., None]
            elif shading == 3:
                ink = ink * (1 + 0.2 * grain[box])[..., None]
            if outline:
                ink = ink * (0.2 + 0.8 * (distance < 1 - 0.02 / radius))[..., None]
            canvas[box] = mix(canvas[box], ink, cover)
        return canvas

    return paint


def clouds(r: Random) -> Painter:
    """Filtered noise, isotropic or stretched, through a palette; also its ridges."""
    palette = choose_palette(r)
    slope, coarsest = r.uniform(0.6, 2.4), r.choice([0, 0, 3, 6])
    stretch, angle = r.choice([1, 1, r.uniform(2, 8)]), r.uniform(0, np.pi)
    ridged, colouring, gain = r.uniform() < 0.3, int(r.uniform() < 0.3), r.uniform(0.7, 1.8)

    def paint(q: Random):
        values = noise(q, slope, stretch=stretch, angle=angle, coarsest=coarsest)
        t = np.clip(1 - np.abs(values), 0, 1) if ridged else spread(gain * values)
        return (ramp, steps)[colouring](t, palette)

    return paint


def cells(r: Random) -> Painter:
    """Mosaics: Voronoi cells, with or without seams, flat, bevelled or each with a gradient."""
    palette = choose_palette(r)
    across, jitter = r.randint(4, 15), r.uniform(0.1, 0.9)
    squeeze, angle = r.choice([1, 1, r.uniform(1.5, 3)]), r.uniform(0, np.pi)
    seam = r.uniform(0.02, 0.12) * r.randint(0, 2)
    ink = palette[r.randint(len(palette))] * r.choice([0.15, 1])
    tinted, bevel, slant = r.uniform(0, 0.2), r.randint(0, 2), r.uniform(0, 0.4) * r.randint(0, 2)
    light, region = r.uniform(0, 2 * np.pi), r.uniform(0, 1)

    def paint(q: Random):
        spots = (np.indices((across + 4, across + 4)).reshape(2, -1).T - 1.5) / across
        spots = spots + jitter * q.uniform(-0.5, 0.5, spots.shape) / across
        u, v = turned(X - 0.5, Y - 0.5, angle)
        su, sv = turned(spots[:, 0] - 0.5, spots[:, 1] - 0.5, angle)
        tree = cKDTree(np.stack([su, sv * squeeze], axis=-1))
        pixels = np.stack([u.ravel(), v.ravel() * squeeze], axis=-1)
        distance, owner = tree.query(pixels, k=2)
        owner = owner[:, 0].reshape(SIDE, SIDE)
        border = (distance[:, 1] - distance[:, 0]).reshape(SIDE, SIDE) * across  # 0 at the seam
        tone = region * at(noise(q, 2), np.clip(spots, 0, 0.999))
        tone = tone + (1 - region) * q.standard_normal(len(spots))
        tints = steps(spread(1.5 * tone), palette) * (
            1 + tinted * q.standard_normal((len(spots), 1))
        )
        picture = tints[owner]
        if slant:
            tilt = slant * q.standard_normal((len(spots), 2)) * across
            offset = np.stack([X, Y], axis=-1) - spots[owner]
            picture = picture * (1 + np.sum(tilt[owner] * offset, axis=-1))[..., None]
        if bevel:
            dome = np.sqrt(np.clip(border / 0.4, 0, 1))
            picture = picture * relief(dome, 0.02, light)[..., None]
        if seam:
            picture = mix(ink, picture, smoothstep(0.6 * seam, 1.4 * seam, border))
        return picture

    return paint


def dots(r: Random) -> Painter:
    """Jittered dots on a grid: discs, rings or balls, all of a size or as a screen for printing."""
    palette = choose_palette(r)
    across, angle = r.uniform(4, 18), r.uniform(0, np.pi)
    radius, jitter = r.uniform(0.2, 0.42), r.uniform(0, 0.25)
    kind, soft = r.randint(3), r.uniform(0.05, 0.15)
    screen, offset, light = r.uniform() < 0.3, 0.5 * r.randint(0, 2), r.uniform(0, 2 * np.pi)

    def paint(q: Random):
        u, v = turned(X * across, Y * across, angle)
        v = v + q.uniform()
        row = np.floor(v).astype(int)
        u = u + offset * (row % 2) + q.uniform()
        column = np.floor(u).astype(int)
        table = q.uniform(-1, 1, (64, 64, 2)) * jitter * (0.5 - radius) * 2
        shift = table[row % 64, column % 64]
        du, dv = u - column - 0.5 - shift[..., 0], v - row - 0.5 - shift[..., 1]
        size = radius * np.clip(0.75 + 0.35 * noise(q, 2), 0.2, 1.15) if screen else radius
        distance = np.hypot(du, dv)
        cover = 1 - smoothstep(-soft, soft, distance - size)
        if kind == 1:
            cover = cover * smoothstep(-soft, soft, distance - 0.55 * size)
        which = q.randint(1, len(palette), (64, 64))[row % 64, column % 64]
        ink = palette[which]
        if kind == 2:
            ink = ink * ball(du / size, dv / size, light - angle)[..., None]
        return mix(palette[0], ink, cover)

    return paint


def bands(r: Random) -> Painter:
    """Stripes that noise fades, breaks and tints."""
    palette = choose_palette(r)
    cycles, angle = r.uniform(4, 20), r.uniform(0, np.pi)
    slope, stretch = r.uniform(1, 2.2), r.choice([1, r.uniform(2, 6)])
    bend, crossed = r.uniform(0, 0.05), r.uniform() < 0.3

    def paint(q: Random):
        along, across = turned(X, Y, angle)
        wobble = bend * noise(q, 2.2)
        wave = np.sin(2 * np.pi * (cycles * (along + wobble) + q.uniform()))
        if crossed:
            wave = wave * np.sin(2 * np.pi * (cycles * (across - wobble) + q.uniform()))
        amount = noise(q, slope, stretch=stretch, angle=angle)
        return ramp(0.5 + 0.4 * wave * smoothstep(-1, 1, amount) + 0.12 * amount, palette)

    return paint


def hatching(r: Random) -> Painter:
    """Pen lines in up to four directions, the more of them the darker the tone."""
    palette = choose_palette(r)
    paper, ink = lightest(palette), darkest(palette) * 0.6
    lines, layers = r.uniform(9, 24), r.randint(1, 5)
    angles = r.uniform(0, np.pi) + np.pi * np.array([0, 0.5, 0.25, 0.75])
    wobble, width = r.uniform(0.002, 0.012), r.uniform(0.12, 0.3)
    form, curved = r.randint(3), r.uniform(0, 0.06)
    washed = r.uniform() < 0.4

    def paint(q: Random):
        tone = spread(noise(q, 2.2))
        if form == 1:
            tone = lit_balls(q, 0.5 * tone)
        elif form == 2:
            u, _ = turned(X, Y, q.uniform(0, 2 * np.pi))
            tone = 0.6 * tone + 0.5 * (u - u.min())
        picture = np.broadcast_to(paper, (SIDE, SIDE, 3))
        if washed:
            picture = mix(0.5 * (paper + palette[0]), paper, tone)
        for k in range(layers):
            _, v = turned(X, Y, angles[k])
            phase = lines * (v + wobble * noise(q, 1.8) + curved * tone) + q.uniform()
            distance = np.abs(phase % 1 - 0.5)  # 0 on a line
            darkness = smoothstep(0, 0.25, 0.85 - k * 0.75 / layers - tone)
            reach = width * (0.35 + 0.65 * darkness)
            line = 1 - smoothstep(reach - 0.06, reach + 0.06, distance)
            picture = mix(picture, ink, line * np.minimum(1, 2 * darkness))
        return picture

    return paint


def scenes(r: Random) -> Painter:
    """A ground that runs to a horizon under a sky, with boxes and balls that stand on it."""
    palette, air = choose_palette(r), choose_palette(r)
    pattern, scale = r.randint(4), r.uniform(1.5, 5)
    fog, sun = r.uniform(0.05, 0.5), r.choice([-1, 1])
    cloudy, streaks = r.uniform(0, 0.5), r.uniform(1, 5)
    boxes, balls = r.randint(0, 9), r.randint(0, 6)
    windows = r.uniform() < 0.6

    def paint(q: Random):
        horizon = q.uniform(0.3, 0.65)
        height = np.clip((horizon - Y) / horizon, 0, 1)
        veil = cloudy * noise(q, 1.8, stretch=streaks)
        sky = ramp(np.clip(height + veil, 0, 1), air)
        depth = 1 / np.maximum(Y - horizon, 0.01)  # 1 at a unit below the horizon
        across = (X - q.uniform()) * depth * scale
        ahead = depth * scale + q.uniform()
        t = (
            (np.floor(across) + np.floor(ahead)) % 2,
            np.floor(ahead * 0.7) % 2,
            np.floor(across) % 2,
            spread(at(noise(q, 1.4), np.stack([across, ahead], axis=-1) * 0.06)),
        )[pattern]
        faded = np.exp(-fog * np.maximum(depth - 2, 0))
        ground = mix(air[0], ramp(t, palette[:2]), faded)
        picture = np.where((horizon < Y)[..., None], ground, sky)
        things = [(q.uniform(0.01, 0.9) ** 2, kind) for kind in [0] * boxes + [1] * balls]
        for near, kind in sorted(things):
            foot = horizon + near * (1 - horizon)
            size = (0.05 + near) * q.uniform(0.3, 0.7)
            cx = q.uniform(-0.05, 1.05)
            ink = palette[q.randint(len(palette))]
            haze = np.exp(-fog * max(1 / (foot - horizon + 0.02) - 2, 0))
            draw = stand_box if kind == 0 else stand_ball
            cover, value = draw(q, cx, foot, size, sun, windows)
            thing = ink * value[..., None]
            picture = mix(picture, air[0] + (thing - air[0]) * haze, cover)
        return picture

    return paint


def stand_box(q: Random, cx, foot, size, sun, windows):
    """A box seen at a corner: (how much of each pixel it covers, how bright it is there)."""
    width, tall = size * q.uniform(0.5, 1), size * q.uniform(0.8, 2.2)
    corner, slope = q.uniform(-0.6, 0.6) * width, 0.25
    lean = np.where(X - cx < corner, -1, 1) * (X - cx - corner)
    bottom = foot - slope * np.abs(lean)
    top = foot - tall + 0.5 * slope * np.abs(lean)
    edge = SIDE * np.minimum(np.minimum(width - np.abs(X - cx), bottom - Y), Y - top)
    value = np.where((X - cx - corner) * sun > 0, 1.15, 0.55)
    if windows:
        u, v = (X - cx - corner) / width * 5, (Y - bottom) / tall * 6
        pane = (np.abs(u % 1 - 0.5) < 0.28) & (np.abs(v % 1 - 0.5) < 0.3)
        value = value * np.where(pane, 0.6, 1)
    return np.clip(edge + 0.5, 0, 1), value


def stand_ball(q: Random, cx, foot, size, sun, windows):
    """A ball, or a tree's crown on its trunk where there are no windows."""
    radius = size * q.uniform(0.25, 0.5)
    raised = 0 if windows else 1.2 * radius
    u, v = (X - cx) / radius, (Y - foot + radius + raised) / radius
    cover = np.clip((1 - np.hypot(u, v)) * radius * SIDE + 0.5, 0, 1)
    trunk = (np.abs(X - cx) < 0.12 * radius) & (v > 0) & (foot > Y)
    light = -0.6 if sun > 0 else np.pi + 0.6
    return np.maximum(cover, trunk), np.where(cover > 0, ball(u, v, light), 0.3)


def bricks(r: Random) -> Painter:
    """Walls, tiles and weaves, laid flat, turned, or running away in perspective."""
    palette = choose_palette(r)
    rows, aspect, shift = r.uniform(4, 14), r.choice([1, 2, 3]), r.choice([0, 0.5, 0.33])
    joint, angle = r.uniform(0.04, 0.14), r.choice([0, r.uniform(0, np.pi)])
    tilt = r.uniform(-0.6, 0.6) * r.randint(0, 2)
    tinted, rough, depth = r.uniform(0, 0.25), r.uniform(0, 0.06), r.uniform(0, 0.03)
    woven, light = r.uniform() < 0.25, r.uniform(0, 2 * np.pi)

    def paint(q: Random):
        u, v = turned(X - 0.5, Y - 0.5, angle + 0.05 * q.standard_normal())
        away = 1 + tilt * (v + 0.5)
        warp = rough * noise(q, 1.6)
        u, v = rows / aspect * u / away + q.uniform() + warp, rows * v / away + q.uniform() - warp
        row = np.floor(v).astype(int)
        u = u + shift * row
        column = np.floor(u).astype(int)
        edge = np.minimum(aspect * (0.5 - np.abs(u - column - 0.5)), 0.5 - np.abs(v - row - 0.5))
        body = smoothstep(0.5 * joint, 1.2 * joint, edge)
        table = q.standard_normal((64, 64))
        key = (row % 64, column % 64)
        ink = palette[1 + q.randint(len(palette) - 1, size=(64, 64))][key]
        ink = ink * (1 + tinted * table[key] + 2 * rough * noise(q, 0.8))[..., None]
        height = body * (1 + 0.3 * rough * table[key])
        if woven:
            over = (row + column) % 2 == 0
            height = body * np.sin(np.pi * np.where(over, u - column, v - row))
        lit = relief(height, depth, light) * (0.6 + 0.4 * height if woven else 1)
        return mix(palette[0], ink, body) * lit[..., None]

    return paint


def contours(r: Random) -> Painter:
    """Flat areas with curved outlines, as in a map or a woodcut."""
    palette = choose_palette(r)
    levels, slope = r.uniform(1.2, 6), r.uniform(2, 3)
    width, ink = r.uniform(0.5, 2), darkest(palette) * r.choice([0, 0.5])
    filled, stretch, angle = r.uniform() < 0.75, r.choice([1, r.uniform(2, 4)]), r.uniform(0, np.pi)

    def paint(q: Random):
        level = levels * noise(q, slope, stretch=stretch, angle=angle) + q.uniform()
        down, right = np.gradient(level)
        pixels = (0.5 - np.abs(level % 1 - 0.5)) / (np.hypot(down, right) + 1e-3)
        area = palette[np.floor(level).astype(int) % len(palette)]
        picture = area if filled else np.broadcast_to(lightest(palette), area.shape)
        return mix(ink, picture, smoothstep(width - 0.7, width + 0.7, pixels))

    return paint


def folds(r: Random) -> Painter:
    """Soft hills or drapery under one light, plain or with a pattern that follows them."""
    palette = choose_palette(r)
    slope, stretch, angle = r.uniform(2.2, 3.2), r.choice([1, r.uniform(2, 6)]), r.uniform(0, np.pi)
    depth, light = r.uniform(0.02, 0.12), r.uniform(0, 2 * np.pi)
    gloss, stripes = r.uniform(0, 0.6), r.uniform(4, 14) * r.randint(0, 2)

    def paint(q: Random):
        height = noise(q, slope, stretch=stretch, angle=angle)
        bright = relief(height, depth, light)
        body = np.broadcast_to(palette[0], (SIDE, SIDE, 3))
        if stripes:
            along, _ = turned(X, Y, angle + 1)
            phase = stripes * (along + 0.05 * height)
            body = mix(body, palette[1], smoothstep(-0.3, 0.3, np.sin(2 * np.pi * phase)))
        shine = gloss * smoothstep(1.1, 1.5, bright)
        return body * np.clip(bright, 0.05, 1.6)[..., None] + shine[..., None]

    return paint


def shards(r: Random) -> Painter:
    """Straight cuts across the picture; the pieces are flat or fade from one side to the other."""
    palette = choose_palette(r)
    cuts, main, swing = r.randint(4, 12), r.uniform(0, np.pi), r.choice([0.2, 3])
    fade, tinted = r.uniform(0, 1.2), r.uniform(0, 0.25)
    lines = r.uniform() < 0.4

    def paint(q: Random):
        piece = np.zeros((SIDE, SIDE), int)
        nearest = np.full((SIDE, SIDE), 1.0)
        slant = np.zeros((SIDE, SIDE))
        for _ in range(cuts):
            cx, cy = q.uniform(0, 1, 2)
            _, v = turned(X - cx, Y - cy, main + swing * q.standard_normal())
            piece = (piece * 2 + (v > 0)) % 4093
            slant += np.where(v > 0, 1, -1) * q.standard_normal() * v
            nearest = np.minimum(nearest, np.abs(v))
        table = q.randint(len(palette), size=4093)
        value = 1 + tinted * q.standard_normal(4093)[piece] + fade * slant / np.sqrt(cuts)
        picture = palette[table[piece]] * value[..., None]
        if lines:
            picture = picture * (0.25 + 0.75 * smoothstep(0.002, 0.012, nearest))[..., None]
        return picture

    return paint


def fur(r: Random) -> Painter:
    """Noise smeared along a flow: hair, grass, the streaks of a dry brush."""
    palette = choose_palette(r)
    angle, swing, slope = r.uniform(0, np.pi), r.uniform(0.1, 3), r.uniform(2, 3)
    reach, grain = r.uniform(0.04, 0.16), r.uniform(0, 0.8)
    region, contrast = r.uniform(0, 0.8), r.uniform(0.6, 1.6)

    def paint(q: Random):
        direction = angle + swing * noise(q, slope)
        source = noise(q, grain)
        starts = np.stack([X.ravel(), Y.ravel()], axis=-1)
        path = follow(direction, starts, reach)  # (pixels, 9, 2)
        streaks = at(source, path).mean(axis=1).reshape(SIDE, SIDE)
        streaks = contrast * streaks / streaks.std()
        return ramp(spread((1 - region) * streaks + 2 * region * noise(q, 2.2)), palette)

    return paint


# What the families share ------------------------------------------------------------------------


def choose_palette(r: Random) -> np.ndarray:
    pool = palettes()
    return pool[r.randint(len(pool))]


def lightest(palette):
    return palette[palette.sum(axis=1).argmax()]


def darkest(palette):
    return palette[palette.sum(axis=1).argmin()]


def norm_of(along, across, kind: int):
    """A distance whose unit circle is an ellipse, rectangle, diamond or leaf."""
    a, b = np.abs(along), np.abs(across)
    return (np.hypot(a, b), np.maximum(a, b), a + b, a**2 + b * (1 + a))[kind]


def ball(u, v, light: float):
    """The brightness of a ball of radius 1 at the origin, lit from `light`: around 0.2 … 1.5."""
    z = np.sqrt(np.clip(1 - u * u - v * v, 0, 1))
    lit = 0.7 * z + 0.6 * (u * np.cos(light) + v * np.sin(light))
    return 0.25 + np.clip(lit, 0, None) + 0.8 * np.clip(lit - 0.8, 0, None)


def lit_balls(q: Random, ground):
    """A tone with some lit balls lying on a ground."""
    tone = ground
    for _ in range(q.randint(2, 6)):
        cx, cy, radius = q.uniform(), q.uniform(), q.uniform(0.1, 0.3)
        u, v = (X - cx) / radius, (Y - cy) / radius
        tone = np.where(u * u + v * v < 1, np.clip(0.8 * ball(u, v, -2), 0, 1), tone)
    return tone


def at(table, points):
    """The table's entries at points (…, 2) of the plane, which it tiles."""
    side = len(table)
    place = np.floor(points * side).astype(int) % side
    return table[place[..., 1], place[..., 0]]


def follow(direction, starts, length: float):
    """Eight steps along a field of angles from all the starts (N, 2) at once: (N, 9, 2)."""
    flow = np.stack([np.cos(direction), np.sin(direction)], axis=-1) * (length / 8)
    points = [starts]
    for _ in range(8):
        points.append(points[-1] + at(flow, points[-1]))
    return np.stack(points, axis=1)


def ribbons(path, along, across, reach: float):
    """Points (N, K, M, 2) of ribbons that follow the paths (N, 9, 2) and taper at their ends."""
    place = along * 8
    before = np.minimum(place.astype(int), 7)
    part = (place - before)[:, None]
    spine = path[:, before] * (1 - part) + path[:, before + 1] * part  # (N, K, 2)
    tangent = (path[:, 1:] - path[:, :-1])[:, before]
    tangent /= np.linalg.norm(tangent, axis=-1, keepdims=True) + 1e-9
    normal = np.stack([-tangent[..., 1], tangent[..., 0]], axis=-1)
    taper = reach * np.sqrt(1 - np.abs(2 * along - 1) ** 4)  # (K,)
    offset = taper[:, None] * across  # (K, M)
    return spine[:, :, None] + normal[:, :, None] * offset[..., None]


# Shares of the recipes, in percent.
FAMILIES: dict[Callable[[Random], Painter], int] = {
    strokes: 20,
    leaves: 12,
    marble: 10,
    cells: 8,
    clouds: 7,
    hatching: 6,
    scenes: 6,
    dots: 5,
    bands: 5,
    bricks: 5,
    fur: 5,
    contours: 4,
    folds: 4,
    shards: 3,
}
