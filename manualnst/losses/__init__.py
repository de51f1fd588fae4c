"""The losses as forward/backward pairs, each with its derivation.

    loss, cache = …_forward(…)                 loss is a Python number, in double precision
    dL_dF       = …_backward(dL_dloss, cache)  dL_dloss: its weight in the whole objective L

Style losses are made with a target of their own; each has a record, see record.py.
At a tap where a gradient has arrived already, `onto` takes it, to be added to in place.

In the paper F is N × M; here a map is (H, W, N), its transpose as a matrix (M, N).
"""

from .by_name import STYLE_LOSSES, TOTAL_VARIATIONS
from .chained_style import (
    ChainedGram,
    chained_style_backward,
    chained_style_forward,
    chained_style_target,
)
from .content import content_backward, content_forward
from .guided_style import (
    Guided,
    guided_style_backward,
    guided_style_forward,
    guided_style_target,
    masked_style_target,
    pooled_mask,
)
from .histogram import Histogram, histogram_backward, histogram_forward, histogram_target
from .moments import Moments, moments_backward, moments_forward, moments_target
from .nine_point_variation import nine_point_variation_backward, nine_point_variation_forward
from .normalisation import NORMALISATIONS, RELATIVE
from .patches import Patches, patches_backward, patches_forward, patches_target
from .power_variation import power_variation_backward, power_variation_forward
from .record import Need, StyleLoss, Variation
from .shifted_style import (
    ShiftedGram,
    shifted_style_backward,
    shifted_style_forward,
    shifted_style_target,
)
from .smoothed_variation import (
    SMOOTHING,
    smoothed_variation_backward,
    smoothed_variation_forward,
)
from .style import Gram, gram_target, style_backward, style_forward
from .total_variation import total_variation_backward, total_variation_forward
from .wasserstein import (
    NOISE_SHARE,
    Gaussian,
    wasserstein_backward,
    wasserstein_forward,
    wasserstein_target,
)

__all__ = [
    "NOISE_SHARE",
    "NORMALISATIONS",
    "RELATIVE",
    "SMOOTHING",
    "STYLE_LOSSES",
    "TOTAL_VARIATIONS",
    "ChainedGram",
    "Gaussian",
    "Gram",
    "Guided",
    "Histogram",
    "Moments",
    "Need",
    "Patches",
    "ShiftedGram",
    "StyleLoss",
    "Variation",
    "chained_style_backward",
    "chained_style_forward",
    "chained_style_target",
    "content_backward",
    "content_forward",
    "gram_target",
    "guided_style_backward",
    "guided_style_forward",
    "guided_style_target",
    "histogram_backward",
    "histogram_forward",
    "histogram_target",
    "masked_style_target",
    "moments_backward",
    "moments_forward",
    "moments_target",
    "nine_point_variation_backward",
    "nine_point_variation_forward",
    "patches_backward",
    "patches_forward",
    "patches_target",
    "pooled_mask",
    "power_variation_backward",
    "power_variation_forward",
    "shifted_style_backward",
    "shifted_style_forward",
    "shifted_style_target",
    "smoothed_variation_backward",
    "smoothed_variation_forward",
    "style_backward",
    "style_forward",
    "total_variation_backward",
    "total_variation_forward",
    "wasserstein_backward",
    "wasserstein_forward",
    "wasserstein_target",
]
