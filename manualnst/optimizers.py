"""From one picture to the next, asking the objective for nothing but loss and gradient.

All optimisers have one interface, `minimise`. They keep every pixel in [0, 1] and report after
each step; a step is an iteration, which for L-BFGS-B may take more than one evaluation.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import numpy as np
from scipy.optimize import Bounds, minimize

from .objective import Evaluation

Evaluate = Callable[[np.ndarray], Evaluation]


@dataclass(frozen=True)
class State:
    """All that is needed to go on: the picture, the counts, the optimiser's own arrays."""

    x: np.ndarray  # (H, W, 3)
    iterations: int = 0
    evaluations: int = 0
    arrays: dict[str, np.ndarray] = field(default_factory=dict)


class Step(NamedTuple):
    evaluation: Evaluation  # of the picture state.x
    state: State  # where the next step starts


# Called after each step; a returned text stops the optimiser and becomes the stop reason.
OnStep = Callable[[Step], str | None]

ALL_STEPS_DONE = "all {} steps are done"
DIVERGED = "diverged: loss or gradient is no longer a finite number; use smaller weights or rate"


class Optimizer(Protocol):
    resumes_exactly: bool
    arrays: tuple[str, ...]  # names of the arrays in its states

    def minimise(self, evaluate: Evaluate, state: State, steps: int, on_step: OnStep) -> str:
        """Go on from `state` until `steps` iterations are done in total; return why it stopped."""
        ...


@dataclass(frozen=True)
class Adam:
    """Kingma & Ba 2015. `rate` is about how far a pixel moves in a step, of a range of 1."""

    rate: float = 0.02
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    resumes_exactly = True
    arrays = ("dL_dx", "m", "v")

    def minimise(self, evaluate, state, steps, on_step):
        def update(g, t, arrays):
            m, v = arrays.get("m", 0), arrays.get("v", 0)
            m = self.beta1 * m + (1 - self.beta1) * g
            v = self.beta2 * v + (1 - self.beta2) * g * g
            m_unbiased = m / (1 - self.beta1**t)
            v_unbiased = v / (1 - self.beta2**t)
            move = self.rate * m_unbiased / (np.sqrt(v_unbiased) + self.epsilon)
            return move, {"m": m, "v": v}

        return _first_order(update, evaluate, state, steps, on_step)


@dataclass(frozen=True)
class Momentum:
    """Gradient descent with momentum: velocity = γ · velocity + rate · gradient; x −= velocity.

    With the objective's unit scale the first step moves the pixels by about `rate`.
    """

    rate: float = 0.01
    gamma: float = 0.9
    resumes_exactly = True
    arrays = ("dL_dx", "velocity")

    def minimise(self, evaluate, state, steps, on_step):
        def update(g, t, arrays):
            velocity = self.gamma * arrays.get("velocity", 0) + self.rate * g
            return velocity, {"velocity": velocity}

        return _first_order(update, evaluate, state, steps, on_step)


def _first_order(update, evaluate, state, steps, on_step) -> str:
    """The loop of Adam and momentum: x ← clip(x − move), then evaluate.

    The gradient at x is part of the state, so that going on needs no second evaluation. Nothing
    is changed in place: an interrupt anywhere leaves the last state whole.
    """
    if state.iterations < steps and "dL_dx" not in state.arrays:
        evaluation = evaluate(state.x)
        if not _is_finite(evaluation):
            return DIVERGED
        state = State(state.x, 0, 1, {"dL_dx": evaluation.dL_dx})
    while state.iterations < steps:
        t = state.iterations + 1
        move, arrays = update(state.arrays["dL_dx"], t, state.arrays)
        x = np.clip(state.x - move, 0, 1)
        evaluation = evaluate(x)
        if not _is_finite(evaluation):
            return DIVERGED
        state = State(x, t, state.evaluations + 1, arrays | {"dL_dx": evaluation.dL_dx})
        stop_reason = on_step(Step(evaluation, state))
        if stop_reason:
            return stop_reason
    return ALL_STEPS_DONE.format(steps)


class _Stop(Exception):
    """Carries a stop reason out of scipy."""


@dataclass(frozen=True)
class LBFGSB:
    """scipy's L-BFGS-B with the box [0, 1]. Its memory cannot be stored: resuming restarts it."""

    history: int = 10
    resumes_exactly = False
    arrays = ()

    # Where the reduction of a step is lost in the rounding of a float32 gradient, and where the
    # projected gradient has fallen this far below its start (in units of the objective's scale).
    relative_reduction = 1e-9
    projected_gradient = 1e-5

    def minimise(self, evaluate, state, steps, on_step):
        if state.iterations >= steps:
            return ALL_STEPS_DONE.format(steps)
        shape, dtype = state.x.shape, state.x.dtype
        iterations, evaluations = state.iterations, state.evaluations
        latest = None  # the evaluation scipy asked for last: that of the step it then accepts

        def loss_and_gradient(flat):
            nonlocal latest, evaluations
            latest = evaluate(flat.reshape(shape).astype(dtype))
            evaluations += 1
            if not _is_finite(latest):
                raise _Stop(DIVERGED)
            return latest.loss, latest.dL_dx.astype(np.float64).ravel()

        def callback(intermediate_result):
            nonlocal iterations
            iterations += 1
            # scipy hands out its live array: astype copies it.
            x = intermediate_result.x.reshape(shape).astype(dtype)
            stop_reason = on_step(Step(latest, State(x, iterations, evaluations)))
            if stop_reason:
                raise _Stop(stop_reason)

        options = {
            "maxcor": self.history,
            "maxiter": steps - state.iterations,
            "maxfun": np.iinfo(np.int32).max,
            "ftol": self.relative_reduction,
            "gtol": self.projected_gradient,
        }
        try:
            result = minimize(
                loss_and_gradient,
                state.x.astype(np.float64).ravel(),
                jac=True,
                method="L-BFGS-B",
                bounds=Bounds(0.0, 1.0),
                callback=callback,
                options=options,
            )
        except _Stop as stop:
            return str(stop)
        return self._in_words(str(result.message), steps)

    def _in_words(self, message: str, steps: int) -> str:
        if "ITERATIONS" in message:
            return ALL_STEPS_DONE.format(steps)
        if "RELATIVE" in message or "REDUCTION" in message:
            return "converged: steps no longer lower the loss by more than rounding"
        if "PROJECTED" in message or "PGTOL" in message:
            return "converged: the gradient is zero but for pixels at their bounds"
        if "ABNORMAL" in message:
            return "converged: no step along the search direction lowers the loss any further"
        return f"scipy stopped: {message}"


def _is_finite(evaluation: Evaluation) -> bool:
    return bool(np.isfinite(evaluation.loss) and np.all(np.isfinite(evaluation.dL_dx)))


OPTIMIZERS: dict[str, type] = {"lbfgs": LBFGSB, "adam": Adam, "momentum": Momentum}


def make_optimizer(name: str, rate: float | None) -> Optimizer:
    """`rate` is for Adam and momentum; None takes the optimiser's own."""
    return OPTIMIZERS[name]() if rate is None else OPTIMIZERS[name](rate=rate)
