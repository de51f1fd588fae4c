"""A picture of how the losses fell, drawn with nothing but Pillow."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from .images import resize

_HEIGHT, _WIDTH = 540, 960
_SCALE = 2  # drawn that much larger and then shrunk, which smooths the lines
_MARGIN, _LEFT, _TOP, _BOTTOM = 20, 70, 60, 64
_TITLE_SIZE, _TEXT_SIZE, _EXPONENT_SIZE = 20, 15, 11
_SWATCH = 28  # the length of the line in front of a name in the legend

_INK, _GREY, _GRID = (30, 30, 30), (110, 110, 110), (226, 226, 226)
_TOTAL = "total"  # this series is drawn thick and dark
# Okabe and Ito's colours, which colour-blind people can tell apart too; then a brown and a grey.
_COLOURS = [
    (0, 114, 178),
    (213, 94, 0),
    (0, 158, 115),
    (204, 121, 167),
    (230, 159, 0),
    (86, 180, 233),
    (240, 228, 66),
    (140, 86, 75),
    (127, 127, 127),
]


@dataclass(frozen=True)
class _Frame:
    """Where the plot lies in the picture, and what range it shows."""

    left: float
    right: float
    x_range: tuple[float, float]
    log_range: tuple[float, float]  # of log10(y)

    top, bottom = _TOP, _HEIGHT - _BOTTOM

    def x(self, value: float) -> float:
        low, high = self.x_range
        return self.left + (value - low) / (high - low) * (self.right - self.left)

    def y(self, value: float) -> float:
        low, high = self.log_range
        return self.bottom - (math.log10(value) - low) / (high - low) * (self.bottom - self.top)


class _Pen:
    """ImageDraw in the units of the final picture."""

    def __init__(self):
        self.image = Image.new("RGB", (_WIDTH * _SCALE, _HEIGHT * _SCALE), "white")
        self._draw = ImageDraw.Draw(self.image)

    def line(self, points: Iterable[tuple[float, float]], colour: tuple, width: float) -> None:
        scaled = [(x * _SCALE, y * _SCALE) for x, y in points]
        self._draw.line(scaled, colour, round(width * _SCALE), joint="curve")

    def dot(self, x: float, y: float, colour: tuple, radius: float) -> None:
        box = [(x - radius) * _SCALE, (y - radius) * _SCALE]
        box += [(x + radius) * _SCALE, (y + radius) * _SCALE]
        self._draw.ellipse(box, colour)

    def text(
        self, x: float, y: float, text: str, colour: tuple, anchor: str, size: int = _TEXT_SIZE
    ) -> None:
        self._draw.text((x * _SCALE, y * _SCALE), text, colour, _font(size), anchor)


def _font(size: int):
    return ImageFont.load_default(size * _SCALE)


def _text_width(text: str, size: int = _TEXT_SIZE) -> float:
    return _font(size).getlength(text) / _SCALE


def draw_curve(series: dict[str, Sequence[float]], *, title: str, x_label: str) -> np.ndarray:
    """A picture (H, W, 3), float32 in [0, 1], of each series over 1, 2, 3, … on a log axis.

    The series called "total" is drawn thick. What a log axis cannot show (zero, negative
    values, NaN, infinity) is left out: single values as gaps, whole series altogether.
    """
    shown = {name: values for name, values in series.items() if any(map(_drawable, values))}
    frame = _frame(shown)
    pen = _Pen()
    pen.text(_LEFT, _TOP / 2, title, _INK, "lm", _TITLE_SIZE)
    _draw_y_axis(pen, frame)
    _draw_x_axis(pen, frame, x_label)
    for name, colour in _colours(shown).items():
        _draw_series(pen, frame, shown[name], colour, _line_width(name))
    _draw_legend(pen, frame, shown)
    pixels = np.divide(np.asarray(pen.image), 255, dtype=np.float32)
    return resize(pixels, _HEIGHT, _WIDTH)


def _drawable(value: float) -> bool:
    return math.isfinite(value) and value > 0


def _frame(shown: dict[str, Sequence[float]]) -> _Frame:
    legend = max(map(_text_width, shown), default=0) + _SWATCH + 3 * _MARGIN
    count = max(map(len, shown.values()), default=1)
    logs = [math.log10(v) for values in shown.values() for v in values if _drawable(v)] or [0]
    low, high = min(logs), max(logs)
    # At least a decade: noise in a constant must not look like a landscape.
    margin = max(0.04 * (high - low), (1 - (high - low)) / 2)
    return _Frame(
        left=_LEFT,
        right=_WIDTH - legend,
        x_range=(1, count) if count > 1 else (0.5, 1.5),
        log_range=(low - margin, high + margin),
    )


def _colours(shown: dict[str, Sequence[float]]) -> dict[str, tuple]:
    """Name → colour in the order of drawing: the thick total below the others."""
    others = [name for name in shown if name != _TOTAL]
    colours = {name: _COLOURS[i % len(_COLOURS)] for i, name in enumerate(others)}
    return {_TOTAL: _INK, **colours} if _TOTAL in shown else colours


def _line_width(name: str) -> float:
    return 4 if name == _TOTAL else 2


def _draw_y_axis(pen: _Pen, frame: _Frame) -> None:
    low, high = frame.log_range
    decades = range(math.ceil(low), math.floor(high) + 1)
    if len(decades) >= 3:
        stride = math.ceil(len(decades) / 8)
        ticks = [(1, k) for k in decades if k % stride == 0]
    else:
        ticks = [(d, k) for k in range(math.floor(low), math.ceil(high) + 1) for d in (1, 2, 5)]
        ticks = [(d, k) for d, k in ticks if low <= math.log10(d) + k <= high]
    for digit, exponent in ticks:
        y = frame.y(digit * 10.0**exponent)
        pen.line([(frame.left, y), (frame.right, y)], _GRID, 1)
        _draw_power(pen, frame.left - 8, y, digit, exponent)


def _draw_power(pen: _Pen, x: float, y: float, digit: int, exponent: int) -> None:
    """digit·10^exponent, right-aligned at x; plain where that is as short."""
    if -2 <= exponent <= 3:
        pen.text(x, y, f"{digit * 10.0**exponent:g}", _GREY, "rm")
        return
    exponent_text = str(exponent)
    pen.text(x, y - 5, exponent_text, _GREY, "rm", _EXPONENT_SIZE)
    base = "10" if digit == 1 else f"{digit}·10"
    pen.text(x - _text_width(exponent_text, _EXPONENT_SIZE) - 1, y, base, _GREY, "rm")


def _draw_x_axis(pen: _Pen, frame: _Frame, label: str) -> None:
    low, high = frame.x_range
    step = _nice_step((high - low) / 8)
    first = math.ceil(low / step) * step
    pen.line([(frame.left, frame.bottom), (frame.right, frame.bottom)], _GREY, 1)
    for value in range(first, math.floor(high) + 1, step):
        x = frame.x(value)
        pen.line([(x, frame.bottom), (x, frame.bottom + 5)], _GREY, 1)
        pen.text(x, frame.bottom + 17, str(value), _GREY, "mm")
    pen.text((frame.left + frame.right) / 2, _HEIGHT - 18, label, _INK, "mm")


def _nice_step(least: float) -> int:
    """The smallest of 1, 2, 5, 10, 20, 50, … that is not below `least`."""
    step = 1
    while step < least:
        step = step * 5 // 2 if str(step)[0] == "2" else step * 2
    return step


def _draw_series(
    pen: _Pen, frame: _Frame, values: Sequence[float], colour: tuple, width: float
) -> None:
    for run in _runs(values):
        points = [(frame.x(i), frame.y(value)) for i, value in run]
        if len(points) > 1:
            pen.line(points, colour, width)
        if len(points) == 1 or len(values) <= 30:
            for x, y in points:
                pen.dot(x, y, colour, width + 1)


def _runs(values: Sequence[float]) -> list[list[tuple[int, float]]]:
    """The stretches of (position from 1, value) without a gap."""
    runs: list[list[tuple[int, float]]] = [[]]
    for i, value in enumerate(values, start=1):
        if _drawable(value):
            runs[-1].append((i, value))
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if run]


def _draw_legend(pen: _Pen, frame: _Frame, shown: dict[str, Sequence[float]]) -> None:
    x = frame.right + _MARGIN
    for i, (name, colour) in enumerate(_colours(shown).items()):
        y = frame.top + 10 + 26 * i
        pen.line([(x, y), (x + _SWATCH, y)], colour, _line_width(name))
        pen.text(x + _SWATCH + 8, y, name, _INK, "lm")
