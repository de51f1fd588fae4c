"""What all parts of the cuda backend do: make arrays on the card, and start kernels there."""

from typing import Any

import numpy as np

from ..backend import Backend
from .card import Card

RUNGS = ("naive", "tiled", "fast")  # of the ladder, see __init__.py
THREADS = 256


class Launches(Backend):
    """A backend's arrays and kernels, of a card, on a rung of the ladder."""

    name = "cuda"
    is_on_card = True

    def __init__(self, card: Card, rung: str):
        self.card = card
        self._rung = rung
        self._small: dict[tuple, Any] = {}  # numbers from the host that are on the card already

    def _empty(self, shape, dtype):
        return self.card.cupy.empty(shape, dtype)

    def _from_host_once(self, values: np.ndarray):
        """A few numbers, of which the copy on the card is kept."""
        key = (values.dtype.str, values.shape, values.tobytes())
        if key not in self._small:
            self._small[key] = self.card.cupy.asarray(values)
        return self._small[key]

    def _number(self, value):
        """A number as one on the card, in double precision."""
        if isinstance(value, self.card.cupy.ndarray):
            return value.astype(np.float64, copy=False)
        return self._from_host_once(np.array(value, np.float64))

    # Launches

    def _for_each(self, name: str, real, count: int, *arguments) -> None:
        """A kernel that goes through so many numbers, with as many threads as are useful."""
        blocks = min(-(-count // THREADS), 16 * self.card.multiprocessors)
        self.card.launch(name, real, blocks, THREADS, *arguments)

    def _one_each(self, name: str, real, count: int, *arguments) -> None:
        """A kernel of which every thread does one thing."""
        self.card.launch(name, real, -(-count // THREADS), THREADS, *arguments)

    def _summed(self, name: str, real, count: int, before: tuple, after: tuple, columns: int = 1):
        """A kernel that leaves sums of its blocks, and the sum of these: (columns,) in double.

        Its arguments are those before the blocks' sums, and those after them.
        """
        if name.endswith("_naive"):
            blocks, threads = 1, 1
        elif name.endswith("_tiled"):
            blocks, threads = -(-count // THREADS), THREADS
        else:
            blocks, threads = min(-(-count // THREADS), 4 * self.card.multiprocessors), THREADS
        partial = self._empty((blocks, columns), np.float64)
        self.card.launch(name, real, blocks, threads, *before, partial, *after)
        return self._sum_of_rows(partial, real)

    def _sum_of_rows(self, partial, real, factor: float = 1.0):
        rows, columns = partial.shape
        total = self._empty(columns, np.float64)
        self.card.launch(
            "sum_of_rows", real, columns, THREADS, partial, factor, total, rows, columns
        )
        return total

    def _named(self, operation: str, *rungs: str) -> str:
        """The kernel of this rung, or of the next lower one that there is."""
        wanted = RUNGS[: RUNGS.index(self._rung) + 1]
        return f"{operation}_{[rung for rung in rungs if rung in wanted][-1]}"
