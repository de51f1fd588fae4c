"""What all readers of weights files share: refusing, and a bound on what is allocated."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from ..errors import InputError
from ..system.text import printable

# Twice the public networks' widest layer each way; a file that declares more is no VGG, and is
# refused before anything of that size is allocated.
MAX_NUMBERS = 3 * 3 * 1024 * 1024

Layers = dict[str, tuple[np.ndarray, np.ndarray]]


@contextmanager
def refusing(path: str | Path, kind: str) -> Iterator[None]:
    """Turn whatever reading a stranger's file raises into one line that names the file.

    A damaged file can make h5py, zlib, zipfile and NumPy raise almost anything, so this is the
    one place where every exception is caught.
    """
    try:
        yield
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    except Exception as error:
        reason = printable(error)[:200] or type(error).__name__
        raise InputError(f"{path}: damaged {kind} file ({reason})") from error


def check_shape(name: str, shape: Sequence[int]) -> None:
    """Refuse a declared shape that no layer of a VGG can have."""
    if len(shape) > 4 or math.prod(shape) > MAX_NUMBERS:
        raise InputError(
            f"{quote(name)} declares the shape {tuple(shape)[:5]}: too large for a VGG"
        )


def as_float32(array: np.ndarray) -> np.ndarray:
    """A fresh float32 copy; what does not fit becomes infinite, which `Weights` refuses."""
    with np.errstate(over="ignore", invalid="ignore"):
        return array.astype(np.float32, order="C")


def quote(text: object) -> str:
    """Text out of a stranger's file, fit for one line of a message."""
    return ascii(str(text)[:80])
