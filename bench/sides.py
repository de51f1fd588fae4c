"""What is compared: one evaluation (loss and picture gradient) by manualnst and by PyTorch.

Both have the same random VGG-19, the same pictures and the settings of a run by default:
content relu4_2, style pixels, relu1_1 … relu5_1, average pooling, single precision.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch_objective import TorchObjective, Vgg19, evaluate, to_picture, to_tensor

from manualnst.backends import get_backend
from manualnst.network import Network
from manualnst.objective import Objective
from manualnst.settings import Settings
from manualnst.vgg import Weights, convolution_names
from manualnst.weights.layouts import PREPROCESSINGS

LOSSES = Settings().losses
Evaluate = Callable[[], tuple[float, np.ndarray]]  # () → loss, gradient (H, W, 3)

# Single precision has ReLUs switch that are within a rounding error of zero, about one in a
# million. Each moves the gradient by its whole share, so its error is about the root of that.
LOSS_LIMIT, GRADIENT_LIMIT = 1e-4, 5e-3


def numpy_side(size: int, backend=None) -> Evaluate:
    """Ready to be called: weights and targets are there."""
    content, style, x = _pictures(size)
    network = Network(_weights(Vgg19()), backend=backend or get_backend("numpy"))
    objective = Objective(network, content, style, LOSSES)

    def evaluate_once():
        evaluation = objective(x)
        return evaluation.loss, evaluation.dL_dx

    return evaluate_once


def torch_side(size: int, memory_format, compiled: bool) -> Evaluate:
    content, style, x = (to_tensor(picture, memory_format) for picture in _pictures(size))
    vgg = Vgg19().to(memory_format=memory_format)
    objective = TorchObjective(vgg, content, style, LOSSES)
    if compiled:
        # For one shape only: otherwise the second size would get slower code for any shape.
        torch.compiler.reset()
        objective.compile(dynamic=False)

    def evaluate_once():
        loss, gradient = evaluate(objective, x)
        return loss, to_picture(gradient)

    return evaluate_once


OURS = "numpy"
SIDES: dict[str, Callable[[int], Evaluate]] = {
    OURS: numpy_side,
    "torch nchw": lambda size: torch_side(size, torch.contiguous_format, False),
    "torch channels_last": lambda size: torch_side(size, torch.channels_last, False),
    "torch nchw compiled": lambda size: torch_side(size, torch.contiguous_format, True),
    "torch channels_last compiled": lambda size: torch_side(size, torch.channels_last, True),
}


def prepare(size: int) -> tuple[dict[str, Evaluate], dict[str, str]]:
    """The sides, each called once to warm up; and those that cannot run here, with the reason."""
    ready, skipped = {}, {}
    for name, side in SIDES.items():
        try:
            ready[name] = side(size)
            ready[name]()
        except Exception as error:  # whatever torch.compile misses, such as a C++ compiler
            if "compiled" not in name:
                raise
            del ready[name]
            skipped[name] = f"{type(error).__name__}: {str(error).strip().splitlines()[0]}"
    return ready, skipped


def check_agreement(sides: dict[str, Evaluate]) -> dict[str, dict[str, float]]:
    """The relative errors between our side and each of PyTorch's; ends the program on a bad one."""
    loss, gradient = sides[OURS]()
    errors = {}
    for name in sides.keys() - {OURS}:
        expected_loss, expected = sides[name]()
        errors[name] = {
            "loss": abs(loss - expected_loss) / abs(expected_loss),
            "gradient": float(np.linalg.norm(gradient - expected) / np.linalg.norm(expected)),
        }
        if not (errors[name]["loss"] < LOSS_LIMIT and errors[name]["gradient"] < GRADIENT_LIMIT):
            raise SystemExit(f"{OURS} and {name} do not agree: {errors[name]}")
    return errors


def _pictures(size: int) -> list[np.ndarray]:
    """Content, style and x."""
    rng = np.random.default_rng(0)
    return [rng.random((size, size, 3), np.float32) for _ in range(3)]


def _weights(vgg: Vgg19) -> Weights:
    convolutions = [layer for layer in vgg.features if isinstance(layer, torch.nn.Conv2d)]
    layers = {
        # (out, in, 3, 3) → (3, 3, in, out), laid out as if read from a file
        name: (np.ascontiguousarray(layer.weight.permute(2, 3, 1, 0)), layer.bias.numpy())
        for name, layer in zip(convolution_names("vgg19"), convolutions, strict=True)
    }
    return Weights("vgg19", layers, PREPROCESSINGS["imagenet-rgb"])
