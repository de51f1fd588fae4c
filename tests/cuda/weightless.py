"""A card on which arrays have a shape but no numbers, and nothing is computed: what is kept in its
memory, and when, is as for any other card. So the largest pictures can be tried."""

import math
import weakref
from types import SimpleNamespace

import numpy as np
from host_card import HostArray, HostCupy


class _Array(HostArray):
    flags = SimpleNamespace(c_contiguous=True)


class Weightless(HostCupy):
    def __init__(self):
        super().__init__({}, 90)
        self.cuda.attributes = {"MultiProcessorCount": 132}
        self.bytes = self.peak = 0

    def RawModule(self, *, code, options):
        return self

    def get_function(self, name):
        return lambda *_, **__: None

    def empty(self, shape, dtype):
        array = _Array(np.broadcast_to(np.zeros((), dtype), shape), self)
        count = math.prod(array.shape) * array.dtype.itemsize
        self.bytes += count
        self.peak = max(self.peak, self.bytes)
        weakref.finalize(array, self._freed, count)
        return array

    zeros = empty

    def asarray(self, values, order=None):
        return self.empty(values.shape, values.dtype)

    def _freed(self, count):
        self.bytes -= count

    def _call(self, function, arguments, options):
        if "out" in options:
            return options["out"][0]
        if function.__name__ == "_set_item":
            return None
        if function is np.sum:
            return self.empty((), np.float64)
        arrays = [each for each in arguments if isinstance(each, HostArray)]
        shape = options.get("shape", np.broadcast_shapes(*(array.shape for array in arrays)))
        return self.empty(shape, options.get("dtype", arrays[0].dtype))
