"""The style losses that compare one map with one map of the style picture, by name.

All are used alike: the target is made once of the style picture's map, with whatever else the loss
wants to know (a shift, a mask …), and holds all of that.

    target = target_of(F_style, …, backend=backend)
    loss, cache = forward(F, target, normalisation, backend=backend)
    dL_dF = backward(dL_dloss, cache, onto, backend=backend)     onto: None, or what it is added to

`chained_style_forward` takes the maps of two layers, and its backward gives two gradients.
"""

from collections.abc import Callable
from typing import NamedTuple

from .guided_style import (
    guided_style_backward,
    guided_style_forward,
    guided_style_target,
    masked_style_target,
)
from .histogram import histogram_backward, histogram_forward, histogram_target
from .moments import moments_backward, moments_forward, moments_target
from .patches import patches_backward, patches_forward, patches_target
from .shifted_style import shifted_style_backward, shifted_style_forward, shifted_style_target
from .style import gram_target, style_backward, style_forward
from .wasserstein import wasserstein_backward, wasserstein_forward, wasserstein_target


class StyleLoss(NamedTuple):
    target_of: Callable
    forward: Callable
    backward: Callable


STYLE_LOSSES = {
    "gram": StyleLoss(gram_target, style_forward, style_backward),
    "shifted": StyleLoss(shifted_style_target, shifted_style_forward, shifted_style_backward),
    "guided": StyleLoss(guided_style_target, guided_style_forward, guided_style_backward),
    "masked": StyleLoss(masked_style_target, guided_style_forward, guided_style_backward),
    "moments": StyleLoss(moments_target, moments_forward, moments_backward),
    "wasserstein": StyleLoss(wasserstein_target, wasserstein_forward, wasserstein_backward),
    "histogram": StyleLoss(histogram_target, histogram_forward, histogram_backward),
    "patches": StyleLoss(patches_target, patches_forward, patches_backward),
}
