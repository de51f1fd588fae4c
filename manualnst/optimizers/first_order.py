"""Adam and momentum: a step from the gradient at hand and averages of those before."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

from .interface import ALL_STEPS_DONE, DIVERGED, Optimizer, State, Step, is_finite

EPSILON = 1e-8


def adam(rate, g, m, v, t: int, beta1: float, beta2: float, epsilon: float = EPSILON):
    """What step t = 1, 2, … of Kingma & Ba 2015 takes away, and the new averages m of gradients and
    v of their squares, from those before and the gradient g. All are arrays of one shape; `rate`
    may be one number, or one for each entry.
    """
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g * g
    m_unbiased, v_unbiased = m / (1 - beta1**t), v / (1 - beta2**t)
    return rate * m_unbiased / (np.sqrt(v_unbiased) + epsilon), m, v


@dataclass(frozen=True)
class Adam:
    """`rate` is about how far a pixel moves in a step, of a range of 1."""

    rate: float = 0.02
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = EPSILON
    average: float = 0.0  # see _first_order
    resumes_exactly = True
    more_arrays = ()
    powers = MappingProxyType({"m": 1, "v": 2})

    @property
    def arrays(self) -> tuple[str, ...]:
        return "dL_dx", "m", "v", *(("average",) if self.average else ())

    def minimise(self, evaluate, state, steps, on_step):
        def update(g, t, arrays):
            m, v = arrays.get("m", 0), arrays.get("v", 0)
            move, m, v = adam(self.rate, g, m, v, t, self.beta1, self.beta2, self.epsilon)
            return move, {"m": m, "v": v}

        return _first_order(update, self.average, evaluate, state, steps, on_step)


@dataclass(frozen=True)
class Momentum:
    """Gradient descent with momentum: velocity = γ · velocity + rate · gradient; x −= velocity.

    With the objective's unit scale the first step moves the pixels by about `rate`.
    """

    rate: float = 0.01
    gamma: float = 0.9
    average: float = 0.0  # see _first_order
    resumes_exactly = True
    more_arrays = ()
    powers = MappingProxyType({"velocity": 1})

    @property
    def arrays(self) -> tuple[str, ...]:
        return "dL_dx", "velocity", *(("average",) if self.average else ())

    def minimise(self, evaluate, state, steps, on_step):
        def update(g, t, arrays):
            velocity = self.gamma * arrays.get("velocity", 0) + self.rate * g
            return velocity, {"velocity": velocity}

        return _first_order(update, self.average, evaluate, state, steps, on_step)


def _first_order(update, decay, evaluate, state, steps, on_step) -> str:
    """The loop of Adam and momentum: x ← clip(x − move), then evaluate.

    With a decay d the average of all pictures from the first on is kept, a ← d a + (1 − d) x, from
    a = 0. After n pictures the weights (1 − d) d^k add up to 1 − dⁿ, by which it is divided. A step
    back and forth about a valley is then a step along it.

    The gradient at x is part of the state, so that going on needs no second evaluation. Nothing
    is changed in place: an interrupt anywhere leaves the last state whole.
    """
    if state.iterations < steps and "dL_dx" not in state.arrays:
        evaluation = evaluate(state.x)
        if not is_finite(evaluation):
            return DIVERGED
        average = {"average": (1 - decay) * state.x} if decay else {}
        arrays = state.arrays | average | {"dL_dx": evaluation.dL_dx}
        state = State(state.x, 0, 1, arrays, earlier=state.earlier)
    while state.iterations < steps:
        t = state.iterations + 1
        move, arrays = update(state.arrays["dL_dx"], state.earlier + t, state.arrays)
        x = np.clip(state.x - move, 0, 1)
        evaluation = evaluate(x)
        if not is_finite(evaluation):
            return DIVERGED
        average = None
        if decay:
            arrays["average"] = decay * state.arrays["average"] + (1 - decay) * x
            average = np.clip(arrays["average"] / (1 - decay ** (t + 1)), 0, 1)
        arrays |= {"dL_dx": evaluation.dL_dx}
        state = State(x, t, state.evaluations + 1, arrays, earlier=state.earlier)
        stop_reason = on_step(Step(evaluation, state, average))
        if stop_reason:
            return stop_reason
    return ALL_STEPS_DONE.format(steps)


def enlarged_averages(
    optimizer: Optimizer, state: State, resize: Callable[[np.ndarray], np.ndarray]
) -> dict[str, np.ndarray]:
    """Its averages for a picture of another size, still in the units of this one. `resize` must
    leave what is positive positive, as a mean of squares is."""
    return {name: resize(state.arrays[name]) for name in optimizer.powers if name in state.arrays}


def in_units(optimizer: Optimizer, state: State, factor: float) -> State:
    """The averages of gradients that are so many times as large."""
    arrays = {
        name: np.float32(factor**power) * state.arrays[name]
        for name, power in optimizer.powers.items()
    }
    return replace(state, arrays=arrays)
