"""manualnst: neural style transfer with every derivative written by hand, and proven."""

from importlib import import_module

# Each is loaded when it is asked for: the command line has something to do before NumPy is
# loaded, a run can do without the checker, and the checker without the run.
_PLACES = {
    "Animation": "animation",
    "InputError": "errors",
    "Progress": "run",
    "Result": "result",
    "STOP": "run",
    "Settings": "settings",
    "__version__": "version",
    "check_gradient": "gradcheck",
    "batch": "many",
    "compare_optimizers": "comparison",
    "reconstruct": "reconstruction",
    "resume": "api",
    "stylize": "api",
    "sweep": "many",
}
__all__ = [*_PLACES]


def __getattr__(name: str):
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_PLACES[name]}", __name__), name)


def __dir__() -> list[str]:
    return [*globals(), *_PLACES]
