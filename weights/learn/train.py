"""Learning: batches, steps, checkpoints. Nothing here prints."""

import dataclasses
import math
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from manualnst import threads
from manualnst.checkpoint import load_checkpoint, save_checkpoint
from manualnst.errors import InputError

from . import adam, data, network
from .canvas import Random
from .network import PREPROCESSING, Parameters, Shape

CODE = ":/manualnst/*.py", ":/weights/learn/*.py"  # what decides what is learned
FEWEST = 2  # batches; at the last of all the rate is 0, so of one alone nothing would be learned


@dataclass(frozen=True)
class Plan:
    """All that decides what is learned, but for how long."""

    seed: int = 1
    recipes: int = 1400
    pictures: int = 18  # of each recipe
    widths: tuple[int, ...] = (32, 64, 96, 128, 128)
    last: str = "conv5_1"
    side: int = 64  # of a crop
    batch: int = 64
    parts: int = 2  # of a batch; each has statistics of its own, and a thread
    rate: float = 3e-3
    head_rate: float = (
        8.0  # times that: what the classifiers read varies little, so w must be large
    )
    warm_up: int = 50
    cooling: float = 0.5
    decay: float = 1e-4
    decorrelation: float = 0.05

    @property
    def shape(self) -> Shape:
        return Shape(self.recipes, tuple(self.widths), self.last)


@dataclass
class State:
    """Where learning is: after `batches` steps, which took `seconds`."""

    parameters: Parameters
    moments: dict[str, np.ndarray]
    batches: int = 0
    seconds: float = 0.0
    total: int | None = None  # batches in all, once the rate has begun to fall
    commits: list[str] = field(default_factory=list)  # of the code, in the order of its use


@dataclass
class Report:
    """What one batch came to."""

    loss: float
    right: dict[str, float]  # share of the crops, by head
    penalty: float


def fresh_state(plan: Plan) -> State:
    # Some streams here and in fold.py are a recipe's too ([seed, n], [seed, n, 1 + k] there). It
    # does no harm, as they serve other ends; others would make another network of each seed.
    parameters = network.draw_parameters(plan.shape, Random([plan.seed, 2]))
    return State(parameters, adam.fresh_moments(parameters))


def save_state(path: Path, plan: Plan, state: State) -> None:
    facts = {"plan": dataclasses.asdict(plan), "pictures": data.code_hash()}
    facts |= {"batches": state.batches, "seconds": state.seconds, "total": state.total}
    facts["commits"] = state.commits
    save_checkpoint(path, facts, state.parameters | state.moments)


def load_state(path: Path, plan: Plan) -> State:
    facts, arrays = load_checkpoint(path)
    asked = dataclasses.asdict(plan) | {"widths": list(plan.widths)}
    if facts.get("plan") != asked:
        raise InputError(f"{path} was learned by other settings; give another folder, or those")
    if facts.get("pictures") != data.code_hash():
        raise InputError(
            f"{path} was learned from pictures that other code has drawn; give another folder, or "
            "go on with that code"
        )
    fresh = fresh_state(plan)
    expected = fresh.parameters | fresh.moments
    if {name: a.shape for name, a in arrays.items()} != {n: a.shape for n, a in expected.items()}:
        raise InputError(f"{path} does not hold this network's parameters; remove it")
    return State(
        {name: arrays[name] for name in fresh.parameters},
        {name: arrays[name] for name in fresh.moments},
        facts["batches"],
        facts["seconds"],
        facts["total"],
        facts["commits"],
    )


def note_commit(state: State) -> None:
    """For the provenance: which code goes on from here."""
    now = _commit()
    if state.commits[-1:] != [now]:
        state.commits.append(now)


def _commit() -> str:
    head, changes = _git("rev-parse", "HEAD"), _git("status", "--porcelain", "--", *CODE)
    return (head or "unknown") + (" + changes" if changes else "")


def _git(*arguments: str) -> str:
    folder = Path(__file__).parent
    try:
        found = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True)
    except OSError:  # there is no git here
        return ""
    return found.stdout.strip()


