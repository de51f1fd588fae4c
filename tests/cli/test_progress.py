import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from manualnst.cli.progress import (
    JsonProgress,
    PlainProgress,
    QuietProgress,
    TerminalProgress,
    choose_progress,
)


class Terminal(io.StringIO):
    """A stream that takes itself for a terminal, and shows what would stand on its screen."""

    encoding = "utf-8"

    def isatty(self):
        return True

    def screen(self):
        """The lines on the screen: only what these tests need of a terminal is understood."""
        lines, row, column = [""], 0, 0
        for token in re.findall(r"\x1b\[[0-9]*[Jm]|.|\n|\r", self.getvalue()):
            if token == "\n":
                row, column = row + 1, 0
                lines += [""] * (row + 1 - len(lines))
            elif token == "\r":
                column = 0
            elif token == "\x1b[J":
                lines = lines[: row + 1]
                lines[row] = lines[row][:column]
            elif not token.startswith("\x1b"):
                lines[row] = lines[row][:column].ljust(column) + token + lines[row][column + 1 :]
                column += 1
        return lines


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


def info(step, loss=1234.5, seconds=None, **changes):
    fields = {
        "step": step,
        "evaluations": 2 * step,
        "loss": loss,
        "terms": {"content": loss / 2, "style": loss / 2},
        "seconds": step / 2 if seconds is None else seconds,
        "seconds_left": 8.0,
        "share": step / 20,
        "size": (512, 358),
    }
    return SimpleNamespace(**{**fields, **changes})


def run(report, steps=20, done=0):
    report.begin(steps=steps, done=done, share=done / steps)
    for step in range(done + 1, steps + 1):
        report.step(info(step, seconds=(step - done) / 2, share=step / steps))
    report.end()


@pytest.fixture(autouse=True)
def surroundings(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)


# Terminal


def test_one_line_is_redrawn_in_place_and_ends_with_a_newline():
    stream, clock = Terminal(), Clock()
    report = TerminalProgress(stream, clock)
    report.begin(steps=20, done=0)
    assert stream.screen() == ["─" * 30 + "  0/20"]
    clock.now += 1
    report.step(info(5, seconds=2.5))
    line = "━" * 7 + "╸" + "─" * 22 + "  5/20  loss 1234  512 × 358  0:08 left"
    assert stream.screen() == [line]
    clock.now += 1
    report.step(info(6, loss=1.0, seconds=3, seconds_left=67, size=(640, 480)))
    assert stream.screen()[0].endswith("  6/20  loss 1  640 × 480  1:07 left")
    report.step(info(20, seconds=100))
    report.end()
    assert stream.screen() == ["━" * 30 + "  20/20  loss 1234  512 × 358  took 1:40", ""]


def test_it_is_drawn_at_most_ten_times_a_second_but_always_at_the_last_step():
    stream, clock = Terminal(), Clock()
    report = TerminalProgress(stream, clock)
    report.begin(steps=1000)
    for step in range(1, 1001):
        clock.now += 0.01
        report.step(info(step, share=step / 1000))
    assert 90 <= stream.getvalue().count("\r") <= 103
    assert "1000/1000" in stream.screen()[0]


def test_an_early_end_shows_the_last_step_reached():
    stream = Terminal()
    report = TerminalProgress(stream, Clock())
    report.begin(steps=100)
    report.step(info(1))
    report.step(info(2))  # too soon to be drawn
    assert "0/100" in stream.screen()[0]
    report.end()
    assert "2/100" in stream.screen()[0]


def test_the_bar_shows_the_share_of_the_work_not_of_the_steps():
    stream, clock = Terminal(), Clock()
    report = TerminalProgress(stream, clock)
    report.begin(steps=100, done=60, share=0.2)
    assert stream.screen()[0] == "━" * 6 + "─" * 24 + "  60/100"
    clock.now += 1
    report.step(info(70, share=0.3))
    assert stream.screen()[0].startswith("━" * 9 + "─" * 21 + "  70/100")


