"""Drawing tools that all the pictures share.

A picture in the making is a float array (H, W, 3), RGB in [0, 1], a few times larger than it
will be: `finish` shrinks it, and that smooths every edge. Random numbers come from RandomState,
whose streams NumPy has promised never to change, so that a drawing is the same everywhere.
"""

import numpy as np


def colour(code: str) -> np.ndarray:
    """'#rrggbb' as three numbers in [0, 1]."""
    return np.array([int(code[i : i + 2], 16) for i in (1, 3, 5)]) / 255


def paint(code: str) -> np.ndarray:
    """The same colour as light sees it: linear, not as a screen encodes it."""
    return colour(code) ** 2.2


def grid(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """x and y of every pixel's centre, each (H, W), in units of the picture's height."""
    y, x = np.mgrid[:height, :width] + 0.5
    return x / height, y / height


def smoothstep(low, high, x):
    """0 below `low`, 1 above `high`, and a soft S between them."""
    t = np.clip((x - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def mix(a, b, t):
    """From a (t = 0) to b (t = 1); t is one number a pixel, a and b are colours."""
    t = np.asarray(t)[..., None]
    return a + (b - a) * t


def ramp(t, colours):
    """The colour at t in [0, 1] along a list of colours that are spread evenly over it."""
    stops = np.linspace(0, 1, len(colours))
    channels = [np.interp(t, stops, [c[i] for c in colours]) for i in range(3)]
    return np.stack(channels, axis=-1)


def fractal(
    rng: np.random.RandomState,
    shape: tuple[int, int],
    slope: float,
    stretch: float = 1,
    coarsest: float = 0,
) -> np.ndarray:
    """Clouds: periodic noise (H, W) whose spectrum falls as 1/frequency^slope; mean 0, std 1.

    The larger the slope the softer; with stretch > 1 the clouds are that much wider than high.
    With `coarsest` = n, none is larger than 1/n of the picture.
    """
    v = np.fft.fftfreq(shape[0])[:, None] * shape[0]
    u = np.fft.rfftfreq(shape[1])[None, :] * shape[1] * stretch
    frequency = np.hypot(u, v)
    frequency[frequency <= coarsest] = np.inf  # the mean, too, vanishes
    spectrum = np.fft.rfft2(rng.standard_normal(shape)) / frequency**slope
    noise = np.fft.irfft2(spectrum, s=shape)
    return noise / noise.std()


def relief(height: np.ndarray, depth: float) -> np.ndarray:
    """How brightly a raking light from the upper left falls on a height field, (H, W) around 1."""
    dy, dx = np.gradient(height * depth)
    return (1 + 0.7 * dx + 0.7 * dy) / np.sqrt(1 + dx * dx + dy * dy)


def finish(picture: np.ndarray, factor: int) -> np.ndarray:
    """Shrink by a whole factor, averaging the pixels, to uint8 (H / factor, W / factor, 3)."""
    height, width, _ = picture.shape
    blocks = picture.reshape(height // factor, factor, width // factor, factor, 3)
    return np.uint8(np.clip(blocks.mean(axis=(1, 3)), 0, 1) * 255 + 0.5)
