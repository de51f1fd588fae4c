"""What is checked: one file for each derivative, with the ways in which it is got wrong."""

from .content import CONTENT, NORMALISED_CONTENT
from .conv3x3 import BIAS, FILTERS, INPUT, WINOGRAD
from .gram import GRAM, NORMALISED_STYLE, STYLE
from .moments import MEAN_AND_COVARIANCE, MOMENTS, NORMALISED_MOMENTS
from .objective import COLOUR_OBJECTIVE, FULL_VGG, MAXIMUM_OBJECTIVE, NARROW_VGG, OBJECTIVE
from .pixels import PIXELS
from .pooling import AVERAGE_POOLING, MAXIMUM_POOLING
from .relu import RELU
from .subject import Kinks, Mistake, Problem, Subject
from .total_variation import NORMALISED_TOTAL_VARIATION, TOTAL_VARIATION

__all__ = ["EXERCISES", "SUBJECTS", "FULL_VGG", "Kinks", "Mistake", "Problem", "Subject"]

# What a student can fill in, in the order of the course.
EXERCISES = {
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
# What the package proves of itself.
SUBJECTS = (
    *EXERCISES.values(),
    WINOGRAD,
    *NORMALISED_CONTENT,
    *NORMALISED_STYLE,
    *NORMALISED_MOMENTS,
    *NORMALISED_TOTAL_VARIATION,
    COLOUR_OBJECTIVE,
    MAXIMUM_OBJECTIVE,
    NARROW_VGG,
)
