"""Textures from a network's style loss, and pictures from its content loss, by the package."""

from typing import Any

import numpy as np

from manualnst.api import prepare
from manualnst.reconstruction import content_alone, style_alone
from manualnst.settings import STYLE_LAYERS, Settings
from manualnst.vgg import Weights

TEXTURE = "texture"
DEPTHS = tuple(f"relu{block}_1" for block in range(1, 6))

# What is asked of a picture: all of the style, or the content at one depth.
ASKED: dict[str, dict[str, Any]] = {
    TEXTURE: style_alone(STYLE_LAYERS),
} | {depth: content_alone(depth) for depth in DEPTHS}
_SIZES = 3  # from a quarter of the size; without coarse to fine much remains noise


def synthesise(
    weights: Weights, original: np.ndarray, asked: dict[str, Any], steps: int, seed: int
) -> np.ndarray:
    """The picture that is made of noise, of the size of the original (H, W, 3), in so many steps
    at each of its sizes."""
    longest = max(original.shape)
    settings = Settings(
        size=longest,
        scales=_SIZES,
        min_size=max(1, longest // 4),
        steps=_SIZES * steps,
        seed=seed,
        **asked,
    )
    result = prepare(original, original, settings, weights=weights).finish()
    if result.interrupted:
        raise KeyboardInterrupt
    return result.image
