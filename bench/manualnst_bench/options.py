"""What can be measured, and what was asked for."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .measure import Tell


@dataclass(frozen=True)
class Options:
    """With the defaults of the mode filled in."""

    threads: int
    sizes: tuple[int, ...]
    repeats: int
    network: tuple[str, ...]
    sides: tuple[str, ...]  # the others than ours
    evaluations: int  # of a run
    layers: tuple[str, ...] | None = None  # None: all
    dtype: str = "float32"
    backend: str = "numpy"
    judge: str | None = None  # weights file


@dataclass(frozen=True)
class Mode:
    measure: Callable[[Options, Tell, Tell], dict[str, Any]]  # the second is told the results
    heeds: frozenset[str]  # options that mean something to it, beside the threads
    repeats: int
    sizes: tuple[int, ...] = ()
    network: tuple[str, ...] = ("vgg19",)
    sides: tuple[str, ...] = ()  # the others than ours that are measured unless sides are named
    all_sides: tuple[str, ...] = ()  # and those that can be
    evaluations: int = 200
    plot: Callable[[dict[str, Any]], dict[str, Any]] | None = None  # arguments of `draw_growth`
