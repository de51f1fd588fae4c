"""Make the built-in network: a small VGG of learned filters and of drawn ones, side by side.

    python -m weights.learn run FOLDER --batches 3000
    python -m weights.make_builtin FOLDER/learned.h5

writes manualnst/weights/builtin.h5. The learned filters (weights/README.md) know strokes, edges
and patterns, but take little notice of how light and colour are spread over wide parts of a
picture. The drawn ones do: they carry the colours to every depth. In each layer both kinds stand
side by side, and neither reads the other's maps; what correlates them is the Gram matrix.

Three things decide the drawn filters:

Designed. Every response comes as a pair, one filter for what lies above its mean and its
negative for what lies below: nothing is lost in the ReLU, and the next layer can read a pair's
difference, in which the ReLU cancels. The first three pairs of every layer carry the colours of
the picture on, blurred, so that each block sees the picture at its own scale. All spatial
kernels are smooth (a blur, an edge, a bar): kernels that are random in each entry respond to
the finest detail most, and cover the result with grain. What goes into a pooling is only
blurred: finer detail would come out of it as a false pattern.

Random. In the first layer of a block most filters look for blurs, edges and bars, of random
direction, in random mixtures of the colours carried there. The others, and those of the further
layers, add up one or two earlier maps drawn by lot, each through a kernel of its own.

Calibrated, as calibrated.py tells.

Tones stand beside both, in the first layer alone: how much of a picture is how dark or bright.
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from manualnst import ops
from manualnst.backends import get_backend
from manualnst.errors import InputError
from manualnst.vgg import BLOCKS, Weights
from manualnst.weights import BUILTIN, load_weights, save_weights
from weights.calibrated import ARCHITECTURE, LAST, calibrated_network, sample_pictures

SUMMARY = "Make the built-in network of learned filters and drawn ones."
SEED = 1
WIDTHS = {1: 16, 2: 32, 3: 48, 4: 64, 5: 96}  # drawn filters in the layers of each block
PIXELS = 256  # side of the calibration pictures

# Lightness, red against blue, green against both: rows of length 1 at right angles.
COLOURS = np.array([[1, 1, 1], [1, 0, -1], [-1, 2, -1]]) / np.sqrt([[3], [2], [6]])
EDGES = 0.7  # share of the filters in the first layer of a block that look at the colours
GREY = 0.4  # share of those that look at lightness alone

POINT = np.outer([0, 1, 0], [0, 1, 0])
BLUR = np.outer([1, 2, 1], [1, 2, 1]) / 16
EDGE_X = np.outer([1, 2, 1], [-1, 0, 1]) / 4
BAR_X = np.outer([1, 2, 1], [1, -2, 1]) / 4
SADDLE = np.outer([-1, 0, 1], [-1, 0, 1]) / 2
SHARES = (0.3, 0.4, 0.3)  # of blurs, edges and bars

TONES = (0.1, 0.3)  # shares of the sample pictures' pixels that tones respond to
TONE_MEAN = 0.3  # their mean activation: there are many for the same pixels

# Shallow layers count for more: by the measure of weights/quality textures came out nearer to the
# style's with these shares than with equal ones, and what is painted in them keeps its form. This
# relu5_1 is easily excited: with more of it smooth places get a chequered grain.
RECOMMENDED = {
    "style_layers": {
        "pixels": 8.0,
        "relu1_1": 6.0,
        "relu2_1": 3.0,
        "relu3_1": 3.0,
        "relu4_1": 3.0,
        "relu5_1": 0.2,
    },
    "content_weight": 0.2,
    "tv_weight": 0.1,
    "steps": 250,
    "min_size": 128,
}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m weights.make_builtin", description=SUMMARY)
    parser.add_argument(
        "learned", type=Path, help="the learned.h5 of `python -m weights.learn run`"
    )
    args = parser.parse_args(arguments)
    try:
        pictures = sample_pictures(PIXELS)
        learned = with_tones(load_learned(args.learned), pictures)
        both = side_by_side(learned, make_drawn(pictures))
        save_weights(both, BUILTIN, dtype=np.float16)
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def load_learned(path: Path) -> Weights:
    weights = load_weights(path)
    if weights.provenance.get("name") != "learned":
        raise InputError(f"{path} was not made by `python -m weights.learn run`; give what was")
    return weights


def side_by_side(learned: Weights, drawn: Weights) -> Weights:
    """All filters of both; those of one do not read the other's maps, but the same pixels."""
    assert learned.preprocessing == drawn.preprocessing
    layers = {}
    for name, (w, b) in learned.layers.items():
        w_drawn, b_drawn = drawn.layers[name]
        if name != "conv1_1":
            before, after = w.shape[2], w_drawn.shape[2]  # maps that each reads
            w = np.pad(w, ((0, 0), (0, 0), (0, after), (0, 0)))
            w_drawn = np.pad(w_drawn, ((0, 0), (0, 0), (before, 0), (0, 0)))
        layers[name] = np.concatenate([w, w_drawn], axis=3), np.concatenate([b, b_drawn])
    provenance = {f"learned: {key}": text for key, text in learned.provenance.items()}
    return replace(
        learned,
        layers=layers,
        recommended=RECOMMENDED,
        provenance={
            "name": "built-in",
            "recipe": "learned filters beside smooth random ones in pairs of opposites, which are "
            "calibrated on the sample pictures, and tones (python -m weights.make_builtin)",
            "seed": str(SEED),
            **provenance,
        },
    )


