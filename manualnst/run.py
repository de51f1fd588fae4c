"""A run: prepared pictures, network and settings, carried to a result.

Nothing here prints or knows of a terminal: what there is to tell is in `Run.notices` and in
what the callback gets.
"""

import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from . import blas, machine, preflight, threads
from .backends import get_backend
from .checkpoint import save_checkpoint
from .colours import mean_of_channels, with_chrominance_of
from .errors import InputError
from .history import History
from .images import fitted_size
from .inputs import Input, scaled
from .network import Network
from .objective import Evaluation, Objective, for_each_style, style_names, unit_scale
from .optimizers import State, Step, make_optimizer
from .result import RECORD_FORMAT, Result
from .settings import Settings
from .vgg import Weights


class Progress(NamedTuple):
    """What a callback learns after each step."""

    step: int
    evaluations: int
    loss: float  # of this step's picture
    terms: dict[str, float]  # weighted; they add up to `loss`
    seconds: float  # since the run was started or resumed
    picture: np.ndarray  # (H, W, 3), this step's; not to be changed


# Called after each step; returning True ends the run with the best picture so far.
Callback = Callable[[Progress], bool | None]


@dataclass
class Standing:
    """How far a run has come: all of it goes into a checkpoint."""

    state: State
    best: np.ndarray  # (H, W, 3), the picture of the lowest loss so far
    best_loss: float = float("inf")
    history: History = field(default_factory=History)
    seconds: float = 0.0
    scale: float | None = None  # the objective's, fixed at the first start


