"""One at a time paints in a folder."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import InputError

try:
    import fcntl
except ImportError:  # Windows, which has no locks on folders: there nothing is refused
    fcntl = None


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Refuse a folder that another process, or another call, is in.

    The lock is on the folder itself. It ends with the process, however that ends, and leaves no
    file that could be in the way.
    """
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