def with_tones(weights: Weights, pictures: list[np.ndarray]) -> Weights:
    """With filters in the first layer that look at one pixel, and respond to the brightest or the
    darkest of a colour alone. No further layer reads them.

    Of the colours of a picture other filters tell little more than mean and covariance, which many
    greys have as well as a white with few black lines.
    """
    backend = get_backend("numpy")
    pixels = [ops.pixels_forward(x, weights.preprocessing, backend=backend)[0] for x in pictures]
    pixels = np.concatenate([z.reshape(-1, 3) for z in pixels])
    filters, biases = [], []
    for colour in (*COLOURS, *-COLOURS, *np.eye(3), *-np.eye(3)):
        values = pixels @ colour
        for share in TONES:
            threshold = np.quantile(values, 1 - share)
            loudness = TONE_MEAN / np.maximum(values - threshold, 0).mean()
            filters.append(POINT[:, :, None] * colour * loudness)
            biases.append(-threshold * loudness)
    w, b = weights.layers["conv1_1"]
    w = np.concatenate([w, np.stack(filters, axis=3)], axis=3).astype(np.float32)
    b = np.concatenate([b, biases]).astype(np.float32)
    w_next, b_next = weights.layers["conv1_2"]
    w_next = np.pad(w_next, ((0, 0), (0, 0), (0, len(filters)), (0, 0)))
    return replace(
        weights, layers=weights.layers | {"conv1_1": (w, b), "conv1_2": (w_next, b_next)}
    )


def make_drawn(pictures: list[np.ndarray], last: str = LAST) -> Weights:
    random = np.random.RandomState(SEED)  # its stream never changes

    def draw(name: str, channels: int) -> np.ndarray:
        block, index = int(name[4]), int(name[6])
        return draw_filters(
            random,
            channels,
            WIDTHS[block] // 2,
            first=index == 1,
            last=index == BLOCKS[ARCHITECTURE][block - 1],
        )

    return calibrated_network(draw, pictures, {"name": "drawn"}, with_opposites, last)


def with_opposites(array: np.ndarray) -> np.ndarray:
    """Filters or biases, and their negatives after them."""
    return np.concatenate([array, -array], axis=-1)


def draw_filters(
    random: np.random.RandomState, channels: int, filters: int, *, first: bool, last: bool
) -> np.ndarray:
    """One of each pair: w (3, 3, channels, filters), for the first, last or an inner layer."""
    # signals (n, channels): how to read each colour off the picture, or each pair's difference
    # off the maps, which come as (those above the mean, those below). The colours come first.
    half = np.eye(channels // 2)
    signals = COLOURS if channels == 3 else np.hstack([half, -half])
    w = [BLUR[:, :, None] * signal for signal in signals[:3]]
    looking = filters if channels == 3 else 3 + int(EDGES * (filters - 3)) if first else 3
    while len(w) < looking:
        w.append(draw_kernel(random)[:, :, None] * (draw_colour(random) @ signals[:3]))
    while len(w) < filters:
        w.append(draw_mixture(random, signals, blurred=last))
    return np.stack(w, axis=3).astype(np.float32)


def draw_kernel(random: np.random.RandomState) -> np.ndarray:
    """A blur, or an edge or a bar of random direction: (3, 3)."""
    kind = random.choice(3, p=SHARES)
    angle = random.uniform(0, 2 * np.pi)
    c, s = np.cos(angle), np.sin(angle)
    edge = c * EDGE_X + s * EDGE_X.T
    bar = c * c * BAR_X + s * s * BAR_X.T + c * s * SADDLE  # the second derivative across it
    return (BLUR, edge, bar)[kind]


def draw_colour(random: np.random.RandomState) -> np.ndarray:
    """A direction in the space of the three colours: (3,)."""
    if random.uniform() < GREY:
        return np.array([1.0, 0.0, 0.0])
    return random.standard_normal(3)


def draw_mixture(random: np.random.RandomState, signals: np.ndarray, *, blurred: bool):
    """One or two signals, or single maps of their pairs, each through a kernel: (3, 3, channels).

    The colours are left out: they are carried on anyway.
    """
    w = np.zeros((3, 3, signals.shape[1]))
    for _ in range(random.randint(1, 3)):
        signal = signals[random.randint(3, len(signals))]
        kept = (signal, signal.clip(min=0), signal.clip(max=0))[
            random.choice(3, p=(0.5, 0.25, 0.25))
        ]
        kernel = BLUR if blurred else draw_kernel(random)
        w += random.uniform(0.5, 1) * random.choice([-1, 1]) * kernel[:, :, None] * kept
    return w


if __name__ == "__main__":
    sys.exit(main())
