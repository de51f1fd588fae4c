"""The subject of a picture, as a mask to begin with: what stands out within a rectangle.

GrabCut (Rother, Kolmogorov, Blake 2004), as OpenCV has it: colours within and without are learned,
and the border is laid where neighbours differ most.
"""

from importlib.util import find_spec

import numpy as np

from ..errors import InputError
from ..pictures.resizing import fitted_size, resize
from ..pictures.saving import eight_bits

_SIDE = 512  # GrabCut takes seconds on more, and a mask is softened anyway
_ROUNDS = 5

Box = tuple[float, float, float, float]  # left, top, right, bottom, as shares of the picture


def is_there() -> bool:
    return find_spec("cv2") is not None


def subject_mask(pixels: np.ndarray, box: Box) -> np.ndarray:
    """(H, W, 3) → (h, w) in [0, 1], of at most 512 pixels a side: 1 where the subject is."""
    if not is_there():
        raise InputError("finding a subject needs OpenCV: pip install manualnst[subject]")
    import cv2

    small = resize(pixels, *fitted_size(*pixels.shape[:2], _SIDE))
    height, width = small.shape[:2]
    left, right = sorted(round(share * width) for share in box[::2])
    top, bottom = sorted(round(share * height) for share in box[1::2])
    rectangle = (left, top, right - left, bottom - top)
    if min(rectangle[2:]) < 2 or rectangle[2] * rectangle[3] >= height * width:
        raise InputError(
            "the rectangle must have an inside and an outside; draw it round the subject"
        )
    found = np.zeros((height, width), np.uint8)
    models = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.setRNGSeed(0)  # the same rectangle gives the same mask
    image = np.ascontiguousarray(eight_bits(small)[:, :, ::-1])
    cv2.grabCut(image, found, rectangle, *models, _ROUNDS, cv2.GC_INIT_WITH_RECT)
    inside = (found == cv2.GC_FGD) | (found == cv2.GC_PR_FGD)
    return cv2.GaussianBlur(inside.astype(np.float32), (5, 5), 0)
