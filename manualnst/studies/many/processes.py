"""Jobs painted in several processes at a time, each with its share of the threads.

A process gets a job, tells its steps and how it ended, and gets the next. Signals of the terminal
are the parent's alone to hear; it hands them on as SIGTERM, at which a process keeps a checkpoint
and ends. When the parent is gone, the processes end at once.
"""

import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing import parent_process
from multiprocessing.connection import Connection, wait
from pathlib import Path
from threading import Thread

from ...runs.shared import Shared
from ...system import threads
from .jobs import Job
from .painting import FAILURES, Happening, paint, why

_OF_THE_TERMINAL = {getattr(signal, s) for s in ("SIGINT", "SIGHUP") if hasattr(signal, s)}


def paint_in_processes(
    jobs: list[Job], folder: Path, count: int, take: Callable[[Job, Happening], None]
) -> None:
    """`take` is told of all that happens; if it is interrupted, so are the processes."""
    waiting, team = deque(jobs), []
    threads_each = max(1, threads.count() // count)
    try:
        while waiting or team:
            while waiting and len(team) < count:
                team.append(_Process(folder, threads_each))
                team[-1].give(waiting.popleft())
            ready = wait([process.connection for process in team])
            for process in [each for each in team if each.connection in ready]:
                job, what = process.job, process.heard()
                if process.job is None and waiting and process.lives:
                    process.give(waiting.popleft())
                elif process.job is None:
                    team.remove(process)
                    process.stop()
                take(job, what)
    except KeyboardInterrupt:
        for process in team:
            process.interrupt()
        for process in team:
            for job, what in process.last_words():
                take(job, what)
        raise


class _Process:
    def __init__(self, folder: Path, threads_each: int):
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        arguments = theirs, folder, threads_each
        self._process = context.Process(target=_work, args=arguments, daemon=True)
        self.job: Job | None = None  # that it paints
        self.lives = True
        with _signals_of_the_terminal_blocked():
            self._process.start()
        theirs.close()  # so that the end of the process is that of what there is to read

    def give(self, job: Job) -> None:
        self.job = job
        with suppress(OSError):  # it has ended, which reading will tell
            self.connection.send(job)

    def heard(self) -> Happening:
        """What has happened to its job; this waits for it."""
        try:
            what = self.connection.recv()
        except (EOFError, OSError):
            self.lives = False
            self._process.join()
            code = self._process.exitcode
            reason = (
                f"by signal {-code}, perhaps for want of memory" if code < 0 else f"with {code}"
            )
            what = f"its process ended {reason}"
        if what is None or isinstance(what, str):
            self.job = None
        return what

    def interrupt(self) -> None:
        self._process.terminate()

    def last_words(self) -> Iterator[tuple[Job, Happening]]:
        """The last happenings of one that was interrupted: a picture may have become finished
        meanwhile."""
        while self.job is not None:
            job, what = self.job, self.heard()
            if self.lives:
                yield job, what
        self.stop()

    def stop(self) -> None:
        self.connection.close()  # at which it ends
        self._process.join()


def _work(connection: Connection, folder: Path, threads_each: int) -> None:
    """What a process does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # where it could not be blocked
    signal.signal(signal.SIGTERM, _interrupt_once)
    if (parent := parent_process()) is not None:
        Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()
    threads.limit(threads_each)
    shared = Shared()

    def painted(job: Job) -> str | None:
        try:
            paint(job, folder, shared, connection.send)
        except FAILURES as error:
            return why(error)
        return None

    with suppress(KeyboardInterrupt, EOFError, OSError):
        while True:
            connection.send(painted(connection.recv()))


def _end_with(parent: int) -> None:
    """An end at once: of one that was killed nobody is left to want the picture; its checkpoint is
    there."""
    wait([parent])
    os._exit(1)


def _interrupt_once(signum, frame) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt


@contextmanager
def _signals_of_the_terminal_blocked() -> Iterator[None]:
    """A process that is started meanwhile never gets them."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _OF_THE_TERMINAL)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
