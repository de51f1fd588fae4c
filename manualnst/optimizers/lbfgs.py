"""L-BFGS in the box [0, 1]."""

from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from ..backends.bands import Bands
from .interface import ALL_STEPS_DONE, DIVERGED, State, Step, is_finite

# Also of scipy's, in the same words.
LOSS_IS_LEVEL = "converged: steps no longer lower the loss by more than rounding"
GRADIENT_IS_ZERO = "converged: the gradient is zero but for pixels at their bounds"
NO_STEP_HELPS = "converged: no step along the search direction lowers the loss any further"


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
            if not is_finite(evaluation):
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
                return GRADIENT_IS_ZERO
            found, evaluations = self._search(evaluate, state, d, memory)
            if found is None and memory:  # what was learned misleads here: begin anew
                state = replace(state, evaluations=evaluations)
                memory.forget()
                continue
            if found is None:
                return NO_STEP_HELPS
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
                return LOSS_IS_LEVEL
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
    """The memory of the last pairs, where x is: on a card it is the same in other words."""
    if isinstance(x, np.ndarray):
        return _Memory(size, x, arrays)
    from ..backends.cuda.card import open_card
    from ..backends.cuda.lbfgs import Memory

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
