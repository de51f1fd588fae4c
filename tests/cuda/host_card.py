"""The kernels on a processor, and as much of CuPy as the package uses, on top of that.

`build` compiles the sources of manualnst/backends/cuda with the system's C++ compiler against
host_card.h. `HostCupy` then stands in for the module cupy: its arrays are NumPy's, but they refuse
what a card's arrays refuse, and its RawModule runs the kernels here. So the backend, the network,
the objective and a whole run can be tried without a card: every index, grid and argument, though
not the card itself.
"""

import ctypes
import os
import re
import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from manualnst.backends.cuda import sources

HERE = Path(__file__).parent
COMPILER = os.environ.get("CXX") or shutil.which("g++") or shutil.which("clang++")
SANITISERS = ["-fsanitize=address,undefined", "-fno-sanitize-recover=undefined"]
_FLAGS = ["-std=c++17", "-fPIC", "-U_FORTIFY_SOURCE", "-Wno-unknown-pragmas", f"-I{HERE}"]


def build(
    folder: Path, real: str, flags: tuple[str, ...] = ("-O1",), text: str | None = None
) -> Path:
    """The shared library of all kernels, for `real` float32 or float64."""
    options = ["-DDOUBLE"] if real == "float64" else []
    source = folder / f"{real}.cpp"
    text = sources.text() if text is None else text
    source.write_text(f'#include "host_card.h"\n{text}', encoding="utf-8")
    expanded = _run([COMPILER, "-E", *_FLAGS, *options, str(source)])
    names = list(dict.fromkeys(re.findall(r'extern "C"\s+void\s+(\w+)\s*\(', expanded)))
    table = ",\n".join(f"    CARD_KERNEL({name})" for name in names if "sanitizer" not in name)
    with source.open("a", encoding="utf-8") as file:
        file.write(
            f"""
static const card::Kernel kernels[] = {{
{table}
}};
extern "C" int card_kernels() {{ return sizeof(kernels) / sizeof(*kernels); }}
extern "C" const char* card_name(int n) {{ return kernels[n].name; }}
extern "C" const char* card_parameters(int n) {{ return kernels[n].parameters.c_str(); }}
extern "C" const char* card_run(
    int n, void** arguments, int grid, int block, int shared_bytes, int descending
) {{
    return card::run(kernels[n].run, arguments, grid, block, shared_bytes, descending);
}}
"""
        )
    library = folder / f"{real}.so"
    _run([COMPILER, *_FLAGS, *options, *flags, "-shared", "-o", str(library), str(source)])
    return library


def _run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[:4000]
    return done.stdout


class Kernels:
    """A built library: its kernels by name."""

    def __init__(self, library: Path):
        self._library = ctypes.CDLL(str(library))
        for function in ("card_name", "card_parameters", "card_run"):
            getattr(self._library, function).restype = ctypes.c_char_p
        self._numbers = {
            self._library.card_name(n).decode(): n for n in range(self._library.card_kernels())
        }
        self.launched: set[str] = set()

    @property
    def names(self) -> set[str]:
        return set(self._numbers)

    def launch(self, name, grid, block, arguments, shared_bytes, descending) -> None:
        number = self._numbers[name]
        wanted = self._library.card_parameters(number).decode().split()
        given = [_kind(argument) for argument in arguments]
        matches = len(given) == len(wanted) and all(
            g == w or (g == "nothing" and w.endswith("*"))
            for g, w in zip(given, wanted, strict=True)
        )
        assert matches, f"{name} takes {wanted}, but got {given}"
        boxes = [_boxed(argument) for argument in arguments]
        pointers = (ctypes.c_void_p * len(boxes))(*(ctypes.addressof(box) for box in boxes))
        error = self._library.card_run(number, pointers, grid, block, shared_bytes, descending)
        assert error is None, f"{name}: {error.decode()}"
        self.launched.add(name)


def _kind(argument) -> str:
    """What RawModule would take this for; it converts nothing."""
    if isinstance(argument, HostArray):
        return f"{argument.dtype.name}*"
    if isinstance(argument, np.uintp) and argument == 0:
        return "nothing"
    assert isinstance(argument, np.generic), f"{argument!r} has no size of its own"
    return argument.dtype.name


def _boxed(argument):
    if isinstance(argument, HostArray):
        assert argument._values.flags.c_contiguous
        return ctypes.c_void_p(argument._values.ctypes.data)
    return np.ctypeslib.as_ctypes_type(argument.dtype)(argument.item())


