"""The ways to get the whole objective's gradient wrong: in one step, and in the chain of them."""

from functools import partial

import numpy as np

from .conv3x3 import correlate as convolve
from .gram import STYLE
from .objective_walk import (
    RIGHT,
    STEPS,
    forward_of,
    max_pooling_backward,
    max_pooling_forward,
    walk,
)
from .pixels import PIXELS
from .subject import Mistake
from .total_variation import TOTAL_VARIATION


def _without_bias(name, parameters, y):
    return convolve(y, parameters[0]) if parameters else forward_of(name, parameters, y)


def _without_relu(name, parameters, y):
    return y if name.startswith("relu") else forward_of(name, parameters, y)


def _with_filters(change):
    """A forward whose filters are changed."""

    def forward(name, parameters, y):
        if not parameters:
            return forward_of(name, parameters, y)
        w, b = parameters
        return convolve(y, change(w)) + b

    return forward


def _with_pixels(change):
    """The walk with other pixel normalisation, forward and backward."""

    def wrong(x, pixels, layers, content, style, tv_weight):
        return walk(x, change(*pixels), layers, content, style, tv_weight)

    return wrong


def _with_weights(of_losses, of_tv=lambda weight: weight):
    """The walk with other weights: of_losses(weight, number of layers with such a loss)."""

    def wrong(x, pixels, layers, content, style, tv_weight):
        content, style = (
            {
                name: (of_losses(weight, len(terms)), target)
                for name, (weight, target) in terms.items()
            }
            for terms in (content, style)
        )
        return walk(x, pixels, layers, content, style, of_tv(tv_weight))

    return wrong


def _within(name: str, mistake: Mistake) -> Mistake:
    """A mistake of one step, made everywhere on the way back."""

    def wrong(**arguments):
        return walk(**arguments, steps={**RIGHT, name: mistake.wrong})

    return Mistake(f"{name}: {mistake.name}", f"a mistake in its {name}: {mistake.words}", wrong)


def _factor_within(name: str, factor: float, text: str) -> Mistake:
    def scaled(*given):
        return factor * RIGHT[name](*given)

    hint = STEPS[name].hints.get(text, "")
    words = f"it gives {text} × what it should" + (f": {hint}" if hint else "")
    return _within(name, Mistake(f"× {text}", words, scaled))


def _tv_of_z(x, pixels, layers, content, style, tv_weight):
    """Total variation of the normalised pixels in the place of x's."""
    scale, shift, order = pixels
    z = scale * x[:, :, list(order)] + shift
    network = walk(x, pixels, layers, content, style, 0.0)
    return network + tv_weight * PIXELS.right(TOTAL_VARIATION.right(z), scale, order)


def _tv_before_pixels(x, pixels, layers, content, style, tv_weight):
    network = walk(x, pixels, layers, content, style, 0.0)
    return network + tv_weight * PIXELS.right(TOTAL_VARIATION.right(x), pixels[0], pixels[2])


def _deepest_only(gradient, at_tap):
    return at_tap if gradient is None else gradient


def _twice_when_met(gradient, at_tap):
    return at_tap if gradient is None else gradient + 2 * at_tap


