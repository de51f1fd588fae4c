"""Plots with a log axis for their values (losses, errors, times), drawn with nothing but Pillow."""

import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from .resizing import resize

_HEIGHT, _WIDTH = 540, 960
_SCALE = 2  # drawn that much larger and then shrunk, which smooths the lines
_MARGIN, _LEFT, _TOP, _BOTTOM = 20, 70, 60, 64
_TITLE_SIZE, _TEXT_SIZE, _LABEL_SIZE, _EXPONENT_SIZE = 20, 15, 13, 11
_CAPTION_LINE = 22  # what each line of the caption takes of the plot's height
_DOT = 5  # the radius of a mark
_SWATCH = 28  # the length of the line in front of a name in the legend
_GAP = 10  # between a dot and its label

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

_Points = Sequence[tuple[float, float]]
_Tick = tuple[float, str, str]  # its place, and what stands there: on the line, and raised


@dataclass(frozen=True)
class _Frame:
    """Where the plot lies in the picture, and what range it shows."""

    left: float
    right: float
    top: float
    x_range: tuple[float, float]
    log_range: tuple[float, float]  # of log10(y)

    bottom = _HEIGHT - _BOTTOM

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

    def label(self, x: float, y: float, text: str) -> None:
        """Ending at x, with a white rim: lines may pass behind it."""
        self._draw.text(
            (x * _SCALE, y * _SCALE),
            text,
            _INK,
            _font(_LABEL_SIZE),
            "rm",
            stroke_width=3 * _SCALE,
            stroke_fill="white",
        )


def _font(size: int):
    return ImageFont.load_default(size * _SCALE)


def _text_width(text: str, size: int = _TEXT_SIZE) -> float:
    return _font(size).getlength(text) / _SCALE


def draw_curve(
    series: dict[str, Sequence[float]],
    *,
    title: str,
    x_label: str,
    marks: dict[int, str] | None = None,
) -> np.ndarray:
    """A picture (H, W, 3), float32 in [0, 1], of each series over 1, 2, 3, … on a log axis.

    The series called "total" is drawn thick. What a log axis cannot show (zero, negative
    values, NaN, infinity) is left out: single values as gaps, whole series altogether. Each of
    the `marks` tells what begins there; with more than one of them, the lines are broken there.
    """
    marks = marks or {}
    points = {name: _broken(values, marks) for name, values in series.items()}
    return _draw_plot(points, title=title, x_label=x_label, sections=marks)


def _broken(values: Sequence[float], marks: Collection[int]) -> _Points:
    """(1, the first), (2, the second), …, with a gap before each mark but the first value's."""
    points = []
    for x, y in enumerate(values, start=1):
        if x in marks and x > 1:
            points.append((x - 0.5, math.nan))
        points.append((x, y))
    return points


def draw_errors(
    series: dict[str, _Points],
    *,
    title: str,
    caption: Sequence[str],
    x_label: str,
    marked: Collection[str],
) -> np.ndarray:
    """A picture like that of `draw_curve`, of (step h > 0, error), both on log axes.

    The lines of the caption stand below the title. Of the series in `marked` the least error
    has a dot, and a label that tells it.
    """
    # Along exponents a log axis is an ordinary one.
    points = {name: [(math.log10(h), e) for h, e in errors] for name, errors in series.items()}
    return _draw_plot(
        points, title=title, x_label=x_label, caption=caption, marked=marked, x_is_exponent=True
    )


def draw_lines(
    series: dict[str, _Points], *, title: str, caption: Sequence[str], x_label: str
) -> np.ndarray:
    """A picture like that of `draw_errors`, of (x, value); only the values are on a log axis."""
    xs = [x for points in series.values() for x, _ in points] or [0]
    ticks = _round_numbers(min(xs), max(xs))
    return _draw_plot(series, title=title, x_label=x_label, caption=caption, x_ticks=ticks)


