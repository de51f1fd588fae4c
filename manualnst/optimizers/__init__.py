"""From one picture to the next, asking the objective for nothing but loss and gradient.

All optimisers have one interface, `minimise`. They keep every pixel in [0, 1] and report after
each step; a step is an iteration, which for L-BFGS may take more than one evaluation.
"""

from .first_order import Adam, Momentum, enlarged_averages, in_units
from .interface import ALL_STEPS_DONE, DIVERGED, Evaluate, OnStep, Optimizer, State, Step
from .lbfgs import LBFGS, Way
from .scipys import LBFGSB

__all__ = [
    "ALL_STEPS_DONE",
    "DIVERGED",
    "LBFGS",
    "LBFGSB",
    "OPTIMIZERS",
    "Adam",
    "Evaluate",
    "Momentum",
    "OnStep",
    "Optimizer",
    "State",
    "Step",
    "Way",
    "enlarged_averages",
    "in_units",
    "make_optimizer",
]

OPTIMIZERS: dict[str, type] = {
    "lbfgs": LBFGS,
    "lbfgsb": LBFGSB,
    "adam": Adam,
    "momentum": Momentum,
}


def make_optimizer(name: str, rate: float | None, **more: float) -> Optimizer:
    """`rate` is for Adam and momentum; None takes the optimiser's own. `more`: what else it has."""
    return OPTIMIZERS[name](**more) if rate is None else OPTIMIZERS[name](rate=rate, **more)
