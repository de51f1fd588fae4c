"""What students write by accident or on purpose, and that none of it harms the checker."""

import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest

from manualnst.errors import InputError
from manualnst.gradcheck import child, student
from manualnst.gradcheck.student import Limits, StudentFile

needs_linux = pytest.mark.skipif(
    sys.platform != "linux", reason="the protections that need Linux' prctl and /proc"
)
SHORT, LONG = Limits(seconds=0.2), Limits(seconds=20)
TOO_LONG = "took longer than 0.2 s: an endless loop?"
X = np.arange(6.0).reshape(2, 3)


@pytest.fixture(autouse=True)
def work(tmp_path, monkeypatch):
    """Where the children work. After every test, nothing may be left of any of them."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    assert not processes_in(folder)
    assert not list(folder.iterdir())


def processes_in(folder: Path) -> list[int]:
    """The processes that have this folder in their environment, as have all that a child starts."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/environ"):
        try:
            if os.fsencode(folder) in entry.read_bytes():
                found.append(int(entry.parts[2]))
        except OSError:  # it ended, or is not ours
            continue
    return found


@pytest.fixture
def file(tmp_path):
    """Make a StudentFile of a text."""

    def make(text: str, limits: Limits = LONG, **options) -> StudentFile:
        path = tmp_path / "mine.py"
        path.write_text("import os, sys\nimport numpy as np\n" + textwrap.dedent(text), "utf-8")
        return StudentFile(path, limits, **options)

    return make


@pytest.fixture
def failure(file):
    """The failure of f(X); every later call must fail alike."""

    def call(text: str, limits: Limits = LONG, **options) -> str:
        with file(text, limits, **options).open("f") as f:
            first = f(X)
            assert first.value is None
            assert f(X).failure == first.failure
        return first.failure

    return call


def one_liner(expression: str) -> str:
    return f"def f(x): return {expression}"


# ---- what comes back


def test_values(file):
    text = """
    VALUES = {
        "array": np.arange(6.0).reshape(2, 3) / 3,
        "columns first": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        "complex": np.array([[1 + 1e-30j, np.nan]]),
        "half": np.float16([1, 2]),
        "integers": np.arange(3, dtype=np.uint8),
        "other byte order": np.arange(3, dtype=">i4"),
        "long double": np.longdouble([1, 2]),
        "nothing": np.zeros((0, 3)),
        "number": 2.5,
        "scalar": np.complex128(1 - 2j),
        "list": [[1, 2], [3, 4]],
        "matrix": np.matrix([[1.0, 2.0]]),
        "strided": np.arange(10.0)[::-3],
    }
    def f(name): return VALUES[name]
    """
    expected = {
        "array": X / 3,
        "columns first": X,
        "complex": np.array([[1 + 1e-30j, np.nan]]),
        "half": np.float16([1, 2]),
        "integers": np.arange(3, dtype=np.uint8),
        "other byte order": np.arange(3, dtype=np.int32),
        "long double": np.array([1.0, 2.0]),
        "nothing": np.zeros((0, 3)),
        "number": np.array(2.5),
        "scalar": np.array(1 - 2j),
        "list": np.array([[1, 2], [3, 4]]),
        "matrix": np.array([[1.0, 2.0]]),
        "strided": np.array([9.0, 6.0, 3.0, 0.0]),
    }
    with file(text).open("f") as f:
        for name, array in expected.items():
            value, failed, changed = f(name)
            assert (failed, changed) == ("", ()), name
            assert type(value) is np.ndarray and value.dtype == array.dtype, name
            np.testing.assert_array_equal(value, array, name, strict=True)
            assert value.flags.writeable


def test_arguments_arrive_as_they_were_sent(file):
    args = (1, 2.5, 1j, "text", (2, 3), [np.float64(1), X], {"w": np.ones((1, 2), complex)})
    named = {"order": (2, 1, 0), "nothing": None}
    text = f"""
    def f(*args, **named):
        return float(repr((args, named)) == {repr((args, named))!r})
    """
    with file(text).open("f") as f:
        assert f(*args, **named) == (1.0, "", ())


