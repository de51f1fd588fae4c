"""Jobs: what the page asks to be painted, one after the other, kept over the end of the process.

A job is painted in a thread of its own, as `run` paints it: the same settings give the same bits.
Whoever looks at a job polls its `version`; nobody is waited for.
"""

import threading
import time
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from ..api import prepare, restore, settings_from
from ..errors import InputError
from ..pictures.animation import Animation, usual_interval
from ..pictures.saving import encode_preview
from ..runs.inputs import SAMPLE_PREFIX
from ..runs.progress import STOP, Progress
from ..runs.run import Run
from ..runs.scales import work
from ..runs.shared import Shared
from ..system.machine import available_memory, format_bytes
from ..weights import BUILTIN_NAME
from .store import Store

MAX_QUEUED = 200
MAX_KEPT = 5000
QUEUED, RUNNING, STOPPED, FAILED, DONE = "queued", "running", "stopped", "failed", "done"
_STATES = (QUEUED, RUNNING, STOPPED, FAILED, DONE)
_CHECKPOINT_EVERY = 20  # steps
_PREVIEW_SHARE = 0.02  # of the time, that pictures on the way may take
_PREVIEW_SECONDS = 0.5  # at least, from one to the next
_WARM_UP = {"size": 128, "steps": 4, "weights": BUILTIN_NAME}
_PICTURES = {"content", "style", "mask", "start"}  # topics of notices
_CURVE = 400  # losses that are told


@dataclass(eq=False)
class Job:
    id: str
    asked: dict[str, Any]  # content, styles, masks, settings, preset, and who asked
    state: str = QUEUED
    created: float = field(default_factory=time.time)
    why: str = ""  # it failed, or stopped
    notices: list[str] = field(default_factory=list)
    told: dict[str, Any] = field(default_factory=dict)  # of its last step
    losses: list[list[float]] = field(default_factory=list)  # [step, loss]
    version: int = 0  # grows with everything that changes
    preview: bytes = b""  # WebP, of the picture on the way
    stop: bool = False

    def facts(self) -> dict[str, Any]:
        """What the page is told."""
        return {
            "id": self.id,
            "state": self.state,
            "created": self.created,
            "why": self.why,
            "notices": self.notices,
            "version": self.version,
            "has_preview": bool(self.preview),
            **self.asked,
            **self.told,
        }

    def kept(self) -> dict[str, Any]:
        """What is needed again after the end of the process."""
        own = ("asked", "state", "created", "why", "notices", "told", "losses")
        return {name: getattr(self, name) for name in own}


