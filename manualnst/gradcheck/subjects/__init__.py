"""What is checked: a file for each function, with the ways in which its derivative is got wrong.

A file that is put here is found. Its subjects are exercises, too, if they have mistakes to know.
"""

from collections.abc import Iterator
from importlib import import_module
from pkgutil import iter_modules

from .content import CONTENT
from .conv3x3 import INPUT
from .conv3x3_params import BIAS, FILTERS
from .gram import GRAM, STYLE
from .moments import MEAN_AND_COVARIANCE, MOMENTS
from .objective import FULL_VGG, OBJECTIVE
from .pixels import PIXELS
from .pooling import AVERAGE_POOLING, MAXIMUM_POOLING
from .relu import RELU
from .subject import Kinks, Mistake, Problem, Subject
from .total_variation import TOTAL_VARIATION

__all__ = ["COURSE", "EXERCISES", "SUBJECTS", "FULL_VGG", "Kinks", "Mistake", "Problem", "Subject"]

_COURSE = (
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


def _found() -> Iterator[Subject]:
    """The subjects of every file, alone or in tuples."""
    for each in iter_modules(__path__):
        for value in vars(import_module(f".{each.name}", __package__)).values():
            for subject in value if isinstance(value, tuple) else (value,):
                if isinstance(subject, Subject):
                    yield subject


def _by_name(subjects: tuple[Subject, ...]) -> dict[str, Subject]:
    return {subject.name: subject for subject in subjects}


# What the package proves of itself: what is taught first, then the rest, each once.
_ALL = {id(subject): subject for subject in (*_COURSE, *_found())}
SUBJECTS = tuple(subject for subject in _ALL.values() if subject not in FULL_VGG)
# The sheet that a student fills in, in the order of the course.
COURSE = _by_name(_COURSE)
# What a student's file may have: whoever wants more finds more.
EXERCISES = _by_name(tuple(subject for subject in SUBJECTS if subject.mistakes))
