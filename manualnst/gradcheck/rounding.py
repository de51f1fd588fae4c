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
# Another order of operations than ours may lose three digits more to rounding, and be right.
OTHER_ORDER = 1000

# Where a tolerance comes from: the words of a table, and what they mean.
TOLERANCES = {
    "rounding": f"{ROOM} × how far rounding moves this very result at these inputs, simulated",
    "rounding × 1000": f"{ROOM} × {OTHER_ORDER} × how far rounding moves this result, simulated "
    "(another order of operations is as good)",
    "rounding / h": "the rounding of the losses over the step, and that of the gradient",
    "h against 2h": "how much the difference changes from h to 2h, and rounding / h",
    "a copy": f"{ROOM} roundings of one number, as nothing is computed",
    "order": "the remainder is of order 2 for a right gradient, of order 1 for a wrong one",
    "measured": "truncation and rounding of the best of many steps, both measured",
}


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
