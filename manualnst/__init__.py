"""manualnst: neural style transfer with every derivative written by hand, and proven."""

from importlib import import_module

# Each is loaded when it is asked for: the command line has something to do before NumPy is
# loaded, a run can do without the checker, and the checker without the run.
_PLACES = {
    "Animation": "pictures.animation",
    "InputError": "errors",
    "Progress": "runs.run",
    "Result": "runs.result",
    "STOP": "runs.run",
    "Settings": "runs.settings",
    "__version__": "version",
    "check_gradient": "gradcheck",
    "batch": "studies.many",
    "compare_optimizers": "studies.comparison",
    "reconstruct": "studies.reconstruction",
    "resume": "api",
    "stylize": "api",
    "sweep": "studies.many",
}
__all__ = [*_PLACES]


def __getattr__(name: str):
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_PLACES[name]}", __name__), name)


def __dir__() -> list[str]:
    return [*globals(), *_PLACES]
