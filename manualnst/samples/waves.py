"""A print in few inks: a sea of waves drawn with flowing lines, under a red sun.

One ridge of waves after another is laid over those behind it, as a printer lays block over
block. Within a wave the lines run parallel to its crest and swell from thin to thick, and the
ink takes on the grain of the wood.
"""

import numpy as np

from .canvas import colour, finish, fractal, grid, mix, ramp, smoothstep

HEIGHT, WIDTH = 512, 512
SCALE = 3

PAPER = colour("#f3e6c8")
INK = colour("#16264a")
SUN = [colour(c) for c in ("#d8432b", "#e2653a")]
SKY = [colour(c) for c in ("#2e5d86", "#8fb4b4", "#f0dcb2", "#f3c58e")]
SEA = [colour(c) for c in ("#a9c7bd", "#6fa5ad", "#3f7f9b", "#2a5f88", "#1d4272")]

RIDGES = 6


def draw() -> np.ndarray:
    rng = np.random.RandomState(5)
    shape = (HEIGHT * SCALE, WIDTH * SCALE)
    x, y = grid(*shape)
    grain = fractal(rng, shape, 1.0, stretch=14)
    hand = fractal(rng, shape, 2.2)  # makes every line waver a little
    picture = _sky(x, y, hand, grain)
    for i in range(RIDGES):
        picture = _ridge(picture, i / (RIDGES - 1), x, y, hand, grain, rng)
    return finish(picture, SCALE)


def _line(phase, width, blur):
    """Ink where `phase` is near a whole number: 1 within `width`, a fraction of the period."""
    off = np.abs(phase - np.round(phase))
    return 1 - smoothstep(width / 2 - blur, width / 2 + blur, off)


def _sky(x, y, hand, grain):
    sky = ramp(np.clip(y / 0.55 + 0.03 * grain, 0, 1), SKY)
    r = np.hypot(x - 0.66, y - 0.27)
    # Bands of cloud: lines that flow around the sun.
    flow = 22 * (
        y + 0.035 * np.sin(5 * x + 1) + 0.02 * hand + 0.05 * np.exp(-(((r - 0.17) / 0.08) ** 2))
    )
    width = 0.10 + 0.28 * smoothstep(0.1, 1.6, hand + np.sin(4 * x + 9 * y))
    sky = mix(sky, PAPER, 0.85 * _line(flow, width, 0.04))
    sun = ramp(np.clip((y - 0.12) / 0.3, 0, 1), SUN)
    sky = mix(sky, sun, smoothstep(0.152, 0.149, r))
    return mix(sky, INK, smoothstep(0.003, 0.0015, np.abs(r - 0.151)))


def _ridge(picture, nearness, x, y, hand, grain, rng):
    """Lay one ridge of waves over the picture; nearness goes from 0, far, to 1."""
    size = 0.35 + 0.65 * nearness
    phase = rng.uniform(0, 2 * np.pi)
    u = (x + 0.03 * size * hand) / (0.52 * size) + phase
    # A trochoid: flat troughs, pointed crests that lean forward.
    swing = np.abs(np.sin(np.pi * (u + 0.10 * np.sin(2 * np.pi * u))))
    crest = 0.44 + 0.50 * nearness**1.15 + 0.15 * size * (swing**0.8 - 0.5)
    depth = (y - crest) / size  # below the crest
    body = smoothstep(0, 0.002, depth)
    wave = ramp(np.clip(depth / 0.5 + 0.15 + 0.35 * nearness + 0.02 * grain, 0, 1), SEA)
    foam = 0.030 + 0.014 * np.abs(np.sin(np.pi * 9 * u)) + 0.008 * hand
    wave = mix(wave, PAPER, smoothstep(0.002, -0.002, depth - foam))
    lines = 26 * np.clip(depth, 1e-6, None) ** 0.75 * (1 + 0.12 * np.sin(2 * np.pi * u))
    width = 0.16 + 0.42 * smoothstep(0.03, 0.35, depth)
    wave = mix(wave, INK, _line(lines, width, 0.05) * (depth > foam))
    wave = mix(wave, INK, smoothstep(0.005, 0.003, np.abs(depth - foam)))
    picture = mix(picture, wave, body)
    return mix(picture, INK, smoothstep(0.0035, 0.002, np.abs(y - crest)))
