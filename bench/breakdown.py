"""Where our side's time goes: seconds of each backend function, by the shapes it works on."""

import statistics
import time
from collections import defaultdict
from types import ModuleType

import numpy as np
from sides import numpy_side

from manualnst.backends import get_backend


class TimedBackend:
    """A backend that notes how long each call of its functions takes."""

    def __init__(self, backend: ModuleType):
        self.seconds = defaultdict(list)  # (function, shape in, shape out) → one number a call
        self._backend = backend

    def __getattr__(self, name):
        function = getattr(self._backend, name)

        def timed(*args):
            start = time.perf_counter()
            result = function(*args)
            elapsed = time.perf_counter() - start
            output = result[0] if isinstance(result, tuple) else result
            shape_in = next(a.shape for a in args if np.ndim(a))  # the weight of a loss has none
            self.seconds[name, shape_in, np.shape(output)].append(elapsed)
            return result

        return timed


def break_down(size: int, repeats: int) -> list[dict]:
    """A row for each function and shape, in the order of the walk: seconds of one evaluation."""
    backend = TimedBackend(get_backend("numpy"))
    evaluate = numpy_side(size, backend)
    evaluate()
    runs = []
    for _ in range(repeats):
        backend.seconds.clear()
        evaluate()
        runs.append(dict(backend.seconds))
    return [_row(key, [run[key] for run in runs]) for key in runs[0]]


def _row(key, runs: list[list[float]]) -> dict:
    name, shape_in, shape_out = key
    seconds = statistics.median(map(sum, runs))
    row = {"function": name, "in": shape_in, "out": shape_out, "calls": len(runs[0])}
    row["seconds"] = seconds
    if name.startswith("conv3x3"):
        H, W, C = shape_in
        row["gflops"] = 2 * 9 * H * W * C * shape_out[2] * len(runs[0]) / seconds / 1e9
    return row
