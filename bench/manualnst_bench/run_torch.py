"""A whole process: `python -m manualnst_bench.run_torch FOLDER EVALUATIONS SIDE`, as `run_ours`.

PyTorch and Pillow alone, without manualnst, whose import would be counted.
"""

import json
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from .torch_objective import MEMORY_FORMATS, TorchObjective, Vgg, evaluate, to_picture, to_tensor


class _Enough(Exception):
    """All evaluations are used up."""


def main(folder: Path, evaluations: int, side: str) -> None:
    best, count = minimise(*prepare(folder, side), evaluations)
    np.save(folder / f"{side}.npy", to_picture(best))
    print(count)


def prepare(folder: Path, side: str) -> tuple[TorchObjective, Tensor]:
    """The objective and the start."""
    memory_format = MEMORY_FORMATS[side]
    content, style = (
        to_tensor(_read_picture(folder / f"{role}.png"), memory_format)
        for role in ("content", "style")
    )
    problem = json.loads((folder / "problem.json").read_text())
    vgg = Vgg(_read_weights(folder / "weights.npz", problem)).to(memory_format=memory_format)
    objective = TorchObjective(vgg, content, style, SimpleNamespace(**problem["losses"]))
    return objective, content


def minimise(
    objective: Callable[[Tensor], Tensor], start: Tensor, evaluations: int
) -> tuple[Tensor, int]:
    """The best picture of so many evaluations, and their number.

    torch.optim.LBFGS knows no bounds: its variables run free, and the objective has their values
    clamped to [0, 1], and hands back the gradient there as if nothing had been clamped. Compared
    at equal numbers of evaluations, that gives lower losses than a gradient that vanishes outside,
    and than clamping the variables in place, but for the built-in network, where that gives
    about the same. Likewise steps of length 1 without a line search, against strong_wolfe, which
    also gives up before the end.
    """
    scale = 1 / evaluate(objective, start)[1].square().mean().sqrt()  # as ours, and not counted
    x = start.clone(memory_format=torch.preserve_format).requires_grad_()
    optimizer = torch.optim.LBFGS(
        [x],
        lr=1,
        max_iter=evaluations,
        max_eval=evaluations,
        history_size=10,
        tolerance_grad=0,
        tolerance_change=0,
    )
    best, best_loss, count = start, float("inf"), 0

    def closure() -> Tensor:
        nonlocal best, best_loss, count
        if count == evaluations:
            raise _Enough
        count += 1
        picture = x.detach().clamp(0, 1)
        loss, gradient = evaluate(objective, picture)
        if loss < best_loss:
            best, best_loss = picture, loss
        x.grad = scale * gradient
        return scale * loss

    with suppress(_Enough):
        optimizer.step(closure)
    return best, count


def _read_picture(path: Path) -> np.ndarray:
    """(H, W, 3), float32 in [0, 1]."""
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"), np.float32) / np.float32(255)


def _read_weights(path: Path, problem: dict) -> SimpleNamespace:
    """What `Vgg` wants to know."""
    layers: dict[str, list[np.ndarray]] = {}
    with np.load(path) as arrays:
        for key, array in arrays.items():
            layers.setdefault(key.split(".")[0], []).append(array)
    preprocessing = SimpleNamespace(**problem["preprocessing"])
    return SimpleNamespace(layers=layers, preprocessing=preprocessing)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
