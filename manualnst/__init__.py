"""manualnst: neural style transfer with every derivative written by hand, and proven."""

from .errors import InputError
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


def __getattr__(name: str):
    if name == "check_gradient":  # loaded when it is asked for: a run can do without
        from .gradcheck import check_gradient

        return check_gradient
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
