"""Optimisers compared on one problem: what loss each has reached after so many evaluations, and
after so much time.

All start from the same picture, at one size, and have the same objective in the same units; one
runs after the other, each alone. The seconds count from the end of the first evaluation, which is
of the start and the same for all.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from ..api import prepare, settings_from
from ..errors import InputError
from ..objective.objective import Evaluation
from ..optimizers import OPTIMIZERS, State, make_optimizer
from ..pictures.plots import draw_lines
from ..runs.inputs import Source
from ..runs.progress import STOPPED, Progress
from ..runs.run import Run
from ..runs.settings import Settings
from ..system import machine

FORMAT = "manualnst optimizers 1"
SIZE, EVALUATIONS = 256, 200  # where nothing else is asked for


class Contender(NamedTuple):
    optimizer: str
    rate: float | None  # None: it finds its own step length

    @property
    def name(self) -> str:
        return self.optimizer if self.rate is None else f"{self.optimizer} {self.rate:g}"


class Point(NamedTuple):
    """Where a step has led."""

    evaluations: int
    seconds: float
    loss: float  # of this step's picture, unscaled


@dataclass(frozen=True)
class Course:
    """What a contender did: the start, and each step."""

    name: str
    optimizer: str
    rate: float | None
    stop_reason: str
    points: list[Point]

    @property
    def end(self) -> Point:
        return self.points[-1]

    def least(self, *, evaluations: float = float("inf"), seconds: float = float("inf")) -> float:
        """The least loss of a picture that came within these."""
        within = (p for p in self.points if p.evaluations <= evaluations and p.seconds <= seconds)
        return min(point.loss for point in within)


def compare_optimizers(
    content: Source | None = None,
    style: Source | Sequence[Source] | None = None,
    *,
    evaluations: int = EVALUATIONS,
    rates: dict[str, Sequence[float]] | None = None,
    **settings: Any,
) -> list[Course]:
    """The course of every optimiser on one problem; `rates`, as {"adam": [0.02, 0.05]}, runs those
    once for each.

    Pictures and settings are those of `stylize`, at one size, by default of 256 pixels.
    """
    chosen = settings_from({"size": SIZE} | settings)
    runs = (
        (each, prepare_contender(each, content, style, chosen, evaluations))
        for each in contenders(rates or {})
    )
    return [follow(contender, run, evaluations) for contender, run in runs]


def contenders(rates: dict[str, Sequence[float]]) -> list[Contender]:
    """All optimisers; those with `rates` once for each, the others with their own."""
    own = {name: [getattr(kind, "rate", None)] for name, kind in OPTIMIZERS.items()}
    with_rates = [name for name, [rate] in own.items() if rate is not None]
    for name, given in rates.items():
        if name not in with_rates:
            raise InputError(f"rates are for {' and '.join(with_rates)}, not for {name}")
        if len(set(given)) < len(given):
            raise InputError(f"a rate of {name} is given twice; give each once")
    return [Contender(name, rate) for name, each in (own | rates).items() for rate in each]


def prepare_contender(
    contender: Contender,
    content: Source | None,
    style: Source | Sequence[Source] | None,
    settings: Settings,
    evaluations: int,
) -> Run:
    """Its run, which is one of a single size."""
    of_one_size = replace(
        settings, **contender._asdict(), scales=1, steps=evaluations, first_steps=None
    )
    return prepare(content, style, of_one_size)


def follow(
    contender: Contender,
    run: Run,
    evaluations: int,
    callback: Callable[[Progress], None] | None = None,
) -> Course:
    """The run, carried out until so many evaluations are done, or a few more to the step's end.

    An interrupt is passed on: half a course compares with nothing.
    """
    _load(contender.optimizer)
    run.start()
    points: list[Point] = []

    def on_step(progress: Progress) -> bool:
        points.append(Point(progress.evaluations, progress.seconds, progress.loss))
        if callback is not None:
            callback(progress)
        return progress.evaluations >= evaluations

    result = run.finish(on_step)
    if result.interrupted:
        raise KeyboardInterrupt
    if not points:
        raise InputError(f"{contender.name}: {result.stop_reason}")
    stopped = result.stop_reason
    reason = f"{points[-1].evaluations} evaluations are done" if stopped == STOPPED else stopped
    start = Point(1, 0.0, result.record["history"]["total"][0])
    return Course(contender.name, *contender, reason, [start, *points])


def _load(optimizer: str) -> None:
    """What it imports when it is first used is not its work."""

    def bowl(x: np.ndarray) -> Evaluation:
        return Evaluation(float(np.vdot(x, x)), 2 * x, {})

    make_optimizer(optimizer, None).minimise(
        bowl, State(np.full((1, 1, 3), 0.5, np.float32)), 1, lambda step: None
    )


# What is told


def summary(courses: Sequence[Course], evaluations: int) -> list[dict[str, Any]]:
    """Each course's end, its least loss, and that within the same evaluations and the same time:
    that of the one which was done first."""
    seconds = min(course.end.seconds for course in courses)
    return [
        {
            "name": course.name,
            "final_loss": course.end.loss,
            "evaluations": course.end.evaluations,
            "seconds": course.end.seconds,
            "equal_evaluations": course.least(evaluations=evaluations),
            "equal_seconds": course.least(seconds=seconds),
            "stop_reason": course.stop_reason,
        }
        for course in courses
    ]


def record(run: Run, courses: Sequence[Course], evaluations: int) -> dict[str, Any]:
    """All that was found, for JSON; `run` is that of any contender."""
    settings, of_one = run.settings.to_json(), Contender._fields
    return {
        "format": FORMAT,
        "versions": machine.versions(),
        "settings": {name: value for name, value in settings.items() if name not in of_one},
        **run.facts,
        "evaluations": evaluations,
        "summary": summary(courses, evaluations),
        "courses": [asdict(course) for course in courses],
    }


def draw_courses(courses: Sequence[Course], caption: str) -> np.ndarray:
    """A picture (H, W, 3): the losses against evaluations, and below it against seconds."""
    plots = (
        draw_lines(
            {c.name: [(getattr(p, axis), p.loss) for p in c.points] for c in courses},
            title=f"loss by {axis}",
            caption=[caption],
            x_label=axis,
        )
        for axis in ("evaluations", "seconds")
    )
    return np.concatenate([*plots])