def test_messages_stand_above_the_line():
    stream, clock = Terminal(), Clock()
    report = TerminalProgress(stream, clock)
    report.message("before")
    report.begin(steps=20)
    report.message("the first, which is long enough to cover all of the line " * 2)
    clock.now += 1
    report.step(info(5))
    report.message("short")
    report.step(info(20))
    report.end()
    report.message("after")
    screen = stream.screen()
    assert screen[0] == "before"
    assert screen[1].startswith("the first")
    assert screen[2] == "short"
    assert re.fullmatch("━+  20/20 .*took 0:10", screen[3])
    assert screen[4:] == ["after", ""]


def test_messages_cannot_steer_the_terminal():
    stream = Terminal()
    TerminalProgress(stream).message("a\x1b[2Jb\rc\nd\udc80")
    assert stream.getvalue() == "a?[2Jb?c?d?\n"


@pytest.mark.parametrize("columns", range(1, 90))
def test_the_line_fits_the_width(monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    stream, clock = Terminal(), Clock()
    report = TerminalProgress(stream, clock)
    report.begin(steps=5000)
    clock.now += 1
    report.step(info(1234, loss=1.234e22, seconds_left=37674, share=0.25))
    report.end()
    line = stream.screen()[0]
    assert len(line) < columns  # the last column stays free: some terminals wrap there
    assert line.startswith("1234/5000"[: columns - 1]) or "─" in line
    assert ("left" in line) == (columns >= 35)
    assert ("loss" in line) == (columns >= 51)
    assert ("512 × 358" in line) == (columns >= 62)


def test_without_unicode_the_bar_is_ascii():
    class Ascii(Terminal):
        encoding = "ascii"

    stream = Ascii()
    report = TerminalProgress(stream, Clock())
    report.message("café")
    report.begin(steps=4, done=1, share=0.25)
    report.end()
    assert stream.screen() == ["caf?", "#" * 7 + "-" * 23 + "  1/4", ""]


def test_colour_is_left_out_on_request(monkeypatch):
    coloured, plain = Terminal(), Terminal()
    run(TerminalProgress(coloured))
    monkeypatch.setenv("NO_COLOR", "1")
    run(TerminalProgress(plain))
    assert re.search(r"\x1b\[[0-9]+m", coloured.getvalue())
    assert not re.search(r"\x1b\[[0-9]+m", plain.getvalue())
    assert coloured.screen() == plain.screen()


def test_the_width_is_that_of_the_streams_own_terminal(monkeypatch):
    pty = pytest.importorskip("pty", reason="needs pseudo-terminals")
    import fcntl
    import struct
    import termios

    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 40, 0, 0))
    with os.fdopen(follower, "w", encoding="utf-8") as stream:
        report = TerminalProgress(stream)
        report.begin(steps=5000)
        report.step(info(5000, loss=1.234e22, seconds=12345, share=1.0))
        seen = b""
        while seen.count(b"\r") < 2:  # the kernel hands on each of the two drawings when it likes
            seen += os.read(leader, 10_000)
    os.close(leader)
    last = re.sub(r"\x1b\[[0-9]*[Jm]", "", seen.decode()).split("\r")[1]
    assert len(last) == 39 and "took" in last  # not 80 columns, as $COLUMNS says


# Plain


@pytest.mark.parametrize(
    ("steps", "done", "shown"),
    [
        (500, 0, list(range(50, 501, 50))),
        (500, 120, list(range(150, 501, 50))),
        (3, 0, [1, 2, 3]),
        (13, 0, [2, 3, 4, 6, 7, 8, 10, 11, 12, 13]),
    ],
)
def test_plain_lines_at_every_tenth(steps, done, shown):
    stream = io.StringIO()
    run(PlainProgress(stream), steps, done)
    lines = stream.getvalue().splitlines()
    assert [int(re.match(r"step (\d+)/", line)[1]) for line in lines] == shown


def test_plain_lines_say_what_matters():
    stream = io.StringIO()
    report = PlainProgress(stream)
    report.message("starting\x1b")
    report.begin(steps=10)
    report.step(info(1, seconds=2, share=0.1))
    assert stream.getvalue().splitlines() == [
        "starting?",
        "step 1/10  loss 1234  512 × 358  0:08 left",
    ]


def test_plain_shows_where_an_early_end_came():
    stream = io.StringIO()
    report = PlainProgress(stream)
    report.end()  # a failure before the beginning
    report.begin(steps=100)
    for step in range(1, 14):
        report.step(info(step, share=step / 100))
    report.end()
    assert [line.split()[1] for line in stream.getvalue().splitlines()] == ["10/100", "13/100"]


