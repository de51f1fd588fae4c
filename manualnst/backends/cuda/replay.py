"""A computation recorded as a CUDA graph, and played again with other numbers in its places.

Started one by one, the hundred kernels of an evaluation would cost as much time on the host as
small pictures take on the card; a graph is started once.
"""

from collections.abc import Callable
from typing import Any


class Replayed:
    """(function, x, *numbers) → `function(x, *numbers)`: numbers and an array, both of the card.
    The function is the same every time; the numbers are to be fetched before the next call.

    With every new shape of x, or new numbers, it is called as it is: all kernels are compiled then,
    and all that is kept for good is made. At the next call it is recorded, with memory from a pool
    of its own, which nobody else gets: a graph goes on writing to the places that it was recorded
    with. That pool is emptied before it goes, as CuPy does not do it.

    What libraries of CuPy have a part in, sorting and eigenvalues, waits for the card and cannot be
    recorded. Then nothing is, and the function is called as it is every time: its launches, some
    hundreds, cost the host milliseconds, and the sorting costs the card more than that. So it goes
    on, too, where a recording fails.
    """

    def __init__(self, card):
        self._card = card
        self._stream = card.cupy.cuda.Stream(non_blocking=True)
        self._key: tuple | None = None
        self._graph: Any = None
        self._output: Any = None
        self._pool: Any = None
        self._x: Any = None  # where the graph takes its picture from
        self._recordable = True

    @property
    def recorded(self) -> bool:
        """Is there a recording, which the next call plays?"""
        return self._graph is not None

    def __call__(self, function: Callable, x, *numbers):
        key = (x.shape, x.dtype, numbers)
        if key != self._key:
            self._key = None
            self._forget_graph()
            before = self._card.times_of_libraries
            result = function(x, *numbers)
            self._recordable = self._card.times_of_libraries == before
            self._key = key
            return result
        if self._recordable and not self.recorded:
            self._record(function, x, numbers)
        if not self._recordable:
            return function(x, *numbers)
        self._x[...] = x
        self._graph.launch()
        values, array = self._output
        return values, array.copy()  # the next evaluation writes here

    def _record(self, function: Callable, x, numbers: tuple) -> None:
        self._forget_graph()  # one that an interrupt has left half done
        self._card.give_back()  # what the targets and the first call took
        cuda = self._card.cupy.cuda
        self._x, self._pool = x.copy(), cuda.MemoryPool()
        try:
            with self._stream, cuda.using_allocator(self._pool.malloc):
                self._stream.begin_capture()
                try:
                    self._output = function(self._x, *numbers)
                finally:
                    graph = self._stream.end_capture()
            self._graph = graph
        except (RuntimeError, MemoryError):  # CUDA's own, and CuPy's
            self._recordable = False
        if not self._recordable:  # only now: the error held on to arrays
            self._forget_graph()

    def _forget_graph(self) -> None:
        self._graph = self._output = self._x = None
        if self._pool is not None:
            self._pool.free_all_blocks()
            self._pool = None

    def __del__(self):
        self._forget_graph()
