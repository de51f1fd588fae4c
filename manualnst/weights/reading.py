"""What all readers of weights files share: refusing, and a bound on what is allocated."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from ..errors import InputError

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
        raise InputError(f"{path}: damaged {kind} file ({one_line(error)})") from error


def check_file(path: str | Path) -> Path:
    """Refuse what is not there or not a regular file (a pipe would block for ever)."""
    path = Path(path)
    if not path.exists():
        raise InputError(f"{path}: no such file")
    if not path.is_file():
        raise InputError(f"{path}: not a regular file")
    return path


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


def one_line(error: object) -> str:
    """What another library, or a server, has to say, fit for a message."""
    lines = str(error).splitlines() or [type(error).__name__]
    return printable(lines[0][:200])


def printable(text: str) -> str:
    """Text with nothing in it that could steer a terminal."""
    return "".join(c if c.isprintable() else "?" for c in text)


def quote(text: object) -> str:
    """Text out of a stranger's file, fit for one line of a message."""
    return ascii(str(text)[:80])