NO_NUMBERS = {
    "None": "returned None: is the return statement missing?",
    "(x, x)": "returned a tuple of 2; expected one array",
    "'text'": "returned a value of type str; expected an array of numbers",
    "{'a': 1}": "returned a value of type dict; expected an array of numbers",
    "f": "returned a value of type function; expected an array of numbers",
    "x > 0": "returned an array of type bool; expected an array of numbers",
    "True": "returned a value of type bool; expected an array of numbers",
    "np.array([None])": "returned an array of type object; expected an array of numbers",
    "np.array(['a'])": "returned an array of type <U1; expected an array of numbers",
    "np.zeros(3, 'i4,f4')": "returned an array of type [('f0', '<i4'), ('f1', '<f4')]; expected",
    "[[1, 2], [3]]": "returned a value of type list; as an array: ValueError: setting an array",
    "np.broadcast_to(1.0, 10**12)": "returned an array of 8000000 MB, shape (1000000000000,); at",
    "np.zeros(10**8)": "returned an array of 800 MB, shape (100000000,); at most 268 MB are taken",
    "Lazy()": "returned a value of type Lazy; as an array: RuntimeError: not today",
    "x.nope": "AttributeError: 'numpy.ndarray' object has no attribute 'nope' (line 11)",
    "again(x, x)": "TypeError: again() takes 1 positional argument but 2 were given (line 11)",
    "again(x)": "RecursionError: maximum recursion depth exceeded",
    "np.empty(10**11)": "MemoryError: Unable to allocate 745. GiB for an array with shape",
    "throw(MemoryError)": "MemoryError (line 8)",
    "throw(KeyboardInterrupt)": "KeyboardInterrupt (line 8)",
    "throw(ValueError('a\\nb\\x1b[31m\\u202e'))": "ValueError: a b?[31m? (line 8)",
    "throw(Unreadable())": "Unreadable: (its message cannot be read) (line 8)",
    "sys.exit('so')": "called sys.exit(so) (line 11)",
    "input()": "EOFError: EOF when reading a line (line 11)",
    "open('big', 'wb').write(bytes(2**21))": "OSError: [Errno 27] File too large (line 11)",
}


def test_what_is_no_array_of_numbers_is_told_in_one_line(file):
    text = """
    class Lazy:
        def __array__(self, *args, **named): raise RuntimeError("not today")
    class Unreadable(Exception):
        def __str__(self): raise self
    def throw(error): raise error
    def again(x): return again(x)
    def f(x, expression):
        return eval(expression)
    """
    with file(text).open("f") as f:
        for expression, failure in NO_NUMBERS.items():
            outcome = f(X, expression)
            assert outcome.value is None
            assert outcome.failure.startswith(failure)
            assert outcome.failure.isprintable() and len(outcome.failure) < 220
            assert f(X, "2 * x").failure == ""  # the process is still there


def test_a_long_message_is_cut(failure):
    message = failure("def f(x): raise ValueError('long ' * 10**6)")
    assert message.startswith("ValueError: long long") and message.endswith("… (line 3)")
    assert len(message) == 200 + len(" (line 3)")


def test_the_line_is_the_students_own(file, tmp_path):
    (tmp_path / "helper.py").write_text("\n" * 50 + "def help(x): return 1 / x")
    with file("import helper\ndef f(x):\n    return helper.help(0)").open("f") as f:
        assert f(X).failure == "ZeroDivisionError: division by zero (line 5)"


def test_wrong_number_of_arguments(file):
    with file(one_liner("x")).open("f") as f:
        assert f(X, X).failure == "TypeError: f() takes 1 positional argument but 2 were given"
        assert f().failure == "TypeError: f() missing 1 required positional argument: 'x'"
        assert f(X).failure == ""


