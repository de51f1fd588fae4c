"""A student's file, run in a process of its own.

The process gets arguments and gives back values; right answers and judgement stay here. Nothing
that comes back is trusted: it is numbers of a bounded size and text that is cleaned, never a
pickle. Whatever happens over there becomes one line in `Outcome.failure`.

What holds on Linux: limits on time (also processor time), on address space and on the size of
written files; at the end everything that descends from the process is killed, also what left
its group and session; no more than 32 processes at a time; no setuid programs; as root, no
capabilities but those over files; the memory of this process cannot be read from there. The
working directory is an empty temporary folder, the environment is nearly empty, input is empty.

Elsewhere less holds. macOS: what leaves both group and session of the process stays behind, the
number of processes is not bounded, and the limit on address space may be ignored. Windows: only
the limit on time holds; what the student's code starts stays behind.

What does not hold anywhere: this is a fence against accidents and against fooling the checker, not
a prison. The code runs as the same user: it can read, change and delete that user's files, use the
network, kill this process and others, write many small files, and take the limits on memory and
processor time once in each of its processes. Code that kills or stops the supervisor (see child.py)
and cancels its own death signal can stay behind. A plain fork bomb is ended at once; one whose
processes each open a session of their own takes the processors from the supervisor too, which may
count and kill them only when they no longer fork. Forbidden modules can be had by whoever removes
their guard from sys.meta_path, and the package's source can be read as a file. `Outcome.changed` is
the child's own word. For hostile students, run the checker in a container.
"""

import codecs
import contextlib
import io
import json
import os
import pickle
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..errors import InputError
from ..system.text import printable
from . import child
from .child import ANSWER_FRAME, MAX_ARRAY, MAX_PROCESSES, NUMBERS, REQUEST_FRAME, read_exactly
from .sources import MAX_SOURCE, one_line, read_source

_MAX_HEADER = 1 << 20  # bytes of an answer's JSON
_MAX_PRINTS = 64_000  # bytes that a student's file may print
_MAX_DIMENSIONS = 32
_START_SECONDS = 60.0  # for Python and NumPy: not the student's time, and long after a reboot
_END_SECONDS = 5.0  # for killing all that a process has started

# Python finds its libraries by these; all other variables stay here.
_KEPT_VARIABLES = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT")
_THREAD_VARIABLES = (
    *("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS"),
    *("VECLIB_MAXIMUM_THREADS", "NUMEXPR_NUM_THREADS"),
)
_SIGNALS = {
    "SIGKILL": "was killed (SIGKILL): out of memory?",
    "SIGXCPU": "used too much processor time (SIGXCPU)",
    "SIGUSR1": f"ran more than {MAX_PROCESSES} processes at a time",
}


@dataclass(frozen=True)
class Limits:
    seconds: float = 10.0  # for all that one opened function does, the file's import included
    memory: int = 2 << 30  # bytes of address space


class Outcome(NamedTuple):
    value: np.ndarray | None  # of numbers (0-d for a single one); None if there is no value
    failure: str = ""  # one line: what happened instead
    changed: tuple[str, ...] = ()  # the arguments, by name, that the call changed in place


class StudentFile:
    """A file with functions. Nothing of it runs in this process."""

    def __init__(
        self,
        path: str | os.PathLike,
        limits: Limits = Limits(),
        *,
        forbidden: Iterable[str] = (),
        prints: bool = True,
    ):
        """`forbidden` modules cannot be imported; `prints` go to stderr, or else nowhere."""
        self.path = Path(path)
        self.limits = limits
        self._forbidden = frozenset(forbidden)
        self._source = read_source(self.path)
        self._functions: dict[str, list[str] | str | None] | None = None
        self._relay = _Relay(printable(self.path.name)) if prints else None

    def functions(self) -> dict[str, list[str] | str | None]:
        """The parameters of every public name at the top level, if it is a function, None where
        they are unknown; what it is, in words, if it is none. The file is run for it only once."""
        if self._functions is None:
            with self._start() as process:
                header, _ = process.ask("functions")
            if "failure" in header:
                raise InputError(f"{printable(self.path.name)}: {_failure(header)}")
            self._functions = _checked_functions(header)
        return self._functions

    def constant(self, name: str) -> Outcome:
        """An array or number at the top level; of a function, what it returns without arguments."""
        with self._start() as process:
            return _outcome(process.ask("constant", name))

    @contextmanager
    def open(self, name: str) -> Iterator["RemoteFunction"]:
        """A function to call any number of times, in one process, within `limits` for all calls."""
        with self._start() as process:
            yield RemoteFunction(process, name)

    @contextmanager
    def _start(self) -> Iterator["_Process"]:
        with _temporary_folder() as folder, _closed_memory:
            process = _Process(folder, self._relay)
            try:
                process.set_up(
                    path=str(self.path.absolute()),
                    forbidden=self._forbidden,
                    seconds=self.limits.seconds,
                    memory=self.limits.memory,
                )
                process.ask("load", self._source, needed=True)
                yield process
            finally:
                process.end()


