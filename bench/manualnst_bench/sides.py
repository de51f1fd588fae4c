"""What is compared: one evaluation, loss and picture gradient, by manualnst and by others.

All have the same filters, pictures and settings: content relu4_2 and style relu1_1 … relu5_1 as
the paper has them, average pooling, no total variation.
"""

import importlib.util
from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np

from manualnst.backends import NAMES as BACKENDS
from manualnst.backends import get_backend
from manualnst.errors import InputError
from manualnst.network.network import Network, normalise_filters
from manualnst.network.vgg import WIDTHS, Weights, convolution_names
from manualnst.objective.objective import LossSettings, Objective
from manualnst.pictures.resizing import resize
from manualnst.runs.inputs import SAMPLE_PREFIX, load_source
from manualnst.weights import find_weights
from manualnst.weights.layouts import PREPROCESSINGS

from .measure import Tell

NETWORKS = ("vgg19", "builtin")
COMPILED = "-compiled"
FRAMEWORKS = (
    "torch-nchw",
    "torch-channels-last",
    "torch-nchw-compiled",
    "torch-channels-last-compiled",
    "jax",
)
DEEPEST = "conv5_1"
# The paper's. The first two count more, or a mistake in them would hardly show in the built-in
# network.
STYLE_LAYERS = {"relu1_1": 2.0, "relu2_1": 3.0, "relu3_1": 1.0, "relu4_1": 1.0, "relu5_1": 1.0}
PICTURES = ("harbour", "mosaic", "strokes")

# The largest relative error of loss and gradient (in the Euclidean norm). Single precision has
# ReLUs switch that are within a rounding error of zero, some in a million; each moves the gradient
# by its whole share, so the gradient's error is about the root of that.
LIMITS = {"float32": (1e-4, 5e-3), "float64": (1e-10, 1e-9)}

Result = tuple[float, np.ndarray]  # loss, gradient (H, W, 3)
Evaluate = Callable[[], Result]


class Problem(NamedTuple):
    weights: Weights
    content: np.ndarray  # (H, W, 3), like the other two
    style: np.ndarray
    x: np.ndarray
    losses: LossSettings

    def to(self, dtype: str) -> "Problem":
        pictures = (picture.astype(dtype) for picture in (self.content, self.style, self.x))
        layers = {
            name: (w.astype(dtype), b.astype(dtype)) for name, (w, b) in self.weights.layers.items()
        }
        weights = Weights(self.weights.architecture, layers, self.weights.preprocessing)
        return Problem(weights, *pictures, self.losses)


def make_problem(size: int, network: str) -> Problem:
    """In single precision, whose numbers every other one holds."""
    weights = find_network(network)
    if network != "vgg19":
        # Maps of one that has learned differ in size by a thousand, Gram losses by its 4th power.
        weights = normalise_filters(weights, [sample(name, 64) for name in PICTURES])
    # The gradients of the paper's two losses differ by a factor that grows with the picture; so
    # weighted, both count, and a mistake in either is noticed.
    losses = LossSettings(
        content_layers={"relu4_2": 1.0},
        style_layers=STYLE_LAYERS,
        content_weight=1e-2 / size**2,
        style_weight=1.0,
        tv_weight=0.0,
        normalisation="paper",
    )
    return Problem(weights, *(sample(name, size) for name in PICTURES), losses)


def sample(name: str, size: int) -> np.ndarray:
    """One of the package's pictures as a square (size, size, 3)."""
    return resize(load_source(SAMPLE_PREFIX + name).pixels, size, size)


def find_network(name: str) -> Weights:
    return random_vgg19() if name == "vgg19" else find_weights(name)


def random_vgg19() -> Weights:
    """The full widths, to the deepest layer in use, scaled so that maps keep their size (He)."""
    rng = np.random.default_rng(0)
    names = convolution_names("vgg19")
    layers, channels = {}, 3
    for name in names[: names.index(DEEPEST) + 1]:
        filters = WIDTHS[int(name[len("conv")]) - 1]
        w = rng.standard_normal((3, 3, channels, filters), np.float32)
        w *= np.float32((2 / (9 * channels)) ** 0.5)
        b = np.float32(0.1) * rng.standard_normal(filters, np.float32)
        layers[name] = w, b
        channels = filters
    return Weights("vgg19", layers, PREPROCESSINGS["imagenet-rgb"])


