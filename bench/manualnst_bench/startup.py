"""What passes before the first step: imports alone, and a default run of the built-in network.

Whole processes, from the outside; what Python itself takes is measured with them, to be taken off.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

from . import table
from .children import ChildFailed, environment, last_line
from .measure import Call, Tell, in_turns, timed
from .options import Mode, Options
from .sides import why_absent

PYTHON = "python -c pass"
FRAMEWORKS = ("torch", "jax")
RUN = ["run", "--weights", "builtin", "--json", "--overwrite"]
# Events of `run --json`: the targets are there and one evaluation is timed; a step is done.
EVENTS = {"begin": "run, until its first step", "step": "run, until its first step is done"}


def measure(options: Options, tell: Tell, say: Tell) -> dict:
    with tempfile.TemporaryDirectory() as folder:
        run_python = _python_in(folder, options.threads)
        imports = ["numpy", "manualnst", *(name for name in FRAMEWORKS if not why_absent(name))]
        calls = {PYTHON: timed(lambda: run_python("-c", "pass"))}
        for name in imports:
            calls[f"import {name}"] = timed(lambda name=name: run_python("-c", f"import {name}"))
        calls["manualnst --version"] = timed(lambda: run_python("-m", "manualnst", "--version"))
        for event, words in EVENTS.items():
            calls[words] = _until(event, folder, options.threads)
        seconds = in_turns(calls, options.repeats, tell)
    for line in lines(seconds):
        say(line)
    return {"startup": seconds}


def _python_in(folder: str, threads: int) -> Callable[..., None]:
    def run_python(*arguments: str) -> None:
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=folder,
            env=environment(threads),
            capture_output=True,
            text=True,
        )
        if done.returncode != 0:
            raise ChildFailed(f"{' '.join(arguments)}: {last_line(done.stderr)}")

    return run_python


def _until(event: str, folder: str, threads: int) -> Call:
    """From the start of a run to that event of it; the rest is not waited for."""
    command = [sys.executable, "-m", "manualnst", *RUN]

    def call() -> float:
        start = time.perf_counter()
        with subprocess.Popen(
            command,
            cwd=folder,
            env=environment(threads),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        ) as process:
            try:
                for line in process.stdout:
                    if json.loads(line)["event"] == event:
                        return time.perf_counter() - start
            finally:
                process.kill()
        raise ChildFailed(f"the run ended before its {event!r}")

    return call


def lines(seconds: dict[str, list[float]]) -> list[str]:
    of_python = statistics.median(seconds[PYTHON])
    rows = [
        [name, *table.spread(samples), table.as_time(statistics.median(samples) - of_python)]
        for name, samples in seconds.items()
    ]
    return ["", *table.table(["", "median", "min", "max", "without Python's own"], rows)]


MODE = Mode(measure, heeds=frozenset({"repeats"}), repeats=7)
