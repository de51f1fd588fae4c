"""Downloading one file over HTTP(S): resumed where it broke off, visible only when verified.

Bytes are collected in FILE.part; FILE.part.tag holds what the server calls this version of the
file, so that the parts of two versions are never joined. Both survive an interrupt.
"""

import hashlib
import http.client
import os
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

from ..errors import InputError
from ..system.text import printable
from ..version import __version__

Progress = Callable[[int, int | None], None]  # (bytes done, bytes in all if known)

PIECE = 1 << 16
# Where neither the catalogue nor the server knows the size: twice the largest public file.
MAX_BYTES = 1 << 30
_WORTH_RETRYING = (408, 425, 429, 500, 502, 503, 504)


class _Broken(Exception):
    """The connection failed in a way that may pass."""


def download(
    url: str,
    path: str | Path,
    *,
    size: int | None = None,
    digest: tuple[str, str] | None = None,
    progress: Progress | None = None,
    timeout: float = 30,
    attempts: int = 4,
    pause: float = 1,
) -> None:
    """Fetch `url` to `path`, resuming what an earlier call left.

    `digest` is (kind, hexadecimal digits), the digits whole or only the first of them. A server
    that says nothing for `timeout` seconds counts as a broken connection; after each of those
    but the last there is a pause, doubled every time. Only one process may fetch a file at once
    (see `fetch`). What is at `path` already has been verified and is not fetched again.
    """
    if Path(path).exists():
        return
    _check_address(url)
    part = _Part(Path(path))
    for attempt in range(attempts):
        try:
            _continue(url, part, size, progress or _no_progress, timeout)
            break
        except _Broken as error:
            if attempt == attempts - 1:
                raise InputError(
                    f"cannot fetch {url}: {error} ({attempts} attempts); try again later, "
                    f"what has come so far is kept ({part.size()} bytes)"
                ) from error
            time.sleep(pause * 2**attempt)
    part.finish(url, digest)