def test_subclasses_give_their_plain_numbers(file):
    text = """
    class Hostile(np.ndarray):
        def __array__(self, *args, **named): raise RuntimeError("not today")
        def __array_finalize__(self, other): self.finalized = 1
        dtype = shape = nbytes = size = flags = None
    def f(x): return x.view(Hostile)
    """
    with file(text).open("f") as f:
        np.testing.assert_array_equal(f(X).value, X)


def test_changed_arguments_are_named(file):
    text = """
    def f(x, pixels, layers, order=None, **more):
        if order == "change":
            x *= -1          # only the sign of its zero, for a start
            layers["conv1_1"][1][0] = np.nan
            more["late"].append(1)
        return 0
    """
    x, nan, late = np.zeros(2), np.array([1.0, np.nan]), [float("nan")]
    args = (x, (nan, [nan]), {"conv1_1": (nan.copy(), nan.copy())})
    with file(text).open("f") as f:
        assert f(*args, late=late).changed == ()
        assert f(*args, order="change", late=late).changed == ("x", "layers", "late")
        assert f(*args, late=late).changed == ()  # fresh copies every time
        assert not np.signbit(x).any() and len(late) == 1
    with file("def f(*args):\n    args[1][:] = 1\n    return 1 / 0").open("f") as f:
        outcome = f(x, x.copy(), x.copy())
        assert outcome.changed == ("argument 2",) and outcome.failure


# ---- the file


def test_functions(file):
    text = """
    from math import hypot, sqrt
    def gram_backward(dL_dG, F, *, scale=1): pass
    def _own(): pass
    class Thing:
        def __init__(self, a): pass
    shift = lambda a, *rest: a
    MEAN = np.zeros(3)
    """
    found = file(text).functions()
    assert found.pop("hypot") in (None, ["coordinates"])
    assert found == {
        "sqrt": ["x"],
        "gram_backward": ["dL_dG", "F", "scale"],
        "Thing": "a class",
        "shift": ["a", "rest"],
        "MEAN": "a value of type ndarray",
        **dict.fromkeys(("np", "os", "sys"), "a value of type module"),
    }


def test_constants(file):
    text = "A = np.arange(3)\nB = 2.5\nC = None\ndef D(): return A * B"
    mine = file(text)
    np.testing.assert_array_equal(mine.constant("A").value, [0, 1, 2])
    assert mine.constant("B") == (2.5, "", ())
    assert mine.constant("C").failure == "is None"
    np.testing.assert_array_equal(mine.constant("D").value, [0, 2.5, 5])
    assert mine.constant("nope").failure == "there is no nope in mine.py"


def test_a_missing_function(failure):
    assert failure("g = 1") == "there is no f in mine.py"


def test_a_file_that_cannot_be_imported(file):
    broken = file("x = npp.zeros(3)")
    message = "NameError: name 'npp' is not defined (line 3)"
    with pytest.raises(InputError, match=f"^mine.py: {re.escape(message)}$"):
        broken.functions()
    assert broken.constant("x").failure == message
    with broken.open("f") as f:
        assert f(X).failure == f(X).failure == message


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"def f(x):\n    retrun x\n", "mine.py, line 2: invalid syntax"),
        (b"#\nx = '\xe9'\n", "mine.py, line 2: not UTF-8; save the file as UTF-8"),
        (b"x = 1\0", "mine.py.*null bytes"),
        (b"-" * 500_000 + b"1", "mine.py: Python cannot compile it"),
        (b"a" + b"+a" * 100_000, "mine.py: Python cannot compile it"),
        (b"#" * 1_000_001, "more than 1000000 bytes"),
    ],
)
def test_files_that_are_refused(tmp_path, content, message):
    path = tmp_path / "mine.py"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        StudentFile(path)
    assert str(caught.value).isprintable()


