"""How far a run has come: all that a checkpoint keeps of it, beside its settings and pictures.

What comes out of a checkpoint is a stranger's: nothing is taken on trust.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from ..backends import to_host
from ..errors import InputError
from ..optimizers import State
from .history import History
from .scales import Scale
from .settings import Settings

Arrays = dict[str, np.ndarray]


class Passed(NamedTuple):
    """What is told of a scale in the end."""

    size: tuple[int, int]  # (width, height)
    steps: int
    evaluations: int
    unit: float | None
    best_loss: float | None


@dataclass(frozen=True)
class Reached:
    state: State  # the optimiser's; it counts the steps and evaluations of this scale
    best: np.ndarray  # (H, W, 3), the picture of the lowest loss so far at this scale
    best_loss: float = float("inf")
    history: History = field(default_factory=History)
    seconds: float = 0.0
    unit: float | None = None  # the objective's `scale`, fixed when a scale of the run begins
    passed: tuple[Passed, ...] = ()

    @property
    def number(self) -> int:
        """The number of the scale at hand, from 0."""
        return len(self.passed)

    @property
    def steps(self) -> int:
        """The steps that are done at all scales."""
        return self.state.iterations + sum(scale.steps for scale in self.passed)

    @property
    def evaluations(self) -> int:
        """The evaluations, likewise."""
        return self.state.evaluations + sum(scale.evaluations for scale in self.passed)

    def so_far(self) -> Passed:
        """The scale at hand."""
        height, width = self.best.shape[:2]
        best_loss = self.best_loss if np.isfinite(self.best_loss) else None
        state = self.state
        return Passed((width, height), state.iterations, state.evaluations, self.unit, best_loss)

    def losses(self) -> dict[str, list[float]]:
        """The history's columns, to the last whole step."""
        return self.history.first(self.evaluations)

    def stored(self) -> tuple[dict[str, Any], Arrays]:
        """Facts and arrays for a checkpoint, of the last whole step."""
        facts = {
            "passed": self.passed,
            # Before a scale's first step it is measured anew, and gives the same bits.
            "unit": self.unit if self.state.iterations else None,
            "iterations": self.state.iterations,
            "evaluations": self.state.evaluations,
            "loss": self.state.loss,
            "earlier": self.state.earlier,
            "best_loss": self.so_far().best_loss,
            "history": self.losses(),
            "seconds": self.seconds,
        }
        state = {f"state.{name}": array for name, array in self.state.arrays.items()}
        arrays = {"x": self.state.x, "best": self.best, **state}
        return facts, {name: to_host(array) for name, array in arrays.items()}


def restored(
    settings: Settings, scales: Sequence[Scale], facts: dict[str, Any], arrays: Arrays
) -> Reached:
    """What `stored` gave, checked."""
    facts = {"earlier": 0} | facts  # checkpoints of before averages could be kept have none
    passed = tuple(map(_passed, facts["passed"], scales))
    here = scales[len(passed)]
    shape = (here.height, here.width, 3)
    state = State(
        picture(arrays, "x", shape),
        _count(facts, "iterations"),
        _count(facts, "evaluations"),
        _of_the_optimizer(settings, facts, arrays, shape),
        _number_or_none(facts, "loss"),
        _count(facts, "earlier"),
    )
    best_loss = _number_or_none(facts, "best_loss")
    reached = Reached(
        state,
        picture(arrays, "best", shape),
        float("inf") if best_loss is None else best_loss,
        History(facts["history"]),
        number(facts, "seconds"),
        _number_or_none(facts, "unit"),
        passed,
    )
    _check_columns(facts["history"], reached.evaluations)
    if reached.unit == 0 or (reached.unit is None) != (state.iterations == 0):
        raise InputError(f"checkpoint: the unit of its losses is {reached.unit}")
    return reached


def _passed(entry: Any, scale: Scale) -> Passed:
    facts = Passed(*entry)._asdict()
    return Passed(
        (scale.width, scale.height),
        _count(facts, "steps"),
        _count(facts, "evaluations"),
        _number_or_none(facts, "unit"),
        _number_or_none(facts, "best_loss"),
    )


def _of_the_optimizer(
    settings: Settings, facts: dict[str, Any], arrays: Arrays, shape: tuple[int, ...]
) -> Arrays:
    """Its arrays; before the first step of a scale there are at most averages from the last."""
    optimizer = settings.make_optimizer()
    there = [name for name in optimizer.more_arrays if f"state.{name}" in arrays]
    names = [*optimizer.arrays, *there]
    if not facts["iterations"]:
        names = [*optimizer.powers] if facts["earlier"] else []
    own = {name: array(arrays, f"state.{name}", shape) for name in names}
    if "v" in own and own["v"].min() < 0:
        raise InputError("checkpoint: state.v is a mean of squares, but has negative values")
    return own


def array(arrays: Arrays, name: str, shape: tuple[int, ...]) -> np.ndarray:
    values = arrays[name]
    if values.dtype != np.float32 or values.shape != shape or not np.all(np.isfinite(values)):
        raise InputError(
            f"checkpoint: {name} is {values.dtype} {values.shape}, expected finite float32 {shape}"
        )
    return values


def picture(arrays: Arrays, name: str, shape: tuple[int, ...]) -> np.ndarray:
    pixels = array(arrays, name, shape)
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.min() < 0 or pixels.max() > 1:
        raise InputError(f"checkpoint: {name} is not a picture with values from 0 to 1")
    return pixels


def mask(arrays: Arrays, name: str, shape: tuple[int, ...]) -> np.ndarray:
    values = array(arrays, name, shape)
    if values.min() < 0 or values.max() > 1:
        raise InputError(f"checkpoint: {name} is not a mask with values from 0 to 1")
    return values


def number(facts: dict[str, Any], name: str) -> float:
    value = facts[name]
    if not isinstance(value, int | float) or not 0 <= value < float("inf"):
        raise InputError(f"checkpoint: {name} is {value!r}, expected a number of at least 0")
    return float(value)


def _count(facts: dict[str, Any], name: str) -> int:
    return int(number(facts, name))


def _number_or_none(facts: dict[str, Any], name: str) -> float | None:
    return None if facts[name] is None else number(facts, name)


def _check_columns(history: Any, evaluations: int) -> None:
    if evaluations and "total" not in history:
        raise InputError("checkpoint: the history has no totals")
    for name, values in history.items():
        if len(values) != evaluations or not np.all(np.isfinite(np.array(values, np.float64))):
            raise InputError(f"checkpoint: {name} is not a number for each evaluation")
