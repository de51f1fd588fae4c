"""[N2], and the ways to get it wrong."""

import numpy as np

from ... import ops
from ...network.vgg import Preprocessing
from .subject import Mistake, Problem, Subject, numbers

_PERMUTATIONS = ((1, 2, 0), (2, 1, 0), (2, 0, 1))
ORDERS = {"RGB": (0, 1, 2), "BGR": (2, 1, 0)}


def preprocessing(scale, shift, order) -> Preprocessing:
    """The gradient of z[:, :, c] = scale[c] · x[:, :, order[c]] + shift[c]."""
    [channels] = (name for name, known in ORDERS.items() if known == tuple(order))
    return Preprocessing(channels, 1.0, tuple(-shift / scale), tuple(1 / scale))


def draw_pixels(rng) -> tuple[np.ndarray, np.ndarray, tuple[int, ...]]:
    """scale, shift, order, of a network that wants RGB or BGR."""
    order = ORDERS[("RGB", "BGR")[rng.integers(2)]]
    return rng.uniform(0.5, 3.0, 3), rng.uniform(-1.0, 1.0, 3), order


def _draw(rng, shape) -> Problem:
    H, W, _, _ = shape
    scale, _, _ = draw_pixels(rng)
    order = _PERMUTATIONS[W % 3]  # each comes up, also those that are not their own inverse
    return Problem(
        {"dL_dz": numbers(rng, H, W, 3), "scale": scale, "order": order}, {"H": H, "W": W}
    )


def _loss(problem, x, backend):
    dL_dz, scale, order = problem.arguments.values()
    # The backend's own, as a Preprocessing keeps its numbers in single or double precision only.
    z, _ = backend.pixels_forward(x, scale.astype(x.dtype), np.zeros(3, x.dtype), list(order))
    return np.sum(dL_dz * z)


def _own(problem, backend):
    dL_dz, scale, order = problem.arguments.values()
    _, cache = backend.pixels_forward(np.zeros_like(dL_dz), scale, np.zeros_like(scale), [*order])
    return ops.pixels_backward(dL_dz, cache, backend=backend)


def _back(values, order):
    """From the channels of z to those of x."""
    dL_dx = np.zeros_like(values)
    dL_dx[:, :, list(order)] = values
    return dL_dx


_MISTAKES = (
    Mistake(
        "channels not brought back",
        "the channels are still in the order of z (BGR): x is RGB",
        lambda dL_dz, scale, order: scale * dL_dz,
    ),
    Mistake(
        "order in the place of its inverse",
        "the channels are picked by `order` once more: to bring them back, its inverse is needed "
        "(for BGR they are the same): dL_dx[:, :, order] = …",
        lambda dL_dz, scale, order: (scale * dL_dz)[:, :, list(order)],
    ),
    Mistake(
        "always BGR",
        "the channels are always reversed, whatever `order` says",
        lambda dL_dz, scale, order: (scale * dL_dz)[:, :, ::-1],
    ),
    *(
        Mistake(
            f"scale of channel {c} for all",
            f"all channels have the scale of one, scale[{c}]",
            lambda dL_dz, scale, order, c=c: _back(dL_dz, order) * scale[c],
        )
        for c in range(3)
    ),
    Mistake(
        "scale of another channel",
        "each channel has the scale of another: scale[c] belongs to z's channel c, before the "
        "channels are brought back",
        lambda dL_dz, scale, order: scale * _back(dL_dz, order),
    ),
    Mistake(
        "scale forgotten",
        "scale is missing: z = scale·x + shift has the slope scale",
        lambda dL_dz, scale, order: _back(dL_dz, order),
    ),
    Mistake(
        "channels and scale forgotten",
        "it is dL_dz itself: neither the scale nor the order of the channels is there",
        lambda dL_dz, scale, order: dL_dz.copy(),
    ),
    Mistake(
        "divided by the scale",
        "it is divided by the scale: the forward multiplies by it, and so does the backward",
        lambda dL_dz, scale, order: _back(dL_dz / scale, order),
    ),
    Mistake(
        "scale applied twice",
        "the scale is applied twice",
        lambda dL_dz, scale, order: _back(dL_dz * scale**2, order),
    ),
    Mistake(
        "mean of the scales",
        "all channels have one scale, the mean of the three",
        lambda dL_dz, scale, order: _back(dL_dz, order) * scale.mean(),
    ),
    Mistake(
        "channels rotated",
        "the channels are rotated (GBR): they are to be reversed",
        lambda dL_dz, scale, order: np.roll(scale * dL_dz, 1, axis=2),
    ),
    Mistake(
        "picture turned instead of channels",
        "rows or columns are reversed instead of channels ([::-1] on the wrong axis?)",
        lambda dL_dz, scale, order: (scale * dL_dz)[::-1],
    ),
    Mistake(
        "picture mirrored instead of channels",
        "rows or columns are reversed instead of channels ([::-1] on the wrong axis?)",
        lambda dL_dz, scale, order: (scale * dL_dz)[:, ::-1],
    ),
    Mistake(
        "channels added up",
        "the channels are added up: each z depends on one channel of x alone",
        lambda dL_dz, scale, order: np.repeat((scale * dL_dz).sum(axis=2, keepdims=True), 3, 2),
    ),
)

PIXELS = Subject(
    name="pixels_backward",
    identifier="N2",
    formula="dL_dx[π(c)] = scale[c] dL_dz[c]",
    gives="dL_dx",
    describe="""z[:, :, c] = scale[c] · x[:, :, order[c]] + shift[c]. dL_dz (H, W, 3), scale (3,),
    order any permutation of the channels, as (2, 1, 0) for BGR → dL_dx (H, W, 3)""",
    draw=_draw,
    variable=lambda problem: np.zeros(problem.arguments["dL_dz"].shape),
    loss=_loss,
    own=_own,
    right=lambda dL_dz, scale, order: _back(scale * dL_dz, order),
    summands=lambda problem: 1,
    mistakes=_MISTAKES,
    hints={"1/255": "pixels are in [0, 1] here", "255": "pixels are in [0, 1] here"},
    is_linear=True,
)
