"""The whole objective's way to the picture and back, as a student would write it, step by step."""

from collections.abc import Callable, Mapping

import numpy as np

from .content import CONTENT
from .conv3x3 import INPUT
from .conv3x3 import correlate as convolve
from .gram import STYLE
from .pixels import PIXELS
from .pooling import AVERAGE_POOLING, MAXIMUM_POOLING
from .relu import RELU
from .total_variation import TOTAL_VARIATION

STEPS = {
    subject.name: subject
    for subject in (CONTENT, STYLE, TOTAL_VARIATION, RELU, AVERAGE_POOLING, INPUT, PIXELS)
}
RIGHT: Mapping[str, Callable] = {name: subject.right for name, subject in STEPS.items()}


def _add(gradient, at_tap):
    return at_tap if gradient is None else gradient + at_tap


def walk(
    x,
    pixels,
    layers,
    content,
    style,
    tv_weight,
    *,
    steps=RIGHT,
    combine=_add,
    forward=None,
    backward=None,
    tapped=lambda name, F: F,
    late=False,
):
    """dL_dx (H, W, 3). What may be varied: the `steps` of the way back, how a tap's gradient is
    combined with what comes from deeper layers, the `forward` and `backward` of a layer, what is
    `tapped` of it, and `late`: a ReLU's tap is added after the ReLU was walked back."""
    forward, backward = forward or forward_of, backward or backward_of
    scale, shift, order = pixels
    inputs, y = [], scale * x[:, :, list(order)] + shift
    outputs = {}
    for name, parameters in layers:
        inputs.append(y)
        y = outputs[name] = forward(name, parameters, y)
    gradient = None
    for (name, parameters), z in zip(reversed(layers), reversed(inputs), strict=True):
        at_tap = _at_tap(name, tapped(name, outputs[name]), content, style, steps)
        is_late = late and name.startswith("relu")
        if at_tap is not None and not is_late:
            gradient = combine(gradient, at_tap)
        if gradient is not None:
            gradient = backward(name, parameters, gradient, z, steps)
        if at_tap is not None and is_late:
            gradient = combine(gradient, at_tap)
    if gradient is None:
        gradient = np.zeros_like(x)
    from_network = steps["pixels_backward"](gradient, scale, order)
    return from_network + tv_weight * steps["tv_backward"](x)


def forward_of(name, parameters, y):
    if name.startswith("conv"):
        w, b = parameters
        return convolve(y, w) + b
    if name.startswith("relu"):
        return np.maximum(y, 0)
    h, w = y.shape[0] // 2, y.shape[1] // 2
    return y[: 2 * h, : 2 * w].reshape(h, 2, w, 2, -1).mean(axis=(1, 3))


def backward_of(name, parameters, gradient, z, steps):
    if name.startswith("conv"):
        return steps["conv3x3_backward"](gradient, parameters[0])
    if name.startswith("relu"):
        return steps["relu_backward"](gradient, z)
    return steps["avgpool_backward"](gradient, z.shape)


def max_pooling_forward(name, parameters, y):
    if not name.startswith("pool"):
        return forward_of(name, parameters, y)
    h, w = y.shape[0] // 2, y.shape[1] // 2
    return y[: 2 * h, : 2 * w].reshape(h, 2, w, 2, -1).max(axis=(1, 3))


def max_pooling_backward(name, parameters, gradient, z, steps):
    if not name.startswith("pool"):
        return backward_of(name, parameters, gradient, z, steps)
    return MAXIMUM_POOLING.right(gradient, z)


def _at_tap(name, F, content, style, steps):
    terms = []
    if name in content:
        weight, P = content[name]
        terms.append(weight * steps["content_backward"](F, P))
    if name in style:
        weight, A = style[name]
        terms.append(weight * steps["style_backward"](F, A))
    return sum(terms) if terms else None
