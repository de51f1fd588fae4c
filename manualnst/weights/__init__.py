"""Weights: the project's own file format, the public formats, and where the files come from."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from ..errors import InputError
from ..network.vgg import Weights
from ..system.machine import format_bytes
from ..system.notice import Notice
from .catalogue import CATALOGUE, cached_path, is_cached
from .convert import convert
from .store import load_recommended, load_weights, save_weights

__all__ = [
    "BUILTIN",
    "BUILTIN_NAME",
    "DEFAULT",
    "convert",
    "default_weights",
    "find_recommended",
    "find_weights",
    "load_weights",
    "save_weights",
]

# The small network that comes with the package, and the public one that is preferred to it.
BUILTIN = Path(__file__).with_name("builtin.h5")
BUILTIN_NAME = "builtin"
DEFAULT = "vgg19"


def default_weights() -> tuple[str, Notice]:
    """The name of the weights to use where none is asked for, and a notice that says so."""
    if is_cached(DEFAULT):
        told = "VGG-19 from the cache; --weights builtin takes the built-in network"
        return DEFAULT, Notice("weights", told)
    size = format_bytes(CATALOGUE[DEFAULT].size)
    return BUILTIN_NAME, Notice(
        "weights",
        "VGG-19 is not in the cache, so the built-in network is used; "
        f"`python -m manualnst weights get {DEFAULT}` fetches it ({size})",
    )


def find_weights(name_or_path: str) -> Weights:
    """Weights by name ("builtin" or one of the catalogue) or path."""
    return _found(name_or_path, load_weights)


def find_recommended(name_or_path: str) -> dict[str, Any]:
    """What they recommend, without reading their filters."""
    return _found(name_or_path, load_recommended)


_T = TypeVar("_T")


def _found(name_or_path: str, load: Callable[[str | Path], _T]) -> _T:
    if name_or_path == BUILTIN_NAME:
        return load(BUILTIN)
    if name_or_path in CATALOGUE:
        return _found_in_cache(name_or_path, load)
    if not os.path.exists(name_or_path):
        raise InputError(
            f"weights {name_or_path!r}: neither a file nor a known name "
            f"(builtin, {', '.join(CATALOGUE)})"
        )
    return load(name_or_path)


def _found_in_cache(name: str, load: Callable[[str | Path], _T]) -> _T:
    path, command = cached_path(name), f"python -m manualnst weights get {name}"
    if not is_cached(name):
        raise InputError(
            f"the weights {name} are not in the cache ({path}); fetch them with: {command}, "
            "or choose others (--weights)"
        )
    try:
        return load(path)
    except InputError as error:
        raise InputError(f"{error}; `{command}` fetches them anew") from error
