"""Masks: where a style is painted, from 0 (black, not at all) to 1 (white)."""

from collections.abc import Sequence

import numpy as np

from ..errors import InputError


def mask_names(count: int) -> list[str]:
    """What each of so many masks is called, in records and checkpoints."""
    return ["mask", *(f"mask {n}" for n in range(2, count + 1))][:count]


def has_shape_of(mask: tuple[int, int], content: tuple[int, int]) -> bool:
    """Whether two pictures (height, width) have one aspect, but for a pixel of rounding."""
    (h, w), (height, width) = mask, content
    return abs(h * width - w * height) <= max(h, w, height, width)


def one_for_each_style(masks: Sequence, styles: int) -> list:
    """One mask for each of so many styles; a single mask is for all."""
    if len(masks) not in (1, styles):
        raise InputError(
            f"there are {len(masks)} masks for {styles} style pictures; give one for each, in "
            "their order, or one for all"
        )
    return list(masks) * (styles // len(masks))


def union(masks: Sequence[np.ndarray]) -> np.ndarray:
    """Where any style is painted: the largest of masks (H, W), as (H, W, 1)."""
    return np.max(masks, axis=0)[:, :, None]


def mixed(x: np.ndarray, content: np.ndarray, u: np.ndarray) -> np.ndarray:
    """y = u x + (1 − u) c: exactly the content where u is 0, exactly x where it is 1."""
    return u * x + (1 - u) * content
