"""The losses as forward/backward pairs, each with its derivation.

    loss, cache = …_forward(…)                 loss is a Python number, in double precision
    dL_dF       = …_backward(dL_dloss, cache)  dL_dloss: its weight in the whole objective L

Style losses are made with a target of their own; each has a record, see record.py. Below is what
can be chosen by name, in the order in which it is offered. At a tap where a gradient has arrived
already, `onto` takes it, to be added to in place.

In the paper F is N × M; here a map is (H, W, N), its transpose as a matrix (M, N).
"""

from . import (
    chained_style,
    guided_style,
    histogram,
    moments,
    nine_point_variation,
    patches,
    power_variation,
    shifted_style,
    smoothed_variation,
    style,
    total_variation,
    wasserstein,
)
from .chained_style import (
    ChainedGram,
    chained_style_backward,
    chained_style_forward,
    chained_style_target,
)
from .content import LOSS as CONTENT_LOSS
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
from .record import Loss, Need, StyleLoss, Variation
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

STYLE_LOSSES = {
    "gram": style.LOSS,
    "shifted": shifted_style.LOSS,
    "chained": chained_style.LOSS,
    "moments": moments.LOSS,
    "wasserstein": wasserstein.LOSS,
    "histogram": histogram.LOSS,
    "patches": patches.LOSS,
    "guided": guided_style.LOSS,
    "masked": guided_style.MASKED_LOSS,
}
TOTAL_VARIATIONS = {
    "squared": total_variation.VARIATION,
    "power": power_variation.VARIATION,
    "smoothed": smoothed_variation.VARIATION,
    "nine-point": nine_point_variation.VARIATION,
}
