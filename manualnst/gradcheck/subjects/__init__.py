"""What is checked: one file for each derivative, with the ways in which it is got wrong."""

from .chained_style import (
    CHAINED_STYLE,
    CHAINED_STYLE_BELOW,
    CROSS_GRAM,
    CROSS_GRAM_BELOW,
    NORMALISED_CHAINED_STYLE,
)
from .content import CONTENT, NORMALISED_CONTENT
from .conv3x3 import BIAS, FILTERS, INPUT, WINOGRAD
from .crop import CROP
from .gram import GRAM, NORMALISED_STYLE, STYLE
from .guided_style import (
    GUIDED_STYLE,
    MASKED_STYLE,
    NORMALISED_GUIDED_STYLE,
    WEIGHTED_GRAM,
)
from .histogram import HISTOGRAM, NORMALISED_HISTOGRAM
from .mirror import MIRROR
from .moments import MEAN_AND_COVARIANCE, MOMENTS, NORMALISED_MOMENTS
from .objective import COLOUR_OBJECTIVE, FULL_VGG, MAXIMUM_OBJECTIVE, NARROW_VGG, OBJECTIVE
from .patches import NORMALISED_PATCHES, PATCHES
from .pixels import PIXELS
from .pooling import AVERAGE_POOLING, MAXIMUM_POOLING
from .relu import RELU
from .shifted_style import NORMALISED_SHIFTED_STYLE, SHIFTED_STYLE
from .subject import Kinks, Mistake, Problem, Subject
from .total_variation import NORMALISED_TOTAL_VARIATION, TOTAL_VARIATION
from .variations import (
    NINE_POINT_VARIATION,
    NORMALISED_POWER_VARIATION,
    NORMALISED_SMOOTHED_VARIATION,
    POWER_VARIATION,
    SMOOTHED_VARIATION,
)
from .wasserstein import BURES, NORMALISED_WASSERSTEIN, WASSERSTEIN

__all__ = ["COURSE", "EXERCISES", "SUBJECTS", "FULL_VGG", "Kinks", "Mistake", "Problem", "Subject"]

# The sheet that a student fills in, in the order of the course.
COURSE = {
    subject.name: subject
    for subject in (
        CONTENT,
        GRAM,
        STYLE,
        MEAN_AND_COVARIANCE,
        MOMENTS,
        TOTAL_VARIATION,
        RELU,
        AVERAGE_POOLING,
        MAXIMUM_POOLING,
        INPUT,
        FILTERS,
        BIAS,
        PIXELS,
        OBJECTIVE,
    )
}
# What a student's file may have: the sheet, and whoever wants more finds more.
EXERCISES = COURSE | {
    subject.name: subject
    for subject in (
        POWER_VARIATION,
        SMOOTHED_VARIATION,
        NINE_POINT_VARIATION,
        SHIFTED_STYLE,
        BURES,
        WASSERSTEIN,
        WEIGHTED_GRAM,
        GUIDED_STYLE,
        MASKED_STYLE,
        CROSS_GRAM,
        CROSS_GRAM_BELOW,
        CHAINED_STYLE,
        CHAINED_STYLE_BELOW,
        HISTOGRAM,
        PATCHES,
        MIRROR,
        CROP,
    )
}
# What the package proves of itself.
SUBJECTS = (
    *EXERCISES.values(),
    WINOGRAD,
    *NORMALISED_CONTENT,
    *NORMALISED_STYLE,
    *NORMALISED_MOMENTS,
    *NORMALISED_TOTAL_VARIATION,
    NORMALISED_POWER_VARIATION,
    NORMALISED_SMOOTHED_VARIATION,
    *NORMALISED_SHIFTED_STYLE,
    *NORMALISED_WASSERSTEIN,
    *NORMALISED_GUIDED_STYLE,
    *NORMALISED_CHAINED_STYLE,
    *NORMALISED_HISTOGRAM,
    *NORMALISED_PATCHES,
    COLOUR_OBJECTIVE,
    MAXIMUM_OBJECTIVE,
    NARROW_VGG,
)