def _check_address(url: str) -> None:
    """Refuse at once what no attempt could fetch; it may come from MANUALNST_MIRROR."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError as error:
        raise InputError(f"cannot fetch {url}: {error}") from error
    if not usable:
        raise InputError(f"cannot fetch {url}: only http and https addresses are")
    if not re.fullmatch(r"[!-~]+", url):
        raise InputError(f"cannot fetch {url}: an address has no spaces and only ASCII characters")


def _no_progress(done: int, total: int | None) -> None:
    pass


class _Part:
    """What has been fetched so far."""

    def __init__(self, path: Path):
        self._path = path
        self._part = path.with_name(path.name + ".part")
        self._tag = path.with_name(path.name + ".part.tag")

    def size(self) -> int:
        return self._part.stat().st_size if self._part.exists() else 0

    def tag(self) -> str:
        """What the server called the version of which this is a part; empty if unknown."""
        tag = self._tag.read_text("latin-1") if self._tag.exists() else ""
        return tag if tag.isascii() and tag.isprintable() else ""

    def begin(self, tag: str) -> None:
        self._part.write_bytes(b"")
        self._tag.write_text(tag, "latin-1", "replace")

    def append(self) -> BinaryIO:
        return open(self._part, "ab")

    def discard(self) -> None:
        self._part.unlink(missing_ok=True)
        self._tag.unlink(missing_ok=True)

    def finish(self, url: str, digest: tuple[str, str] | None) -> None:
        """Make the file visible if it is what was expected."""
        if digest is not None:
            kind, expected = digest
            with open(self._part, "rb") as file:
                found = hashlib.file_digest(file, kind).hexdigest()
            if not found.startswith(expected):
                self.discard()
                raise InputError(
                    f"{url} is not the expected file: its {kind} is {found}, expected {expected}; "
                    "what was fetched is deleted, try again"
                )
        os.replace(self._part, self._path)
        self._tag.unlink(missing_ok=True)


def _continue(url: str, part: _Part, size: int | None, progress: Progress, timeout: float) -> None:
    """Fetch all that is missing, in one request."""
    if size is not None and part.size() >= size:
        if part.size() == size:  # interrupted just before the end
            return
        part.discard()
    headers = {"User-Agent": f"manualnst/{__version__}", "Accept-Encoding": "identity"}
    start = part.size() if part.tag() else 0
    if start:
        headers |= {"Range": f"bytes={start}-", "If-Range": part.tag()}
    with _open(urllib.request.Request(url, headers=headers), part, timeout) as response:
        total = _total(response, part, start)
        most = size if size is not None else MAX_BYTES
        if total is not None and (total > most or (size is not None and total != size)):
            expected = f"expected {size}" if size is not None else f"at most {most} are fetched"
            raise InputError(f"cannot fetch {url}: it has {total} bytes, {expected}")
        if response.status == 200:
            part.begin(_version_tag(response))
        done = part.size()
        with part.append() as file:
            while piece := _read(response):
                done += len(piece)
                if done > (total or most):
                    part.discard()
                    raise InputError(f"cannot fetch {url}: it sends more than {most} bytes")
                file.write(piece)
                progress(done, total or size)
    if done < (total or size or 0):
        raise _Broken(f"the connection ended at {done} of {total or size} bytes")


def _open(request: urllib.request.Request, part: _Part, timeout: float):
    try:
        return _OPENER.open(request, timeout=timeout)
    except urllib.error.HTTPError as error:
        error.close()
        answer = f"the server answers {error.code} {http.client.responses.get(error.code, '')}"
        if error.code == 416:  # there is nothing from there on: the part is of another file
            part.discard()
        elif error.code not in _WORTH_RETRYING:
            raise InputError(f"cannot fetch {request.full_url}: {answer}") from error
        raise _Broken(answer) from error
    except (OSError, http.client.HTTPException) as error:
        raise _Broken(_reason(error)) from error
    except ValueError as error:
        raise InputError(f"cannot fetch {request.full_url}: {error}") from error


def _total(response: http.client.HTTPResponse, part: _Part, start: int) -> int | None:
    """The size of the whole file as the answer states it, once it is the answer asked for."""
    if response.status == 200:
        length = response.headers.get("Content-Length", "")
        return int(length) if re.fullmatch(r"\d{1,18}", length) else None
    stated = re.fullmatch(
        r"bytes (\d{1,18})-\d+/(\d{1,18})", response.headers.get("Content-Range", "")
    )
    if response.status == 206 and start and stated and int(stated[1]) == start:
        return int(stated[2])
    part.discard()
    raise _Broken(f"the server answers {response.status} with another part than was asked for")


def _version_tag(response: http.client.HTTPResponse) -> str:
    """What to send as If-Range: a date, or an ETag that vouches for every byte (no weak one)."""
    tag = response.headers.get("ETag", "")
    return tag if tag.startswith('"') else response.headers.get("Last-Modified", "")


def _read(response: http.client.HTTPResponse) -> bytes:
    try:
        return response.read1(PIECE)  # what has come; waiting for a whole piece could lose it
    except (OSError, http.client.HTTPException) as error:
        raise _Broken(_reason(error)) from error


def _reason(error: Exception) -> str:
    reason = getattr(error, "reason", error)
    if isinstance(reason, TimeoutError):
        return "the server does not answer any more"
    return printable(reason)[:200] or type(reason).__name__


def _make_opener() -> urllib.request.OpenerDirector:
    """urllib's usual opener without file:, ftp: and data:, to which a server could redirect."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler,
        urllib.request.UnknownHandler,
        urllib.request.HTTPHandler,
        urllib.request.HTTPSHandler,
        urllib.request.HTTPRedirectHandler,
        urllib.request.HTTPDefaultErrorHandler,
        urllib.request.HTTPErrorProcessor,
    ):
        opener.add_handler(handler())
    return opener


_OPENER = _make_opener()
