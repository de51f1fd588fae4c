"""Our L-BFGS against scipy's L-BFGS-B: the loss they reach, and their own work an evaluation.

Their own work is what passes between the end of one evaluation and the start of the next.
"""

import statistics
import time
from collections.abc import Callable

import numpy as np

from manualnst.api import settings_from
from manualnst.backends import get_backend
from manualnst.network.network import Network
from manualnst.objective.objective import Evaluation, Objective, unit_scale
from manualnst.optimizers import State, make_optimizer
from manualnst.runs.inputs import SAMPLE_PREFIX, open_content, open_start, open_styles
from manualnst.system import threads

from . import table
from .children import run_child
from .measure import Tell
from .options import Mode, Options
from .sides import find_network

OURS, SCIPYS = "lbfgs", "lbfgsb"
# Runs whose losses are compared; harbour is the content of all.
PROBLEMS = (
    {"style": "mosaic", "size": 128},
    {"style": "mosaic", "size": 256},
    {"style": "strokes", "size": 192},
    {"style": "waves", "size": 192, "init": "noise"},
    {"style": "mosaic", "size": 192, "normalisation": "paper", "content_weight": 1e-3},
)
FULL_MEMORY = 12  # evaluations after which an optimiser has ten pairs to work with


class Watched:
    """An objective that notes its losses, its own seconds, and those between its calls."""

    def __init__(self, evaluate: Callable[[np.ndarray], Evaluation]):
        self.losses: list[float] = []
        self.seconds: list[float] = []
        self.between: list[float] = []
        self._evaluate = evaluate
        self._returned: float | None = None

    def __call__(self, x: np.ndarray) -> Evaluation:
        called = time.perf_counter()
        if self._returned is not None:
            self.between.append(called - self._returned)
        evaluation = self._evaluate(x)
        self._returned = time.perf_counter()
        self.seconds.append(self._returned - called)
        self.losses.append(evaluation.unscaled_loss)
        return evaluation

    def minimise(self, optimizer: str, x: np.ndarray, evaluations: int) -> None:
        """As a run does, but for so many evaluations (or a few more, to the end of a step)."""

        def on_step(_) -> str | None:
            return "enough" if len(self.losses) >= evaluations else None

        with threads.single_threaded_blas(), np.errstate(all="ignore"):
            make_optimizer(optimizer, None).minimise(self, State(x), evaluations, on_step)


def own_work(shape: tuple[int, int, int], evaluations: int, tell: Tell) -> dict[str, list[float]]:
    """Seconds an evaluation of each optimiser's own work on a picture of that shape.

    A quadratic function with curvatures of four orders of magnitude stands in for the objective;
    its minimum has some pixels at their bounds.
    """
    rng = np.random.default_rng(0)
    target = rng.uniform(-0.05, 1.05, shape).astype(np.float32)
    curvature = (10 ** rng.uniform(-3, 1, shape)).astype(np.float32)

    def evaluate(x: np.ndarray) -> Evaluation:
        slope = curvature * (x - target)
        return Evaluation(0.5 * float(np.vdot(slope, x - target)), slope, {})

    found = {}
    for optimizer in (OURS, SCIPYS):
        tell(f"the own work of {optimizer}")
        watched = Watched(evaluate)
        watched.minimise(optimizer, np.full(shape, 0.5, np.float32), FULL_MEMORY + evaluations)
        found[optimizer] = watched.between[FULL_MEMORY:]
    return found


def compare_on(problem: dict, evaluations: int, tell: Tell) -> dict:
    """A run of the built-in network by both, one after the other."""
    losses, own, of_both = {}, {}, []
    for optimizer in (OURS, SCIPYS):
        tell(f"{in_words(problem)}: {optimizer}")
        watched, start = _run_of(problem)
        watched.minimise(optimizer, start, evaluations)
        losses[optimizer] = min(watched.losses[:evaluations])
        own[optimizer] = statistics.median(watched.between)
        of_both += watched.seconds
    evaluation = statistics.median(of_both)  # is the same for both
    return {
        "problem": problem,
        "loss": losses,
        "loss ratio": losses[OURS] / losses[SCIPYS],
        "evaluation": evaluation,
        "own work": own,
        "time ratio": (evaluation + own[OURS]) / (evaluation + own[SCIPYS]),
    }


def _run_of(problem: dict) -> tuple[Watched, np.ndarray]:
    """The objective and the start of a run with these settings."""
    options = {name: value for name, value in problem.items() if name != "style"}
    settings = settings_from(options | {"weights": "builtin"})
    content = open_content(f"{SAMPLE_PREFIX}harbour", settings)
    [style] = open_styles(f"{SAMPLE_PREFIX}{problem['style']}", settings, content)
    start = open_start(settings, content, style, *content.pixels.shape[:2]).pixels
    network = Network(
        find_network("builtin"),
        backend=get_backend("numpy"),
        pool=settings.pool,
        margin=settings.margin,
    )
    objective = Objective(network, content.pixels, style.pixels, settings.losses)
    objective.scale = unit_scale(objective(start))
    return Watched(objective), start


def in_words(problem: dict) -> str:
    return ", ".join(str(value) for value in problem.values())


def measure(options: Options, tell: Tell, say: Tell) -> dict:
    rows = [
        run_child(
            "optimizers:compare_on",
            options.threads,
            tell,
            problem=problem,
            evaluations=options.evaluations,
        )
        for problem in PROBLEMS
    ]
    say(f"the least loss after {options.evaluations} evaluations, and the time of one:")
    heading = ["", OURS, SCIPYS, "ratio", "evaluation", "own work", SCIPYS, "ratio of time"]
    for line in table.table(heading, map(_row, rows)):
        say(line)
    return {"evaluations": options.evaluations, "problems": rows}


def _row(row: dict) -> list[str]:
    return [
        in_words(row["problem"]),
        f"{row['loss'][OURS]:.4g}",
        f"{row['loss'][SCIPYS]:.4g}",
        f"{row['loss ratio']:.4f}",
        table.as_time(row["evaluation"]),
        table.as_time(row["own work"][OURS]),
        table.as_time(row["own work"][SCIPYS]),
        f"{row['time ratio']:.2f}",
    ]


MODE = Mode(measure, heeds=frozenset({"evaluations"}), repeats=1, evaluations=100)
