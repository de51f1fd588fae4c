"""One operation, forward and backward to its input: ours, and the frameworks' own.

Each side takes the same arrays: x and dL_dy, maps (H, W, N), and a convolution's w and b.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from manualnst import ops
from manualnst.backends import NAMES as BACKENDS
from manualnst.backends import get_backend

SIDES = ("torch-nchw", "torch-channels-last", "jax")

Arrays = dict[str, np.ndarray]


class Ready(NamedTuple):
    """To be called as often as one likes."""

    forward: Callable[[], object]
    backward: Callable[[], object]
    results: Callable[[], tuple[np.ndarray, np.ndarray]]  # y and dL_dx


def make_ready(side: str, kind: str, arrays: Arrays) -> Ready:
    """`kind` is conv, relu, pool or gram."""
    if side in BACKENDS:
        return _ours(kind, arrays, get_backend(side))
    if side == "jax":
        return _jax(kind, arrays)
    return _torch(kind, arrays, side)


def _ours(kind: str, arrays: Arrays, backend) -> Ready:
    x, dL_dy = arrays["x"], arrays["dL_dy"]
    if kind == "gram":
        return _pair(
            lambda: backend.gram_forward(x), lambda cache: backend.gram_backward(dL_dy, cache)
        )
    name = {"conv": "conv3x3", "relu": "relu", "pool": "avgpool"}[kind]
    forward, backward = getattr(ops, f"{name}_forward"), getattr(ops, f"{name}_backward")
    parameters = [arrays[name] for name in ("w", "b") if name in arrays]
    return _pair(
        lambda: forward(x, *parameters, backend=backend),
        lambda cache: backward(dL_dy, cache, backend=backend),
    )


def _pair(forward: Callable[[], tuple], backward: Callable) -> Ready:
    """Of functions () → y, cache and cache → dL_dx."""
    y, cache = forward()
    return Ready(forward, lambda: backward(cache), lambda: (y, backward(cache)))


def _torch(kind: str, arrays: Arrays, side: str) -> Ready:
    import torch

    from . import torch_objective as reference

    functional = torch.nn.functional
    memory_format = reference.MEMORY_FORMATS[side]

    def tensor(array: np.ndarray) -> torch.Tensor:
        if array.ndim < 3:  # of a Gram matrix
            return torch.tensor(array)
        return reference.to_tensor(array.copy(), memory_format)

    def as_array(y: torch.Tensor) -> np.ndarray:
        return y.numpy() if y.ndim < 3 else reference.to_picture(y)

    def convolution(x: torch.Tensor) -> torch.Tensor:
        return functional.conv2d(x, w, b, padding=1)

    x, dL_dy = tensor(arrays["x"]).requires_grad_(), tensor(arrays["dL_dy"])
    if kind == "conv":
        w = torch.tensor(arrays["w"].transpose(3, 2, 0, 1)).contiguous(memory_format=memory_format)
        b = torch.tensor(arrays["b"])
    forward = {
        "conv": convolution,
        "relu": functional.relu,
        "pool": lambda x: functional.avg_pool2d(x, 2),
        "gram": reference.gram,
    }[kind]
    y = forward(x)

    def backward() -> torch.Tensor:
        return torch.autograd.grad(y, x, dL_dy, retain_graph=True)[0]

    return Ready(lambda: forward(x), backward, lambda: (as_array(y.detach()), as_array(backward())))


def _jax(kind: str, arrays: Arrays) -> Ready:
    import jax

    from . import jax_objective as reference

    reference.use_doubles(arrays["x"].dtype == np.float64)
    x, dL_dy = arrays["x"][None], arrays["dL_dy"]
    dL_dy = dL_dy if kind == "gram" else dL_dy[None]
    parameters = [jax.device_put(arrays[name]) for name in ("w", "b") if name in arrays]
    function = {
        "conv": lambda x, w, b: reference.convolve(x, w) + b,
        "relu": jax.nn.relu,
        "pool": reference.average_pool,
        "gram": reference.gram,
    }[kind]
    forward = jax.jit(function)

    @jax.jit
    def backward(x, dL_dy, *parameters):
        _, pull_back = jax.vjp(lambda x: function(x, *parameters), x)
        return pull_back(dL_dy)[0]

    x, dL_dy = jax.device_put(x), jax.device_put(dL_dy)
    y, dL_dx = forward(x, *parameters), backward(x, dL_dy, *parameters)
    return Ready(
        lambda: forward(x, *parameters).block_until_ready(),
        lambda: backward(x, dL_dy, *parameters).block_until_ready(),
        lambda: tuple(np.asarray(a if a.ndim < 3 else a[0]) for a in (y, dL_dx)),
    )