def _round_numbers(low: float, high: float) -> list[_Tick]:
    """About eight: multiples of 1, 2 or 5 times a power of ten."""
    span = (high - low) or 1.0
    power = 10.0 ** math.floor(math.log10(span / 8))
    step = power * _nice_step(span / 8 / power)
    counts = range(math.ceil(low / step), math.floor(high / step) + 1)
    return [(k * step, f"{k * step:g}", "") for k in counts]


def draw_growth(
    series: dict[str, _Points],
    *,
    title: str,
    caption: Sequence[str],
    x_label: str,
    ticks: dict[str, float],
) -> np.ndarray:
    """A picture like that of `draw_errors`, of (size > 0, value); `ticks` are sizes by label."""
    points = {name: [(math.log10(x), y) for x, y in values] for name, values in series.items()}
    x_ticks = [(math.log10(x), label, "") for label, x in ticks.items()]
    return _draw_plot(points, title=title, x_label=x_label, caption=caption, x_ticks=x_ticks)


def _draw_plot(
    series: dict[str, _Points],
    *,
    title: str,
    x_label: str,
    caption: Sequence[str] = (),
    marked: Collection[str] = (),
    sections: dict[int, str] | None = None,
    x_is_exponent: bool = False,
    x_ticks: Sequence[_Tick] | None = None,
) -> np.ndarray:
    shown = {name: points for name, points in series.items() if _runs(points)}
    frame = _frame(shown, _TOP + _CAPTION_LINE * len(caption))
    pen = _Pen()
    pen.text(_LEFT, _TOP / 2, title, _INK, "lm", _TITLE_SIZE)
    for i, line in enumerate(caption):
        pen.text(_LEFT, _TOP + _CAPTION_LINE * i, line, _GREY, "lm")
    _draw_y_axis(pen, frame)
    if x_ticks is None:
        x_ticks = _whole_numbers(frame, x_is_exponent)
    _draw_x_axis(pen, frame, x_label, x_ticks)
    if sections and len(sections) > 1:
        _draw_sections(pen, frame, sections)
    colours = _colours(shown)
    for name, colour in colours.items():
        _draw_series(pen, frame, shown[name], colour, _line_width(name))
    for name, colour in colours.items():
        if name in marked:
            _mark_least(pen, frame, shown[name], colour)
    _draw_legend(pen, frame, shown)
    pixels = np.divide(np.asarray(pen.image), 255, dtype=np.float32)
    return resize(pixels, _HEIGHT, _WIDTH)


def _drawable(value: float) -> bool:
    return math.isfinite(value) and value > 0


def _frame(shown: dict[str, _Points], top: float) -> _Frame:
    legend = max(map(_text_width, shown), default=0) + _SWATCH + 3 * _MARGIN
    xs = [x for points in shown.values() for x, _ in points] or [1]
    first, last = min(xs), max(xs)
    logs = [math.log10(y) for points in shown.values() for _, y in points if _drawable(y)] or [0]
    low, high = min(logs), max(logs)
    # At least a decade: noise in a constant must not look like a landscape.
    margin = max(0.04 * (high - low), (1 - (high - low)) / 2)
    return _Frame(
        left=_LEFT,
        right=_WIDTH - legend,
        top=top,
        x_range=(first, last) if first < last else (first - 0.5, first + 0.5),
        log_range=(low - margin, high + margin),
    )


def _colours(shown: dict[str, _Points]) -> dict[str, tuple]:
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
        _draw_power(pen, frame.left - 8, y, *_power(digit, exponent))


def _draw_power(pen: _Pen, x: float, y: float, base: str, raised: str) -> None:
    """What `_power` gives, right-aligned at x."""
    pen.text(x - _raised_width(raised), y, base, _GREY, "rm")
    if raised:
        pen.text(x, y - 5, raised, _GREY, "rm", _EXPONENT_SIZE)


