"""Writing to standard output and standard error, either of which may be closed or full."""

import os
import sys
from typing import TextIO

from ..system.text import printable

# Exit codes. The last two are what shells expect of a process that SIGINT or SIGPIPE has ended.
BAD_INPUT = 2
INTERRUPTED = 128 + 2
READER_GONE = 128 + 13


def say(line: str) -> None:
    """A line of what was asked for."""
    if sys.stdout is not None:
        print(encodable(printable(line), sys.stdout))


def complain(line: str) -> None:
    """A line beside what was asked for."""
    if sys.stderr is not None:  # print would take None for standard output
        show(f"{encodable(printable(line), sys.stderr)}\n", sys.stderr)


def show(text: str, stream: TextIO) -> None:
    """Write at once, if it can be: that nobody reads a notice is no reason to fail."""
    try:
        stream.write(text)
        stream.flush()
    except OSError:
        discard_what_follows(stream)


def flush_output() -> None:
    """Fail now if at all: at exit Python could only show a traceback."""
    if sys.stdout is None:
        return
    try:
        sys.stdout.flush()
    except OSError:
        discard_what_follows(sys.stdout)
        raise


def encodable(text: str, stream: TextIO) -> str:
    """The text with question marks for what the stream's encoding lacks."""
    encoding = stream.encoding or "utf-8"
    return text.encode(encoding, "replace").decode(encoding)


def discard_what_follows(stream: TextIO) -> None:
    """Point the stream at nothing, lest what is left in its buffer fail again at exit."""
    try:
        with open(os.devnull, "wb") as nothing:
            os.dup2(nothing.fileno(), stream.fileno())
    except OSError:
        pass  # a stream that is no file; then there is nothing to fail at exit
