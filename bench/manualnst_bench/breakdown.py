"""Where our own evaluation's time goes: each function of the backend, by the shapes it works on."""

import statistics
import time
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from manualnst.backends import Backend, get_backend

from . import flops, table
from .children import for_each_picture
from .flops import Shape
from .measure import Tell, in_turns, timed
from .options import Mode, Options
from .sides import make_problem, our_evaluation


class TimedBackend:
    """A backend, whatever functions it has, that notes how long each call of them takes."""

    def __init__(self, backend: Backend):
        # (function, shape in, shape out, filters) → one number a call
        self.seconds: dict[tuple, list[float]] = defaultdict(list)
        self._backend = backend

    def __getattr__(self, name: str):
        function = getattr(self._backend, name)
        if not callable(function) or name in ("from_host", "replayer"):
            return function

        def noting(*args, **options):
            start = time.perf_counter()
            result = function(*args, **options)
            elapsed = time.perf_counter() - start
            given, made = list(_shapes((args, options))), list(_shapes(result))
            first, first_made = next(iter(given), ()), next(iter(made), ())
            self.seconds[name, first, first_made, _filters(given)].append(elapsed)
            return result

        return noting


def _shapes(value: Any) -> Iterator[Shape]:
    """Of all that has one, in tuples, lists and dictionaries within each other.

    A backend's maps need not be arrays.
    """
    shape = getattr(value, "shape", None)
    if shape:
        yield tuple(shape)
    elif isinstance(value, dict):
        yield from _shapes(list(value.values()))
    elif isinstance(value, tuple | list):
        for part in value:
            yield from _shapes(part)


def _filters(shapes: list[Shape]) -> Shape | None:
    """Those (3, 3, C, K) among the arguments: then it is a convolution."""
    return next((shape for shape in shapes if len(shape) == 4 and shape[:2] == (3, 3)), None)


def measure(options: Options, tell: Tell, say: Tell) -> dict:
    found = []
    for result in for_each_picture("breakdown:break_down", options, tell):
        found.append(result)
        for line in lines(result):
            say(line)
    return {"breakdowns": found}


def break_down(size: int, network: str, dtype: str, backend: str, repeats: int, tell: Tell) -> dict:
    """A row for each function and shape, in the order of the walk."""
    tell("preparing")
    timing = TimedBackend(get_backend(backend))
    evaluate = our_evaluation(make_problem(size, network).to(dtype), timing)
    evaluate()
    runs: list[dict[tuple, list[float]]] = []

    def call() -> float:
        timing.seconds.clear()
        seconds = timed(evaluate)()
        runs.append(dict(timing.seconds))
        return seconds

    seconds = in_turns({backend: call}, repeats, tell)[backend]
    return {
        "size": size,
        "network": network,
        "dtype": dtype,
        "ours": backend,
        "seconds": seconds,
        "functions": [_function(key, [run[key] for run in runs]) for key in runs[0]],
    }


def _function(key: tuple, runs: list[list[float]]) -> dict:
    name, shape_in, shape_out, filters = key
    return {
        "function": name,
        "in": shape_in,
        "out": shape_out,
        "calls": len(runs[0]),
        "seconds": [sum(calls) for calls in runs],
        "gflop": len(runs[0]) * _gflop(shape_in, shape_out, filters),
    }


def _gflop(shape_in: Shape, shape_out: Shape, filters: Shape | None) -> float:
    """0 for what is no convolution."""
    if filters is None or len(shape_in) != 3 or len(shape_out) != 3:
        return 0.0
    # What is done along with a convolution, such as pooling, may leave a smaller map.
    H, W = max(shape_in[:2], shape_out[:2])
    return flops.convolution((H, W, filters[2]), filters[3])


def lines(result: dict) -> list[str]:
    whole = statistics.median(result["seconds"])
    medians = [statistics.median(row["seconds"]) for row in result["functions"]]
    rows = [
        _row(row, median, whole) for row, median in zip(result["functions"], medians, strict=True)
    ]
    rest = whole - sum(medians)
    rows.append(["everything else", "", "", table.as_time(rest), f"{rest / whole:.1%}", ""])
    rows.append(["in all", "", "", table.as_time(whole), "", ""])
    heading = ["", "map", "calls", "time", "share", "GFLOP/s"]
    what = f"{table.square(result['size'])}, {result['network']}, {result['dtype']}: medians"
    return ["", what, *table.table(heading, rows)]


def _row(row: dict, median: float, whole: float) -> list[str]:
    return [
        row["function"],
        " → ".join("×".join(map(str, row[key])) or "1" for key in ("in", "out")),
        str(row["calls"]),
        table.as_time(median),
        f"{median / whole:.1%}",
        f"{row['gflop'] / median:.0f}" if row["gflop"] else "",
    ]


MODE = Mode(
    measure,
    heeds=frozenset({"sizes", "network", "dtype", "backend", "repeats"}),
    repeats=5,
    sizes=(512,),
)
