"""Several independent pieces of work at a time."""

from collections.abc import Callable, Iterable

from manualnst.system import threads


def mapped(function: Callable, items: Iterable) -> list:
    """function(item) of every item, in their order, whatever thread worked on which."""
    items = list(items)
    results = [None] * len(items)

    def work(k: int) -> None:
        results[k] = function(items[k])

    threads.for_each(work, range(len(items)))
    return results
