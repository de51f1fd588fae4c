"""Textures from a network's style loss, and pictures from its content loss, by the package."""

from dataclasses import replace

import numpy as np

from manualnst.backends import get_backend
from manualnst.images import fitted_size, resize
from manualnst.network import Network
from manualnst.objective import LossSettings, Objective, unit_scale
from manualnst.optimizers import LBFGS, State, Step
from manualnst.settings import Settings
from manualnst.vgg import Weights

TEXTURE = "texture"
DEPTHS = tuple(f"relu{block}_1" for block in range(1, 6))

_RUN = Settings().losses
# What is asked of a picture, apart from which all is as in any run: all of the style, or the
# content at one depth.
LOSSES: dict[str, LossSettings] = {
    TEXTURE: replace(_RUN, content_weight=0.0, tv_weight=0.0),
} | {
    depth: replace(_RUN, content_layers={depth: 1.0}, style_weight=0.0, tv_weight=0.0)
    for depth in DEPTHS
}
_SHARES = (1 / 4, 1 / 2, 1)  # of the size, coarse to fine: without it much remains noise


def synthesise(
    weights: Weights, original: np.ndarray, losses: LossSettings, evaluations: int, seed: int
) -> np.ndarray:
    """The picture that the losses make of noise, of the size of the original (H, W, 3).

    It starts at a quarter of the size, and is enlarged twice; at each size the loss is evaluated
    so many times.
    """
    network = Network(weights, backend=get_backend("numpy"))
    x = np.random.RandomState(seed).random_sample(original.shape).astype(np.float32)
    for share in _SHARES:
        height, width = fitted_size(*original.shape[:2], round(share * max(original.shape)))
        target = resize(original, height, width)
        objective = Objective(network, target, target, losses)
        x = x[:height, :width] if share == _SHARES[0] else resize(x, height, width)
        x = _minimised(objective, x, evaluations)
    return x


def _minimised(objective: Objective, x: np.ndarray, evaluations: int) -> np.ndarray:
    objective.scale = unit_scale(objective(x))
    latest = x

    def on_step(step: Step) -> str | None:
        nonlocal latest
        latest = step.state.x
        return "enough" if step.state.evaluations >= evaluations else None

    LBFGS().minimise(objective, State(x), evaluations, on_step)
    return latest
