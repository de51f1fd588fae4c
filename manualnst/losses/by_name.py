"""All that can be chosen by name, in the order in which it is offered."""

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