# Ready to be called: weights and targets are there.


def our_evaluation(problem: Problem, backend) -> Evaluate:
    network = Network(problem.weights, backend=backend, dtype=problem.x.dtype)
    objective = Objective(network, problem.content, problem.style, problem.losses)

    def evaluate():
        evaluation = objective(problem.x)
        return evaluation.loss, evaluation.dL_dx

    return evaluate


def _torch(problem: Problem, name: str) -> Evaluate:
    import torch

    from . import torch_objective as reference

    memory_format = reference.MEMORY_FORMATS[name.removesuffix(COMPILED)]
    pictures = (problem.content, problem.style, problem.x)
    content, style, x = (reference.to_tensor(each, memory_format) for each in pictures)
    vgg = reference.Vgg(problem.weights).to(x.dtype).to(memory_format=memory_format)
    objective = reference.TorchObjective(vgg, content, style, problem.losses)
    if name.endswith(COMPILED):
        # For one shape only: otherwise the second size would get slower code for any shape.
        torch.compiler.reset()
        objective.compile(dynamic=False)

    def evaluate():
        loss, gradient = reference.evaluate(objective, x)
        return loss, reference.to_picture(gradient)

    return evaluate


def _jax(problem: Problem) -> Evaluate:
    from .jax_objective import jax_evaluation

    evaluate = jax_evaluation(problem.weights, problem.content, problem.style, problem.losses)
    return lambda: evaluate(problem.x)


def build(name: str, problem: Problem) -> Evaluate:
    if name in BACKENDS:
        return our_evaluation(problem, get_backend(name))
    return _jax(problem) if name == "jax" else _torch(problem, name)


def warms_up(name: str) -> bool:
    """Whether the first call does what later ones need not."""
    return name == "jax" or name.endswith(COMPILED)


def why_absent(name: str) -> str | None:
    """Why a side cannot be had, without importing it; None if it is there, as ours always is."""
    library = name.partition("-")[0]
    if name in BACKENDS or importlib.util.find_spec(library):
        return None
    return f"{library} is not installed"


def in_a_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def prepare(
    names: Iterable[str], problem: Problem, tell: Tell
) -> tuple[dict[str, Evaluate], dict[str, Result], dict[str, str]]:
    """The sides, with the results of a first call; and the frameworks that fail, with reasons."""
    ready: dict[str, Evaluate] = {}
    results: dict[str, Result] = {}
    left_out: dict[str, str] = {}
    for name in names:
        tell(f"preparing {name}")
        if reason := why_absent(name):
            left_out[name] = reason
            continue
        try:
            evaluate = build(name, problem)
            results[name] = evaluate()
            ready[name] = evaluate
        except Exception as error:  # such as that of torch.compile without a C++ compiler
            if name in BACKENDS:
                raise
            left_out[name] = in_a_line(error)
    return ready, results, left_out


def check_agreement(
    results: dict[str, Result], problem: Problem, dtype: str, tell: Tell
) -> dict[str, dict[str, float]]:
    """The relative errors against ours in double precision; refuses large ones."""
    tell("the same in double precision")
    loss, gradient = our_evaluation(problem.to("float64"), get_backend("numpy"))()
    errors = {}
    for name, (its_loss, its_gradient) in results.items():
        of_loss = abs(its_loss - loss) / abs(loss)
        of_gradient = float(np.linalg.norm(its_gradient - gradient) / np.linalg.norm(gradient))
        loss_limit, gradient_limit = LIMITS[dtype]
        if not (of_loss < loss_limit and of_gradient < gradient_limit):
            raise InputError(
                f"{name} does not compute what manualnst does in double precision: the loss is "
                f"off by {of_loss:.1e} (allowed: {loss_limit:.0e}), the gradient by "
                f"{of_gradient:.1e} ({gradient_limit:.0e}); nothing was timed"
            )
        errors[name] = {"loss": of_loss, "gradient": of_gradient}
    return errors