MISTAKES = (
    Mistake(
        "overwritten at the taps",
        "at a tap the gradient from deeper layers is overwritten (=) instead of added to (+=)",
        partial(walk, combine=lambda gradient, at_tap: at_tap),
    ),
    Mistake(
        "taps passed by",
        "on the way back the taps are passed by: only the deepest layer's losses and the total "
        "variation are there",
        partial(walk, combine=_deepest_only),
    ),
    Mistake(
        "added twice at the taps",
        "where a tap meets the gradient from deeper layers, its own is added twice",
        partial(walk, combine=_twice_when_met),
    ),
    Mistake(
        "subtracted at the taps",
        "where a tap meets the gradient from deeper layers, its own is subtracted",
        partial(walk, combine=lambda g, at_tap: at_tap if g is None else g - at_tap),
    ),
    Mistake(
        "averaged at the taps",
        "where a tap meets the gradient from deeper layers, the mean of both is taken, not the sum",
        partial(walk, combine=lambda g, at_tap: at_tap if g is None else (g + at_tap) / 2),
    ),
    Mistake(
        "taps added late",
        "at a ReLU the tap's gradient is added after the ReLU was walked back: it is of the ReLU's "
        "output, so its mask applies",
        partial(walk, late=True),
    ),
    Mistake(
        "maps before a ReLU overwritten by it",
        "the maps before a ReLU are those after it: did an in-place ReLU overwrite them?",
        partial(walk, tapped=lambda name, F: np.maximum(F, 0) if name.startswith("conv") else F),
    ),
    Mistake(
        "F > 0 in both losses",
        "both losses are masked where F > 0: that is the ReLU's derivative, applied there; a tap "
        "before a ReLU has no such condition",
        partial(
            walk,
            steps=RIGHT
            | {
                "content_backward": lambda F, P: (F - P) * (F > 0),
                "style_backward": lambda F, A: STYLE.right(F, A) * (F > 0),
            },
        ),
    ),
    Mistake(
        "max pooling in the place of average pooling",
        "the poolings take the maximum: here they are averages",
        partial(walk, forward=max_pooling_forward, backward=max_pooling_backward),
    ),
    Mistake(
        "max pooling forward, average pooling backward",
        "forward the poolings take the maximum, backward the average: here they are averages",
        partial(walk, forward=max_pooling_forward),
    ),
    Mistake(
        "bias forgotten in the forward",
        "in the forward the biases are missing: no gradient goes through them, but the maps do "
        "depend on them",
        partial(walk, forward=_without_bias),
    ),
    Mistake(
        "ReLU forgotten in the forward",
        "in the forward the ReLUs are missing",
        partial(walk, forward=_without_relu),
    ),
    Mistake(
        "filters turned in the forward",
        "in the forward the filters are turned by 180°: [C1] is a cross-correlation",
        partial(walk, forward=_with_filters(lambda w: w[::-1, ::-1])),
    ),
    Mistake(
        "filters transposed in the forward",
        "in the forward rows and columns of the filters are exchanged",
        partial(walk, forward=_with_filters(lambda w: w.swapaxes(0, 1))),
    ),
    Mistake(
        "scale of the pixels forgotten",
        "the scale of the pixels is missing, forward and backward",
        _with_pixels(lambda scale, shift, order: (np.ones(3), shift, order)),
    ),
    Mistake(
        "shift of the pixels forgotten",
        "the shift of the pixels is missing in the forward",
        _with_pixels(lambda scale, shift, order: (scale, 0 * shift, order)),
    ),
    Mistake(
        "order of the channels forgotten",
        "the channels are never brought into the network's order (RGB/BGR), forward and backward",
        _with_pixels(lambda scale, shift, order: (scale, shift, (0, 1, 2))),
    ),
    Mistake(
        "always BGR",
        "the channels are always brought into the order BGR, whatever `order` says",
        _with_pixels(lambda scale, shift, order: (scale, shift, (2, 1, 0))),
    ),
    Mistake(
        "weights squared",
        "the weights of the losses are squared: applied twice?",
        _with_weights(lambda weight, count: weight**2),
    ),
    Mistake(
        "all weights squared",
        "all weights are squared, that of the total variation too: applied twice?",
        _with_weights(lambda weight, count: weight**2, lambda weight: weight**2),
    ),
    Mistake(
        "weights forgotten",
        "the weights of the losses are missing",
        _with_weights(lambda weight, count: 1.0),
    ),
    Mistake(
        "all weights forgotten",
        "the weights are missing, that of the total variation too",
        _with_weights(lambda weight, count: 1.0, lambda weight: 1.0),
    ),
    Mistake(
        "averaged over the layers",
        "the losses of each kind are averaged over their layers: the weights are as they are",
        _with_weights(lambda weight, count: weight / count),
    ),
    Mistake(
        "total variation of the normalised pixels",
        "the total variation is that of the normalised pixels z, not of x",
        _tv_of_z,
    ),
    Mistake(
        "total variation sent back through the pixels",
        "the gradient of the total variation was sent back through the pixel normalisation: it is "
        "one of x already",
        _tv_before_pixels,
    ),
    *(_within(name, mistake) for name, subject in STEPS.items() for mistake in subject.mistakes),
    *(
        _factor_within(name, factor, text)
        for name in ("conv3x3_backward", "relu_backward", "avgpool_backward")
        for factor, text in ((-1, "-1"), (0.25, "1/4"), (0.5, "1/2"), (2, "2"), (4, "4"))
    ),
)
