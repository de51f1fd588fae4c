"""What every optimiser takes and gives, and may say of why it stopped."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import NamedTuple, Protocol

import numpy as np

from ..objective.objective import Evaluation

Evaluate = Callable[[np.ndarray], Evaluation]


@dataclass(frozen=True)
class State:
    """All that is needed to go on: the picture, the counts, the optimiser's own arrays."""

    x: np.ndarray  # (H, W, 3)
    iterations: int = 0
    evaluations: int = 0
    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    loss: float | None = None  # of x, for those that compare it with the next one
    earlier: int = 0  # steps at sizes before, from which there are averages in `arrays`

    def where(self, put: Callable) -> "State":
        """The same with its arrays where `put` puts them."""
        arrays = {name: put(array) for name, array in self.arrays.items()}
        return replace(self, x=put(self.x), arrays=arrays)


class Step(NamedTuple):
    evaluation: Evaluation  # of the picture state.x
    state: State  # where the next step starts
    average: np.ndarray | None = None  # of the pictures so far, if that is what is wanted


# Called after each step; a returned text stops the optimiser and becomes the stop reason.
OnStep = Callable[[Step], str | None]

ALL_STEPS_DONE = "all {} steps are done"
DIVERGED = "diverged: loss or gradient is no longer a finite number; use smaller weights or rate"


class Optimizer(Protocol):
    resumes_exactly: bool
    arrays: tuple[str, ...]  # names of the arrays in its states
    more_arrays: tuple[str, ...]  # and of those that may be there
    powers: dict[str, int]  # averages: the power of the gradient that each is an average of

    def minimise(self, evaluate: Evaluate, state: State, steps: int, on_step: OnStep) -> str:
        """Go on from `state` until `steps` iterations are done in total; return why it stopped."""
        ...


def is_finite(evaluation: Evaluation) -> bool:
    return bool(np.isfinite(evaluation.loss) and np.all(np.isfinite(evaluation.dL_dx)))