def test_what_is_no_file_is_refused(tmp_path):
    for path in (tmp_path, tmp_path / "nope.py", Path(os.devnull)):
        with pytest.raises(InputError, match="cannot read"):
            StudentFile(path)


def test_opening_a_file_runs_nothing_of_it(file, tmp_path):
    mine = file(f"open({str(tmp_path / 'ran')!r}, 'w')")
    assert not (tmp_path / "ran").exists()
    mine.functions()
    assert (tmp_path / "ran").exists()


def test_a_byte_order_mark_and_a_name_of_the_library_do_no_harm(tmp_path):
    path = tmp_path / "json.py"
    path.write_text("﻿import json\ndef f(x): return json.loads('[1, 2]')", "utf-8")
    (tmp_path / "json").mkdir()  # no module either
    with StudentFile(path).open("f") as f:
        np.testing.assert_array_equal(f(X).value, [1, 2])


# ---- where it runs


def test_the_surroundings_are_bare(file, monkeypatch, work):
    monkeypatch.setenv("A_SECRET", "secret")
    monkeypatch.setenv("PYTHONPATH", "/nowhere")
    text = """
    import gc
    def surroundings(x):
        modules = [*sys.modules.values(), *(o for o in gc.get_objects() if type(o) is type(os))]
        seen = {
            "folder": os.listdir(),
            "cwd": os.getcwd(),
            "arguments": sys.argv[1:],
            "environment": dict(os.environ),
            "stdin": sys.stdin.read(),
            "isolated": sys.flags.isolated,
            "package": [m.__name__ for m in modules if m.__name__.split(".")[0] == "manualnst"],
            "open": len(os.listdir("/proc/self/fd")) if os.path.exists("/proc/self/fd") else 0,
            "session": os.getsid(0) == os.getpid(),
        }
        import json
        return np.frombuffer(json.dumps(seen).encode(), np.uint8)
    """
    with open(os.devnull) as extra:
        os.set_inheritable(extra.fileno(), True)
        with file(text).open("surroundings") as f:
            value, failed, _ = f(X)
            assert failed == ""
            assert len(list(work.iterdir())) == 1
    seen = json.loads(value.tobytes())
    assert seen["folder"] == [] and Path(seen["cwd"]).parent == work
    assert seen["stdin"] == "" and seen["isolated"] and seen["arguments"] == seen["package"] == []
    assert not {"A_SECRET", "PYTHONPATH"} & set(seen["environment"])
    assert seen["environment"]["OPENBLAS_NUM_THREADS"] == "1"
    assert seen["environment"]["HOME"] == seen["cwd"] and seen["session"]
    assert seen["open"] <= 6  # 0 to 2, the ways to and from the checker, and the listing's own


def test_siblings_can_be_imported_and_forbidden_modules_cannot(file, tmp_path):
    (tmp_path / "helper.py").write_text("import torch")
    (tmp_path / "torch.py").write_text("")
    text = "def f(name): return len(__import__(name).__name__)"
    with file(text, forbidden=["torch", "manualnst"]).open("f") as f:
        assert f("manualnst.errors").failure.startswith(
            "ImportError: manualnst may not be used here"
        )
        assert f("helper").failure == "ImportError: torch may not be used here (line 3)"
        assert f("math").failure == ""
    with file(text).open("f") as f:
        assert f("helper") == (6, "", ())
    assert not (tmp_path / "__pycache__").exists()


@needs_linux
def test_the_memory_of_the_checker_cannot_be_read(file):
    text = """
    def f(pid): return len(open(f"/proc/{int(pid)}/mem", "rb").name)
    """
    with file(text).open("f") as f:
        assert f(os.getpid()).failure.startswith("PermissionError")
        assert child.prctl(3) == 0  # PR_GET_DUMPABLE
        with file(text).open("f") as g:
            assert g(os.getpid()).failure.startswith("PermissionError")
        assert child.prctl(3) == 0
    assert child.prctl(3) == 1


