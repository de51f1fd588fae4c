"""manualnst: neural style transfer with every derivative written by hand, and proven."""

from .errors import InputError
from .gradcheck import check_gradient
from .result import Result
from .run import Progress
from .settings import Settings
from .stylize import resume, stylize
from .version import __version__

__all__ = [
    "InputError",
    "Progress",
    "Result",
    "Settings",
    "__version__",
    "check_gradient",
    "resume",
    "stylize",
]