# JSON


def strict(line):
    def refuse(constant):
        raise AssertionError(f"{constant} is not JSON")

    return json.loads(line, parse_constant=refuse)


def test_json_events():
    stream = io.StringIO()
    report = JsonProgress(stream)
    report.begin(steps=4, done=2)
    report.message("a\nb é \udc80")
    report.step(info(3, seconds=2.0))
    report.event("result", path=Path("a.png"), size=(2, np.int64(3)), loss=np.float32(0.5))
    report.end()
    assert [strict(line) for line in stream.getvalue().splitlines()] == [
        {"event": "begin", "steps": 4, "done": 2},
        {"event": "message", "text": "a\nb é \udc80"},
        {
            "event": "step",
            "step": 3,
            "evaluations": 6,
            "loss": 1234.5,
            "terms": {"content": 617.25, "style": 617.25},
            "size": [512, 358],
            "share": 0.15,
            "seconds": 2.0,
            "seconds_left": 8.0,
        },
        {"event": "result", "path": "a.png", "size": [2, 3], "loss": 0.5},
        {"event": "end"},
    ]


def test_what_json_has_no_number_for_becomes_null():
    stream = io.StringIO()
    report = JsonProgress(stream)
    report.begin(steps=1)
    report.step(info(1, loss=np.float32("nan"), terms={"style": float("inf")}))
    event = strict(stream.getvalue().splitlines()[1])
    assert event["loss"] is None and event["terms"] == {"style": None}


def test_json_is_flushed_line_by_line():
    class Stream(io.StringIO):
        flushed = ""

        def flush(self):
            self.flushed = self.getvalue()

    stream = Stream()
    JsonProgress(stream).message("now")
    assert stream.flushed.endswith("}\n")


# All faces


FACES = [TerminalProgress, PlainProgress, JsonProgress]


@pytest.mark.parametrize("face", FACES)
def test_a_stream_that_fails_ends_the_report_but_not_the_run(face):
    class Full(Terminal):
        attempts = 0

        def write(self, text):
            self.attempts += 1
            raise OSError(28, "No space left on device")

    stream = Full()
    run(face(stream))
    assert stream.attempts == 1


@pytest.mark.skipif(os.name != "posix", reason="pipes as on POSIX")
@pytest.mark.parametrize("face", [face.__name__ for face in FACES])
def test_a_closed_pipe_is_no_trouble_not_even_at_exit(face):
    program = (
        "import sys, types\n"
        f"from manualnst.cli.progress import {face} as Face\n"
        "report = Face(sys.stdout)\n"
        "report.begin(steps=3)\n"
        "sys.stdin.read()\n"  # until the reader is gone
        "for step in range(1, 4):\n"
        "    report.step(types.SimpleNamespace(\n"
        "        step=step, evaluations=step, loss=1.0, terms={}, seconds=1.0,\n"
        "        seconds_left=1.0, share=0.5, size=(2, 3)))\n"
        "report.end()\n"
        "print('and what others print there')\n"
    )
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=pipe, stdout=pipe, stderr=pipe
    ) as process:
        process.stdout.close()
        process.stdin.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0


def test_quiet_has_every_method_and_says_nothing(capfd):
    report = QuietProgress()
    run(report)
    report.message("a")
    report.event("result", a=1)
    assert capfd.readouterr() == ("", "")
    for face in FACES:
        public = {name for name in dir(face) if not name.startswith("_")}
        assert public == {name for name in dir(report) if not name.startswith("_")}


def test_the_face_is_chosen_by_stream_and_wishes(monkeypatch):
    assert type(choose_progress(Terminal())) is TerminalProgress
    assert type(choose_progress(io.StringIO())) is PlainProgress
    assert type(choose_progress(Terminal(), quiet=True)) is QuietProgress
    assert type(choose_progress(Terminal(), quiet=True, as_json=True)) is JsonProgress
    for wishes in ({}, {"quiet": True}, {"as_json": True}):  # a stream that was closed
        assert type(choose_progress(None, **wishes)) is QuietProgress
    monkeypatch.setenv("TERM", "dumb")
    assert type(choose_progress(Terminal())) is PlainProgress
