"""How far rounding alone can move a result: where the tolerances come from.

A sum of n products, computed in any order with unit roundoff u, is the exact sum of products
that are each off by a relative error of at most n u, and typically of √n u (backward error
analysis). So the inputs of a computation are moved at random by √n u of their size, in
double precision, and what comes out is seen to move: with all the cancellation and
amplification of this computation at this point, which no fixed tolerance would know of.
"""

from collections.abc import Callable

import numpy as np

from .subjects import Problem

UNIT = {"float32": 2.0**-24, "float64": 2.0**-53}
_TRIALS = 4
# The largest of thousands of errors is within six times their size; the oracle rounds as well.
ROOM = 16


def rounding(result: Callable, problem: Problem, summands: int, unit: float) -> float:
    """ROOM × the largest change of result(problem), an array or a number."""
    exact = np.asarray(result(problem))
    rng = np.random.default_rng(0)
    size = unit * np.sqrt(summands)

    def moved(array):
        return array * (1 + size * rng.standard_normal(array.shape))

    changes = [np.asarray(result(problem.map(moved))) - exact for _ in range(_TRIALS)]
    last = unit * np.max(np.abs(exact), initial=0.0)  # that of the result itself
    return ROOM * float(np.max(np.abs(changes), initial=last))
