import threading

import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from manualnst import threads


@pytest.fixture(params=[1, 3], ids=["alone", "three threads"])
def pool(request, monkeypatch):
    """for_each as it is where BLAS has this many threads."""
    threads._pool.cache_clear()
    threads.count.cache_clear()
    threads._controller.cache_clear()
    with threadpool_limits(request.param, "blas"):
        threads._pool()
        yield request.param
    threads._pool.cache_clear()
    threads.count.cache_clear()
    threads._controller.cache_clear()


def test_every_item_is_visited_once(pool):
    seen = []
    threads.for_each(seen.append, range(100))
    assert sorted(seen) == list(range(100))


def test_an_exception_of_a_piece_is_raised(pool):
    def fail(item):
        raise ValueError(item)

    with pytest.raises(ValueError, match="[01]"):
        threads.for_each(fail, [0, 1])


def test_blas_is_single_threaded_meanwhile_and_as_before_afterwards(pool):
    def blas_threads():
        return [i["num_threads"] for i in threadpool_info() if i["user_api"] == "blas"]

    before, meanwhile = blas_threads(), []
    threads.for_each(lambda item: meanwhile.append((blas_threads(), threading.get_ident())), "ab")
    assert all(set(counts) == {1} for counts, _ in meanwhile)
    assert blas_threads() == before