class Studio:
    """The queue, and the threads that paint."""

    def __init__(self, store: Store, painters: int = 1):
        self.store = store
        self.jobs: dict[str, Job] = {}
        self._changed = threading.Condition()
        self._turns: deque[str] = deque(maxlen=1000)  # who asked, the longest ago first
        self._ends = False
        self._measuring = threading.Lock()
        self._rate: float | None = None  # seconds by work, as it was last seen
        self._threads = [threading.Thread(target=self._paint_all) for _ in range(painters)]
        for job, facts in sorted(store.load_jobs(), key=lambda each: each[1].get("created", 0)):
            with suppress(TypeError):  # of another version
                self.jobs[job] = self._as_it_stands(Job(job, **facts))
        self._tidy()

    def _tidy(self) -> None:
        self.store.remove_pictures_but({p for each in self.jobs.values() for p in _used(each)})

    def _as_it_stands(self, job: Job) -> Job:
        """One that was being painted when the process ended goes on."""
        if job.state not in _STATES:
            raise TypeError(job.state)
        if job.state == RUNNING:
            job.state = QUEUED
        return job

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        """Stop painting, so that the next process goes on."""
        with self._changed:
            self._ends = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    # What is asked for

    def add(self, asked: dict[str, Any]) -> Job:
        self.prepared(asked)  # refuses what cannot be painted
        with self._changed:
            if sum(job.state == QUEUED for job in self.jobs.values()) >= MAX_QUEUED:
                raise InputError(f"{MAX_QUEUED} jobs are waiting already; wait for some of them")
            if len(self.jobs) >= MAX_KEPT:
                raise InputError(f"{MAX_KEPT} jobs are kept already; remove some")
            job = Job(self.store.new_job(), {"label": self._label(asked), **asked})
            self._save(job)
            self.jobs[job.id] = job
            self._changed.notify()
        return job

    def find(self, job: str) -> Job:
        if job not in self.jobs:
            raise InputError(f"there is no job {job:.40}")
        return self.jobs[job]

    def stop(self, job: Job) -> None:
        with self._changed:
            if job.state == QUEUED:
                self._become(job, STOPPED, "before its first step")
            job.stop = job.state == RUNNING

    def resume(self, job: Job) -> None:
        with self._changed:
            if job.state not in (STOPPED, FAILED):
                raise InputError(f"the job is {job.state}; only one that was stopped can go on")
            self._become(job, QUEUED)
            self._changed.notify()

    def remove(self, job: Job) -> None:
        with self._changed:
            if job.state == RUNNING:
                raise InputError("the job is being painted; stop it first")
            del self.jobs[job.id]
            self.store.remove_job(job.id)
            self._tidy()

    def prepared(self, asked: dict[str, Any], shared: Shared | None = None) -> Run:
        """The run, checked."""
        given = {"preset": asked.get("preset"), **asked.get("settings", {})}
        if "after" in asked:  # more steps, at the last size
            given |= {"init": str(self.store.job(asked["after"]) / "result.png"), "scales": 1}
        settings = settings_from(given)
        sources = [self._source(name) for name in asked["styles"]]
        masks = [self._source(name) for name in asked.get("masks", [])]
        content = self._source(asked["content"])
        return prepare(content, sources or None, settings, masks or None, shared=shared)

    def _label(self, asked: dict[str, Any]) -> str:
        content, *styles = (
            name if name.startswith(SAMPLE_PREFIX) else self.store.name_of(name)
            for name in (asked["content"], *asked["styles"])
        )
        return f"{content} in {' + '.join(styles)}"

    def _source(self, name: str) -> str:
        """The file of a picture, or a sample."""
        return name if name.startswith(SAMPLE_PREFIX) else str(self.store.picture(name))

    # Painting

    def seconds_for(self, amount: float) -> float:
        """What so much work takes, of one job that is alone."""
        with self._measuring:
            if self._rate is None:
                self._warm_up()
        return self._rate * amount

    def see_pace(self, seconds: float, amount: float) -> None:
        self._rate = seconds / amount

    def _warm_up(self) -> None:
        """A small picture for nothing, so that the forecast knows this machine."""
        run = prepare(None, None, settings_from(_WARM_UP))
        run.start(foretell=False)
        began = time.perf_counter()
        run.finish()
        self.see_pace(time.perf_counter() - began, work(run.scales))

    def _paint_all(self) -> None:
        shared = Shared()
        while (job := self._next()) is not None:
            try:
                self._paint(job, shared)
            except InputError as error:
                self._set(job, FAILED, str(error))
            except MemoryError:
                self._set(job, FAILED, "out of memory; ask for a smaller size")
            except Exception as error:  # one job must not end the others
                self._set(job, FAILED, f"this is our mistake: {error!r:.300}")

    def _next(self) -> Job | None:
        """The job, of those that wait, whose asker was served the longest ago."""
        with self._changed:
            while not self._ends:
                if waiting := [job for job in self.jobs.values() if job.state == QUEUED]:
                    job = min(waiting, key=lambda job: (self._turn(job), job.created))
                    asker = job.asked.get("asker", "")
                    with suppress(ValueError):
                        self._turns.remove(asker)
                    self._turns.append(asker)
                    job.stop = False
                    self._become(job, RUNNING)
                    return job
                self._changed.wait()
        return None

    def _turn(self, job: Job) -> int:
        asker = job.asked.get("asker", "")
        return self._turns.index(asker) if asker in self._turns else -1

    def _paint(self, job: Job, shared: Shared) -> None:
        folder = self.store.job(job.id)
        checkpoint = folder / "checkpoint"
        begun = checkpoint.is_file()
        run = restore(checkpoint, shared=shared) if begun else self.prepared(job.asked, shared)
        _check_room(run)
        run.start()
        # Pictures are files of the server here; the page shows them.
        told = (n for n in run.notices if n.topic.split()[0] not in _PICTURES)
        job.notices = [str(notice) for notice in told]
        watch = _Watch(self, job, work(run.scales))
        animation = None
        if job.asked.get("animate"):
            every = usual_interval(run.settings.steps)
            animation = Animation(folder / "animation.webp", every, go_on=True)

        def on_step(progress: Progress) -> Any:
            if animation is not None:
                animation(progress)
            return watch(progress)

        result = run.finish(on_step, checkpoint, _CHECKPOINT_EVERY)
        job.notices += run.warnings
        result.save(folder / "result.png")
        result.save_record(folder / "result.json")
        if watch.stopped:
            run.save(checkpoint)
            self._set(job, QUEUED if self._ends else STOPPED, result.stop_reason)
            return
        if animation is not None:
            animation.save(result.image)
        self._set(job, DONE, "")
        checkpoint.unlink(missing_ok=True)

    def _set(self, job: Job, state: str, why: str) -> None:
        with self._changed:
            self._become(job, state, why)

    def _become(self, job: Job, state: str, why: str = "") -> None:
        job.state, job.why = state, why
        job.version += 1
        with suppress(InputError):  # a full disk: the page tells what is in memory
            self._save(job)

    def _save(self, job: Job) -> None:
        self.store.save_job(job.id, job.kept())