class Run:
    """One run. `notices` are the lines that a person should see before its first step."""

    def __init__(
        self,
        settings: Settings,
        weights: Weights,
        content: Input,
        styles: list[Input],
        standing: Standing,
        facts: dict[str, Any],
        notices: list[str],
    ):
        self.settings = settings
        self.standing = standing
        self.notices = notices
        self._weights, self._content, self._styles = weights, content, styles
        self.facts = facts | {"weights": _weights_facts(weights)}  # for record and checkpoint
        self._objective: Objective | None = None
        self._first: Evaluation | None = None  # of a fresh run's first picture
        self._seconds_before = standing.seconds
        self._check_memory()

    @property
    def done(self) -> int:
        """Steps that are done: more than zero in a run that was resumed."""
        return self.standing.state.iterations

    def start(self) -> None:
        """Measure the targets and one evaluation; adds a notice of the time to expect."""
        settings, standing = self.settings, self.standing
        network = Network(self._weights, backend=get_backend(settings.backend), pool=settings.pool)
        styles = [style.pixels for style in self._styles]
        objective = Objective(network, self._content.pixels, styles, settings.losses)
        began = time.perf_counter()
        with np.errstate(all="ignore"):
            evaluation = objective(standing.state.x)
        seconds = time.perf_counter() - began
        if standing.scale is None:
            standing.scale = unit_scale(evaluation)
            self._first = evaluation.times(standing.scale)
        objective.scale = standing.scale
        self._objective = objective
        steps = settings.steps - self.done
        total = preflight.seconds(steps, seconds, standing.state.x.size, settings.optimizer)
        self.notices.append(
            f"time: about {machine.format_duration(total)} for {steps} steps "
            f"({seconds:.2g} s an evaluation)"
        )

    def finish(
        self,
        callback: Callback | None = None,
        checkpoint: str | os.PathLike | None = None,
        checkpoint_every: int = 20,
    ) -> Result:
        """Optimise until all steps are done, or the callback or an interrupt ends it."""
        if self._objective is None:
            self.start()
        began = time.perf_counter()

        def on_step(step: Step) -> str | None:
            self._take(step, time.perf_counter() - began)
            if checkpoint is not None and self.done % checkpoint_every == 0:
                self._try_to_save(checkpoint)
            if callback is not None and callback(self._progress(step)):
                return "stopped by the callback"
            return None

        optimizer = make_optimizer(self.settings.optimizer, self.settings.rate)
        evaluate = self.standing.history.recording(self._evaluate)
        interrupted = False
        try:
            # BLAS: scipy's own calls are many and small. Overflows: divergence is told in words.
            with threads.single_threaded_blas(), np.errstate(all="ignore"):
                stop_reason = optimizer.minimise(
                    evaluate, self.standing.state, self.settings.steps, on_step
                )
        except KeyboardInterrupt:
            interrupted = True
            stop_reason = f"interrupted after {self.done} of {self.settings.steps} steps"
        record = self._record(stop_reason)
        return Result(self._painted(self.standing.best), self._content.alpha, record, interrupted)

    def save(self, path: str | os.PathLike) -> None:
        """Write all that is needed to go on from the last whole step, pictures included."""
        standing = self.standing
        facts = {
            "settings": self.settings.to_json(),
            "facts": self.facts,
            "scale": standing.scale,
            "iterations": standing.state.iterations,
            "evaluations": standing.state.evaluations,
            "loss": standing.state.loss,
            "best_loss": standing.best_loss,
            "history": standing.history.first(standing.state.evaluations),
            "seconds": standing.seconds,
        }
        pictures = {
            "content": self._content.pixels,
            "x": standing.state.x,
            "best": standing.best,
        }
        for name, style in zip(style_names(len(self._styles)), self._styles, strict=True):
            pictures[name] = style.pixels
        for name in ("alpha", "colours"):
            if (array := getattr(self._content, name)) is not None:
                pictures[name] = array
        state = {f"state.{name}": array for name, array in standing.state.arrays.items()}
        save_checkpoint(path, facts, pictures | state)

    def _painted(self, x: np.ndarray) -> np.ndarray:
        """What a person is shown of x: greys get the content's colours."""
        colours = self._content.colours
        return x if colours is None else with_chrominance_of(colours, mean_of_channels(x))

    def _evaluate(self, x: np.ndarray) -> Evaluation:
        if self._first is not None and self.done == 0:
            first, self._first = self._first, None
            return first
        return self._objective(x)

    def _try_to_save(self, checkpoint: str | os.PathLike) -> None:
        """A checkpoint that cannot be written is told of, but does not cost the run."""
        try:
            self.save(checkpoint)
        except InputError as error:
            if str(error) not in self.notices:
                self.notices.append(str(error))

    def _check_memory(self) -> None:
        taps = {**self.settings.content_layers, **self.settings.style_layers}
        sizes = [each.pixels.shape[:2] for each in (self._content, *self._styles)]
        style_scales = for_each_style("style_scale", self.settings.style_scale, len(self._styles))

        def need(*sizes: tuple[int, int]) -> int:
            return preflight.peak_bytes(
                self._weights, taps, sizes, self.settings.optimizer, self.settings.pool
            )

        def fits(long_side: int) -> bool:
            # Fitted anew from the original pictures, these may come out one row larger.
            fitted = [
                fitted_size(*size, scaled(long_side, scale))
                for size, scale in zip(sizes, [1, *style_scales], strict=True)
            ]
            with suppress(InputError):  # too small to be pooled
                return need(*((height + 1, width + 1) for height, width in fitted)) <= available
            return False

        needed, available = need(*sizes), machine.available_memory()
        if available is not None and needed > available:
            height, width = sizes[0]
            largest = preflight.largest(fits, max(height, width))
            raise InputError(
                f"not enough memory: {width} × {height} needs about "
                f"{machine.format_bytes(needed)}, {machine.format_bytes(available)} are "
                f"available; " + (f"--size {largest} fits" if largest else "no size fits")
            )
        total = needed + (machine.peak_memory() or 0)  # what is held already, and what is to come
        if (advice := blas.advice()) is not None:
            self.notices.append(advice)
        self.notices.append(f"memory: about {machine.format_bytes(total)} at the peak")

    def _take(self, step: Step, seconds: float) -> None:
        loss = step.evaluation.unscaled_loss
        if loss < self.standing.best_loss:
            self.standing.best, self.standing.best_loss = step.state.x, loss
        self.standing.state = step.state
        self.standing.seconds = self._seconds_before + seconds

    def _progress(self, step: Step) -> Progress:
        return Progress(
            step=step.state.iterations,
            evaluations=step.state.evaluations,
            loss=step.evaluation.unscaled_loss,
            terms={name: term.weighted for name, term in step.evaluation.terms.items()},
            seconds=self.standing.seconds - self._seconds_before,
            picture=self._painted(step.state.x),
        )

    def _record(self, stop_reason: str) -> dict[str, Any]:
        standing = self.standing
        return {
            "format": RECORD_FORMAT,
            "versions": machine.versions(),
            "settings": self.settings.to_json(),
            **self.facts,
            "scale": standing.scale,
            "stop_reason": stop_reason,
            "steps": standing.state.iterations,
            "evaluations": standing.state.evaluations,
            "best_loss": standing.best_loss if np.isfinite(standing.best_loss) else None,
            "seconds": round(standing.seconds, 3),
            "peak_memory_bytes": machine.peak_memory(),
            "history": standing.history.first(standing.state.evaluations),
            "notices": self.notices,
        }


def _weights_facts(weights: Weights) -> dict[str, Any]:
    return {
        "architecture": weights.architecture,
        "fingerprint": weights.fingerprint(),
        "provenance": weights.provenance,
    }
