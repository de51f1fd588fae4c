"""What layers know of a picture: another one, made of noise, by the loss of its content or of its
style alone.

Content: from the map of one layer, as the paper's Figure 1 rebuilds it. Shallow layers tell
every pixel; deep ones what is where, but no longer how it looked in detail. Style: from the Gram
matrices of one layer or of several, which tell what is there, but not where.

Noise at the full size is a hard start: what the layer tells of large features reaches the pixels
slowly, and much of the noise remains. So a reconstruction begins small, and goes from coarse to
fine. (With random filters, 192 pixels and 150 steps a size, the structural similarity of what
relu2_1 rebuilds is 0.50 without, 0.95 with that; for relu1_1 0.90 and 1.00.) Content begins very
small. Style does not: where a map has fewer positions than channels, its Gram matrix tells the
places too, and at 32 pixels the original itself would come back.
"""

from collections.abc import Sequence
from typing import Any, Unpack

import numpy as np

from ..api import prepare, settings_from
from ..errors import InputError
from ..pictures.resizing import resize
from ..pictures.samples import CONTENT, STYLES
from ..pictures.sheets import Cell, draw_sheet
from ..runs.bar import finish
from ..runs.given import Given
from ..runs.inputs import SAMPLE_PREFIX, Source
from ..runs.progress import Callback
from ..runs.result import Result

# What a reconstruction has where nothing else is given. With what it asks for, this is all that a
# network could recommend: what layers know is asked of every network in the same way.
_COMMON = {"size": 256, "first_steps": None, "style_losses": {"gram": 1.0}}
DEFAULTS: dict[str, dict[str, Any]] = {
    "content": _COMMON | {"min_size": 32, "steps": 500},
    "style": _COMMON | {"min_size": 128, "steps": 300},
}
_FROM_NOISE = {"init": "noise", "style_strength": 0.5, "tv_weight": 0.0, "tv": "squared"}

SAMPLES = {"content": SAMPLE_PREFIX + CONTENT, "style": SAMPLE_PREFIX + STYLES[0]}


def content_alone(layer: str) -> dict[str, Any]:
    """The settings that ask for the content at this layer and nothing else."""
    return _FROM_NOISE | _at({layer: 1.0}) | {"content_weight": 1.0, "style_weight": 0.0}


def style_alone(layers: dict[str, float]) -> dict[str, Any]:
    """The settings that ask for the style at these layers, with these shares, and nothing else."""
    return _FROM_NOISE | _at(layers) | {"content_weight": 0.0, "style_weight": 1.0}


def _at(layers: dict[str, float]) -> dict[str, Any]:
    """Also for the loss without weight: memory is foretold for every layer that is named."""
    return {"content_layers": layers, "style_layers": layers}


def reconstruct(
    picture: Source | None = None,
    *,
    content: str | None = None,
    style: str | Sequence[str] | None = None,
    callback: Callback | None = None,
    progress: bool | None = None,
    **settings: Unpack[Given],
) -> Result:
    """What the layer `content`, or the layers `style`, know of a picture, painted from noise.

    Either is given, as content="relu3_1" or style=["relu1_1", "relu2_1"]. Without a picture one of
    the package's samples is taken. Callback, `progress` and settings are those of `stylize`.
    """
    if (content is None) == (style is None):
        raise InputError('give either content="relu3_1" or style=["relu1_1", "relu2_1"]')
    if content is not None:
        kind, what = "content", content_alone(content)
    else:
        layers = [style] if isinstance(style, str) else style
        kind, what = "style", style_alone(dict.fromkeys(layers, 1.0))
    if forbidden := sorted(what.keys() & settings.keys()):
        raise InputError(f"a reconstruction has its own {forbidden[0]}; leave it out")
    source = SAMPLES[kind] if picture is None else picture
    chosen = settings_from(DEFAULTS[kind] | settings | what)
    return finish(prepare(source, source, chosen), callback, progress)


# Shown side by side

Crop = tuple[int, int, int, int]  # x, y, width, height in pixels
_SIDE = 200  # of a picture on the sheet


def draw_reconstructions(
    original: np.ndarray,
    made: dict[str, np.ndarray],
    captions: Sequence[str],
    *,
    title: str,
    crop: Crop | None = None,
) -> np.ndarray:
    """A sheet (H, W, 3) of the original and what was made of it, all of one size, by heading.

    With `crop`, a second row shows that part of each.
    """
    rows = [[Cell(original), *map(Cell, made.values(), captions)]]
    if crop is not None:
        rows.append([Cell(_close_up(cell.picture, crop)) for cell in rows[0]])
    return draw_sheet(rows, columns=["original", *made], title=title, side=_SIDE)


def _close_up(picture: np.ndarray, crop: Crop) -> np.ndarray:
    """The part, with its long side as long as that of the whole."""
    x, y, width, height = crop
    larger = min(_SIDE, max(picture.shape[:2])) / max(width, height)
    part = picture[y : y + height, x : x + width]
    return resize(part, round(larger * height), round(larger * width))


def most_detailed(picture: np.ndarray) -> Crop:
    """The part, a quarter of the picture each way, in which neighbours differ most."""
    height, width = (max(1, side // 4) for side in picture.shape[:2])
    down = np.abs(np.diff(picture, axis=0, append=picture[-1:])).sum(axis=2, dtype=np.float64)
    along = np.abs(np.diff(picture, axis=1, append=picture[:, -1:])).sum(axis=2, dtype=np.float64)
    sums = np.pad(np.cumsum(np.cumsum(down + along, axis=0), axis=1), ((1, 0), (1, 0)))
    rows = sums[height:] - sums[:-height]
    parts = rows[:, width:] - rows[:, :-width]  # of each part, by its corner
    y, x = np.unravel_index(np.argmax(parts), parts.shape)
    return int(x), int(y), width, height
