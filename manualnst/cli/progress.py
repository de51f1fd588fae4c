"""How a run reports itself: to a terminal, to a log, to a program, or not at all.

All faces have the methods of `QuietProgress`. Reporting must never cost the picture: when the
reader is gone (a closed pipe, a lost terminal, a full disk behind a log), a face falls silent
and the run goes on.
"""

import json
import math
import os
import shutil
import time
from collections.abc import Callable
from typing import Any, Protocol, TextIO

import numpy as np

from ..system.text import printable
from .console import complain, discard_what_follows, encodable

_REDRAW_SECONDS = 0.1
_SHORTEST_BAR, _LONGEST_BAR = 8, 30
_CLEAR_THE_REST = "\x1b[J"  # from the cursor to the end of the screen
_COLOURS = {"filled": "\x1b[36m", "rest": "\x1b[2m", "off": "\x1b[0m"}
_NO_COLOURS = dict.fromkeys(_COLOURS, "")


class StepInfo(Protocol):
    """What a run tells after every step of the optimiser."""

    step: int  # counted from the very beginning, also in a resumed run
    evaluations: int
    loss: float
    terms: dict[str, float]
    seconds: float  # since begin()
    seconds_left: float
    share: float  # of the whole work that is done: steps differ in what they take
    size: tuple[int, int]  # (width, height) at which this step was made


class QuietProgress:
    """Says nothing; the other faces override what they show."""

    def begin(self, steps: int, done: int = 0, share: float = 0.0) -> None:
        """The run is to reach `steps`; `done` of them, this share of the work, belong to an
        earlier run."""

    def step(self, info: StepInfo) -> None:
        """One step of the optimiser is done."""

    def message(self, text: str) -> None:
        """A notice of one line."""

    def warning(self, text: str) -> None:
        """A line that everyone has to see: something is lost, or may be."""
        complain(f"manualnst: {text}")

    def event(self, name: str, **fields: Any) -> None:
        """Something only a program wants to know."""

    def end(self) -> None:
        """No more steps will come; call it also when the run fails."""


class _WritingProgress(QuietProgress):
    """What the faces that write to a stream share."""

    def __init__(self, stream: TextIO):
        self._stream = stream
        self._reader_gone = False
        self._steps = self._done = 0
        self._share = 0.0

    def begin(self, steps: int, done: int = 0, share: float = 0.0) -> None:
        self._steps, self._done, self._share = steps, done, share

    def _write(self, text: str) -> None:
        if self._reader_gone:
            return
        try:
            self._stream.write(encodable(text, self._stream))
            self._stream.flush()
        except OSError:
            self._reader_gone = True
            discard_what_follows(self._stream)

    def warning(self, text: str) -> None:
        self.message(text)

    def _facts(self, info: StepInfo) -> list[str]:
        """Count, loss, size and time, in words."""
        if info.step < self._steps:
            clock = f"{_clock(info.seconds_left)} left"
        else:
            clock = f"took {_clock(info.seconds)}"
        size = "{} × {}".format(*info.size)
        return [f"{info.step}/{self._steps}", f"loss {info.loss:.4g}", size, clock]


