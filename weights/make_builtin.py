"""Make the built-in network: a small VGG with random filters, calibrated on the sample pictures.

    python weights/make_builtin.py

writes manualnst/weights/builtin.h5. Layer by layer, each filter is drawn at random, orthogonal
to the others of its layer where there is room, then scaled and shifted so that its response
over the sample pictures has mean 0 and deviation 1: after the ReLU every filter is active at
about half of the positions. At the end the network is brought to the paper's normalised form.
"""

from pathlib import Path

import numpy as np

from manualnst import ops, samples
from manualnst.backends import get_backend
from manualnst.images import load_picture, resize
from manualnst.network import normalise_filters
from manualnst.vgg import IMAGENET_MEAN_RGB_255, Preprocessing, Weights, convolution_names
from manualnst.weights import BUILTIN, save_weights

SEED = 1
WIDTHS = {1: 32, 2: 64, 3: 96, 4: 128, 5: 128}  # filters in the layers of each block
LAST = "conv5_1"
PIXELS = 256  # side of the calibration pictures

PREPROCESSING = Preprocessing(
    "RGB", 1.0, mean=tuple(v / 255 for v in IMAGENET_MEAN_RGB_255), std=(0.25, 0.25, 0.25)
)


def main() -> None:
    pictures = [
        resize(load_picture(samples.sample_path(name)).pixels, PIXELS, PIXELS)
        for name in (samples.CONTENT, *samples.STYLES)
    ]
    weights = calibrated_random_network(pictures)
    save_weights(normalise_filters(weights, pictures), Path(BUILTIN), dtype=np.float16)


def calibrated_random_network(pictures: list[np.ndarray]) -> Weights:
    backend = get_backend("numpy")
    random = np.random.RandomState(SEED)  # its stream never changes
    maps = [ops.pixels_forward(x, PREPROCESSING, backend=backend)[0] for x in pictures]
    layers = {}
    names = convolution_names("vgg19")
    for name in names[: names.index(LAST) + 1]:
        block, index = int(name[4]), int(name[6])
        if index == 1 and block > 1:
            maps = [ops.avgpool_forward(F, backend=backend)[0] for F in maps]
        w = random_filters(random, maps[0].shape[2], WIDTHS[block])
        w, b = calibrate(w, maps, backend)
        layers[name] = (w, b)
        maps = [
            ops.relu_forward(ops.conv3x3_forward(F, w, b, backend=backend)[0], backend=backend)[0]
            for F in maps
        ]
    provenance = {
        "name": "built-in",
        "recipe": "random filters, calibrated on the sample pictures (weights/make_builtin.py)",
        "seed": str(SEED),
    }
    return Weights("vgg19", layers, PREPROCESSING, provenance)


def random_filters(random: np.random.RandomState, channels: int, filters: int) -> np.ndarray:
    """w (3, 3, channels, filters), orthonormal in groups as large as the space has dimensions."""
    dimensions = 9 * channels
    groups = []
    for start in range(0, filters, dimensions):
        q, _ = np.linalg.qr(random.standard_normal((dimensions, dimensions)))
        groups.append(q[:, : filters - start])
    return np.hstack(groups).reshape(3, 3, channels, filters).astype(np.float32)


def calibrate(w: np.ndarray, maps: list[np.ndarray], backend) -> tuple[np.ndarray, np.ndarray]:
    """Scale and shift each filter to a response of mean 0 and deviation 1 over the maps."""
    zero = np.zeros(w.shape[3], np.float32)
    responses = np.concatenate(
        [ops.conv3x3_forward(F, w, zero, backend=backend)[0].reshape(-1, w.shape[3]) for F in maps]
    )
    mean, deviation = responses.mean(axis=0), responses.std(axis=0)
    return w / deviation, -mean / deviation


if __name__ == "__main__":
    main()
