"""The card: CuPy, which is only imported when somebody asks for it, and the compiled kernels."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, cached_property
from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np

from ...errors import InputError
from . import sources

INSTALL = (
    "install manualnst with its extra cuda13 or cuda12, as your driver is: "
    'python -m pip install ".[cuda13]"'
)
MATRIX_UNITS_SINCE = 80  # compute capability 8.0, that they take TF32 and bfloat16
_STATIC_SHARED_BYTES = 48 << 10  # of a block; more than that must be asked for


class Card:
    """One device and the kernels on it."""

    def __init__(self, cupy: ModuleType):
        self.cupy = cupy
        self._functions: dict[tuple[str, str], Any] = {}
        self._modules: dict[str, Any] = {}
        self.times_of_libraries = 0

    @cached_property
    def capability(self) -> int:
        """90 for compute capability 9.0."""
        return int(self.cupy.cuda.Device().compute_capability)

    @cached_property
    def name(self) -> str:
        properties = self.cupy.cuda.runtime.getDeviceProperties(self.cupy.cuda.Device().id)
        return properties["name"].decode()

    @cached_property
    def multiprocessors(self) -> int:
        return self.cupy.cuda.Device().attributes["MultiProcessorCount"]

    @property
    def has_matrix_units(self) -> bool:
        return self.capability >= MATRIX_UNITS_SINCE

    def free_bytes(self) -> int:
        self.give_back()
        return self.cupy.cuda.runtime.memGetInfo()[0]

    def give_back(self) -> None:
        """What CuPy keeps for arrays to come."""
        self.cupy.get_default_memory_pool().free_all_blocks()

    @contextmanager
    def libraries(self) -> Iterator[None]:
        """For what CuPy's own libraries do: it is counted, as it cannot be recorded (replay.py)."""
        self.times_of_libraries += 1
        yield

    def launch(self, name: str, real, blocks: int, threads: int, *arguments, shared_bytes=0):
        """Start a kernel in its version for `real`, a dtype.

        An argument is an array of the card, None for a pointer to nothing, or a number: a plain
        integer is an int of 32 bits, np.int64 a long long, a plain float a double.
        """
        function = self._function(name, np.dtype(real).name, shared_bytes)
        converted = tuple(self._converted(name, each) for each in arguments)
        function((int(blocks),), (int(threads),), converted, shared_mem=shared_bytes)

    def _converted(self, kernel: str, argument):
        if argument is None:
            return np.uintp(0)
        if isinstance(argument, bool | int):
            return np.int32(argument)
        if isinstance(argument, float):
            return np.float64(argument)
        if isinstance(argument, self.cupy.ndarray) and not argument.flags.c_contiguous:
            raise InputError(
                f"{kernel}: an array {argument.shape} does not lie in one piece in the card's "
                "memory, as kernels expect it; take cupy.ascontiguousarray of it"
            )
        return argument

    def _function(self, name: str, real: str, shared_bytes: int):
        if (name, real) not in self._functions:
            function = self._module(real).get_function(name)
            if shared_bytes > _STATIC_SHARED_BYTES:
                function.max_dynamic_shared_size_bytes = shared_bytes
            self._functions[name, real] = function
        return self._functions[name, real]

    def _module(self, real: str):
        if real not in self._modules:
            options = sources.options("double" if real == "float64" else "float")
            self._modules[real] = self.cupy.RawModule(code=sources.text(), options=options)
        return self._modules[real]


def open_card() -> Card:
    """The current device; InputError in words if there is none that can be used."""
    reason = unusable()
    if reason:
        raise InputError(f"backend cuda: {reason}")
    return _card_of(import_module("cupy"))


@cache
def _card_of(cupy: ModuleType) -> Card:
    """One for all that compute, so that kernels are loaded once."""
    return Card(cupy)


def unusable() -> str | None:
    """Why there is no card to compute on; None if there is one."""
    try:
        cupy = import_module("cupy")
    except ImportError as error:
        if (error.name or "").partition(".")[0] == "cupy":
            return f"CuPy is not installed; {INSTALL}"
        return f"CuPy cannot be loaded ({_first_line(error)}); {INSTALL}"
    try:
        count = cupy.cuda.runtime.getDeviceCount()
    except Exception as error:  # CUDARuntimeError, of which there are dozens
        return (
            f"CuPy {cupy.__version__} finds no usable NVIDIA card or driver "
            f"({_first_line(error)}); nvidia-smi should list one"
        )
    return None if count else "there is no NVIDIA card; nvidia-smi should list one"


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
