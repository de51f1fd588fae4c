"""Threads over independent pieces of an array operation.

BLAS' own threads wait for each other in a busy loop at every call. That is slow for many small
calls, and slower by an order of magnitude when another process wants a processor too. So each
piece is one single-threaded product, and the pieces are spread over threads of ours.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from functools import cache
from threading import Lock

from threadpoolctl import ThreadpoolController


def for_each(function: Callable, items: Iterable) -> None:
    """Call `function` on every item, in any order, on as many threads as BLAS would use."""
    items = list(items)
    pool = _pool()
    if pool is None or len(items) == 1:
        in_order(function, items)
        return
    with single_threaded_blas():
        # In a copy of this thread's context, which has what NumPy is to do at an overflow.
        pieces = [pool.submit(copy_context().run, function, item) for item in items]
        for piece in pieces:
            piece.result()  # an exception of a piece is raised here


def in_order(function: Callable, items: Iterable) -> None:
    """The same one after the other: for what runs in one of the threads already."""
    for item in items:
        function(item)


@cache
def count() -> int:
    """How many pieces are worked on at a time: as BLAS chose, by the processors at hand and
    variables as OMP_NUM_THREADS."""
    libraries = _controller().select(user_api="blas").info()
    return max((library["num_threads"] for library in libraries), default=1)


def limit(number: int) -> None:
    """For the rest of the process; before anything else here is called."""
    _controller().limit(limits=number, user_api="blas")


@contextmanager
def single_threaded_blas() -> Iterator[None]:
    """Until the last of all threads that are in such a context has left it: the limit is the
    whole process'."""
    count()  # first: it is what BLAS has without this limit
    _limit.enter()
    try:
        yield
    finally:
        _limit.leave()


class _Limit:
    def __init__(self):
        self._lock = Lock()
        self._entered = 0

    def enter(self) -> None:
        with self._lock:
            if self._entered == 0:
                self._libraries = _controller().limit(limits=1, user_api="blas")
            self._entered += 1

    def leave(self) -> None:
        with self._lock:
            self._entered -= 1
            if self._entered == 0:
                self._libraries.restore_original_limits()

    def forked(self) -> None:
        """A new lock in a child: of the threads only the one that forked goes on; a lock of another
        never opens."""
        self._lock = Lock()


_limit = _Limit()


@cache
def _controller() -> ThreadpoolController:
    return ThreadpoolController()  # looks through all loaded libraries: once is enough


@cache
def _pool() -> ThreadPoolExecutor | None:
    return ThreadPoolExecutor(count(), "manualnst") if count() > 1 else None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.cache_clear)  # its threads are not in the child
    os.register_at_fork(after_in_child=_limit.forked)
