"""One job: what there is of it already, and the painting of the rest."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from ...api import check_same, prepare, restore
from ...errors import InputError
from ...pictures.images import load_picture
from ...runs.kept import recorded_in
from ...runs.progress import Callback, Progress
from ...runs.result import Result, load_record, masks_in, styles_in
from ...runs.run import Run
from ...runs.scales import work
from ...runs.settings import Settings
from ...runs.shared import Shared
from ...system.notice import Notice
from .jobs import Job


class AnotherRun(InputError):
    """What is there is not of this job: never replaced without being told to."""


class Files(NamedTuple):
    """The files of one job."""

    picture: Path
    record: Path
    checkpoint: Path

    @classmethod
    def of(cls, job: Job, folder: Path) -> "Files":
        names = (f"{job.name}{suffix}" for suffix in (".png", ".json", ".png.checkpoint"))
        return cls(*(folder / name for name in names))

    def remove(self) -> None:
        for path in self:
            path.unlink(missing_ok=True)


class Step(NamedTuple):
    """One of a picture's, told."""

    number: int
    loss: float
    size: tuple[int, int]  # (width, height)
    share: float  # of this picture's work that is done


# What is told of a job: a step; or why it has failed; or None, it is finished.
Happening = Step | str | None


class Plan(NamedTuple):
    """A job that was looked over."""

    job: Job
    record: dict[str, Any] | None  # of a finished one
    begun: bool  # there is a checkpoint to go on from
    work: int  # in pixels × steps
    memory: int  # bytes above what a process holds before
    notices: list[Notice]


def look_over(job: Job, folder: Path, shared: Shared, *, overwrite: bool) -> Plan:
    """Refuse what cannot be painted, and, without `overwrite`, to replace what is of another run.

    With it, such files are removed.
    """
    run = prepare(job.content, job.styles, job.settings, job.masks, shared=shared)
    files = Files.of(job, folder)
    plan = Plan(job, None, False, work(run.scales), run.memory, run.notices)
    try:
        if files.record.exists():
            record = load_record(files.record)
            _check_same_run(run, record)
            if _opens(files.picture, run):
                return plan._replace(record=record)
        elif files.picture.exists():
            raise InputError("it has no record")
        if files.checkpoint.exists():
            _check_same_run(run, recorded_in(files.checkpoint))
            return plan._replace(begun=True)
    except (InputError, LookupError, TypeError, AttributeError) as error:
        if not overwrite:
            raise AnotherRun(
                f"{files.picture} is of another run: {error}; give another folder, or --overwrite "
                "to replace it"
            ) from error
        files.remove()
    return plan


def _opens(picture: Path, run: Run) -> bool:
    """Whether it is there, whole and of the run's size; if not, it is painted anew."""
    try:
        height, width = load_picture(picture).pixels.shape[:2]
    except InputError:
        return False
    return (width, height) == (run.scales[-1].width, run.scales[-1].height)


def _check_same_run(run: Run, record: dict[str, Any]) -> None:
    before, now = Settings.from_json(record["settings"]).to_json(), run.settings.to_json()
    for name, value in now.items():
        if before[name] != value:
            raise InputError(f"{name} was {before[name]!r:.80} then, {value!r:.80} now")
    for what, names_in in (("style pictures", styles_in), ("masks", masks_in)):
        if names_in(record) != names_in(run.facts):
            raise InputError(f"it has another number of {what}")
    check_same(run, record, run.facts)


def begun(job: Job, files: Files, shared: Shared) -> Run:
    """From the beginning, or on from the checkpoint."""
    if files.checkpoint.exists():
        return restore(files.checkpoint, shared=shared)
    return prepare(job.content, job.styles, job.settings, job.masks, shared=shared)


def finished(run: Run, files: Files, callback: Callback) -> Result:
    """An interrupt leaves a checkpoint."""
    result = run.finish(callback, files.checkpoint)
    if result.interrupted:
        if run.done:
            run.save(files.checkpoint)
        raise KeyboardInterrupt
    return result


def paint(job: Job, folder: Path, shared: Shared, tell: Callable[[Step], None]) -> None:
    def callback(progress: Progress) -> None:
        tell(Step(progress.step, progress.loss, progress.size, progress.share))

    files = Files.of(job, folder)
    result = finished(begun(job, files, shared), files, callback)
    result.save_record(files.record)  # first: a picture without one could be anybody's
    result.save(files.picture)
    files.checkpoint.unlink(missing_ok=True)


def why(error: Exception) -> str:
    """In one line, why a job has failed."""
    if isinstance(error, MemoryError):
        return "out of memory; use a smaller size, or fewer processes"
    if isinstance(error, OSError):
        where = f"{os.fspath(error.filename)}: " if error.filename else ""
        return f"{where}{error.strerror or error}"
    return str(error)


# What a job may fail of while the others go on.
FAILURES = (InputError, MemoryError, OSError)
