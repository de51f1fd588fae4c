"""One at a time paints in a folder."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from ...errors import InputError
from ...system.files import make_folder

try:
    import fcntl
except ImportError:  # Windows, which has no locks on folders: there nothing is refused
    fcntl = None


@contextmanager
def alone_in(folder: Path) -> Iterator[Callable[[], None]]:
    """Refuse a folder that another process, or another call, is in.

    What this gives makes the folder, once all is checked. The lock is on the folder itself: it ends
    with the process, however that ends, and leaves no file that could be in the way.
    """
    was_there = folder.exists()
    with ExitStack() as locks:

        def make() -> None:
            make_folder(folder)
            if not was_there:
                locks.enter_context(_locked(folder))

        if was_there:
            locks.enter_context(_locked(folder))
        yield make


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    if fcntl is None:
        yield
        return
    opened = os.open(folder, os.O_RDONLY)
    try:
        _lock(opened, folder)
        yield
    finally:
        os.close(opened)


def _lock(opened: int, folder: Path) -> None:
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise InputError(
            f"another command is painting in {folder}; wait for its end, or give another folder"
        ) from error
    except OSError:  # a file system without locks, as some in networks
        pass
