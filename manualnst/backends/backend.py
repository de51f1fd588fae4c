"""What a backend is: an object whose methods compute, under the same names as any other's.

What is written here is true of all that computes on the processor, with NumPy's arrays.
"""

import inspect
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np


class Backend:
    name = ""
    words = ""  # for who wants to know what computes, if that is not plain
    is_on_card = False
    # Convolution, ReLU and pooling in one pass, and a gradient added to where it lies: of those
    # that can.
    fused_forward: Callable | None = None
    fused_backward: Callable | None = None
    crop_backward_in_place: Callable | None = None

    def from_host(self, array: np.ndarray) -> Any:
        """A NumPy array where this backend computes."""
        return array

    def replayer(self) -> Callable:
        """(function, x, *numbers) → `function(x, *numbers)`, which are numbers and an array.

        The function is the same every time; a card can record it, and only play it again then. It
        is not kept, as whoever has it usually holds the replayer: memory of the card would wait for
        a garbage collection.
        """
        return call


def call(function: Callable, *arguments):
    return function(*arguments)


class Host(Backend):
    """On the processor: the functions of these modules."""

    def __init__(self, name: str, *modules: ModuleType):
        self.name = name
        for module in modules:
            for each, function in inspect.getmembers(module, inspect.isfunction):
                if function.__module__ == module.__name__ and not each.startswith("_"):
                    setattr(self, each, function)

    def __repr__(self) -> str:
        return f"the {self.name} backend"