@needs_linux
def test_no_limit_can_be_lifted(file):
    text = """
    import resource
    def f(kind):
        number = getattr(resource, "RLIMIT_" + kind)
        hard = resource.getrlimit(number)[1]
        try:
            resource.setrlimit(number, (hard + 1, hard + 1))
        except ValueError:
            return hard
        return -1
    def no_new_privileges():
        import ctypes
        return ctypes.CDLL(None).prctl(39, 0, 0, 0, 0)
    """
    mine = file(text, Limits(seconds=10, memory=1 << 30))
    with mine.open("f") as f:
        assert f("AS").value == 1 << 30
        assert f("CORE").value == 0
        assert f("FSIZE").value == 1 << 20
        assert 10 < f("CPU").value <= 20
    assert mine.constant("no_new_privileges").value == 1


# ---- limits and ends


ENDLESS = {
    "python": ["while True: pass"],
    "inside C": ["import itertools", "sum(itertools.repeat(0))"],
    "sleep": ["import time", "time.sleep(60)"],
    "deaf": [
        "import signal",
        "signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 32))",
        "while True:",
        "    try:",
        "        while True: pass",
        "    except BaseException: pass",
    ],
    "stopped": ["import signal", "os.kill(os.getpid(), signal.SIGSTOP)"],
    "steals the requests": ["for fd in range(3, 6): os.read(fd, 1)"],
    "waits for a thread": [
        "import threading",
        "thread = threading.Thread(target=sum, args=(iter(int, 1),))",
        "thread.start()",
        "thread.join()",
    ],
}


@pytest.mark.parametrize("kind", ENDLESS)
def test_endless_loops(failure, kind):
    text = "\n    ".join(["def f(x):", *ENDLESS[kind]])
    assert failure(text, SHORT) == TOO_LONG


def test_an_endless_import(file):
    endless = file("while True: pass", SHORT)
    with pytest.raises(InputError, match=f"mine.py: {re.escape(TOO_LONG)}"):
        endless.functions()
    with endless.open("f") as f:
        assert f(X).failure == TOO_LONG


def test_the_time_is_for_all_calls_together(file):
    with file("import time\ndef f(x): time.sleep(0.35); return x", Limits(0.6)).open("f") as f:
        assert f(X).failure == ""
        assert f(X).failure == "took longer than 0.6 s: an endless loop?"


def test_the_checkers_own_time_is_not_the_students(file):
    with file(one_liner("x"), Limits(0.3)).open("f") as f:
        time.sleep(0.4)
        assert f(X).failure == ""


DEATHS = {
    "os._exit(0)": "ended the process with code 0",
    "os._exit(3)": "ended the process with code 3",
    "__import__('ctypes').string_at(0)": "crashed (SIGSEGV)",
    "os.abort()": "crashed (SIGABRT)",
    "os.kill(os.getpid(), 9)": "was killed (SIGKILL): out of memory?",
    "os.kill(os.getpid(), 24)": "used too much processor time (SIGXCPU)",
    "os.kill(os.getpid(), 40)": "crashed (signal 40)",
    "os.kill(0, 15)": "crashed (SIGTERM)",
    "os.closerange(0, 1000)": "ended the process with code 1",
    "[garble(fd) for fd in range(3, 100)]": "sent the checker something that is no answer",
    "[garble(fd, bytes(16)) for fd in range(3, 100)]": "sent the checker something that is no",
    "[garble(fd, b'\\xff' * 16) for fd in range(3, 100)]": "sent the checker something that is",
}


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.parametrize("expression", DEATHS)
def test_deaths(failure, expression):
    text = """
    def garble(fd, data=b"garbage" * 10):
        try: os.write(fd, data)
        except OSError: pass
    def f(x): return """
    assert failure(text + expression).startswith(DEATHS[expression])


