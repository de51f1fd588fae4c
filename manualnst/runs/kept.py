"""What a checkpoint has of a run, and under which names: settings, pictures, and how far it is.

What comes out of one is a stranger's: nothing is taken on trust.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import InputError
from ..objective.objective import for_each_style, style_names
from ..pictures.masks import mask_names, one_for_each_style
from .checkpoint import load_checkpoint, save_checkpoint
from .inputs import Input
from .reached import Arrays, Reached, array, mask, picture, restored
from .result import masks_in, styles_in
from .scales import Scale
from .settings import Settings


@dataclass(frozen=True, eq=False)
class Pictures:
    """The pictures of a run; `styles` has at least one."""

    content: Input
    styles: Sequence[Input]
    masks: Sequence[Input] = ()


@dataclass(frozen=True, eq=False)
class Kept:
    settings: Settings
    pictures: Pictures
    steps: list[int]  # of each size
    facts: dict[str, Any]  # of pictures and weights, as in a record
    _reached: tuple[dict[str, Any], Arrays]

    def reached(self, scales: Sequence[Scale]) -> Reached:
        return restored(self.settings, scales, *self._reached)


def save_run(
    path: str | os.PathLike,
    settings: Settings,
    pictures: Pictures,
    scales: Sequence[Scale],
    facts: dict[str, Any],
    reached: Reached,
) -> None:
    """All that is needed to go on from the last whole step."""
    stored, arrays = reached.stored()
    stored |= {
        "settings": settings.to_json(),
        "facts": facts,
        "steps": [scale.steps for scale in scales],
    }
    content = pictures.content
    arrays |= {"content": content.pixels}
    for names, inputs in ((style_names, pictures.styles), (mask_names, pictures.masks)):
        arrays |= {n: each.pixels for n, each in zip(names(len(inputs)), inputs, strict=True)}
    further = {"alpha": content.alpha, "colours": content.colours}
    arrays |= {name: values for name, values in further.items() if values is not None}
    save_checkpoint(path, stored, arrays)


def load_run(path: str | os.PathLike) -> Kept:
    stored, arrays = load_checkpoint(path)
    settings, facts = Settings.from_json(stored["settings"]), stored["facts"]
    pictures = _pictures(settings, facts, arrays)
    names = [facts[role]["name"] for role in ("content", *styles_in(facts), "start")]
    if not all(isinstance(name, str) for name in names):
        raise InputError(f"checkpoint: the names of its pictures are no texts: {names}")
    steps = stored["steps"]
    if not all(isinstance(n, int) and n >= 1 for n in steps):
        raise InputError(f"checkpoint: the steps of its sizes are {steps}")
    return Kept(settings, pictures, steps, facts, (stored, arrays))


def recorded_in(path: str | os.PathLike) -> dict[str, Any]:
    """Settings and facts of the run that was begun, as its record would have them."""
    stored, _ = load_checkpoint(path)
    return {"settings": stored["settings"], **stored["facts"]}


def _pictures(settings: Settings, facts: dict[str, Any], arrays: Arrays) -> Pictures:
    height, width = arrays["content"].shape[:2]
    shape = (height, width, 3)
    alpha = array(arrays, "alpha", (height, width)) if "alpha" in arrays else None
    colours = picture(arrays, "colours", shape) if settings.in_greys else None
    content = Input(picture(arrays, "content", shape), alpha, {}, (), colours)
    styles = [
        Input(picture(arrays, role, arrays[role].shape), None, {}, ()) for role in styles_in(facts)
    ]
    for name in ("style_weights", "style_scale"):
        for_each_style(name, getattr(settings, name), len(styles))
    masks = [Input(mask(arrays, role, (height, width)), None, {}, ()) for role in masks_in(facts)]
    if masks:
        one_for_each_style(masks, len(styles))
    return Pictures(content, styles, masks)
