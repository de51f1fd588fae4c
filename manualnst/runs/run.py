"""A run: prepared pictures, network and settings, carried to a result.

Nothing here prints or knows of a terminal: what there is to tell is in `Run.notices` and in
what the callback gets.
"""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from ..backends import to_host
from ..errors import InputError
from ..network.network import Network
from ..network.vgg import Weights
from ..objective.objective import Evaluation, Objective, unit_scale
from ..optimizers import (
    ALL_STEPS_DONE,
    DIVERGED,
    State,
    Step,
    enlarged_averages,
    in_units,
)
from ..pictures.colours import mean_of_channels, with_chrominance_of
from ..pictures.masks import mixed, union
from ..pictures.resizing import resize, resize_linearly
from ..system import machine, threads
from ..system.notice import Notice
from . import costs
from .history import History
from .kept import Pictures, save_run
from .pace import Pace
from .planning import Plan, losses_of
from .progress import STOP, STOPPED, Callback, Progress
from .reached import Reached
from .result import RECORD_FORMAT, Result
from .scales import Scale, work, work_left
from .settings import Settings
from .shared import Shared

_MEASURED = 2  # evaluations to time, of which the shorter counts


class Run:
    """One run. `notices` are for a person, before its first step."""

    def __init__(
        self,
        settings: Settings,
        weights: Weights,
        pictures: Pictures,
        planned: Plan,
        reached: Reached,
        facts: dict[str, Any],
        notices: list[Notice],
        shared: Shared,
    ):
        self.settings = settings
        self.reached = reached
        self.notices = notices + planned.memory.told
        self.warnings: list[str] = []  # what went wrong on the way and did not end the run
        self.scales, memory = planned
        self.memory, self._tile = memory.needed, memory.tile
        self._unsaved = False  # has that been told?
        self._last_loss: float | None = None  # of a step, at the scale at hand
        self._weights, self._pictures = weights, pictures
        self._losses = losses_of(settings, pictures)
        self._shared = shared
        self.facts = facts | {"weights": shared.facts_of(weights)}  # for record and checkpoint
        self._network: Network | None = None
        self._objective: Objective | None = None  # of the scale at hand
        self._first: Evaluation | None = None  # of the picture with which a scale begins
        self._seconds_before = reached.seconds
        self._pace = Pace(self._work_left)
        if len(self.scales) > 1:
            sizes = (f"{each.width} × {each.height} ({each.steps} steps)" for each in self.scales)
            self.notices.append(Notice("coarse to fine", ", ".join(sizes)))

    @property
    def done(self) -> int:
        """Steps that are done: more than zero in a run that was resumed."""
        return self.reached.steps

    @property
    def share(self) -> float:
        """The share of the work that is done, from 0 to 1."""
        whole = work(self.scales)
        return (whole - self._work_left) / whole

    @property
    def _scale(self) -> Scale:
        return self.scales[self.reached.number]

    @property
    def _work_left(self) -> float:
        return work_left(self.scales, self.reached.number, self.reached.state.iterations)

    def start(self, foretell: bool = True) -> None:
        """Measure the targets; for a notice of the time to expect, some evaluations too."""
        settings = self.settings
        self._network = self._shared.network(
            self._weights,
            settings.backend,
            settings.precision,
            pool=settings.pool,
            margin=settings.margin,
        )
        if words := self._network.backend.words:
            self.notices.append(Notice("backend", words))
        self._measure()
        if foretell and self._work_left:
            self._foretell_time()

    def _foretell_time(self) -> None:
        scale, x = self._scale, self._network.backend.from_host(self.reached.state.x)
        evaluation = costs.of_evaluation(
            self._weights,
            self._losses,
            (scale.height, scale.width),
            margin=self.settings.margin,
            tile=self._tile,
        )
        with _for_numbers():
            # The first was another one: for it memory was got, and filters transformed.
            seconds = min(_seconds_of(self._objective, x) for _ in range(_MEASURED))
        self._pace = Pace(self._work_left, seconds / evaluation)
        total = self._pace.left(0, self._work_left, 0)
        told = (
            f"about {machine.format_roughly(total)} for {self.settings.steps - self.done} steps "
            f"({seconds:.2g} s an evaluation at {scale.width} × {scale.height})"
        )
        self.notices.append(Notice("time", told))

    def _measure(self) -> None:
        """The objective of the scale at hand, and its unit."""
        with _for_numbers():
            content, *styles = (
                resize(picture.pixels, *self._scale.of(*picture.pixels.shape[:2]))
                for picture in (self._pictures.content, *self._pictures.styles)
            )
            masks = [
                resize_linearly(mask.pixels, self._scale.height, self._scale.width)
                for mask in self._pictures.masks
            ]
            more = masks, self._shared.targets, self._tile
            objective = Objective(self._network, content, styles, self._losses, *more)
            x = self._network.backend.from_host(self.reached.state.x)
            evaluation = objective(x)
        if self.reached.unit is None:
            self.reached = replace(self.reached, unit=unit_scale(evaluation))
            self._first = evaluation.times(self.reached.unit)
        objective.scale = self.reached.unit
        self._objective = objective

    def finish(
        self,
        callback: Callback | None = None,
        checkpoint: str | os.PathLike | None = None,
        checkpoint_every: int = 20,
    ) -> Result:
        """Optimise until all steps are done, or the callback or an interrupt ends it."""
        if self._objective is None:
            self.start(foretell=False)
        began = time.perf_counter()

        def on_step(step: Step) -> str | None:
            self._take(step, time.perf_counter() - began)
            if checkpoint is not None and self.done % checkpoint_every == 0:
                with self.warned():
                    self.save(checkpoint)
            if callback is not None and callback(self._progress(step)) is STOP:
                return STOPPED
            return None

        interrupted = False
        try:
            stop_reason = self._optimise(on_step)
        except KeyboardInterrupt:
            interrupted = True
            stop_reason = f"interrupted after {self.done} of {self.settings.steps} steps"
        if stop_reason == DIVERGED and self.done == 0:
            raise InputError(stop_reason)
        self._tell_if_it_rose()
        if self.reached.number + 1 < len(self.scales):
            here, last = self._scale, self.scales[-1]
            stop_reason += (
                f", at {here.width} × {here.height}; enlarged to {last.width} × {last.height}"
            )
        best = self._painted(self.reached.best, *self._last_size)
        return Result(best, self.alpha, self._record(stop_reason), interrupted)

    @property
    def alpha(self) -> np.ndarray | None:
        """(H, W), the result's."""
        return self._pictures.content.alpha

    @property
    def _last_size(self) -> tuple[int, int]:
        return self.scales[-1].width, self.scales[-1].height

    def _optimise(self, on_step: Callable[[Step], str | None]) -> str:
        """Scale after scale; returns why the last one reached has stopped."""
        optimizer = self.settings.make_optimizer()
        while True:
            if self._objective is None:
                self._measure()
            reached, steps = self.reached, self._scale.steps
            evaluate = reached.history.recording(self._evaluate)
            state = self._in_new_units(reached.state)
            put = self._network.backend.from_host
            with _for_numbers():
                stop_reason = optimizer.minimise(evaluate, state.where(put), steps, on_step)
            if stop_reason in (STOPPED, DIVERGED):
                return stop_reason
            if self._scale is self.scales[-1]:
                whole = stop_reason == ALL_STEPS_DONE.format(steps)
                return ALL_STEPS_DONE.format(self.done) if whole else stop_reason
            self._enlarge()

    def _enlarge(self) -> None:
        """To the next scale, from the best picture of this one.

        The optimiser begins anew: what it has learned of curvature is another objective's, and
        Adam gets 7 % lower without its old averages. They are kept if asked for.
        """
        reached, scale = self.reached, self.scales[self.reached.number + 1]
        x = resize(to_host(reached.best), scale.height, scale.width)
        self._objective = None
        state = State(x)
        if self.settings.averages == "kept":
            averages = enlarged_averages(
                self.settings.make_optimizer(),
                reached.state.where(to_host),
                lambda values: resize_linearly(values, scale.height, scale.width),
            )
            earlier = reached.state.earlier + reached.state.iterations if averages else 0
            state = State(x, arrays=averages, earlier=earlier)
        self._last_loss = None
        # In one assignment: an interrupt finds the one scale or the other.
        self.reached = Reached(
            state,
            best=x,
            history=History(reached.losses()),
            seconds=reached.seconds,
            passed=(*reached.passed, reached.so_far()),
        )
        self._pace.begin(reached.seconds - self._seconds_before, self._work_left)

    def _in_new_units(self, state: State) -> State:
        """Averages from the size before, in the units of this one, until the first step is done.

        A pixel there is f² pixels here, and moving all of them is moving it: so the gradient in
        each is 1/f² of that in it. And each size has its own unit of loss.
        """
        if state.iterations or not state.earlier:
            return state
        width, height = self.reached.passed[-1].size
        units = self.reached.unit / self.reached.passed[-1].unit
        factor = units * (width * height) / self._scale.pixels
        return in_units(self.settings.make_optimizer(), state, factor)

    def save(self, path: str | os.PathLike) -> None:
        """Write all that is needed to go on from the last whole step, pictures included."""
        save_run(path, self.settings, self._pictures, self.scales, self.facts, self.reached)

    def _painted(self, x: np.ndarray, width: int, height: int) -> np.ndarray:
        """What a person is shown of x, at any size: greys get the content's colours, and the
        content stays where it is masked."""
        size = height, width
        x = resize(to_host(x), *size)
        if self._pictures.masks:
            u = union([resize_linearly(mask.pixels, *size) for mask in self._pictures.masks])
            x = np.clip(mixed(x, resize(self._pictures.content.pixels, *size), u), 0, 1)
        if self._pictures.content.colours is None:
            return x
        colours = resize(self._pictures.content.colours, *size)
        painted = with_chrominance_of(colours, mean_of_channels(x))
        return np.where(u > 0, painted, colours) if self._pictures.masks else painted

    def _evaluate(self, x: np.ndarray) -> Evaluation:
        first, self._first = self._first, None
        x = self._network.backend.from_host(x)  # scipy's is not there
        return self._objective(x) if first is None else first

    @contextmanager
    def warned(self) -> Iterator[None]:
        """What cannot be saved on the way is told, once, but does not cost the run."""
        try:
            yield
        except InputError as error:
            if not self._unsaved:
                self.warnings.append(f"{error}; the run goes on, and will try again")
            self._unsaved = True

    def _take(self, step: Step, seconds: float) -> None:
        loss, reached = step.evaluation.unscaled_loss, self.reached
        if step.state.iterations == 1:  # the picture it began with may be the best to come
            reached = replace(reached, best_loss=self._losses_here()[0])
        self._last_loss = loss
        better = {"best": step.state.x, "best_loss": loss} if loss < reached.best_loss else {}
        if step.average is not None:
            better["best"] = step.average
        seconds += self._seconds_before
        self.reached = replace(reached, state=step.state, seconds=seconds, **better)

    def _losses_here(self) -> list[float]:
        """The losses of the evaluations of the scale at hand."""
        passed = sum(scale.evaluations for scale in self.reached.passed)
        return self.reached.history.columns["total"][passed:]

    def _tell_if_it_rose(self) -> None:
        """What an optimiser with a fixed rate may do."""
        if self._last_loss is None:
            return
        first, last = self._losses_here()[0], self._last_loss
        if last > first:
            here = self._scale
            self.warnings.append(
                f"the loss rose from {first:.4g} to {last:.4g} at {here.width} × {here.height}: "
                "the steps are too long, a smaller --rate may help; the picture is the best one "
                "on the way, the first included"
            )

    def _progress(self, step: Step) -> Progress:
        seconds, left = self.reached.seconds - self._seconds_before, self._work_left
        return Progress(
            step=self.done,
            evaluations=self.reached.evaluations,
            loss=step.evaluation.unscaled_loss,
            terms={name: term.weighted for name, term in step.evaluation.terms.items()},
            seconds=seconds,
            seconds_left=self._pace.left(seconds, left, self.reached.state.iterations),
            share=self.share,
            size=(self._scale.width, self._scale.height),
            painted=partial(self._painted, step.state.x if step.average is None else step.average),
            last_size=self._last_size,
        )

    def _with_average_evaluated(self) -> Reached:
        """Where the result is an average its own loss is not known yet: one more evaluation."""
        reached = self.reached
        if not self.settings.average or not reached.state.iterations:
            return reached
        with _for_numbers():
            evaluation = self._objective(self._network.backend.from_host(reached.best))
        if not np.isfinite(evaluation.loss):
            return reached
        history = History(reached.losses())
        history.append(evaluation)
        return replace(
            reached,
            state=replace(reached.state, evaluations=reached.state.evaluations + 1),
            best_loss=evaluation.unscaled_loss,
            history=history,
        )

    def _record(self, stop_reason: str) -> dict[str, Any]:
        reached = self._with_average_evaluated()
        scales = [*reached.passed, reached.so_far()]
        return {
            "format": RECORD_FORMAT,
            "versions": machine.versions(),
            "settings": self.settings.to_json(),
            **self.facts,
            "scales": [{**scale._asdict(), "size": list(scale.size)} for scale in scales],
            "stop_reason": stop_reason,
            "steps": reached.steps,
            "evaluations": reached.evaluations,
            "best_loss": reached.so_far().best_loss,
            "seconds": round(reached.seconds, 3),
            "peak_memory_bytes": machine.peak_memory(),
            "history": reached.losses(),
            "notices": [*map(str, self.notices), *self.warnings],
        }


def _seconds_of(function: Callable, *arguments: Any) -> float:
    began = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - began


@contextmanager
def _for_numbers() -> Iterator[None]:
    """For all that computes. BLAS: scipy's own calls are many and small, and the threads of a
    resumed run must be those of a whole one. Overflows: divergence is told in words."""
    with threads.single_threaded_blas(), np.errstate(all="ignore"):
        yield
