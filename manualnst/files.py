"""Writing files so that they appear whole or not at all."""

import os
import secrets
from collections.abc import Callable
from pathlib import Path

from .errors import InputError


def check_writable_folder(path: str | os.PathLike) -> None:
    """Refuse an output that cannot be put where it should go, before any work is spent on it."""
    path = Path(path)
    folder = path.absolute().parent
    try:
        if not folder.exists():
            raise InputError(
                f"cannot write {path}: the folder {folder} does not exist; create it first"
            )
        if not folder.is_dir():
            raise InputError(f"cannot write {path}: {folder} is a file, not a folder")
        if path.is_dir():
            raise InputError(f"cannot write {path}: it is a folder; give a file name")
        # Moving a file into place would replace the device (as root, even /dev/null).
        if path.exists() and not path.is_file():
            raise InputError(f"cannot write {path}: it is a device or pipe; give a file name")
    except OSError as error:  # such as a name that is too long
        raise InputError(f"cannot write {path}: {error.strerror or error}") from error
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
    temporary = path.with_name(f".{secrets.token_hex(8)}{path.suffix}")
    try:
        temporary.touch(exist_ok=False)
        write(temporary)
        _flush_to_disk(temporary)
        os.replace(temporary, path)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        temporary.unlink(missing_ok=True)


def _flush_to_disk(path: Path) -> None:
    with open(path, "rb+") as file:
        os.fsync(file.fileno())
