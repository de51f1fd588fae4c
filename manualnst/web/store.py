"""What the page keeps, in one folder: pictures by their content, and jobs with what came of them.

    pictures/ID             an uploaded file, as it came; ID.name has its name
    jobs/ID/job.json        what was asked for, and how it stands
            checkpoint      of one that was begun and is not done
            result.png, result.json    the picture so far or in the end, and its record

Names never become paths: an ID is made here, of hexadecimal digits.
"""

import hashlib
import json
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..pictures.images import Picture, load_picture
from ..system.files import make_folder, read_bytes, write_atomically
from ..system.text import printable

MAX_PICTURES = 2000
MAX_UPLOAD = 64 << 20  # bytes of a file
KEPT_SECONDS = 86400.0  # a picture that nobody uses
_MAX_JOB = 1 << 20  # bytes of job.json
_ID = re.compile(r"[0-9a-f]{16,32}")


class Store:
    def __init__(self, folder: str | Path):
        self.folder = make_folder(folder)
        self._pictures = make_folder(self.folder / "pictures")
        self._jobs = make_folder(self.folder / "jobs")

    # Pictures

    def add_picture(self, data: bytes, name: str) -> tuple[str, Picture]:
        """The ID of a picture, and what it shows; refuses what is none."""
        shows = load_picture(data)
        picture = hashlib.sha256(data).hexdigest()[:32]
        path = self._pictures / picture
        if not path.exists():
            if sum(1 for _ in self._pictures.iterdir()) >= 2 * MAX_PICTURES:
                raise InputError(f"there are {MAX_PICTURES} pictures already; remove some jobs")
            write_atomically(path, lambda temporary: temporary.write_bytes(data))
        shown = printable(name)[:100] or "picture"
        write_atomically(
            path.with_suffix(".name"), lambda temporary: temporary.write_text(shown, "utf-8")
        )
        return picture, shows

    def picture(self, picture: str) -> Path:
        path = self._pictures / _checked(picture)
        if not path.is_file():
            raise InputError(f"there is no picture {picture}")
        return path

    def name_of(self, picture: str) -> str:
        path = self.picture(picture).with_suffix(".name")
        return read_bytes(path, 1000).decode("utf-8", "replace") if path.is_file() else picture

    # Jobs

    def new_job(self) -> str:
        job = secrets.token_hex(8)
        make_folder(self._jobs / job)
        return job

    def job(self, job: str) -> Path:
        """The folder of a job."""
        path = self._jobs / _checked(job)
        if not path.is_dir():
            raise InputError(f"there is no job {job}")
        return path

    def save_job(self, job: str, facts: dict[str, Any]) -> None:
        text = json.dumps(facts, indent=1)
        write_atomically(
            self.job(job) / "job.json", lambda temporary: temporary.write_text(text, "utf-8")
        )

    def load_jobs(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """The jobs that can be read; a folder that was begun and never had a job is removed."""
        for path in self._jobs.iterdir():
            if not _ID.fullmatch(path.name) or not path.is_dir():
                continue
            if not (path / "job.json").is_file():
                shutil.rmtree(path, ignore_errors=True)
                continue
            try:
                facts = json.loads(read_bytes(path / "job.json", _MAX_JOB))
            except (InputError, ValueError):
                continue
            if isinstance(facts, dict):
                yield path.name, facts

    def remove_job(self, job: str) -> None:
        shutil.rmtree(self.job(job), ignore_errors=True)

    def remove_pictures_but(self, used: set[str]) -> None:
        """What no job needs, and nobody has given lately: a page may still show it."""
        for name in [path for path in self._pictures.glob("*.name") if path.stem not in used]:
            if time.time() - name.stat().st_mtime > KEPT_SECONDS:
                name.with_suffix("").unlink(missing_ok=True)
                name.unlink(missing_ok=True)


def _checked(given: str) -> str:
    if not _ID.fullmatch(given):
        raise InputError(f"{given!r:.40} is no ID")
    return given
