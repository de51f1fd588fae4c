"""The process in which a student's file runs; `student.py` starts it by this file's path.

It gets a file's text and arguments, and gives back values; it knows no right answer. It imports
only the standard library and NumPy, so that nothing of the package lies about in it.

Where there is fork, it is two processes. The worker runs the student's code. The supervisor was
there before it, outlives whatever happens in it, kills all that descends from it, and ends in
the way that the worker ended (same exit code or signal).

A request is a length and a pickle (the parent is trusted). An answer is two lengths, a JSON
header and the bare numbers of one array (this side is not trusted).
"""

import contextlib
import ctypes
import importlib.abc
import inspect
import io
import json
import os
import pickle
import select
import signal
import struct
import sys
import time
import types
import warnings
from collections.abc import Callable, Iterable
from typing import Any, NoReturn

try:
    import resource
except ImportError:  # Windows
    resource = None

REQUEST_FRAME = struct.Struct("<Q")
ANSWER_FRAME = struct.Struct("<QQ")  # the length of the header, of the array
MAX_ARRAY = 256 << 20  # bytes of an array that is given back
NUMBERS = (
    *("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
    *("float16", "float32", "float64", "complex64", "complex128"),
)
MAX_PROCESSES = 32  # below the supervisor, at the same time

_MAX_FILE = 1 << 20  # bytes of a file that the student's code writes
_PAUSE = 0.05  # seconds between two looks of the supervisor

# From linux/prctl.h and linux/capability.h.
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER, _PR_SET_NO_NEW_PRIVS = 1, 36, 38
_CAPABILITY_VERSION_3 = 0x20080522
_FILE_CAPABILITIES = 0b110  # CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH

Answer = tuple[dict[str, Any], bytes]  # header, numbers


def read_exactly(stream: io.BufferedReader, count: int) -> bytes:
    data = stream.read(count)
    if len(data) < count:
        raise EOFError
    return data


# ---- the supervisor


def become_worker() -> None:
    """Fork. Only the worker returns; the supervisor stays until everything has ended."""
    _limit("CORE", 0)
    prctl(_PR_SET_CHILD_SUBREAPER, 1)  # who loses its parent down there becomes our child
    parent = os.getppid()
    worker = os.fork()
    if worker:
        _supervise(worker, parent)
    os.setsid()
    prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _supervise(worker: int, parent: int) -> NoReturn:
    wakeup = _wakeup_by(signal.SIGCHLD)
    terminated = []
    signal.signal(signal.SIGTERM, lambda *_: terminated.append(True))
    status, crowded = None, False
    # A parent that died without a word shows by our having got another one.
    while status is None and not crowded and not terminated and os.getppid() == parent:
        if select.select([wakeup], [], [], _PAUSE)[0]:
            os.read(wakeup, 4096)
        status = _reap(worker)
        crowded = _is_crowded()
    if status is None:
        status = signal.SIGUSR1 if crowded else signal.SIGKILL
    _kill_all(worker)
    _end_as(status)


def _wakeup_by(signum: int) -> int:
    """A descriptor that becomes readable by this signal, and by every other that has a handler."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    signal.signal(signum, lambda *_: None)
    return reader


def _reap(worker: int) -> int | None:
    """Bury every child that has ended; the status of the worker if it is among them."""
    status = None
    with contextlib.suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG)) != (0, 0):
            if ended[0] == worker:
                status = ended[1]
    return status


def _kill_all(group: int) -> None:
    """Kill until no child is left."""
    with contextlib.suppress(OSError):
        os.killpg(group, signal.SIGKILL)  # all at once: none of them can fork in between
    with contextlib.suppress(ChildProcessError):
        while True:
            # Who left the group is our child as well, at the latest when its parent is dead.
            for pid in _children(os.getpid()):
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
            if os.waitpid(-1, os.WNOHANG) == (0, 0):
                time.sleep(0.001)


def _is_crowded() -> bool:
    found = _children(os.getpid())
    for pid in found:  # grows while it is walked
        if len(found) > MAX_PROCESSES:
            return True
        found += _children(pid)
    return False


def _children(pid: int) -> list[int]:
    """The children of a process, as far as the system tells (Linux does)."""
    found = []
    with contextlib.suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/children", "rb") as file:
                found += map(int, file.read().split())
    return found


def _end_as(status: int) -> NoReturn:
    """End in the way that a status of waitpid tells."""
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        with contextlib.suppress(OSError):  # SIGKILL has no handler to remove
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)


# ---- limits


def _restrict(seconds: float, memory: int) -> None:
    if resource is not None:
        _limit("AS", memory)
        _limit("FSIZE", _MAX_FILE)
        # A second fence behind the parent's clock, with room for what was used until here. The
        # soft limit's signal tells what happened, the hard one's cannot be ignored.
        processor_seconds = int(time.process_time() + seconds) + 2
        _limit("CPU", processor_seconds, processor_seconds + 1)
    prctl(_PR_SET_NO_NEW_PRIVS, 1)  # no setuid program, which the supervisor could not kill
    _drop_capabilities()


def _limit(kind: str, soft: int, hard: int | None = None) -> None:
    """Lower a limit (the hard one to the soft one, if it is not given); never raise it."""
    number = getattr(resource, f"RLIMIT_{kind}")
    wanted = (soft, soft if hard is None else hard)
    present = resource.getrlimit(number)[1]
    if present != resource.RLIM_INFINITY:
        wanted = tuple(min(value, present) for value in wanted)
    with contextlib.suppress(ValueError, OSError):  # some systems know a limit but cannot set it
        resource.setrlimit(number, wanted)


def prctl(option: int, value: int = 0) -> int:
    """Linux' call of this name, for the options that take a number."""
    if sys.platform != "linux":
        return 0
    return ctypes.CDLL(None).prctl(option, *map(ctypes.c_ulong, (value, 0, 0, 0)))


def _drop_capabilities() -> None:
    """Root keeps its rights over files only: it can lift no limit and look into no process."""
    if sys.platform == "linux":
        header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
        # Twice (effective, permitted, inheritable): capabilities 0 to 31, and from 32.
        sets = (ctypes.c_uint32 * 6)()
        ctypes.CDLL(None).capget(header, sets)
        kept = sets[1] & _FILE_CAPABILITIES
        sets[:] = (kept, kept, 0, 0, 0, 0)
        ctypes.CDLL(None).capset(header, sets)


# ---- the worker


def work() -> NoReturn:
    """Answer requests until there are no more."""
    try:
        requests, answers = _private_streams()
        setup = _receive(requests)
        _restrict(setup["seconds"], setup["memory"])
        _send(answers, {})  # from here on the student's time counts
        student, process = _Student(setup["path"], setup["forbidden"]), os.getpid()
        while True:
            kind, *arguments = _receive(requests)
            answer = _attempt(getattr(student, kind), arguments, setup["path"])
            if os.getpid() != process:  # a copy that the student's code forked
                break
            _flush()
            _send(answers, *answer)
    except BaseException:  # the parent is gone, or the student's code broke what this needs
        os._exit(1)
    os._exit(0)


def _private_streams() -> tuple[io.BufferedReader, io.BufferedWriter]:
    """The ways from and to the parent. What is left for the student: no input, one output."""
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    sys.stdout.reconfigure(line_buffering=True)  # or a killed process would take lines with it
    return requests, answers


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()


def _receive(requests: io.BufferedReader) -> Any:
    (size,) = REQUEST_FRAME.unpack(read_exactly(requests, REQUEST_FRAME.size))
    return pickle.loads(read_exactly(requests, size))


def _send(answers: io.BufferedWriter, header: dict[str, Any], numbers: bytes = b"") -> None:
    text = json.dumps(header).encode()
    answers.write(ANSWER_FRAME.pack(len(text), len(numbers)) + text)
    answers.write(numbers)
    answers.flush()


class _Unfit(Exception):
    """What was asked for is not there, or cannot be given back."""


def _attempt(action: Callable[..., Answer], arguments: Iterable, path: str) -> Answer:
    """The action's answer; if it raises anything whatever, that in words."""
    try:
        return action(*arguments)
    except _Unfit as error:
        return {"failure": str(error)}, b""
    except BaseException as error:  # also KeyboardInterrupt and SystemExit
        return {"failure": _in_words(error), "line": _line_in(path, error)}, b""


def _in_words(error: BaseException) -> str:
    try:
        message = str(error)[:1000]
    except BaseException:
        message = "(its message cannot be read)"
    if isinstance(error, SystemExit):
        return f"called sys.exit({message})"
    return f"{type(error).__name__}: {message}".removesuffix(": ")


def _line_in(path: str, error: BaseException) -> int | None:
    """The innermost line of the student's file that the error passed through."""
    line, trace = None, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == path:
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


class _Forbidden(importlib.abc.MetaPathFinder):
    def __init__(self, names: frozenset[str]):
        self._names = names

    def find_spec(self, fullname, path=None, target=None):
        if fullname.partition(".")[0] in self._names:
            raise ImportError(f"{fullname} may not be used here")


class _Student:
    """The student's module. Its public methods are the requests."""

    def __init__(self, path: str, forbidden: frozenset[str]):
        self._path = path
        name = os.path.basename(path).partition(".")[0]
        module = types.ModuleType(name)
        module.__file__ = path
        self._names = vars(module)
        sys.modules.setdefault(name, module)
        sys.meta_path.insert(0, _Forbidden(forbidden))
        sys.path.insert(0, os.path.dirname(path))
        sys.argv[:] = [path]

    def load(self, source: str) -> Answer:
        exec(compile(source, self._path, "exec", dont_inherit=True), self._names)
        return {}, b""

    def functions(self) -> Answer:
        found = {
            name: _parameters(value) if _is_function(value) else _kind(value)
            for name, value in list(self._names.items())
            if name.isidentifier() and not name.startswith("_")
        }
        return {"functions": found}, b""

    def constant(self, name: str) -> Answer:
        value = self._find(name)
        return _answer(value(), "returned") if callable(value) else _answer(value, "is")

    def call(self, name: str, packed: bytes) -> Answer:
        function = self._find(name)
        args, named = pickle.loads(packed)
        answer = _attempt(lambda: _answer(function(*args, **named), "returned"), (), self._path)
        answer[0]["changed"] = _changed(function, pickle.loads(packed), (args, named))
        return answer

    def _find(self, name: str) -> Any:
        if name not in self._names:
            raise _Unfit(f"there is no {name} in {os.path.basename(self._path)}")
        return self._names[name]


def _is_function(value: Any) -> bool:
    return callable(value) and not isinstance(value, type)


def _kind(value: Any) -> str:
    if value is None:
        return "None"
    return "a class" if isinstance(value, type) else f"a value of type {type(value).__name__}"


def _parameters(function: Callable) -> list[str] | None:
    try:
        return list(inspect.signature(function).parameters)
    except Exception:  # many a built-in function does not tell
        return None


def _answer(value: Any, verb: str) -> Answer:
    """The value as a header and bare numbers."""
    array = _as_array(value, verb)
    if array.nbytes > MAX_ARRAY:
        raise _Unfit(
            f"{verb} an array of {array.nbytes / 1e6:.0f} MB, shape {array.shape}; "
            f"at most {MAX_ARRAY / 1e6:.0f} MB are taken"
        )
    if array.dtype.name not in NUMBERS:  # such as float128
        array = array.astype(np.complex128 if array.dtype.kind == "c" else np.float64)
    array = array.astype(array.dtype.newbyteorder("="))
    return {"dtype": array.dtype.name, "shape": array.shape}, array.tobytes()


def _as_array(value: Any, verb: str) -> "np.ndarray":
    if value is None:
        hint = ": is the return statement missing?" if verb == "returned" else ""
        raise _Unfit(f"{verb} None{hint}")
    if isinstance(value, tuple):
        raise _Unfit(f"{verb} a tuple of {len(value)}; expected one array")
    try:
        array = np.asarray(value)  # of a subclass: the plain array in it
    except Exception as error:
        raise _Unfit(
            f"{verb} a value of type {type(value).__name__}; as an array: {_in_words(error)}"
        ) from error
    if array.dtype.kind not in "iufc":
        kind = (
            f"an array of type {array.dtype}"
            if isinstance(value, np.ndarray)
            else f"a value of type {type(value).__name__}"
        )
        raise _Unfit(f"{verb} {kind}; expected an array of numbers")
    return array


def _changed(function: Callable, before: tuple, after: tuple) -> list[str]:
    """The names of the arguments that are not what they were; each side is (args, named)."""
    names = _parameters(function) or []
    numbered = [f"argument {i}" for i in range(len(names) + 1, len(before[0]) + 1)]
    pairs = [
        *zip([*names, *numbered], before[0], after[0], strict=False),
        *((name, value, after[1][name]) for name, value in before[1].items()),
    ]
    return [name for name, old, new in pairs if not _same(old, new)]


def _same(old: Any, new: Any) -> bool:
    """Equal bit by bit; NaN is equal to itself."""
    if type(old) is not type(new):
        return False
    if isinstance(old, np.ndarray):
        return (old.dtype, old.shape, old.tobytes()) == (new.dtype, new.shape, new.tobytes())
    if isinstance(old, list | tuple):
        return len(old) == len(new) and all(map(_same, old, new))
    if isinstance(old, dict):
        return list(old) == list(new) and all(map(_same, old.values(), new.values()))
    return old == new or (old != old and new != new)


if __name__ == "__main__":
    if hasattr(os, "fork"):
        become_worker()
    sys.path.append(sys.argv[1])  # where the parent's NumPy is: not everywhere found without it
    import numpy  # after the fork: some BLAS libraries do not survive one

    # A complex step through float(…) would warn; that it drops imaginary parts is seen elsewhere.
    warnings.simplefilter("ignore", numpy.exceptions.ComplexWarning)

    np = types.SimpleNamespace(**vars(numpy))  # whatever the student's code puts in its place
    work()
