"""Weights: the project's own file format, the public formats, and where the files come from."""

from pathlib import Path

from ..errors import InputError
from ..vgg import Weights
from .catalogue import CATALOGUE, cached_path
from .convert import convert
from .store import load_weights, save_weights

__all__ = [
    "BUILTIN",
    "DEFAULT",
    "convert",
    "default_weights",
    "find_weights",
    "load_weights",
    "save_weights",
]

# The small network that comes with the package, and the public one that is preferred to it.
BUILTIN = Path(__file__).with_name("builtin.h5")
DEFAULT = "vgg19"


def default_weights() -> tuple[str, str]:
    """The name of the weights to use where none is asked for, and a line that says so."""
    if cached_path(DEFAULT).exists():
        return (
            DEFAULT,
            "weights: VGG-19 from the cache; --weights builtin takes the built-in network",
        )
    megabytes = round(CATALOGUE[DEFAULT].size / 1e6)
    return "builtin", (
        "weights: VGG-19 is not in the cache, so the built-in network is used; "
        f"`python -m manualnst weights get {DEFAULT}` fetches it ({megabytes} MB)"
    )


def find_weights(name_or_path: str) -> Weights:
    """Weights by name ("builtin" or one of the catalogue) or path."""
    if name_or_path == "builtin":
        return load_weights(BUILTIN)
    if name_or_path in CATALOGUE:
        path = cached_path(name_or_path)
        if not path.exists():
            raise InputError(
                f"the weights {name_or_path} are not in the cache ({path}); "
                f"fetch them with: python -m manualnst weights get {name_or_path}"
            )
        return load_weights(path)
    if not Path(name_or_path).exists():
        raise InputError(
            f"weights {name_or_path!r}: neither a file nor a known name "
            f"(builtin, {', '.join(CATALOGUE)})"
        )
    return load_weights(name_or_path)
