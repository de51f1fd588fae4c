"""Textures from a network's style loss, and pictures from its content loss, by the package."""

from typing import Any

import numpy as np

from manualnst.api import prepare
from manualnst.network.vgg import Weights
from manualnst.runs.recommended import recommended_settings
from manualnst.runs.settings import Settings
from manualnst.studies.reconstruction import content_alone, style_alone

TEXTURE = "texture"
DEPTHS = tuple(f"relu{block}_1" for block in range(1, 6))

_SIZES = 3  # from a quarter of the size; without coarse to fine much remains noise


def asked(what: str, weights: Weights) -> dict[str, Any]:
    """The settings for a texture, by the style layers that the network recommends, or for the
    content at one of the depths."""
    if what != TEXTURE:
        return content_alone(what)
    return style_alone(recommended_settings(weights.recommended, "the network").style_layers)


def synthesise(
    weights: Weights, original: np.ndarray, what: str, steps: int, seed: int
) -> np.ndarray:
    """The texture, or what a depth rebuilds: made of noise, of the size of the original (H, W, 3),
    in so many steps at each of its sizes."""
    longest = max(original.shape)
    settings = Settings(
        size=longest,
        scales=_SIZES,
        min_size=max(1, longest // 4),
        steps=_SIZES * steps,
        seed=seed,
        **asked(what, weights),
    )
    result = prepare(original, original, settings, weights=weights).finish()
    if result.interrupted:
        raise KeyboardInterrupt
    return result.image
