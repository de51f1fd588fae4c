"""Learning: the start by least squares, batches, checkpoints. Nothing here prints."""

import dataclasses
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from manualnst.backends import get_backend
from manualnst.errors import InputError
from manualnst.network.vgg import Preprocessing, Weights, convolution_names
from manualnst.ops import pixels_forward
from manualnst.runs.checkpoint import load_checkpoint, save_checkpoint
from manualnst.system import threads
from manualnst.system.machine import format_duration

from . import adam, crops, network, squares
from .network import Maps, Parameters
from .parallel import mapped

LAST = "conv5_1"
PARTS = 2  # of a batch, a thread each; not by the threads, as sums are rounded part by part
FACTS = ("errors", "batches", "seconds", "total")  # of a state, beside its arrays
# Numbers of the first crops for the least squares, and for looking how well it goes.
FITTED, UNSEEN = 2**30, 2**31


@dataclass(frozen=True)
class Plan:
    """All that decides what is learned, but for teacher, pictures, and how long."""

    seed: int = 1
    # Filters of conv1_1, conv2_1, …, where style is compared, and of the others of each block.
    first: tuple[int, ...] = (64, 96, 192, 384, 384)
    others: tuple[int, ...] = (32, 64, 128, 256, 256)
    fitted: int = 320  # crops by which the least squares are
    unseen: int = 32  # crops to look how well it goes
    batch: int = 8
    rate: float = 0.02  # of a layer's error, by which a step moves its map at most
    warm_up: int = 50
    cooling: float = 0.7

    def widths(self, architecture: str) -> dict[str, int]:
        names = convolution_names(architecture)
        names = names[: names.index(LAST) + 1]
        return {n: (self.first if n.endswith("_1") else self.others)[int(n[4]) - 1] for n in names}


@dataclass
class State:
    """Where learning is: after `batches` steps, which took `seconds`."""

    parameters: Parameters
    kept: dict[str, np.ndarray]  # the teacher's channels, by convolution
    sizes: dict[str, np.ndarray]  # root mean squares of these
    errors: dict[str, float]  # of the least squares: relative, squared
    moments: dict[str, np.ndarray]
    batches: int = 0
    seconds: float = 0.0
    total: int | None = None  # batches in all, once the rate has begun to fall

    @property
    def energies(self) -> dict[str, float]:
        """Mean squares of whole layers."""
        return {name: float(np.mean(size**2)) for name, size in self.sizes.items()}


class Lessons:
    """What is learned from: a teacher, and crops of pictures as it sees them."""

    def __init__(self, teacher: Weights, pictures: Sequence[np.ndarray], plan: Plan):
        self.plan, self.teacher, self.pictures = plan, teacher, pictures
        self.widths = plan.widths(teacher.architecture)
        check_teacher(teacher, self.widths)
        self.parameters = network.with_transformed(network.parameters_of(teacher))
        self.digest = crops.digest(pictures)

    def crops(self, numbers: Sequence[int]) -> np.ndarray:
        prepared = [
            network_input(crops.crop(self.pictures, self.plan.seed, n), self.teacher.preprocessing)
            for n in numbers
        ]
        return np.stack(prepared)

    def targets(self, x, kept: dict[str, np.ndarray]) -> Maps:
        _, maps = network.forward(self.parameters, self.widths, x)
        return {name: maps[name][..., own] for name, own in kept.items() if name != "conv1_1"}


def check_teacher(teacher: Weights, widths: dict[str, int]) -> None:
    """Refuse one that has nothing to keep."""
    for name, width in widths.items():
        filters = len(teacher.layers[name][1]) if name in teacher.layers else 0
        if filters < width:
            raise InputError(
                f"the teacher has {filters} filters in {name}, but {width} of them are to be kept; "
                f"give a wider one that reaches {LAST}"
            )


def network_input(x: np.ndarray, preprocessing: Preprocessing) -> np.ndarray:
    """[N1]: a crop (H, W, 3) as the network wants it."""
    return pixels_forward(x.astype(np.float32), preprocessing, backend=get_backend("numpy"))[0]


def fitted_state(lessons: Lessons, tell: Callable[[str], None]) -> State:
    """By least squares, of crops that no batch has."""
    plan = lessons.plan
    x = lessons.crops(range(FITTED, FITTED + plan.fitted))
    unseen = lessons.crops(range(UNSEEN, UNSEEN + plan.unseen))
    with threads.single_threaded_blas():  # more threads would round otherwise
        parameters, kept = squares.narrowed(lessons.parameters, lessons.widths, x, plan.seed, tell)
        sizes = _sizes(lessons, unseen, kept)
    state = State(parameters, kept, sizes, {}, adam.fresh_moments(_learning(parameters)))
    state.errors = unseen_errors(lessons, state)
    return state


