"""Reading files within bounds, and writing them so that they appear whole or not at all."""

import hashlib
import io
import os
import platform
import secrets
import stat
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path

from ..errors import InputError

_PIECE = 2**20


def check_file(path: str | os.PathLike) -> None:
    """Refuse what is no regular file: a pipe would block for ever, a device may have no end."""
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError) as error:  # ValueError: no system call takes a NUL in a name
        raise unreadable(path, error) from error
    if stat.S_ISDIR(mode):
        raise InputError(f"cannot read {path}: it is a folder; give a file")
    if not stat.S_ISREG(mode):
        raise InputError(f"cannot read {path}: it is a device or pipe; give a file")


def read_bytes(path: str | os.PathLike, limit: int) -> bytes:
    """All of a regular file that has at most `limit` bytes."""
    check_file(path)
    buffer = io.BytesIO()
    try:
        with open(path, "rb") as file:
            # Counted here, because the size that the system states need not be the real one
            # (/proc has endless files of size 0).
            while piece := file.read(_PIECE):
                buffer.write(piece)
                if buffer.tell() > limit:
                    raise InputError(
                        f"cannot read {path}: it has more than {limit} bytes; give a smaller file"
                    )
    except OSError as error:
        raise unreadable(path, error) from error
    return buffer.getvalue()


def unreadable(path: str | os.PathLike, error: Exception) -> InputError:
    return InputError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}")


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


def make_folder(path: str | os.PathLike) -> Path:
    """The folder, with those above it, there or made."""
    try:
        Path(path).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make the folder {path}: {error.strerror or error}") from error
    return Path(path)


def write_atomically(path: str | os.PathLike, write: Callable[[Path], None]) -> None:
    """Call `write` with a temporary path beside `path`, then move it into place in one step.

    Whatever goes wrong (a full disk, an interrupt), the old file stays as it was and the
    temporary one is removed; that of a process that was killed, by the next that writes there.
    """
    path = Path(path)
    check_writable_folder(path)
    _tidy(path.absolute().parent)
    # The suffix is kept, because Pillow and others choose the format by it.
    name = f"{_temporaries()}{os.getpid()}-{secrets.token_hex(8)}{path.suffix}"
    temporary = path.with_name(name)
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


@cache
def _temporaries() -> str:
    """How those of this machine begin: of another one's, in a shared folder, nobody here knows
    whether their processes live."""
    return f".manualnst-{hashlib.sha256(platform.node().encode()).hexdigest()[:8]}-"


def _tidy(folder: Path) -> None:
    """Remove the temporary files of processes that were killed."""
    if os.name != "posix":  # elsewhere the question whether a process lives would end it
        return
    with suppress(OSError):
        for left in folder.glob(f"{_temporaries()}*"):
            process = left.name.removeprefix(_temporaries()).split("-")[0]
            if process.isdecimal() and not _lives(int(process)):
                left.unlink(missing_ok=True)


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass  # it is someone else's
    return True