class RemoteFunction:
    """A function of a student's file. A call never raises because of what the student wrote."""

    def __init__(self, process: "_Process", name: str):
        self._process = process
        self._name = name

    def __call__(self, *args: Any, **named: Any) -> Outcome:
        """Arguments are arrays, numbers, strings, and tuples, lists and dicts of these."""
        return _outcome(self._process.ask("call", self._name, pickle.dumps((args, named))))


# ---- the process


class _Dead(Exception):
    """The child can answer no more; the text says why."""


class _Process:
    """A child process: questions, answers, and its end.

    After its death, the cause of death answers every question.
    """

    def __init__(self, folder: str, relay: "_Relay | None"):
        site = Path(np.__file__).parents[1]
        command = [sys.executable, "-I", "-B", "-X", "utf8", child.__file__, str(site)]
        self._allowed = self._left = _START_SECONDS
        self._epitaph: child.Answer | None = None
        self._threads: list[threading.Thread] = []
        try:
            self._popen = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE if relay else subprocess.DEVNULL,
                cwd=folder,
                env=_environment(folder),
                start_new_session=True,  # Ctrl-C is for this process, which then ends the other
            )
        except OSError as error:
            raise InputError(f"cannot start a process for the file: {error.strerror}") from error
        if relay:
            self._threads.append(_in_thread(relay.run, self._popen.stderr))

    def set_up(self, seconds: float, **setup: Any) -> None:
        """Wait until the child is ready for the student's code, whose time counts from here."""
        self._ask({"seconds": seconds, **setup}, needed=True)
        self._allowed = self._left = seconds

    def ask(self, *request: Any, needed: bool = False) -> child.Answer:
        """What the child answers; if it fails in what is `needed`, that is its death."""
        return self._ask(request, needed)

    def _ask(self, request: Any, needed: bool) -> child.Answer:
        if self._epitaph is not None:
            return self._epitaph
        try:
            answer = self._exchange(pickle.dumps(request))
        except _Dead as error:
            answer, needed = ({"failure": str(error)}, b""), True
        if needed and "failure" in answer[0]:
            self._epitaph = answer
            self.end()
        return answer

    def _exchange(self, request: bytes) -> child.Answer:
        # In a thread, because nothing else limits the time of reading a pipe on every system.
        box: queue.SimpleQueue = queue.SimpleQueue()
        talk = _in_thread(_converse, self._popen, request, box)
        self._threads.append(talk)
        start = time.monotonic()
        try:
            answer = box.get(timeout=max(0.0, self._left))
        except queue.Empty:
            raise _Dead(f"took longer than {self._allowed:g} s: an endless loop?") from None
        self._left -= time.monotonic() - start
        self._threads.remove(talk)
        if isinstance(answer, EOFError | OSError):
            raise _Dead(self._cause_of_death())
        if isinstance(answer, Exception):
            raise _Dead("sent the checker something that is no answer")
        return answer

    def _cause_of_death(self) -> str:
        try:
            code = self._popen.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            return "cut the connection to the checker"
        if code >= 0:
            return f"ended the process with code {code}"
        names = {number.value: number.name for number in signal.Signals}
        name = names.get(-code, f"signal {-code}")  # those for real time have no names
        return _SIGNALS.get(name, f"crashed ({name})")

    def end(self) -> None:
        """Kill the child and what it has started."""
        self._epitaph = self._epitaph or ({"failure": "its process has been ended"}, b"")
        # Politely, the supervisor takes everything with it; with it killed, the worker dies too.
        for stop in (self._popen.terminate, self._popen.kill):
            if self._popen.poll() is None:
                stop()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._popen.wait(_END_SECONDS)
        for thread in self._threads:
            thread.join(1.0)
        # What escaped may hold a pipe open, and a thread then still reads it.
        if not any(thread.is_alive() for thread in self._threads):
            for stream in (self._popen.stdin, self._popen.stdout):
                with contextlib.suppress(OSError):  # a request that nobody took
                    stream.close()


def _in_thread(target: Callable, *args: Any) -> threading.Thread:
    thread = threading.Thread(target=target, args=args, daemon=True)
    thread.start()
    return thread


