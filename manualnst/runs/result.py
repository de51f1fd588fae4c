"""What a run gives back: the picture, and the record of how it came about."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError
from ..objective.objective import style_names
from ..pictures.images import Image
from ..pictures.masks import mask_names
from ..pictures.plots import draw_curve
from ..pictures.saving import as_pillow, eight_bits, encode_png, picture_bytes, save_picture
from ..system.files import read_bytes, write_atomically

MAX_RECORD_BYTES = 64 << 20
RECORD_FORMAT = "manualnst record 2"
_BEFORE_SCALES = "manualnst record 1"


@dataclass(frozen=True, eq=False)
class Result:
    """The best picture of a run. In a notebook it shows itself."""

    image: np.ndarray  # (H, W, 3) float32 in [0, 1]
    alpha: np.ndarray | None  # (H, W), the content picture's
    record: dict[str, Any]  # JSON-able: settings, versions, hashes, losses, stop reason, …
    interrupted: bool

    @property
    def stop_reason(self) -> str:
        return self.record["stop_reason"]

    @property
    def pil(self) -> Image:
        return as_pillow(self.image, self.alpha)

    def to_uint8(self) -> np.ndarray:
        """(H, W, 3), or with alpha (H, W, 4): the values that a file has."""
        return eight_bits(self.image, self.alpha)

    def save(self, path: str | os.PathLike) -> None:
        """Write the picture in the format of the suffix. An existing file is replaced."""
        save_picture(path, self.image, self.alpha, description=summary(self.record))

    def is_in(self, path: str | os.PathLike) -> bool:
        """Whether the file has the very bytes that `save` would write."""
        data = picture_bytes(path, self.image, self.alpha, description=summary(self.record))
        try:
            return read_bytes(path, len(data)) == data
        except InputError:  # it is not there, or larger
            return False

    def save_record(self, path: str | os.PathLike) -> None:
        text = json.dumps(self.record, indent=1, allow_nan=False) + "\n"
        write_atomically(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))

    def loss_curve(self) -> np.ndarray:
        """A picture (H, W, 3) of every weighted term against the evaluations."""
        first, marks = 1, {}
        for scale in self.record["scales"]:
            marks[first] = f"{max(scale['size'])} px"
            first += scale["evaluations"]
        history = self.record["history"]
        return draw_curve(history, title="loss by evaluation", x_label="evaluation", marks=marks)

    def _repr_png_(self) -> bytes:
        return encode_png(self.image, self.alpha)


def summary(record: dict[str, Any]) -> str:
    """What of what, in one line."""
    content, *styles = (Path(record[role]["name"]).name for role in ("content", *styles_in(record)))
    return f"{content} in the style of {' and '.join(styles)}"


def styles_in(record: dict[str, Any]) -> list[str]:
    """The keys under which a record, or a checkpoint's facts, have their style pictures."""
    first, *more = style_names(len(record))
    return [first, *(name for name in more if name in record)]


def masks_in(record: dict[str, Any]) -> list[str]:
    """The keys under which masks are; there may be none."""
    return [name for name in mask_names(len(record)) if name in record]


def load_record(path: str | os.PathLike) -> dict[str, Any]:
    """The record of an earlier run, with all that is read of one."""
    try:
        record = json.loads(read_bytes(path, MAX_RECORD_BYTES))
    except InputError:
        raise
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not a run record: {error}") from error
    if not isinstance(record, dict) or record.get("format") not in (RECORD_FORMAT, _BEFORE_SCALES):
        raise InputError(f"{path} is not a run record of this version ({RECORD_FORMAT!r})")
    pictures = ("content", *styles_in(record), *masks_in(record), "start")
    parts = [record.get(part) for part in ("settings", *pictures, "weights")]
    if not all(isinstance(part, dict) for part in parts):
        raise InputError(f"{path} is incomplete: settings, pictures or weights are missing")
    if not all(isinstance(record[role].get("name"), str) for role in pictures):
        raise InputError(f"{path} is incomplete: it does not name its pictures")
    if record["format"] == _BEFORE_SCALES:  # all its steps were at one size
        record["settings"] = {"scales": 1} | record["settings"]
        only = {
            "size": record["content"].get("used_size"),
            "evaluations": record.get("evaluations"),
        }
        record = {"scales": [only]} | record
    for name, is_right in _READ_LATER.items():
        if not is_right(record.get(name)):
            raise InputError(f"{path} is damaged: its {name} is missing, or not what a run writes")
    return record


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and abs(value) <= _LARGEST  # NaN is not


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and 0 <= value <= _LARGEST


def _are_scales(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(map(_is_scale, value))


def _is_scale(value: Any) -> bool:
    if not isinstance(value, dict) or not _is_count(value.get("evaluations")):
        return False
    size = value.get("size")
    return isinstance(size, list) and len(size) == 2 and all(_is_count(n) and n for n in size)


def _are_losses(value: Any) -> bool:
    """Columns of one length, the totals among them."""
    if not isinstance(value, dict) or "total" not in value:
        return False
    if not all(isinstance(column, list) for column in value.values()):
        return False
    lengths = {len(column) for column in value.values()}
    return len(lengths) == 1 and all(_is_number(x) for column in value.values() for x in column)


_LARGEST = 1e300
# What sweeps and their tables read of the records in a folder.
_READ_LATER = {
    "stop_reason": lambda value: isinstance(value, str),
    "steps": _is_count,
    "evaluations": _is_count,
    "seconds": _is_number,
    "best_loss": lambda value: value is None or _is_number(value),
    "scales": _are_scales,
    "history": _are_losses,
}
