"""How near a painting is to its style and its content, as a trained network sees both.

Seen by a VGG that has learned from photographs, whatever network it was painted with. Of style
speak the mean μ and the covariance S of the maps at relu1_1, relu2_1, … relu5_1:

    √( |μ − μ̂|² / |μ̂|² + |S − Ŝ|² / |Ŝ|² )        μ̂, Ŝ of the style picture; 0 is the style itself

and the style's distance is the mean over these layers. That of the content is |F − P| / |P| at
relu4_2; 0 is the content itself. A painter that has the judge's own filters has an easy judge.
"""

import os
from typing import NamedTuple

import numpy as np

from ..backends import get_backend
from ..errors import InputError
from ..losses.moments import Moments, moments_target
from ..network.network import Network, available_layers
from ..network.vgg import Weights, check_tap
from ..objective.targets import Asked, map_itself, measured
from ..pictures.resizing import resize
from ..system.memo import Memo

VARIABLE = "MANUALNST_VGG16"  # in the environment: the weights of a judge, where none is given

STYLE_LAYERS = tuple(f"relu{block}_1" for block in range(1, 6))
CONTENT_LAYER = "relu4_2"

_ASKED = [
    *(Asked(moments_target, (layer,)) for layer in STYLE_LAYERS),
    Asked(map_itself, (CONTENT_LAYER,)),
]
_SMALLEST = 32  # a picture's side: at relu5_1 two, and one would have no covariance
_KEPT_BYTES = 256 << 20


def chosen_judge(given: str | None) -> str:
    """Its weights, by name or path: as given, or as the environment has it."""
    if judge := given or os.environ.get(VARIABLE):
        return judge
    raise InputError(
        f"there is no network that could judge; give --judge WEIGHTS, or set {VARIABLE} to a "
        "weights file: a VGG to relu5_1, as vgg16 of `manualnst weights list`"
    )


class Verdict(NamedTuple):
    """On one painting."""

    style: float
    style_by_layer: dict[str, float]
    content: float
    style_of_content: float  # the content picture's own style distance: nothing was painted


class Judge:
    """What it has seen of style and content pictures it remembers."""

    def __init__(self, weights: Weights):
        for layer in (*STYLE_LAYERS, CONTENT_LAYER):
            check_tap(layer, available_layers(weights))
        self._network = Network(weights, backend=get_backend("numpy"))
        self._memo = Memo(_KEPT_BYTES)

    def verdict(self, painting: np.ndarray, content: np.ndarray, style: np.ndarray) -> Verdict:
        """The distances of pictures (H, W, 3); the others are brought to the size of the
        painting."""
        content = resize(content, *painting.shape[:2])
        style = with_long_side(style, max(painting.shape[:2]))
        for picture in (painting, style):
            _check_size(*picture.shape[:2])
        *moments, F = self._seen(painting)
        *moments_of_content, P = self._seen(content)
        *targets, _ = self._seen(style)
        by_layer = list(map(moments_distance, moments, targets))
        return Verdict(
            style=float(np.mean(by_layer)),
            style_by_layer=dict(zip(STYLE_LAYERS, by_layer, strict=True)),
            content=relative_distance(F, P),
            style_of_content=float(np.mean([*map(moments_distance, moments_of_content, targets)])),
        )

    def _seen(self, picture: np.ndarray) -> list:
        return measured(self._network, picture, _ASKED, self._memo)


def _check_size(height: int, width: int) -> None:
    if min(height, width) < _SMALLEST:
        raise InputError(
            f"a painting, or its style at the same size, is {width} × {height}; to be judged it "
            f"must have at least {_SMALLEST} pixels each way"
        )


def with_long_side(picture: np.ndarray, side: int) -> np.ndarray:
    """Enlarged, too, if need be."""
    factor = side / max(picture.shape[:2])
    height, width = (max(1, round(factor * each)) for each in picture.shape[:2])
    return resize(picture, height, width)


def moments_distance(moments: Moments, target: Moments) -> float:
    return float(np.hypot(*map(relative_distance, moments, target)))


def relative_distance(a: np.ndarray, target: np.ndarray) -> float:
    return float(np.linalg.norm(a - target) / np.linalg.norm(target))
