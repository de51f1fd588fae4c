"""Who computes: each backend is a module with the same functions, the same names and signatures.

    naive   the equations as loops: the oracle that the others are measured against
    numpy   the same by array operations and BLAS

A backend computes and nothing else: shapes are checked, and the mathematics is derived, in
`manualnst.ops` and `manualnst.losses`, which call it.
"""

from importlib import import_module
from types import ModuleType

from ..errors import InputError

_MODULES = {"numpy": "numpy_backend", "naive": "naive_backend"}
NAMES = tuple(_MODULES)


def get_backend(name: str) -> ModuleType:
    if name not in _MODULES:
        raise InputError(f"unknown backend {name!r}; choose one of {', '.join(NAMES)}")
    return import_module(f".{_MODULES[name]}", __package__)
