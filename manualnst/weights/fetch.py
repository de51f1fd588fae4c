"""From a name in the catalogue to converted weights in the cache."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from ..errors import InputError
from .catalogue import cached_path, public_file
from .convert import convert
from .download import Progress, download
from .store import save_weights


def fetch_weights(name: str, progress: Progress | None = None) -> Path:
    """Download, verify and convert the weights of that name into the cache."""
    public, path = public_file(name), cached_path(name)
    raw = path.with_name(public.filename)
    with _writing_to(path.parent), _only_process(path.with_suffix(".lock"), name):
        download(public.source, raw, size=public.size, digest=public.digest, progress=progress)
        try:
            weights = convert(raw, architecture=public.architecture)
        except InputError:
            raw.unlink()  # its hash was right, so it was damaged afterwards: fetch it anew
            raise
        provenance = {"name": name, "source": public.url, **weights.provenance}
        save_weights(replace(weights, provenance=provenance), path)
        raw.unlink()
        return path


@contextmanager
def _writing_to(folder: Path) -> Iterator[None]:
    """Make the folder; a full disk or a missing permission becomes one line."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise InputError(
            f"cannot write to the cache {folder}: {error.strerror or error}; "
            "MANUALNST_CACHE can name another folder"
        ) from error


@contextmanager
def _only_process(lock: Path, name: str) -> Iterator[None]:
    """Hold a lock that the system releases even if this process is killed."""
    with open(lock, "ab") as file:
        try:
            _lock(file.fileno())
        except (BlockingIOError, PermissionError) as error:
            raise InputError(f"another process is fetching {name}; wait for it to end") from error
        yield


def _lock(handle: int) -> None:
    if os.name == "nt":
        import msvcrt

        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