def test_memory_is_limited(file):
    text = "def f(n): return np.ones(int(n) << 20, np.uint8).sum()"
    with file(text, Limits(memory=1 << 29)).open("f") as f:
        assert f(100).value == 100 << 20
        assert f(600).failure.startswith("MemoryError: Unable to allocate 600. MiB")
        assert f(100).value == 100 << 20


# ---- what would stay behind

REST = """
import subprocess, threading
def rest():
    import signal, time
    signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 32))
    time.sleep(60)
    os._exit(0)
def f(x):
"""
STARTS = {  # with the number of processes, the two of the child's own included
    "if os.fork() == 0: rest()": 3,
    "if os.fork() == 0: os.setsid(); rest()": 3,
    "if os.fork() == 0: os.setsid(); os.fork() and os._exit(0); rest()": 3,
    "subprocess.Popen(['sleep', '60'], start_new_session=True)": 3,
    "threading.Thread(target=rest).start()": 2,
}


@needs_linux
@pytest.mark.parametrize("start", STARTS)
def test_nothing_stays_behind(file, work, start):
    with file(f"{REST}    {start}\n    return x").open("f") as f:
        assert f(X).failure == ""
        wait_until(lambda: len(processes_in(work)) == STARTS[start])


@needs_linux
@pytest.mark.parametrize(
    ("end", "message"), [("os._exit(5)", "ended the process with code 5"), ("rest()", TOO_LONG)]
)
def test_nothing_stays_behind_a_death(failure, end, message):
    text = "\n    ".join([REST.rstrip(), *STARTS, end])
    assert failure(text, SHORT) == message


@needs_linux
@pytest.mark.parametrize("escape", ["pass", "os.setsid()"], ids=["group", "sessions"])
def test_a_fork_bomb(failure, escape):
    # 256 processes at most, and for 20 seconds: even if nothing should stop it.
    text = f"""
    def f(x):
        for _ in range(8):
            if os.fork() == 0:
                {escape}
        import time
        time.sleep(20)
        os._exit(0)
    """
    assert failure(text) == "ran more than 32 processes at a time"


@needs_linux
def test_a_process_that_hops(failure):
    text = """
    def f(x):
        import time
        end = time.monotonic() + 5
        while time.monotonic() < end:
            if os.fork(): os._exit(0)
            os.setsid()
        os._exit(0)
    """
    assert failure(text) == "ended the process with code 0"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_forked_copy_that_returns_gives_no_second_answer(file):
    text = """
    calls = 0
    def f(x):
        global calls
        calls += 1
        os.fork()
        return calls
    """
    with file(text).open("f") as f:
        assert [int(f(X).value) for _ in range(4)] == [1, 2, 3, 4]


CHECKER = """
import sys
import tempfile
import numpy as np
from manualnst.gradcheck.student import StudentFile
tempfile.tempdir = sys.argv[2]
with StudentFile(sys.argv[1]).open("f") as f:
    f(np.zeros(3))
"""


@needs_linux
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_the_end_of_the_checker_is_the_end_of_all(file, tmp_path, work, number):
    text = f"""
    def f(x):
        if os.fork() == 0: os.setsid()
        open({str(tmp_path / "running")!r}, "w")
        import time
        time.sleep(60)
    """
    path = file(text).path
    command = [sys.executable, "-c", CHECKER, str(path), str(work)]
    checker = subprocess.Popen(command, stderr=subprocess.PIPE, start_new_session=True)
    wait_until((tmp_path / "running").exists)
    os.killpg(checker.pid, number)  # as a terminal does it for Ctrl-C
    checker.communicate(timeout=20)
    if number == signal.SIGINT:
        assert not processes_in(work)
    else:
        wait_until(lambda: not processes_in(work))
        for folder in work.iterdir():  # nobody was left to remove it
            folder.rmdir()