class HostArray(NDArrayOperatorsMixin):
    """An array of the card: it does not mix with NumPy's, nor become one unasked."""

    __array_priority__ = 100

    def __init__(self, values, cupy: "HostCupy", block: "_Block | None" = None):
        self._values, self._cupy = np.asarray(values), cupy
        self._block = block or _Block(cupy.cuda.holding)

    shape = property(lambda self: self._values.shape)
    dtype = property(lambda self: self._values.dtype)
    size = property(lambda self: self._values.size)
    ndim = property(lambda self: self._values.ndim)
    nbytes = property(lambda self: self._values.nbytes)
    flags = property(lambda self: self._values.flags)
    T = property(lambda self: self._wrapped(self._values.T))
    real = property(lambda self: self._wrapped(self._values.real))

    @property
    def data(self):
        return SimpleNamespace(ptr=self._values.ctypes.data)

    def __len__(self):
        return len(self._values)

    def __array__(self, *_, **__):
        raise TypeError("Implicit conversion to a NumPy array is not allowed.")

    def __array_ufunc__(self, ufunc, method, *inputs, **options):
        assert method == "__call__", f"{ufunc.__name__}.{method}"
        for value in inputs:
            if isinstance(value, np.ndarray) and value.ndim:
                raise TypeError("Unsupported type numpy.ndarray")
        return self._cupy._computed(ufunc, inputs, options)

    def __array_function__(self, function, _types, arguments, options):
        assert function in _FUNCTIONS, f"is numpy.{function.__name__} CuPy's too, for arrays there?"
        unknown = set(options) - _FUNCTIONS[function]
        assert not unknown, f"CuPy's {function.__name__} does not take {unknown}"
        return self._cupy._computed(function, arguments, options)

    def __getitem__(self, index):
        return self._wrapped(self._values[_unwrapped(index)])

    def __setitem__(self, index, value):
        self._cupy._computed(_set_item, (self, index, value), {})

    def reshape(self, *shape):
        return self._wrapped(self._values.reshape(*shape))

    def ravel(self):
        return self.reshape(-1)

    def astype(self, dtype, copy=True):
        return self._cupy._computed(_astype, (self,), {"dtype": dtype})

    def mean(self, axis, keepdims):
        return self._cupy._computed(np.mean, (self,), {"axis": axis, "keepdims": keepdims})

    def copy(self):
        return self._cupy._computed(np.copy, (self,), {"order": "C"})

    def get(self):
        self._cupy._wait()
        return self._values.copy()

    def item(self):
        return self.get().item()

    def __float__(self):
        return float(self.item())

    def __bool__(self):
        return bool(self.item())

    def _wrapped(self, values):
        return type(self)(values, self._cupy, self._block)


# Functions of NumPy that the package calls with arrays of the card, and what options CuPy's have.
_FUNCTIONS = {
    np.clip: {"out"},
    np.sum: {"axis", "dtype", "out", "keepdims"},
    np.mean: {"axis", "dtype", "out", "keepdims"},
    np.max: {"axis", "out", "keepdims"},
    np.all: {"axis", "out", "keepdims"},
    np.vdot: set(),
    np.linalg.norm: {"ord", "axis", "keepdims"},
    np.zeros_like: {"dtype"},
    np.empty_like: {"dtype", "shape"},
    np.where: set(),
    np.copyto: set(),
    np.min: {"axis", "out", "keepdims"},
    np.diagonal: set(),
    np.trace: set(),
    np.fill_diagonal: set(),
    np.full_like: {"shape"},
    np.sort: {"axis"},
    np.argsort: {"axis", "kind"},
    np.linalg.eigh: set(),
    np.broadcast_to: set(),
    np.repeat: {"axis"},
    np.concatenate: {"axis"},
    np.ravel: set(),
}

# Of CuPy's own libraries, which wait, or take memory, where a recording cannot.
_LIBRARIES = {np.sort, np.argsort, np.linalg.eigh, np.matmul}


def _set_item(array, index, value):
    array[index] = value


def _astype(array, dtype):
    return array.astype(dtype)


def _unwrapped(value):
    if isinstance(value, HostArray):
        return value._values
    if isinstance(value, tuple | list):
        return type(value)(map(_unwrapped, value))
    return value


class HostCupy:
    """In the place of the module cupy, on a card of this compute capability."""

    __version__ = "of the tests"

    def __init__(self, libraries: dict[str, Kernels], capability: int = 90):
        self._libraries = libraries
        self.descending = False
        self.waits = 0  # how often the host has asked for numbers
        self.launches = 0  # of kernels, CuPy's own included, one by one
        self.ndarray = HostArray
        self.cuda = _Cuda(self, capability)

    def RawModule(self, *, code, options):
        assert code == sources.text()
        return _Module(self, self._libraries["float64" if "-DDOUBLE" in options else "float32"])

    def empty(self, shape, dtype):
        """Filled with what would show: not-a-numbers, or ones in every bit."""
        values = np.empty(shape, dtype)
        values.reshape(-1).view(np.uint8)[:] = 0xFF
        return HostArray(values, self)

    def zeros(self, shape, dtype):
        return HostArray(np.zeros(shape, dtype), self)

    def get_default_memory_pool(self):
        return self.cuda.default_pool

    def asarray(self, values, order="K"):
        if isinstance(values, HostArray):
            return values
        assert self.cuda.capturing is None, "a copy from the host cannot be captured"
        return HostArray(np.array(values, order=order), self)

    def _wait(self):
        assert self.cuda.capturing is None, "a wait for the card cannot be captured"
        self.waits += 1

    def _computed(self, function, arguments, options):
        """A function of NumPy; while recording, an array of nonsense for the result, and the
        function written down."""
        if self.cuda.capturing is None:
            self.launches += 1
            return self._call(function, arguments, options)
        assert function is not np.concatenate, "CuPy's sends addresses to the card"
        assert function not in _LIBRARIES, f"{function.__name__} cannot be captured"
        written_to = options.get("out", (arguments[0],) if function is _set_item else None)
        if written_to is not None:
            self.cuda.capturing.append(lambda: self._call(function, arguments, options))
            return written_to[0]
        like = self._call(function, arguments, options)
        result = self.empty(like.shape, like.dtype)
        self.cuda.capturing.append(
            lambda: np.copyto(result._values, self._call(function, arguments, options)._values)
        )
        return result

    def _call(self, function, arguments, options):
        with np.errstate(all="ignore"):
            values = function(
                *map(_unwrapped, arguments), **{k: _unwrapped(v) for k, v in options.items()}
            )
        if "out" in options:
            return options["out"][0]
        if isinstance(values, tuple):
            return tuple(HostArray(each, self) for each in values)
        return None if values is None else HostArray(values, self)