def unseen_errors(lessons: Lessons, state: State) -> dict[str, float]:
    """The relative squared error by layer, on crops that are not learned from."""
    numbers = np.arange(UNSEEN, UNSEEN + lessons.plan.unseen)

    def look(part) -> dict[str, float]:
        x = lessons.crops(part)
        _, maps = network.forward(state.parameters, lessons.widths, x)
        return network.errors(maps, lessons.targets(x, state.kept), state.energies)[0]

    return _mean(mapped(look, np.split(numbers, len(numbers) // 4)))


def _mean(found: Sequence[dict[str, float]]) -> dict[str, float]:
    return {name: float(np.mean([part[name] for part in found])) for name in found[0]}


def _sizes(lessons: Lessons, x, kept: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    _, maps = network.forward(lessons.parameters, lessons.widths, x)
    return {
        name: np.sqrt(np.mean(maps[name][..., own] ** 2, axis=(0, 1, 2)))
        for name, own in kept.items()
    }


def _learning(parameters: Parameters) -> Parameters:
    return {name: value for name, value in parameters.items() if not name.startswith("conv1_1.")}


def learn_batch(lessons: Lessons, state: State, total: int) -> dict[str, float]:
    """One step → the relative squared error by layer."""
    started = time.perf_counter()
    plan, number = lessons.plan, state.batches + 1
    numbers = range(state.batches * plan.batch, number * plan.batch)
    parts = mapped(lambda k: _part(lessons, state, numbers[k::PARTS]), range(PARTS))
    found, gradients = zip(*parts, strict=True)
    learning = _learning(state.parameters)
    gradient = {name: sum(g[name] for g in gradients) / PARTS for name in learning}
    if adam.falls(number, total, plan.cooling):
        state.total = total
    rate = plan.rate * adam.course(number, total, plan.warm_up, plan.cooling)
    adam.step(learning, gradient, state.moments, number, _rates(rate, state))
    state.batches = number
    state.seconds += time.perf_counter() - started
    return _mean(found)


def _part(
    lessons: Lessons, state: State, numbers: Sequence[int]
) -> tuple[dict[str, float], Parameters]:
    """Of a part of a batch: each layer's error, and the gradient of their sum."""
    x = lessons.crops(numbers)
    targets = lessons.targets(x, state.kept)
    inputs, maps = network.forward(state.parameters, lessons.widths, x)
    found, gradients = network.errors(maps, targets, state.energies)
    return found, network.backward(state.parameters, inputs, maps, gradients)


def _rates(rate: float, state: State) -> dict[str, np.ndarray]:
    """Adam moves every parameter by about its rate. Here that is such that a map, which sums over
    9 C of them, moves by the share `rate` of its error: what is right nearly stays, and channels,
    whose sizes differ by orders of magnitude in VGG, move in proportion to these.

    What reads a channel that no crop has woken stays as it is."""
    rates, into = {}, state.sizes["conv1_1"]
    for name, error in state.errors.items():
        out = state.sizes[name] * np.float32(rate * np.sqrt(error / (9 * len(into))))
        w = np.zeros((len(into), len(out)), out.dtype)
        np.divide(out, into[:, None], out=w, where=into[:, None] > 0)
        rates[f"{name}.w"], rates[f"{name}.b"] = w, out
        into = state.sizes[name]
    return rates


def save_state(path: Path, lessons: Lessons, state: State) -> None:
    facts = _identity(lessons) | {fact: getattr(state, fact) for fact in FACTS}
    arrays = state.parameters | state.moments
    for kind in ("kept", "sizes"):
        arrays |= {f"{kind}.{name}": array for name, array in getattr(state, kind).items()}
    save_checkpoint(path, facts, arrays)


def load_state(path: Path, lessons: Lessons) -> State:
    facts, arrays = load_checkpoint(path)
    for what, here in _identity(lessons).items():
        if facts.get(what) != here:
            raise InputError(
                f"{path} was begun with another {what}; give what it was begun with, or another "
                "folder"
            )
    try:
        parameters = {
            f"{name}.{kind}": arrays[f"{name}.{kind}"] for name in lessons.widths for kind in "wb"
        }
        return State(
            parameters,
            kept={name: arrays[f"kept.{name}"] for name in lessons.widths},
            sizes={name: arrays[f"sizes.{name}"] for name in lessons.widths},
            moments={name: arrays[name] for name in adam.fresh_moments(_learning(parameters))},
            **{fact: facts[fact] for fact in FACTS},
        )
    except KeyError as error:
        raise InputError(f"{path} lacks {error}; remove it, and learning begins anew") from error


def _identity(lessons: Lessons) -> dict[str, object]:
    """What a checkpoint must have been begun with."""
    plan = dataclasses.asdict(lessons.plan)
    return {
        "plan": {k: list(v) if isinstance(v, tuple) else v for k, v in plan.items()},
        "teacher": lessons.teacher.fingerprint(),
        "set of pictures": lessons.digest,
    }


def check_total(lessons: Lessons, state: State, total: int) -> None:
    """Refuse a number of batches if what was learned so far is not how a run of it begins."""
    if state.total not in (None, total):
        raise InputError(
            f"--batches {total}: the rate has begun to fall as it does in {state.total} batches; "
            f"give --batches {state.total}, or another folder"
        )
    cooling = lessons.plan.cooling
    if state.total is None and adam.falls(state.batches, total, cooling):
        raise InputError(
            f"--batches {total}: {state.batches} are learned already, the last of them at a higher "
            f"rate than in a run of {total}; give --batches "
            f"{math.ceil(state.batches / (1 - cooling))} or more, or another folder"
        )


def narrow_weights(lessons: Lessons, state: State) -> Weights:
    """The network as the package has them; names of layers and sizes of maps are the teacher's."""
    layers = {
        name: (state.parameters[f"{name}.w"], state.parameters[f"{name}.b"])
        for name in lessons.widths
    }
    provenance = {
        "name": "narrow",
        "recipe": "the channels of a VGG that tell most of the others, by least squares and then "
        f"learned in {state.batches} batches of {lessons.plan.batch} crops (python -m "
        "weights.narrow)",
        "seed": str(lessons.plan.seed),
        "time": format_duration(state.seconds),
        "teacher: fingerprint": lessons.teacher.fingerprint(),
        **{f"teacher: {key}": text for key, text in lessons.teacher.provenance.items()},
    }
    return Weights(lessons.teacher.architecture, layers, lessons.teacher.preprocessing, provenance)
