"""Threads over independent pieces of an array operation.

BLAS' own threads wait for each other in a busy loop at every call. That is slow for many small
calls, and slower by an order of magnitude when another process wants a processor too. So each
piece is one single-threaded product, and the pieces are spread over threads of ours.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache

from threadpoolctl import ThreadpoolController


def for_each(function: Callable, items: Iterable) -> None:
    """Call `function` on every item, in any order, on as many threads as BLAS would use."""
    items = list(items)
    pool = _pool()
    if pool is None or len(items) == 1:
        in_order(function, items)
        return
    with single_threaded_blas():
        for _ in pool.map(function, items):
            pass  # an exception of a piece is raised here


def in_order(function: Callable, items: Iterable) -> None:
    """The same one after the other: for what runs in one of the threads already."""
    for item in items:
        function(item)


@cache
def count() -> int:
    """How many pieces are worked on at a time: as BLAS chose, by the processors at hand and
    variables as OMP_NUM_THREADS."""
    return max((info["num_threads"] for info in _controller().info()), default=1)


def limit(number: int) -> None:
    """For the rest of the process; before anything else here is called."""
    _controller().limit(limits=number, user_api="blas")


@contextmanager
def single_threaded_blas() -> Iterator[None]:
    count()  # first: it is what BLAS has without this limit
    with _controller().limit(limits=1, user_api="blas"):
        yield


@cache
def _controller() -> ThreadpoolController:
    return ThreadpoolController()  # looks through all loaded libraries: once is enough


@cache
def _pool() -> ThreadPoolExecutor | None:
    return ThreadPoolExecutor(count(), "manualnst") if count() > 1 else None
