"""What a step costs, counted: how the sizes of a run share its time.

The unit is a number that a layer puts out, there and back. To that come the products, and the
filters, which are read at every size, however small the picture: at 128 pixels that is half of
the time. On processors of 2024 and 2025, with VGG-16 and with the built-in network, from 128
to 640 pixels, times follow these counts within 8 %.
"""

from collections.abc import Iterator

from ..backends.numpy import winograd
from ..network.network import map_shapes, with_margin
from ..network.tiles import needs_tiles
from ..network.vgg import CONVOLUTION, Weights, kind_of
from ..objective.terms import LossSettings
from .preflight import Size, cut_at, taps_of

_PRODUCTS = 2e-4  # of a multiplication
_FILTERS = 3.0  # of a filter's tap from one channel to another
_EVALUATIONS_PER_STEP = {"lbfgs": 1.09, "lbfgsb": 1.09, "adam": 1.0, "momentum": 1.0}
_TWICE_FORWARD = 1.5  # of forward and backward: in tiles the way there is gone twice
_OPTIMIZER = {"lbfgs": 7.0, "lbfgsb": 30.0, "adam": 0.4, "momentum": 0.1}  # by numbers of a picture


def of_step(
    weights: Weights,
    losses: LossSettings,
    size: Size,
    *,
    margin: int,
    optimizer: str,
    tile: int | None = None,
) -> float:
    own = 3 * size[0] * size[1] * _OPTIMIZER[optimizer]
    evaluation = of_evaluation(weights, losses, size, margin=margin, tile=tile)
    return _EVALUATIONS_PER_STEP[optimizer] * evaluation + own


def of_evaluation(
    weights: Weights,
    losses: LossSettings,
    size: Size,
    *,
    margin: int,
    tile: int | None = None,
) -> float:
    if not needs_tiles(size, tile):
        return sum(_of_layers(weights, losses, with_margin(*size, margin)))
    seen = [each.size_seen for each in cut_at(weights, losses, size, tile, margin)]
    return _TWICE_FORWARD * sum(sum(_of_layers(weights, losses, each)) for each in seen)


def _of_layers(weights: Weights, losses: LossSettings, size: Size) -> Iterator[float]:
    for name, before, after in map_shapes(weights, taps_of(losses), *size):
        (H, W, K), C = after, before[2]
        if name in losses.style_layers:
            yield _PRODUCTS * 2 * H * W * K**2
        if kind_of(name) == CONVOLUTION:
            taps = 36 / 16 if winograd.pays(before, weights.layers[name][0].shape) else 9
            yield H * W * K + _PRODUCTS * 2 * H * W * taps * C * K + _FILTERS * C * K
