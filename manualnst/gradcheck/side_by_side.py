"""All proofs, in several processes at a time, told in their order."""

import multiprocessing
import os
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor

from ..backends import NAMES
from ..system import threads
from .proof import DTYPES, provable_by, prove
from .report import Row
from .subjects import FULL_VGG, SUBJECTS, Subject

_FEW = 8  # that are done before other processes have begun

_ALL = (*SUBJECTS, *FULL_VGG)
Task = tuple[int, str, str]  # which of these, a backend, a precision


def prove_all(subjects: Sequence[Subject]) -> Iterator[tuple[Subject, Row]]:
    """Each on every backend that can, in both precisions."""
    tasks = [
        (number, backend, dtype)
        for number, subject in enumerate(_ALL)
        if any(subject is each for each in subjects)
        for backend in NAMES
        if provable_by(subject, backend)
        for dtype in DTYPES
    ]
    proven = [_ALL[number] for number, _, _ in tasks]
    if len(tasks) <= _FEW:
        yield from zip(proven, map(_prove, tasks), strict=True)
        return
    context = multiprocessing.get_context("spawn")
    workers = min(os.cpu_count() or 1, len(tasks))
    pool = ProcessPoolExecutor(workers, context, initializer=_begin)
    try:
        yield from zip(proven, pool.map(_prove, tasks), strict=True)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _begin() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent's to hear
    threads.limit(1)  # the arrays are small, and there are processes for all processors


def _prove(task: Task) -> Row:
    number, backend, dtype = task
    return prove(_ALL[number], backend, dtype)
