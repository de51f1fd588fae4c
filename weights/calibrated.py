"""Networks of VGG-19's shape whose filters are drawn, layer by layer, and calibrated.

Each filter is scaled and shifted so that its response over the package's sample pictures has mean 0
and deviation 1; at the end they are brought to the paper's normalised form, in which the mean
activation of every filter over these pictures is 1.
"""

from collections.abc import Callable

import numpy as np

from manualnst import ops
from manualnst.backends import get_backend
from manualnst.network.network import normalise_filters
from manualnst.network.vgg import IMAGENET_MEAN_RGB_255, Preprocessing, Weights, convolution_names
from manualnst.pictures import samples
from manualnst.pictures.images import load_picture
from manualnst.pictures.resizing import resize

ARCHITECTURE, LAST = "vgg19", "conv5_1"
PREPROCESSING = Preprocessing(
    "RGB", 1.0, mean=tuple(v / 255 for v in IMAGENET_MEAN_RGB_255), std=(0.25, 0.25, 0.25)
)


def sample_pictures(side: int) -> list[np.ndarray]:
    names = (samples.CONTENT, *samples.STYLES)
    return [resize(load_picture(samples.sample_path(name)).pixels, side, side) for name in names]


def calibrated_network(
    draw: Callable[[str, int], np.ndarray],
    pictures: list[np.ndarray],
    provenance: dict[str, str],
) -> Weights:
    """To the convolution LAST. `draw` makes the filters of a convolution from its name and the
    channels that reach it, as (3, 3, channels, filters)."""
    backend = get_backend("numpy")
    maps = [ops.pixels_forward(x, PREPROCESSING, backend=backend)[0] for x in pictures]
    layers = {}
    names = convolution_names(ARCHITECTURE)
    for name in names[: names.index(LAST) + 1]:
        if name.endswith("_1") and name != names[0]:
            maps = [ops.avgpool_forward(F, backend=backend)[0] for F in maps]
        w, b = layers[name] = _calibrated(draw(name, maps[0].shape[2]), maps, backend)
        maps = [
            ops.relu_forward(ops.conv3x3_forward(F, w, b, backend=backend)[0], backend=backend)[0]
            for F in maps
        ]
    return normalise_filters(Weights(ARCHITECTURE, layers, PREPROCESSING, provenance), pictures)


def _calibrated(w: np.ndarray, maps: list[np.ndarray], backend) -> tuple[np.ndarray, np.ndarray]:
    """Filters and biases with responses of mean 0 and deviation 1 over these maps."""
    zero = np.zeros(w.shape[3], np.float32)
    responses = np.concatenate(
        [ops.conv3x3_forward(F, w, zero, backend=backend)[0].reshape(-1, w.shape[3]) for F in maps]
    )
    mean, deviation = responses.mean(axis=0), responses.std(axis=0)
    return w / deviation, -mean / deviation
