"""A computation recorded as a CUDA graph, and played again with other numbers in its places.

Started one by one, the hundred kernels of an evaluation would cost as much time on the host as
small pictures take on the card; a graph is started once.
"""

from collections.abc import Callable
from typing import Any


class Replayed:
    """`function(x, *numbers)` → numbers and an array, both of the card.

    With every new shape of x, or new numbers, it is called twice as it is: to have all kernels
    compiled, and to be recorded. What it uses meanwhile comes from a pool of memory of its own,
    which nobody else gets: a graph goes on writing to the places that it was recorded with.

    What libraries of CuPy have a part in, sorting and eigenvalues, waits for the card and cannot be
    recorded. Then nothing is, and the function is called as it is every time: its launches, some
    hundreds, cost the host milliseconds, and the sorting costs the card more than that.
    """

    def __init__(self, card, function: Callable):
        self._card, self._function = card, function
        self._key: tuple | None = None
        self._graph: Any = None
        self._recordable = True

    def __call__(self, x, *numbers):
        key = (x.shape, x.dtype, numbers)
        if key != self._key:
            self._begin(key)
            before = self._card.times_of_libraries
            result = self._apart(lambda: self._function(x, *numbers))
            self._recordable = self._card.times_of_libraries == before
            return result
        if not self._recordable:
            return self._apart(lambda: self._function(x, *numbers))
        if self._graph is None:
            self._apart(lambda: self._record(x, numbers))
        self._card.put_in(x, self._x)
        self._graph.launch()
        values, array = self._output
        return values, array.copy()  # the next evaluation writes here

    def _begin(self, key: tuple) -> None:
        cuda = self._card.cupy.cuda
        self._key, self._graph, self._output, self._x = key, None, None, None
        self._card.give_back()  # what the targets took
        self._pool = cuda.MemoryPool()
        self._stream = cuda.Stream(non_blocking=True)

    def _record(self, x, numbers: tuple) -> None:
        self._x = x.copy()
        self._stream.begin_capture()
        try:
            self._output = self._function(self._x, *numbers)
        finally:
            graph = self._stream.end_capture()
        self._graph = graph

    def _apart(self, function: Callable):
        """On a stream and with memory of its own; all other work is before or after."""
        cuda = self._card.cupy.cuda
        cuda.get_current_stream().synchronize()
        with self._stream, cuda.using_allocator(self._pool.malloc):
            result = function()
            self._stream.synchronize()
        return result
