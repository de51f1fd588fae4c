"""What the readers of the public formats find in a file, and how pixels are prepared for it."""

from collections.abc import Callable
from dataclasses import dataclass, field

from ..errors import InputError
from ..network.vgg import BLOCKS, IMAGENET_MEAN_RGB_255, Preprocessing, convolution_names
from .reading import Layers

# The three ways in which the public files want their pixels.
PREPROCESSINGS = {
    "caffe-bgr": Preprocessing("BGR", 255, IMAGENET_MEAN_RGB_255[::-1]),
    "caffe-rgb": Preprocessing("RGB", 255, IMAGENET_MEAN_RGB_255),
    "imagenet-rgb": Preprocessing("RGB", 1, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
}


@dataclass(frozen=True)
class Found:
    """The convolutions of a public file under this project's names and in its layout.

    `preprocessing` is a name of PREPROCESSINGS where the format implies it, the thing itself
    where the file states it, and None where files with either exist.
    """

    architecture: str
    layers: Layers
    preprocessing: str | Preprocessing | None
    remarks: dict[str, str] = field(default_factory=dict)


def named_preprocessing(name: str) -> Preprocessing:
    if name not in PREPROCESSINGS:
        raise InputError(f"unknown preprocessing {name!r}; known: {', '.join(PREPROCESSINGS)}")
    return PREPROCESSINGS[name]


def find_architecture(
    present: set[str],
    asked: str | None,
    naming: Callable[[str], list[str]] = convolution_names,
) -> str | None:
    """The architecture whose first convolutions, as `naming` calls them, are just those present."""
    fitting = [name for name in BLOCKS if present and present == set(naming(name)[: len(present)])]
    if asked in fitting or not fitting:
        return asked if fitting else None
    if asked is not None:
        raise InputError(f"the layers are those of {' or '.join(fitting)}, not of {asked}")
    if len(fitting) > 1:
        raise InputError(f"{len(present)} layers fit {' and '.join(fitting)}; give --architecture")
    return fitting[0]


def require_architecture(layers: Layers, asked: str | None) -> str:
    """`find_architecture` for layers that have this project's names already."""
    found = find_architecture(set(layers), asked)
    if found is None:
        raise InputError(f"its convolutions are not those of a VGG: {', '.join(layers) or 'none'}")
    return found