def planned(plan: Plan, state: State, minutes: float) -> int:
    """How many batches there will be in so many minutes, at the speed so far; but never so few
    that the rate should have begun to fall already.

    From where it falls the number stays: the run is the one that has this number from the start.
    """
    if state.total is not None:
        return state.total
    in_time = round(max(state.batches, 1) * 60 * minutes / max(state.seconds, 1))
    return max(in_time, _fewest(plan, state))


def check_total(plan: Plan, state: State, total: int) -> None:
    """Refuse a number of batches if what was learned so far is not how a run of it begins."""
    if state.total not in (None, total):
        raise InputError(
            f"--batches {total}: the rate has begun to fall as it does in {state.total} batches; "
            f"give --batches {state.total}, or another folder"
        )
    if state.total is None and adam.falls(state.batches, total, plan.cooling):
        raise InputError(
            f"--batches {total}: {state.batches} are learned already, the last of them at a higher "
            f"rate than in a run of {total}; give --batches {_fewest(plan, state)} or more, or "
            "another folder"
        )


def _fewest(plan: Plan, state: State) -> int:
    """The shortest run that begins with what was learned so far, at a rate that did not fall."""
    return max(FEWEST, math.ceil(state.batches / (1 - plan.cooling)))


def learn_batch(plan: Plan, pictures: np.ndarray, state: State, total: int) -> Report:
    """One step; `pictures` (recipes, plan.pictures, …) as data.drawn gives them."""
    started = time.perf_counter()
    number = state.batches
    indices = data.chosen(plan.seed, plan.recipes * plan.pictures, plan.batch, number)
    outcomes, gradients = [None] * plan.parts, [None] * plan.parts

    def learn_part(part: int) -> None:
        own = np.sort(indices[part :: plan.parts])
        random = Random([plan.seed, 3, number, part])
        x = network_input(data.augmented(pictures, own, plan.side, random))
        labels = own // plan.pictures
        outcome = network.forward(plan.shape, state.parameters, x, labels, plan.decorrelation)
        gradients[part] = network.backward(plan.shape, state.parameters, outcome, 1 / plan.parts)
        outcomes[part] = outcome

    threads.for_each(learn_part, range(plan.parts))
    gradient = {name: sum(g[name] for g in gradients) for name in state.parameters}
    if adam.falls(number + 1, total, plan.cooling):
        state.total = total
    rate = plan.rate * adam.course(number + 1, total, plan.warm_up, plan.cooling)
    rates = {name: rate * (plan.head_rate if ".head." in name else 1) for name in gradient}
    adam.step(state.parameters, gradient, state.moments, number + 1, rates, plan.decay * rate)
    state.batches += 1
    state.seconds += time.perf_counter() - started
    return Report(
        float(np.mean([o.loss for o in outcomes])),
        {head: sum(o.right[head] for o in outcomes) / plan.batch for head in plan.shape.heads},
        float(np.mean([o.penalty for o in outcomes])),
    )


def network_input(x: np.ndarray) -> np.ndarray:
    """Crops (n, H, W, 3) as the network wants them: the package's pixel normalisation [N1]."""
    mean, std = (np.asarray(v, np.float32) for v in (PREPROCESSING.mean, PREPROCESSING.std))
    return (x - mean) / std


def unseen(plan: Plan, parameters: Parameters, pictures: np.ndarray) -> dict[str, float]:
    """The share named rightly, by head, of pictures (recipes, n, …) that were not learned from."""
    count = pictures.shape[1]
    right = dict.fromkeys(plan.shape.heads, 0)
    order = Random([plan.seed, 4]).permutation(plan.recipes * count)
    parts = [np.sort(part) for part in _parts(order, plan.batch // plan.parts)]
    outcomes = [None] * len(parts)

    def look(part: int) -> None:
        x = network_input(data.plain(pictures, parts[part], plan.side))
        outcome = network.forward(plan.shape, parameters, x, parts[part] // count, 0.0)
        outcomes[part] = outcome.right  # the rest is large

    threads.for_each(look, range(len(parts)))
    for found in outcomes:
        right = {head: right[head] + found[head] for head in right}
    return {head: n / sum(map(len, parts)) for head, n in right.items()}


def _parts(order: np.ndarray, size: int) -> Iterator[np.ndarray]:
    """Whole parts; what is left over at the end has too few crops for statistics."""
    for first in range(0, len(order) - size + 1, size):
        yield order[first : first + size]
