"""Weights: the project's own file format, the public formats, and where the files come from."""

from pathlib import Path

from ..errors import InputError
from ..vgg import Weights
from .catalogue import CATALOGUE, cached_path
from .store import load_weights, save_weights

__all__ = ["BUILTIN", "DEFAULT", "find_weights", "load_weights", "save_weights"]

# The small network that comes with the package, and the name under which it is asked for.
BUILTIN = Path(__file__).with_name("builtin.h5")
DEFAULT = "vgg19"


def find_weights(name_or_path: str | None = None) -> tuple[Weights, str]:
    """Weights by name ("builtin" or one of the catalogue) or path, and a line saying which.

    Without a name it is VGG-19 if it has been fetched, else the built-in network.
    """
    if name_or_path is None:
        return _find_default()
    if name_or_path == "builtin":
        return load_weights(BUILTIN), "weights: the built-in network"
    if name_or_path in CATALOGUE:
        path = cached_path(name_or_path)
        if not path.exists():
            raise InputError(
                f"the weights {name_or_path} are not in the cache ({path}); "
                f"fetch them with: python -m manualnst weights get {name_or_path}"
            )
        return load_weights(path), f"weights: {name_or_path} ({path})"
    if not Path(name_or_path).exists():
        raise InputError(
            f"weights {name_or_path!r}: neither a file nor a known name "
            f"(builtin, {', '.join(CATALOGUE)})"
        )
    return load_weights(name_or_path), f"weights: {name_or_path}"


def _find_default() -> tuple[Weights, str]:
    if cached_path(DEFAULT).exists():
        return find_weights(DEFAULT)
    megabytes = round(CATALOGUE[DEFAULT].size / 1e6)
    return load_weights(BUILTIN), (
        "weights: VGG-19 is not in the cache, so the built-in network is used; "
        f"`python -m manualnst weights get {DEFAULT}` fetches it ({megabytes} MB)"
    )
