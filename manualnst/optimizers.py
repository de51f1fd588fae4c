"""From one picture to the next, asking the objective for nothing but loss and gradient.

All optimisers have one interface, `minimise`. They keep every pixel in [0, 1] and report after
each step; a step is an iteration, which for L-BFGS may take more than one evaluation.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import NamedTuple, Protocol

import numpy as np
from threadpoolctl import ThreadpoolController

from .backends import to_host
from .backends.bands import Bands
from .objective import Evaluation

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


@dataclass(frozen=True)
class Adam:
    """Kingma & Ba 2015. `rate` is about how far a pixel moves in a step, of a range of 1."""

    rate: float = 0.02
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
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
            m = self.beta1 * m + (1 - self.beta1) * g
            v = self.beta2 * v + (1 - self.beta2) * g * g
            m_unbiased = m / (1 - self.beta1**t)
            v_unbiased = v / (1 - self.beta2**t)
            move = self.rate * m_unbiased / (np.sqrt(v_unbiased) + self.epsilon)
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
        if not _is_finite(evaluation):
            return DIVERGED
        average = {"average": (1 - decay) * state.x} if decay else {}
        arrays = state.arrays | average | {"dL_dx": evaluation.dL_dx}
        state = State(state.x, 0, 1, arrays, earlier=state.earlier)
    while state.iterations < steps:
        t = state.iterations + 1
        move, arrays = update(state.arrays["dL_dx"], state.earlier + t, state.arrays)
        x = np.clip(state.x - move, 0, 1)
        evaluation = evaluate(x)
        if not _is_finite(evaluation):
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


class _Pair(NamedTuple):
    """A step s and how the gradient changed along it, y; the secant condition is B s = y."""

    s: np.ndarray  # (H, W, 3)
    y: np.ndarray  # (H, W, 3)
    s_y: float  # ⟨s, y⟩ > 0: the curvature met on the way


@dataclass(frozen=True)
class LBFGS:
    """Limited-memory quasi-Newton steps in the box [0, 1], in plain array operations.

    Newton's step is −H g with H the inverse of the second derivative B. B is never formed: each
    step s changes the gradient by y ≈ B s, so H must fulfil H y = s. The smallest change of a
    symmetric H (in the norm that B itself measures) that achieves this is BFGS's,

        H ← (1 − s yᵀ/⟨s,y⟩) H (1 − y sᵀ/⟨s,y⟩) + s sᵀ/⟨s,y⟩

    Unrolled over the last pairs, from the newest back, H g needs only dot products (Nocedal 1980):
    on the way back q ← q − α y with α = ⟨s,q⟩/⟨s,y⟩ applies the factors on the right; then comes
    the innermost H, which fits the newest pair band by band of frequency (backends/bands.py: a
    multiple of 1 takes a tenth to a half more evaluations to the same loss); on the way forth
    q ← q + (α − ⟨y,q⟩/⟨s,y⟩) s applies those on the left and adds the last terms. Before there is
    any pair H is 1.

    The box: pixels at a bound that the gradient pushes outwards stay there, and a step is taken
    along the projected line x(t) = clip(x + t d). The length 1 is nearly always right; else it is
    shortened by the minimum of the parabola through what is known, until the loss has fallen by a
    ten-thousandth of what the slope promises (Armijo).
    """

    history = 10
    resumes_exactly = True
    arrays = ("dL_dx",)
    powers = MappingProxyType({})
    more_arrays = tuple(f"{letter}{n}" for n in range(history) for letter in "sy")

    first_move = 0.02  # root mean square of the first step, which has no curvature to go by
    sufficient_decrease = 1e-4
    attempts = 20
    # As scipy's, below.
    relative_reduction = 1e-9
    projected_gradient = 1e-5

    def minimise(self, evaluate, state, steps, on_step):
        if state.iterations < steps and state.loss is None:
            evaluation = evaluate(state.x)
            if not _is_finite(evaluation):
                return DIVERGED
            arrays = {"dL_dx": evaluation.dL_dx}
            state = replace(
                state, evaluations=state.evaluations + 1, arrays=arrays, loss=evaluation.loss
            )
        memory = _memory_for(state.x, self.history, state.arrays)
        # On a card it has copied them, and those that it was given can go.
        state = replace(state, arrays=state.arrays | memory.arrays())
        while state.iterations < steps:
            g = state.arrays["dL_dx"]
            d, largest = memory.direction(state.x, g)
            if largest <= self.projected_gradient:
                return _GRADIENT_IS_ZERO
            found, evaluations = self._search(evaluate, state, d, memory)
            if found is None and memory:  # what was learned misleads here: begin anew
                state = replace(state, evaluations=evaluations)
                memory.forget()
                continue
            if found is None:
                return _NO_STEP_HELPS
            x, evaluation, way = found
            if not way.is_finite:
                return DIVERGED
            memory.learn(way)
            arrays = {"dL_dx": evaluation.dL_dx} | memory.arrays()
            reduction = state.loss - evaluation.loss
            state = State(x, state.iterations + 1, evaluations, arrays, evaluation.loss)
            stop_reason = on_step(Step(evaluation, state))
            if stop_reason:
                return stop_reason
            if 0 <= reduction <= self.relative_reduction * abs(state.loss):
                return _LOSS_IS_LEVEL
        return ALL_STEPS_DONE.format(steps)

    def _search(self, evaluate, state, d, memory):
        """A step that lowers the loss as (x, its evaluation, the way there), or None; and the
        evaluations in total."""
        t = 1.0 if memory else self.first_move / _root_mean_square(d)
        for attempt in range(1, self.attempts + 1):
            x = memory.moved(state.x, t, d)
            evaluation = evaluate(x)
            way = memory.way(state.x, x, state.arrays["dL_dx"], evaluation.dL_dx)
            # Of the clipped step; the clipping may have left nothing of what was promised.
            promised = min(0.0, way.slope)
            rise = evaluation.loss - state.loss
            if rise < 0 and rise <= self.sufficient_decrease * promised:
                return (x, evaluation, way), state.evaluations + attempt
            if np.isfinite(evaluation.loss) and way.is_finite and rise > promised:
                t *= min(max(-promised / (2 * (rise - promised)), 0.1), 0.5)
            else:
                t *= 0.1
        return None, state.evaluations + self.attempts


class Way(NamedTuple):
    """From x to x', where the gradients are g and g'."""

    s: np.ndarray  # x' − x
    y: np.ndarray  # g' − g
    slope: float  # ⟨g, s⟩
    is_finite: bool  # all of g'


def _memory_for(x, size: int, arrays: dict[str, np.ndarray]):
    """That of the last pairs, where x is: on a card it is the same in other words."""
    if isinstance(x, np.ndarray):
        return _Memory(size, x, arrays)
    from .backends.cuda.card import open_card
    from .backends.cuda.lbfgs import Memory

    return Memory(open_card(), size, x, arrays, Way)


class _Memory:
    """The last pairs, and what they tell of H."""

    def __init__(self, size: int, x: np.ndarray, arrays: dict[str, np.ndarray]):
        names = [(f"s{n}", f"y{n}") for n in range(size)]
        stored = [(arrays[s], arrays[y]) for s, y in names if s in arrays and y in arrays]
        self._pairs = [_Pair(s, y, float(np.vdot(s, y))) for s, y in stored]
        self._size = size
        self._bands = Bands(x)

    def __bool__(self) -> bool:
        return bool(self._pairs)

    def arrays(self) -> dict[str, np.ndarray]:
        return {f"{k}{n}": getattr(pair, k) for n, pair in enumerate(self._pairs) for k in "sy"}

    def forget(self) -> None:
        self._pairs = []

    def direction(self, x, g) -> tuple[np.ndarray, float]:
        """−H g, downhill without H if it points uphill; and the largest entry of the free g."""
        free = ~(((x <= 0) & (g > 0)) | ((x >= 1) & (g < 0)))
        largest = np.max(np.abs(g), where=free, initial=0.0)
        g = g * free
        d = -_times_inverse(g, self._pairs, self._bands) * free
        if np.vdot(g, d) >= 0:
            self.forget()
            d = -g
        return d, float(largest)

    def moved(self, x, t: float, d) -> np.ndarray:
        return np.clip(x + np.float32(t) * d, 0, 1)

    def way(self, x, x_new, g, g_new) -> Way:
        s = x_new - x
        return Way(s, g_new - g, float(np.vdot(g, s)), bool(np.all(np.isfinite(g_new))))

    def learn(self, way: Way) -> None:
        """Not from pairs that met no curvature: they would make H indefinite."""
        s, y = way.s, way.y
        s_y = float(np.vdot(s, y))
        if s_y > 1e-6 * float(np.linalg.norm(s.ravel()) * np.linalg.norm(y.ravel())):
            self._pairs = [*self._pairs, _Pair(s, y, s_y)][-self._size :]


def _root_mean_square(d: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(d, dtype=np.float64))))


def _times_inverse(g: np.ndarray, pairs: list[_Pair], bands: Bands) -> np.ndarray:
    """H g, by the two loops."""
    q, alphas = g.copy(), []
    for s, y, s_y in reversed(pairs):
        alphas.append(np.vdot(s, q) / s_y)
        q -= np.float32(alphas[-1]) * y
    if pairs:
        q = bands.times(bands.multiples(pairs[-1].s, pairs[-1].y), q)
    for (s, y, s_y), alpha in zip(pairs, reversed(alphas), strict=True):
        q += np.float32(alpha - np.vdot(y, q) / s_y) * s
    return q


_LOSS_IS_LEVEL = "converged: steps no longer lower the loss by more than rounding"
_GRADIENT_IS_ZERO = "converged: the gradient is zero but for pixels at their bounds"
_NO_STEP_HELPS = "converged: no step along the search direction lowers the loss any further"


class _Stop(Exception):
    """Carries a stop reason out of scipy."""


@dataclass(frozen=True)
class LBFGSB:
    """scipy's L-BFGS-B with the box [0, 1]: the reference for the one above, in double precision.

    Its memory cannot be stored: resuming restarts it.
    """

    history: int = 10
    resumes_exactly = False
    arrays = ()
    more_arrays = ()
    powers = MappingProxyType({})

    # Where the reduction of a step is lost in the rounding of a float32 gradient, and where the
    # projected gradient has fallen this far below its start (in units of the objective's scale).
    relative_reduction = 1e-9
    projected_gradient = 1e-5

    def minimise(self, evaluate, state, steps, on_step):
        if state.iterations >= steps:
            return ALL_STEPS_DONE.format(steps)
        start = to_host(state.x)
        shape, dtype = start.shape, start.dtype
        iterations, evaluations = state.iterations, state.evaluations
        latest = None  # the evaluation scipy asked for last: that of the step it then accepts

        def loss_and_gradient(flat):
            nonlocal latest, evaluations
            latest = evaluate(flat.reshape(shape).astype(dtype))
            evaluations += 1
            if not _is_finite(latest):
                raise _Stop(DIVERGED)
            return latest.loss, to_host(latest.dL_dx).astype(np.float64).ravel()

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
            message = self._scipys(loss_and_gradient, start, callback, options)
        except _Stop as stop:
            return str(stop)
        return self._in_words(message, steps)

    @staticmethod
    def _scipys(loss_and_gradient, x, callback, options) -> str:
        """Its message in the end."""
        from scipy.optimize import Bounds, minimize  # here, as it takes 0.2 s to load

        # scipy has a BLAS of its own, loaded just now, and its calls are many and small.
        with ThreadpoolController().limit(limits=1, user_api="blas"):
            result = minimize(
                loss_and_gradient,
                x.astype(np.float64).ravel(),
                jac=True,
                method="L-BFGS-B",
                bounds=Bounds(0.0, 1.0),
                callback=callback,
                options=options,
            )
        return str(result.message)

    def _in_words(self, message: str, steps: int) -> str:
        if "ITERATIONS" in message:
            return ALL_STEPS_DONE.format(steps)
        if "RELATIVE" in message or "REDUCTION" in message:
            return _LOSS_IS_LEVEL
        if "PROJECTED" in message or "PGTOL" in message:
            return _GRADIENT_IS_ZERO
        if "ABNORMAL" in message:
            return _NO_STEP_HELPS
        return f"scipy stopped: {message}"


def _is_finite(evaluation: Evaluation) -> bool:
    return bool(np.isfinite(evaluation.loss) and np.all(np.isfinite(evaluation.dL_dx)))


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


OPTIMIZERS: dict[str, type] = {
    "lbfgs": LBFGS,
    "lbfgsb": LBFGSB,
    "adam": Adam,
    "momentum": Momentum,
}


def make_optimizer(name: str, rate: float | None, **more: float) -> Optimizer:
    """`rate` is for Adam and momentum; None takes the optimiser's own. `more`: what else it has."""
    return OPTIMIZERS[name](**more) if rate is None else OPTIMIZERS[name](rate=rate, **more)