def _power(digit: int, exponent: int) -> tuple[str, str]:
    """digit·10^exponent as a text on the line and one above it; plain where that is as short."""
    if -2 <= exponent <= 3:
        return f"{digit * 10.0**exponent:g}", ""
    return "10" if digit == 1 else f"{digit}·10", str(exponent)


def _raised_width(text: str) -> float:
    return _text_width(text, _EXPONENT_SIZE) + 1 if text else 0


def _draw_x_axis(pen: _Pen, frame: _Frame, label: str, ticks: Iterable[_Tick]) -> None:
    pen.line([(frame.left, frame.bottom), (frame.right, frame.bottom)], _GREY, 1)
    for value, base, raised in ticks:
        x = frame.x(value)
        pen.line([(x, frame.bottom), (x, frame.bottom + 5)], _GREY, 1)
        width = _text_width(base) + _raised_width(raised)
        _draw_power(pen, x + width / 2, frame.bottom + 17, base, raised)
    pen.text((frame.left + frame.right) / 2, _HEIGHT - 18, label, _INK, "mm")


def _whole_numbers(frame: _Frame, are_exponents: bool) -> list[_Tick]:
    """About eight, each as itself or as a power of ten."""
    low, high = frame.x_range
    step = _nice_step((high - low) / 8)
    first = math.ceil(low / step) * step
    values = range(first, math.floor(high) + 1, step)
    return [(k, *(_power(1, k) if are_exponents else (str(k), ""))) for k in values]


def _draw_sections(pen: _Pen, frame: _Frame, sections: dict[int, str]) -> None:
    """Where each begins, and its name above it, as far as there is room."""
    free_from = frame.left
    for first, name in sections.items():
        x = frame.x(max(first - 0.5, frame.x_range[0]))
        pen.line([(x, frame.top), (x, frame.bottom)], _GREY, 1)
        if x >= free_from:
            pen.text(x + 4, frame.top - 10, name, _GREY, "lm", _LABEL_SIZE)
            free_from = x + 4 + _text_width(name, _LABEL_SIZE) + _GAP


def _nice_step(least: float) -> int:
    """The smallest of 1, 2, 5, 10, 20, 50, … that is not below `least`."""
    step = 1
    while step < least:
        step = step * 5 // 2 if str(step)[0] == "2" else step * 2
    return step


def _draw_series(pen: _Pen, frame: _Frame, points: _Points, colour: tuple, width: float) -> None:
    for run in _runs(points):
        places = [(frame.x(x), frame.y(y)) for x, y in run]
        if len(places) > 1:
            pen.line(places, colour, width)
        if len(places) == 1 or len(points) <= 30:
            for place in places:
                pen.dot(*place, colour, width + 1)


def _runs(points: _Points) -> list[list[tuple[float, float]]]:
    """The stretches of points without a gap."""
    runs: list[list[tuple[float, float]]] = [[]]
    for x, y in points:
        if _drawable(y):
            runs[-1].append((x, y))
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if run]


def _mark_least(pen: _Pen, frame: _Frame, points: _Points, colour: tuple) -> None:
    exponent, least = min((p for p in points if _drawable(p[1])), key=lambda p: p[1])
    x, y = frame.x(exponent), frame.y(least)
    pen.label(x - _GAP, y, f"{_short(least)} at h = {_short(10.0**exponent)}")
    pen.dot(x, y, colour, _DOT)


def _short(value: float) -> str:
    return f"{value:.2g}".replace("e-0", "e-")


def _draw_legend(pen: _Pen, frame: _Frame, shown: dict[str, _Points]) -> None:
    x = frame.right + _MARGIN
    for i, (name, colour) in enumerate(_colours(shown).items()):
        y = frame.top + 10 + 26 * i
        pen.line([(x, y), (x + _SWATCH, y)], colour, _line_width(name))
        pen.text(x + _SWATCH + 8, y, name, _INK, "lm")
