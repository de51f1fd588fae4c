"""Writing files so that they appear whole or not at all."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from .errors import InputError


def check_writable_folder(path: str | os.PathLike) -> None:
    """Refuse an output whose folder is missing or read-only, before any work is spent on it."""
    folder = Path(path).absolute().parent
    if not folder.exists():
        raise InputError(f"cannot write {path}: the folder {folder} does not exist; create it first")
    if not folder.is_dir():
        raise InputError(f"cannot write {path}: {folder} is a file, not a folder")
    if Path(path).is_dir():
        raise InputError(f"cannot write {path}: it is a folder; give a file name")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise InputError(f"cannot write {path}: no permission to write in {folder}")


def write_atomically(path: str | os.PathLike, write: Callable[[Path], None]) -> None:
    """Call `write` with a temporary path beside `path`, then move it into place in one step.

    Whatever goes wrong (a full disk, an interrupt), the old file stays as it was and the
    temporary one is removed.
    """
    path = Path(path)
    check_writable_folder(path)
    # The suffix is kept, because Pillow and others choose the format by it.
    handle, name = tempfile.mkstemp(prefix=f".{path.stem}.", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        write(temporary)
        _flush_to_disk(temporary)
        temporary.chmod(0o666 & ~_umask())  # mkstemp made it private; give it a file's usual mode
        os.replace(temporary, path)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        temporary.unlink(missing_ok=True)


def _flush_to_disk(path: Path) -> None:
    with open(path, "rb+") as file:
        os.fsync(file.fileno())


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current