class _Watch:
    """The callback of a run: steps and pictures for the page, and whether to stop."""

    def __init__(self, studio: Studio, job: Job, amount: float):
        self._studio, self._job, self._amount = studio, job, amount
        self._next = 0.0  # when the next picture is due
        self._began: tuple[float, float] | None = None  # seconds and share at the first step
        self.stopped = False

    def __call__(self, progress: Progress) -> Any:
        job = self._job
        job.told = {
            "step": progress.step,
            "loss": progress.loss,
            "seconds": round(progress.seconds, 2),
            "seconds_left": round(progress.seconds_left, 1),
            "share": round(progress.share, 4),
            "size": list(progress.size),
            "last_size": list(progress.last_size),
        }
        job.losses = thinned([*job.losses, [progress.step, progress.loss]])
        began = time.monotonic()
        if began >= self._next:
            job.preview = encode_preview(progress.picture)
            took = time.monotonic() - began
            self._next = time.monotonic() + max(_PREVIEW_SECONDS, took / _PREVIEW_SHARE)
        self._see_pace(progress)
        job.version += 1
        if job.stop or self._studio._ends:
            self.stopped = True
            return STOP
        return None

    def _see_pace(self, progress: Progress) -> None:
        began = self._began = self._began or (progress.seconds, progress.share)
        done = self._amount * (progress.share - began[1])
        if done > 0.2 * self._amount:
            self._studio.see_pace(progress.seconds - began[0], done)


def thinned(losses: list) -> list:
    """Every second one where there are too many."""
    return losses if len(losses) <= _CURVE else losses[::2]


def _check_room(run: Run) -> None:
    available = available_memory()
    if available is not None and run.memory > available:
        raise InputError(
            f"it needs {format_bytes(run.memory)} beside what runs, and {format_bytes(available)} "
            "are free; ask for a smaller size, or go on later"
        )


def _used(job: Job) -> Iterable[str]:
    asked = job.asked
    return (asked["content"], *asked["styles"], *asked.get("masks", []))
