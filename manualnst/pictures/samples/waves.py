"""A print in few inks: a sea of waves drawn with flowing lines, under a red sun.

One ridge of waves after another is laid over those behind it, as a printer lays block over
block. Within a wave the lines run parallel to its crest and swell from thin to thick, and the
ink takes on the grain of the wood.
"""

import numpy as np

from .canvas import colour, finish, fractal, grid, mix, ramp, smoothstep

HEIGHT, WIDTH = 512, 512
SCALE = 2  # drawn that much larger

PAPER = colour("#f3e6c8")
INK = colour("#16264a")
SUN = [colour(c) for c in ("#cf3b28", "#e8703d")]
SKY = [colour(c) for c in ("#2b5a85", "#86afb3", "#f0dcb2", "#f3c08a")]
SEA = [colour(c) for c in ("#b4d0bf", "#78adb0", "#3f809c", "#2a5f8a", "#1b3f70")]

# Ridges from far to near: the height of the trough, how tall and how wide the waves are, where
# they begin, and how uneven they are.
RIDGES = [
    (0.485, 0.030, 0.130, 0.10, 0.3),
    (0.530, 0.055, 0.190, 0.45, 0.3),
    (0.605, 0.095, 0.290, 0.16, 0.4),
    (0.705, 0.130, 0.380, 0.70, 0.4),
    (0.830, 0.190, 0.540, 0.26, 0.5),
    (0.985, 0.260, 0.760, 0.78, 0.3),
]


def draw() -> np.ndarray:
    rng = np.random.RandomState(2)
    shape = (HEIGHT * SCALE, WIDTH * SCALE)
    x, y = grid(*shape)
    grain = fractal(rng, shape, 1.0, stretch=20)
    hand = fractal(rng, shape, 2.2)  # makes every line waver a little
    picture = _sky(x, y, hand)
    for ridge in RIDGES:
        picture = _waves(picture, ridge, x, y, hand)
    # Where the wood did not take the ink, the paper shows.
    bare = 0.06 + 0.07 * grain + 0.03 * hand
    return finish(mix(picture, PAPER, np.clip(bare, 0, 0.5)), SCALE)


def _line(phase, width):
    """Ink where `phase` is near a whole number: 1 within `width`, a part of the period."""
    off = np.abs(phase - np.round(phase))
    return 1 - smoothstep(width / 2 - 0.04, width / 2 + 0.04, off)


def _sky(x, y, hand):
    sky = ramp(y / 0.55, SKY)
    r = np.hypot(x - 0.64, y - 0.27)
    # Bands of cloud that flow around the sun and swell here and there.
    lift = 0.06 * np.exp(-(((r - 0.17) / 0.09) ** 2)) * np.sign(y - 0.27)
    flow = 20 * (y + 0.035 * np.sin(5 * x + 1) + 0.018 * hand - lift)
    width = 0.75 * smoothstep(
        -0.3, 1.8, hand + np.sin(4 * x + 9 * y) + 0.5 * np.sin(9 * x - 14 * y)
    )
    sky = mix(sky, PAPER, 0.9 * _line(flow, width) * (width > 0.08))
    sky = mix(sky, ramp((y - 0.12) / 0.3, SUN), smoothstep(0.152, 0.149, r))
    return mix(sky, INK, smoothstep(0.003, 0.0015, np.abs(r - 0.151)))


def _waves(picture, ridge, x, y, hand):
    """Lay one ridge of waves over the picture."""
    trough, tall, wide, begin, uneven = ridge
    u = (x + 0.06 * wide * hand) / wide + begin
    u = u + 0.2 * uneven * np.sin(2.1 * u + 9 * begin)
    lean = u + 0.12 * np.sin(2 * np.pi * u)  # steep before the crest, gentle behind it
    # A trochoid: round troughs between pointed crests.
    fall = np.abs(np.sin(np.pi * lean)) ** 0.95
    strength = 1 + uneven * np.sin(2.4 * u + 5 * begin)
    crest = trough - tall * (1 - fall) * strength
    depth = (y - crest) / (wide * 1.6)  # below the crest, 1 for a wave's length or so

    wave = ramp(0.1 + 1.6 * depth + 0.5 * (trough - 0.5), SEA)
    foam = 0.035 + 0.022 * np.abs(np.sin(np.pi * 8 * u)) + 0.03 * (1 - fall) ** 2
    lines = 24 * np.clip(depth, 1e-6, None) ** 0.7 * (1 + 0.15 * np.sin(2 * np.pi * lean))
    swell = 0.5 + 0.5 * np.sin(2 * np.pi * u + 7 * depth)
    width = 0.10 + 0.34 * smoothstep(0.03, 0.4, depth) + 0.22 * swell
    wave = mix(wave, INK, _line(lines, width))
    wave = mix(wave, PAPER, smoothstep(0.002, -0.002, depth - foam))
    wave = mix(wave, SEA[1], _line(depth / foam * 2 + 0.1, 0.16) * (depth < 0.8 * foam))
    wave = mix(wave, INK, smoothstep(0.006, 0.004, np.abs(depth - foam)))
    picture = mix(picture, wave, smoothstep(0, 0.002, depth))
    return mix(picture, INK, smoothstep(0.0035, 0.002, np.abs(y - crest)))