def _converse(popen: subprocess.Popen, request: bytes, box: queue.SimpleQueue) -> None:
    try:
        popen.stdin.write(REQUEST_FRAME.pack(len(request)) + request)
        popen.stdin.flush()
        box.put(_receive(popen.stdout))
    except Exception as error:  # which the waiting side tells apart
        box.put(error)


def _environment(folder: str) -> dict[str, str]:
    kept = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
    own = dict.fromkeys(("HOME", "USERPROFILE", "TMPDIR", "TEMP", "TMP"), folder)
    return kept | own | dict.fromkeys(_THREAD_VARIABLES, "1")


@contextmanager
def _temporary_folder() -> Iterator[str]:
    try:
        folder = tempfile.mkdtemp()
    except OSError as error:
        raise InputError(f"cannot make a temporary folder: {error.strerror}") from error
    try:
        yield folder
    finally:
        with contextlib.suppress(RecursionError):  # folders in folders without end
            shutil.rmtree(folder, ignore_errors=True)


class _ClosedMemory:
    """While entered, this user's other processes cannot read the memory of this one (Linux)."""

    _GET, _SET = 3, 4  # PR_GET_DUMPABLE, PR_SET_DUMPABLE

    def __init__(self):
        self._lock = threading.Lock()
        self._entered = 0
        self._before = 0

    def __enter__(self) -> None:
        with self._lock:
            if not self._entered:
                self._before = child.prctl(self._GET)
                child.prctl(self._SET, 0)
            self._entered += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._entered -= 1
            if not self._entered:
                child.prctl(self._SET, self._before)


_closed_memory = _ClosedMemory()


class _Relay:
    """Passes on to stderr what a file prints: harmless, and not without end."""

    def __init__(self, name: str):
        self._name = name
        self._left = _MAX_PRINTS

    def run(self, stream: io.BufferedReader) -> None:
        decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        with stream:
            while piece := stream.read1(1 << 16):  # to the end, or the child would block
                if self._left:
                    shown = piece[: self._left]
                    self._left -= len(shown)
                    _show(decode(shown))
                    if not self._left:
                        _show(f"\n[{self._name} prints too much: the rest is not shown]\n")


def _show(text: str) -> None:
    lines = text.replace("\r\n", "\n").replace("\t", "    ").split("\n")
    with contextlib.suppress(Exception):  # a closed stderr must not stop the reading
        sys.stderr.write("\n".join(map(printable, lines)))
        sys.stderr.flush()


def _receive(stream: io.BufferedReader) -> child.Answer:
    header_size, array_size = ANSWER_FRAME.unpack(read_exactly(stream, ANSWER_FRAME.size))
    if header_size > _MAX_HEADER or array_size > MAX_ARRAY:
        raise ValueError("too large")
    header = json.loads(read_exactly(stream, header_size))
    if not isinstance(header, dict):
        raise ValueError("not a header")
    return header, read_exactly(stream, array_size)


def _outcome(answer: child.Answer) -> Outcome:
    header, numbers = answer
    names = header.get("changed")
    changed = tuple(map(one_line, names)) if isinstance(names, list) else ()
    if "failure" in header:
        return Outcome(None, _failure(header), changed)
    value = _array(header, numbers)
    failure = "gave back something that is no array" if value is None else ""
    return Outcome(value, failure, changed)


def _array(header: dict[str, Any], numbers: bytes) -> np.ndarray | None:
    """The array that was sent, if what was sent is one."""
    kind, shape = header.get("dtype"), header.get("shape")
    if kind not in NUMBERS or not isinstance(shape, list) or len(shape) > _MAX_DIMENSIONS:
        return None
    if not all(type(n) is int and 0 <= n <= MAX_ARRAY for n in shape):
        return None
    try:
        return np.frombuffer(numbers, kind).reshape(shape).copy()
    except ValueError:  # another number of numbers
        return None


def _checked_functions(header: dict[str, Any]) -> dict[str, list[str] | str | None]:
    found = header.get("functions")
    if not (
        isinstance(found, dict)
        and _are_names(list(found))
        and all(v is None or isinstance(v, str) or _are_names(v) for v in found.values())
    ):
        raise InputError("the file's process sent something that is no list of functions")
    return {k: one_line(v) if isinstance(v, str) else v for k, v in found.items()}


def _are_names(values: Any) -> bool:
    return isinstance(values, list) and all(
        isinstance(name, str) and name.isidentifier() for name in values
    )


def _failure(header: dict[str, Any]) -> str:
    line = header.get("line")
    where = f" (line {line})" if type(line) is int and 0 < line <= MAX_SOURCE else ""
    return one_line(header["failure"]) + where
