"""The losses as forward/backward pairs, each with its derivation.

    loss, cache = …_forward(…)                 loss is a Python number, in double precision
    dL_dF       = …_backward(dL_dloss, cache)  dL_dloss: its weight in the whole objective L

At a tap where a gradient has arrived already, `onto` takes it, to be added to in place.

In the paper F is N × M; here a map is (H, W, N), its transpose as a matrix (M, N).
"""

from .content import content_backward, content_forward
from .moments import Moments, moments_backward, moments_forward, moments_target
from .normalisation import NORMALISATIONS
from .style import Gram, gram_target, style_backward, style_forward
from .total_variation import total_variation_backward, total_variation_forward

__all__ = [
    "NORMALISATIONS",
    "Gram",
    "Moments",
    "content_backward",
    "content_forward",
    "gram_target",
    "moments_backward",
    "moments_forward",
    "moments_target",
    "style_backward",
    "style_forward",
    "total_variation_backward",
    "total_variation_forward",
]
