"""scipy's L-BFGS-B."""

from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from threadpoolctl import ThreadpoolController

from ..backends import to_host
from .interface import ALL_STEPS_DONE, DIVERGED, State, Step, is_finite
from .lbfgs import GRADIENT_IS_ZERO, LOSS_IS_LEVEL, NO_STEP_HELPS


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
            if not is_finite(latest):
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
            return LOSS_IS_LEVEL
        if "PROJECTED" in message or "PGTOL" in message:
            return GRADIENT_IS_ZERO
        if "ABNORMAL" in message:
            return NO_STEP_HELPS
        return f"scipy stopped: {message}"
