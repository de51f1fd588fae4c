import os
import subprocess
import sys
import threading
import warnings
from contextlib import contextmanager

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from manualnst.backends import get_backend
from manualnst.system import threads


@contextmanager
def blas_with(number):
    """for_each as it is where BLAS has this many threads."""
    forget()
    with threadpool_limits(number, "blas"):
        threads._pool()
        yield number
    forget()


def forget():
    for known in (threads._pool, threads.count, threads._controller):
        known.cache_clear()


@pytest.fixture(params=[1, 3], ids=["alone", "three threads"])
def pool(request):
    with blas_with(request.param) as number:
        yield number


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
    before, meanwhile = blas_counts(), []
    threads.for_each(lambda item: meanwhile.append((blas_counts(), threading.get_ident())), "ab")
    assert all(set(counts) == {1} for counts, _ in meanwhile)
    assert blas_counts() == before


def blas_counts():
    return [i["num_threads"] for i in threadpool_info() if i["user_api"] == "blas"]


def test_the_limit_ends_with_the_last_that_wants_it(pool):
    before, first, second = blas_counts(), threads.single_threaded_blas(), None
    with first:
        second = threads.single_threaded_blas()
        second.__enter__()
    assert set(blas_counts()) == {1}  # the second came later, and is still in it
    second.__exit__(None, None, None)
    assert blas_counts() == before


def test_numpys_error_handling_holds_in_the_pieces(pool):
    big = np.full(3, 1e300)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("error")
        threads.for_each(lambda item: big * big, range(4))


@pytest.mark.parametrize("size", [(16, 40), (36, 40), (100, 92)])  # one, two and four strips
def test_a_convolution_has_the_same_bits_with_any_number_of_threads(size):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((*size, 24)).astype(np.float32)
    filters = (rng.standard_normal((3, 3, 24, 32)).astype(np.float32), np.zeros(32, np.float32))
    backend = get_backend("numpy")
    found = []
    for number in (1, 2, 3, 8):
        with blas_with(number), threads.single_threaded_blas():
            y, cache = backend.conv3x3_forward(x, *filters)
            found.append((y.tobytes(), backend.conv3x3_backward(y, cache).tobytes()))
    assert len(set(found)) == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_forked_process_has_threads_of_its_own():
    """In a process that has no threads but ours."""
    program = """
import os, signal, time
from threadpoolctl import threadpool_limits
import numpy
from manualnst.system import threads
with threadpool_limits(3, "blas"):
    threads.for_each(lambda item: time.sleep(0.01), range(6))
    child = os.fork()
    signal.alarm(20)
    threads.for_each(lambda item: time.sleep(0.01), range(6))
    if child:
        raise SystemExit(os.waitpid(child, 0)[1])
"""
    assert subprocess.run([sys.executable, "-W", "ignore", "-c", program]).returncode == 0