class _Module:
    def __init__(self, cupy: HostCupy, kernels: Kernels):
        self._cupy, self._kernels = cupy, kernels

    def get_function(self, name: str):
        assert name in self._kernels.names, f"there is no kernel {name}"
        return _Function(self._cupy, self._kernels, name)


class _Function:
    max_dynamic_shared_size_bytes = 48 << 10

    def __init__(self, cupy: HostCupy, kernels: Kernels, name: str):
        self._cupy, self._kernels, self._name = cupy, kernels, name

    def __call__(self, grid, block, arguments, *, shared_mem=0):
        assert shared_mem <= self.max_dynamic_shared_size_bytes <= 99 << 10  # what all cards have

        def launch():
            for each in arguments:
                assert not isinstance(each, HostArray) or not each._block.holding.dropped
            self._kernels.launch(
                self._name, *grid, *block, arguments, shared_mem, self._cupy.descending
            )

        if self._cupy.cuda.capturing is None:
            self._cupy.launches += 1
            launch()
        else:  # only written down, as on a card
            self._cupy.cuda.capturing.append(launch)


class _Cuda:
    """cupy.cuda, with one stream, and pools of memory that only count."""

    attributes = {"MultiProcessorCount": 2}  # few, so that every sharing out is tried
    id = 0
    free_bytes = 1 << 40

    def __init__(self, cupy: HostCupy, capability: int):
        self.capturing: list | None = None
        self.launches = 0  # of graphs
        self._cupy, self.compute_capability = cupy, str(capability)
        self.lost = 0  # blocks of pools that are there no more
        self.default_pool = self.MemoryPool()
        self.holding = self.default_pool.holding  # where arrays come from
        self.runtime = self

    def getDeviceCount(self):
        return 1

    def getDeviceProperties(self, _):
        return {"name": b"a processor"}

    def memGetInfo(self):
        return self.free_bytes, 2 * self.free_bytes

    def Device(self):
        return self

    def Stream(self, non_blocking):
        assert non_blocking  # else work on the default stream would end a recording
        return _Stream(self)

    def get_current_stream(self):
        return _Stream(self)

    def MemoryPool(self):
        return _MemoryPool(self)

    @contextmanager
    def using_allocator(self, malloc):
        before, self.holding = self.holding, malloc.__self__.holding
        try:
            yield
        finally:
            self.holding = before


class _Holding:
    """What a pool has: blocks of arrays, and blocks that it keeps for arrays to come."""

    def __init__(self):
        self.used = self.kept = 0
        self.dropped = False


class _Block:
    """The memory of an array and of its views."""

    def __init__(self, holding: _Holding):
        self.holding = holding
        holding.used += 1

    def __del__(self):
        self.holding.used -= 1
        self.holding.kept += 1


class _MemoryPool:
    """One that, like CuPy's, gives nothing back when it goes."""

    def __init__(self, cuda: _Cuda):
        self._cuda, self.holding = cuda, _Holding()

    def malloc(self, _):
        raise NotImplementedError("arrays are NumPy's")

    def free_all_blocks(self):
        self.holding.kept = 0

    def __del__(self):
        self.holding.dropped = True
        self._cuda.lost += self.holding.used + self.holding.kept


class _Stream:
    def __init__(self, cuda: _Cuda):
        self._cuda = cuda

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def synchronize(self):
        assert self._cuda.capturing is None

    def begin_capture(self):
        self._cuda.capturing = []

    def end_capture(self):
        graph, self._cuda.capturing = _Graph(self._cuda), None
        return graph


class _Graph:
    def __init__(self, cuda: _Cuda):
        self._cuda, self._steps = cuda, cuda.capturing

    def launch(self):
        self._cuda.launches += 1
        for step in self._steps:
            step()