class TerminalProgress(_WritingProgress):
    """One line, redrawn in place.

    The cursor rests at the start of the line. When the window shrinks and the terminal breaks
    the line in two, the cursor stays at the start of the first part; a new line is written over
    it, and what follows is cleared to the end of the screen. (In this order: clearing the whole
    screen would make tmux keep it in its history.)
    """

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic):
        super().__init__(stream)
        self._clock = clock
        self._running = False
        self._last_info: StepInfo | None = None
        self._drawn_at = -math.inf
        self._colours = _NO_COLOURS if os.environ.get("NO_COLOR") else _COLOURS
        self._glyphs = "━╸─" if encodable("━╸─", stream) == "━╸─" else "#--"

    def begin(self, steps: int, done: int = 0, share: float = 0.0) -> None:
        super().begin(steps, done, share)
        self._running, self._last_info = True, None
        self._draw()

    def step(self, info: StepInfo) -> None:
        self._last_info = info
        if info.step >= self._steps or self._clock() - self._drawn_at >= _REDRAW_SECONDS:
            self._draw()

    def message(self, text: str) -> None:
        clear = _CLEAR_THE_REST if self._running else ""
        self._write(f"{printable(text)}{clear}\n")
        if self._running:
            self._draw()

    def end(self) -> None:
        if self._running:
            self._draw()
            self._write("\n")
            self._running = False

    def _draw(self) -> None:
        self._drawn_at = self._clock()
        self._write(f"{self._line(columns_of(self._stream) - 1)}{_CLEAR_THE_REST}\r")

    def _line(self, columns: int) -> str:
        """Bar and facts within `columns`; where there is little room, fewer facts."""
        info = self._last_info
        if info is None:
            facts, share = [f"{self._done}/{self._steps}"], self._share
        else:
            facts, share = self._facts(info), info.share
        for chosen in (facts, facts[:2] + facts[3:], facts[:1] + facts[3:], facts[:1]):
            text = "  ".join(chosen)
            room = columns - len(text) - 2
            if room >= _SHORTEST_BAR:
                return f"{self._bar(share, min(room, _LONGEST_BAR))}  {text}"
        return text[: max(columns, 0)]

    def _bar(self, share: float, width: int) -> str:
        full, half, empty = self._glyphs
        halves = int(2 * width * share)
        filled = full * (halves // 2) + half * (halves % 2)
        rest = empty * (width - len(filled))
        on, dim, off = self._colours["filled"], self._colours["rest"], self._colours["off"]
        return f"{on}{filled}{off}{dim}{rest}{off}"


class PlainProgress(_WritingProgress):
    """A line at about every tenth of the way and at the last step, for logs."""

    def __init__(self, stream: TextIO):
        super().__init__(stream)
        self._tenths = 0
        self._unwritten: StepInfo | None = None

    def begin(self, steps: int, done: int = 0, share: float = 0.0) -> None:
        super().begin(steps, done, share)
        self._tenths, self._unwritten = int(10 * share), None

    def step(self, info: StepInfo) -> None:
        self._unwritten = info
        if int(10 * info.share) > self._tenths:
            self._tenths = int(10 * info.share)
            self._write_step()

    def message(self, text: str) -> None:
        self._write(printable(text) + "\n")

    def end(self) -> None:
        if self._unwritten:  # the run ended before its last step
            self._write_step()

    def _write_step(self) -> None:
        self._write(f"step {'  '.join(self._facts(self._unwritten))}\n")
        self._unwritten = None


class JsonProgress(_WritingProgress):
    """One JSON object a line, each with its "event"; NaN and infinities become null."""

    def begin(self, steps: int, done: int = 0, share: float = 0.0) -> None:
        super().begin(steps, done, share)
        self.event("begin", steps=steps, done=done)

    def step(self, info: StepInfo) -> None:
        self.event(
            "step",
            step=info.step,
            evaluations=info.evaluations,
            loss=info.loss,
            terms=info.terms,
            size=info.size,
            share=info.share,
            seconds=info.seconds,
            seconds_left=info.seconds_left,
        )

    def message(self, text: str) -> None:
        self.event("message", text=text)

    def end(self) -> None:
        self.event("end")

    def event(self, name: str, **fields: Any) -> None:
        self._write(json.dumps(_strict({"event": name, **fields}), allow_nan=False) + "\n")


def choose_progress(
    stream: TextIO | None, *, quiet: bool = False, as_json: bool = False
) -> QuietProgress:
    """The face that fits the stream and the wishes; JSON, being asked for, outdoes quiet.

    A standard stream that was closed before the program began is None.
    """
    if stream is None:
        return QuietProgress()
    if as_json:
        return JsonProgress(stream)
    if quiet:
        return QuietProgress()
    if stream.isatty() and os.environ.get("TERM") != "dumb":
        return TerminalProgress(stream)
    return PlainProgress(stream)


def _clock(seconds: float) -> str:
    """200 → "3:20", 3800 → "1:03:20"."""
    minutes, s = divmod(round(seconds), 60)
    h, m = divmod(minutes, 60)
    return f"{h}:{m:02}:{s:02}" if h else f"{m}:{s:02}"


def columns_of(stream: TextIO) -> int:
    """The width of this very terminal (the standard output may be another one, or a file)."""
    try:
        columns = os.get_terminal_size(stream.fileno()).columns
    except (OSError, ValueError):
        columns = 0
    return columns or shutil.get_terminal_size().columns


def _strict(value: Any) -> Any:
    """The value in terms of JSON."""
    if isinstance(value, dict):
        return {str(key): _strict(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_strict(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