def wait_until(condition) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_the_folder_goes_whatever_is_in_it(file, work):
    text = """
    def f(x):
        os.symlink(os.path.dirname(__file__), "link")
        os.makedirs("a/b")
        return x
    """
    mine = file(text)
    with mine.open("f") as f:
        assert f(X).failure == ""
    assert mine.path.exists() and not list(work.iterdir())


def test_a_folder_too_deep_to_remove_raises_nothing(file, monkeypatch):
    """As shutil.rmtree did before Python 3.13; done for real, it would break pytest as well."""
    remove = shutil.rmtree

    def too_deep(path, **options):
        remove(path, **options)
        raise RecursionError

    monkeypatch.setattr(shutil, "rmtree", too_deep)
    assert file("A = 1").constant("A").value == 1


# ---- sabotage


def test_replaced_numpy_functions_do_no_harm(file):
    text = """
    def f(x):
        for name in ("array", "asarray", "ascontiguousarray", "float64", "prod", "zeros"):
            setattr(np, name, None)
        return x * 2
    """
    with file(text).open("f") as f:
        for _ in range(2):
            value, failed, _ = f(X)
            assert failed == ""
            np.testing.assert_array_equal(value, 2 * X)


@pytest.mark.parametrize(
    "text",
    [
        "import builtins; builtins.len = builtins.isinstance = builtins.type = None",
        "import builtins; vars(builtins).clear()",
        "sys.modules.clear()",
        "import gc; [vars(m).clear() for m in gc.get_objects() if type(m) is type(os)]",
        "import __main__; vars(__main__).clear()",
        "import json; json.dumps = None",
        "import pickle; pickle.loads = lambda data: 1 / 0",
        "sys.setrecursionlimit(5)",
        "import signal; signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)",
        "sys.stdout = sys.stderr = None",
        "sys.settrace(lambda *_: 1 / 0)",
        "sys._getframe(1).f_locals.clear()",
    ],
)
def test_sabotage_ends_in_a_value_or_in_one_line(file, text):
    with file(f"def f(x):\n    {text}\n    return x", Limits(1)).open("f") as f:
        for _ in range(3):
            value, failed, _ = f(X)
            if value is None:
                assert failed and failed.isprintable()
            else:
                np.testing.assert_array_equal(value, X)


def answer(header: object, numbers: bytes = b"") -> io.BytesIO:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return io.BytesIO(child.ANSWER_FRAME.pack(len(text), len(numbers)) + text + numbers)


@pytest.mark.parametrize(
    ("kind", "shape"),
    [
        ("float64", [2]),
        ("float64", [-1]),
        ("float64", [-1, -1]),
        ("float64", [True]),
        ("float64", [1.0]),
        ("float64", "1"),
        ("float64", None),
        ("float64", [[1]]),
        ("float64", [1] * 33),
        ("float64", [10**30]),
        ("object", [1]),
        ("O", [1]),
        ("U2", [1]),
        ("i4,f4", [1]),
        ("bool", [8]),
        (["float64"], [1]),
        (None, [1]),
    ],
)
def test_an_array_that_is_not_what_it_says(kind, shape):
    received = student._receive(answer({"dtype": kind, "shape": shape}, bytes(8)))
    outcome = student._outcome(received)
    assert outcome == (None, "gave back something that is no array", ())


def test_an_empty_array_of_absurd_shape():
    for shape in ([0, 10**30], [0] + [2**28] * 20):
        received = student._receive(answer({"dtype": "float64", "shape": shape}))
        assert student._outcome(received).failure == "gave back something that is no array"


@pytest.mark.parametrize("header", [b"[]", b"1", b"{", b"\xff", b"[" * 100_000, b"1" * 10_000])
def test_a_header_that_is_none(header):
    with pytest.raises((ValueError, RecursionError)):
        student._receive(answer(header))


