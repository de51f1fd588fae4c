"""Who computes: each backend has the same functions, under the same names and signatures.

    naive   the equations as loops: the oracle that the others are measured against
    numpy   the same by array operations and BLAS
    cuda    the same by kernels of our own on an NVIDIA card, by way of CuPy

A folder each, with ops and losses; `backend.py` says what they have in common. The first two
compute with NumPy's arrays, anywhere. A backend computes and nothing else: shapes are checked, and
the mathematics is derived, in `manualnst.ops` and `manualnst.losses`, which call it.
"""

from importlib import import_module
from typing import Any

import numpy as np

from ..errors import InputError
from ..system.notice import Notice
from .backend import Backend

NAMES = ("numpy", "naive")  # those that need no device
CUDA = "cuda"
AUTO = "auto"  # cuda if it can be used, else numpy
CHOICES = (*NAMES, CUDA, AUTO)

PRECISIONS = (
    "float32",
    "tf32x3",
    "tf32",
    "float16",
    "bfloat16",
)  # of the matrix products on a card


def get_backend(name: str, precision: str | None = None) -> Backend:
    """`precision` is cuda's; None: its own choice."""
    if name == CUDA:
        from .cuda.backend import CudaBackend
        from .cuda.card import open_card

        return CudaBackend(open_card(), precision)
    if name not in NAMES:
        raise InputError(f"unknown backend {name!r}; choose one of {', '.join((*NAMES, CUDA))}")
    return import_module(f".{name}", __package__).BACKEND


def memory_of_card() -> int:
    """Bytes that are free there."""
    from .cuda.card import open_card

    return open_card().free_bytes()


def to_host(array: Any) -> np.ndarray:
    """An array of any backend as NumPy's."""
    return array.get() if hasattr(array, "get") else array


def together(numbers: list) -> Any:
    """Numbers, which may be on a card, in one place there, so that they can be fetched at once."""
    if not hasattr(numbers[0], "get"):
        return numbers
    # Not np.stack: CuPy's sends a list of addresses to the card, which cannot be recorded.
    gathered = np.empty_like(numbers[0], shape=(len(numbers),))
    for n, number in enumerate(numbers):
        gathered[n] = number
    return gathered


def fetched(numbers: Any) -> list[float]:
    """What `together` gave, as plain numbers. This waits for the card."""
    return numbers.get().tolist() if hasattr(numbers, "get") else numbers


def chosen(name: str) -> tuple[str, list[Notice]]:
    """The backend that `auto` stands for, and what is to be said of it."""
    if name != AUTO:
        return name, []
    from .cuda.card import unusable

    reason = unusable()
    if reason is None:
        return CUDA, []  # which introduces itself
    return "numpy", [Notice("backend", f"numpy, as there is no card to compute on ({reason})")]
