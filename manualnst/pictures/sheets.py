"""Contact sheets: pictures in rows and columns, with words for each, drawn with nothing but Pillow.

title
           column   column            headings, over the columns
label     [picture][picture]          a row: its label, and its cells
           caption  caption           of single cells
"""

import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from .resizing import fitted_size, resize

_GAP = 6  # pixels around each picture
_TEXT, _TITLE = 13, 18  # the sizes of letters
_LINE = 18  # the height of a line of text
_WIDEST_LABEL = 150
_INK, _PAPER = (30, 30, 30), "white"


class Cell(NamedTuple):
    picture: np.ndarray | None  # (H, W, 3) in [0, 1]; None: only its caption, in its place
    caption: str = ""


def draw_sheet(
    rows: Sequence[Sequence[Cell]],
    *,
    columns: Sequence[str] = (),
    labels: Sequence[str] = (),
    title: str = "",
    side: int = 200,
) -> np.ndarray:
    """The sheet, float32 (H, W, 3) in [0, 1], with pictures of a long side of at most `side`.

    Rows may have different lengths; `labels` are the rows', `columns` the headings.
    """
    rows = [[_fitted(cell, side) for cell in row] for row in rows]
    columns, labels, title = [*map(_in_font, columns)], [*map(_in_font, labels)], _in_font(title)
    pictures = [cell.picture for row in rows for cell in row if cell.picture is not None]
    wide = max((picture.shape[1] for picture in pictures), default=side)
    left = min(_WIDEST_LABEL, max((_width(text) + _GAP for text in labels), default=0))
    count = max(map(len, [*rows, columns]))
    strip = _Strip(left, wide, max(left + count * (wide + _GAP), _width(title, _TITLE)) + 2 * _GAP)

    parts = [strip.of_title(title)] if title else []
    if columns:
        parts.append(strip.of_cells("", [Cell(None, text) for text in columns]))
    for k, row in enumerate(rows):
        parts.append(strip.of_cells(labels[k] if k < len(labels) else "", row))
    return np.concatenate(parts)


class _Strip(NamedTuple):
    """A part of the sheet from its left to its right border."""

    left: int  # where the cells begin, after the labels
    wide: int  # a cell, without the gap before it
    width: int

    def of_title(self, title: str) -> np.ndarray:
        image, draw = self._blank(2 * _LINE)
        draw.text((_GAP, _GAP), title, _INK, ImageFont.load_default(_TITLE))
        return _as_pixels(image)

    def of_cells(self, label: str, cells: Sequence[Cell]) -> np.ndarray:
        high = max((cell.picture.shape[0] for cell in cells if cell.picture is not None), default=0)
        captions = [_wrapped(cell.caption, self.wide) for cell in cells]
        below = _LINE * max(map(len, captions), default=0)
        lines = _wrapped(label, _WIDEST_LABEL - _GAP)
        image, draw = self._blank(max(high + below, _LINE * len(lines)) + _GAP)
        _write(draw, _GAP, _GAP, lines)
        for k, (cell, caption) in enumerate(zip(cells, captions, strict=True)):
            x, y = self.left + k * (self.wide + _GAP) + _GAP, _GAP
            if cell.picture is not None:
                image.paste(_as_image(cell.picture), (x, y))
                y += cell.picture.shape[0]
            _write(draw, x, y, caption)
        return _as_pixels(image)

    def _blank(self, height: int):
        image = Image.new("RGB", (self.width, height), _PAPER)
        return image, ImageDraw.Draw(image)


def _in_font(text: str) -> str:
    """The text in letters that Pillow's own font has: of others the base, or a question mark.

    That font is always there, unlike any of the system's. But it has little beyond ASCII, and
    draws a box for whatever it lacks; é is e to it, and words in Chinese can at least be counted.
    """
    letters = (c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    return "".join(c if c.isascii() else "?" for c in letters)


def _fitted(cell: Cell, side: int) -> Cell:
    cell = cell._replace(caption=_in_font(cell.caption))
    if cell.picture is None:
        return cell
    return cell._replace(picture=resize(cell.picture, *fitted_size(*cell.picture.shape[:2], side)))


def _as_image(picture: np.ndarray) -> Image.Image:
    return Image.fromarray(np.uint8(np.round(np.clip(picture, 0, 1) * 255)))


def _as_pixels(image: Image.Image) -> np.ndarray:
    return np.asarray(image, np.float32) / 255


def _write(draw: ImageDraw.ImageDraw, x: int, y: int, lines: Sequence[str]) -> None:
    for k, line in enumerate(lines):
        draw.text((x, y + k * _LINE), line, _INK, ImageFont.load_default(_TEXT))


def _width(text: str, size: int = _TEXT) -> int:
    return round(ImageFont.load_default(size).getlength(text)) + 1


def _wrapped(text: str, wide: int) -> list[str]:
    """In lines of at most this width; a longer word is cut in its middle."""
    lines: list[str] = []
    for word in text.split():
        word = _shortened(word, wide)
        if lines and _width(f"{lines[-1]} {word}") <= wide:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def _shortened(word: str, wide: int) -> str:
    kept = len(word)
    short = word
    while kept > 2 and _width(short) > wide:
        kept -= 1
        short = f"{word[: kept // 2]}…{word[len(word) - (kept - kept // 2) :]}"
    return short