@pytest.mark.parametrize("sizes", [(2**20 + 1, 0), (0, 2**28 + 1), (2**64 - 1, 2**64 - 1)])
def test_lengths_are_bounded_before_anything_is_read(sizes):
    stream = io.BytesIO(child.ANSWER_FRAME.pack(*sizes))
    with pytest.raises(ValueError, match="too large"):
        student._receive(stream)


def test_forged_text_is_cleaned():
    header = {"failure": ["\x1b[2J\n" * 1000], "line": "\n", "changed": ["a\x1b", 1, None]}
    outcome = student._outcome((header, b""))
    assert outcome.failure.isprintable() and len(outcome.failure) == 200
    assert outcome.changed == ("a?", "1", "None")


@pytest.mark.parametrize(
    "functions", [None, [], {"f": 1}, {"f": [1]}, {"f": {}}, {"f": ["\x1b"]}, {"\x1b": None}]
)
def test_forged_functions_are_refused(functions):
    with pytest.raises(InputError):
        student._checked_functions({"functions": functions})


def test_nothing_that_comes_back_is_unpickled():
    assert "pickle.load" not in Path(student.__file__).read_text(encoding="utf-8")


# ---- prints


def test_prints_go_to_stderr_without_what_steers_a_terminal(file, capfd):
    text = r"""
    print("importing")
    def f(x):
        print("a\tb \x1b[31mred\x07 é")
        os.write(2, b"raw \xff\n")
        sys.stderr.write("no newline")
        return x
    """
    with file(text).open("f") as f:
        assert f(X).failure == ""
    out, err = capfd.readouterr()
    assert out == ""
    assert err == "importing\na    b ?[31mred? é\nraw \N{REPLACEMENT CHARACTER}\nno newline"


def test_prints_can_vanish(file, capfd):
    text = "def f(x): print('text'); os.write(2, b'text'); return x"
    with file(text, prints=False).open("f") as f:
        assert f(X).failure == ""
    assert capfd.readouterr() == ("", "")


def test_too_many_prints_are_cut_and_do_not_block(file, capfd):
    mine = file("def f(x):\n    print('x' * 300_000)\n    return x")
    for _ in range(2):
        with mine.open("f") as f:
            assert f(X).failure == ""
    note = "\n[mine.py prints too much: the rest is not shown]\n"
    assert capfd.readouterr() == ("", "x" * 64_000 + note)


def test_prints_without_end(failure, capfd):
    text = "def f(x):\n    while True: print('x')"
    assert failure(text, SHORT) == TOO_LONG
    assert len(capfd.readouterr().err) < 65_000


def test_what_was_printed_before_the_end_is_shown(file, capfd):
    with file("def f(x): print('last words'); os._exit(1)").open("f") as f:
        f(X)
    assert capfd.readouterr().err == "last words\n"


def test_all_prints_are_shown_before_the_function_is_closed(file, monkeypatch):
    shown = []
    monkeypatch.setattr(student, "_show", lambda text: (time.sleep(0.1), shown.append(text)))
    with file("def f(x): print('text'); return x").open("f") as f:
        f(X)
    assert "".join(shown) == "text\n"


# ---- elsewhere


def test_without_fork_and_without_limits_the_clock_still_holds(file, tmp_path, monkeypatch):
    """As on Windows."""
    script = tmp_path / "child.py"
    script.write_text(
        f"import os, runpy, sys\ndel os.fork\nsys.modules['resource'] = None\n"
        f"runpy.run_path({child.__file__!r}, run_name='__main__')\n"
    )
    monkeypatch.setattr(child, "__file__", str(script))
    with file("def f(x):\n    while x.any(): pass\n    return x", Limits(0.5)).open("f") as f:
        assert f(0 * X).failure == ""
        assert f(X).failure == "took longer than 0.5 s: an endless loop?"
    with file(one_liner("os._exit(4)")).open("f") as f:
        assert f(X).failure == "ended the process with code 4"
