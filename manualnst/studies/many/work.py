"""A list of jobs carried out: looked over, painted, shown together."""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Unpack

from ...errors import InputError
from ...pictures.images import Source
from ...runs.given import Given
from ...runs.progress import STOP
from ...runs.result import load_record
from ...runs.settings import Settings
from ...runs.shared import Shared
from ...system import machine
from .alone import alone_in
from .jobs import Job, batch_jobs, check_apart, sweep_jobs
from .painting import FAILURES, AnotherRun, Files, Happening, Plan, Step, look_over, paint, why
from .processes import paint_in_processes
from .series import Outcome, Series, check_folder


class Moment(NamedTuple):
    """What a callback learns after each step of any picture."""

    picture: str  # the name of that which has made a step
    picture_step: int
    loss: float
    size: tuple[int, int]  # (width, height) at which the step was made
    step: int  # pictures that are done with, those of earlier calls included
    seconds: float  # since this call began to paint
    seconds_left: float  # for all pictures
    share: float  # of the whole work that is done, from 0 to 1


class Listener:
    """Who is told of what happens."""

    def message(self, text: str) -> None:
        """A notice of one line."""

    def begin(self, count: int, done: int, share: float) -> None:
        """So many pictures; so many are finished already, with this share of the work."""

    def step(self, moment: Moment) -> None:
        """A step of one of the pictures."""

    def outcome(self, outcome: Outcome, done: int, count: int) -> None:
        """A picture is finished, or has failed."""


class _Calling(Listener):
    def __init__(self, callback: Callable[[Moment], Any] | None):
        self._callback = callback

    def step(self, moment: Moment) -> None:
        if self._callback is not None and self._callback(moment) is STOP:
            raise KeyboardInterrupt


def sweep(
    content: Source | None = None,
    style: Source | Sequence[Source] | None = None,
    *,
    vary: Mapping[str, Sequence[Any]],
    folder: str | os.PathLike,
    masks: Source | Sequence[Source] | None = None,
    jobs: int = 1,
    overwrite: bool = False,
    callback: Callable[[Moment], Any] | None = None,
    **settings: Unpack[Given],
) -> Series:
    """Paint `content` in the style of `style` with every combination of the varied settings.

    `vary` is {"content_weight": [0.01, 0.1], …}, and may have a "preset", too; masks and other
    settings are for all. Pictures, records, a sheet and tables go into `folder`; what is finished
    there is not painted again. With `jobs`, so many processes paint at a time, as far as memory
    suffices (a script that asks for this needs its `if __name__ == "__main__":`). The callback gets
    a `Moment` after each step; if it returns `manualnst.STOP`, or at Ctrl-C, what is finished
    stays, and the same call goes on.
    """
    listed = sweep_jobs(content, _listed(style), vary, settings, _listed(masks))
    return carry_out(listed, folder, jobs, overwrite, _Calling(callback), all_or_none=True)


def batch(
    contents: Source | Sequence[Source],
    styles: Source | Sequence[Source],
    *,
    folder: str | os.PathLike,
    masks: Source | Sequence[Source] | None = None,
    jobs: int = 1,
    overwrite: bool = False,
    callback: Callable[[Moment], Any] | None = None,
    **settings: Unpack[Given],
) -> Series:
    """Paint every content in every style; a folder stands for the pictures in it.

    Of `masks`, one is for all contents, or they are as many, in the same order. What cannot be
    painted is among the `failures` of the result, and does not keep the others from it; if nothing
    can be, nothing is written. The rest is as for `sweep`.
    """
    contents, styles, masks = _listed(contents), _listed(styles), _listed(masks)
    listed = batch_jobs(contents, styles, settings, masks)
    check_apart(folder, [*contents, *styles, *(masks or [])])
    return carry_out(listed, folder, jobs, overwrite, _Calling(callback))


def _listed(sources: Source | Sequence[Source] | None) -> list[Source] | None:
    if sources is None or isinstance(sources, list):
        return sources
    return list(sources) if isinstance(sources, tuple) else [sources]


def _network_of(settings: Settings) -> tuple:
    return settings.weights or "", settings.backend, settings.pool, settings.margin


def carry_out(
    jobs: list[Job],
    folder: str | os.PathLike,
    count: int,
    overwrite: bool,
    listener: Listener,
    *,
    all_or_none: bool = False,
) -> Series:
    """`count` processes paint; with `all_or_none` a job that cannot begin is refused for all."""
    if count < 1:
        raise InputError(f"jobs is {count}; it must be at least 1")
    assert len({job.name for job in jobs}) == len(jobs), "jobs of one name would be one"
    folder = Path(folder)
    check_folder(folder, overwrite=overwrite)
    return _Work(jobs, folder, count, overwrite, listener, all_or_none).done()


class _Work:
    def __init__(self, jobs, folder, count, overwrite, listener, all_or_none):
        self._series = Series(folder, [Outcome(job, Files.of(job, folder).picture) for job in jobs])
        self._folder, self._count, self._listener = folder, count, listener
        self._overwrite, self._all_or_none = overwrite, all_or_none
        self._shared = Shared()
        self._plans: dict[str, Plan] = {}  # by the job's name
        self._shares: dict[str, float] = {}  # of each job's own work that is done
        self._began = 0.0
        self._share_before = 0.0

    def done(self) -> Series:
        # Those with the same network follow each other: only the last is kept.
        jobs = sorted(
            (outcome.job for outcome in self._series.outcomes),
            key=lambda job: _network_of(job.settings),
        )
        with alone_in(self._folder) as make_folder:
            for job in jobs:
                self._look_over(job)
            if not self._plans:
                self._series.begun = False
                return self._series
            make_folder()
            self._begin(jobs)
            self._series.save()
            return self._series

    def _begin(self, jobs: list[Job]) -> None:
        waiting = [job for job in jobs if job.name in self._plans and job.name not in self._shares]
        self._tell_what_there_is(waiting)
        self._began, self._share_before = time.perf_counter(), self._share
        self._listener.begin(len(jobs), self._done_with, self._share)
        try:
            self._paint(waiting)
        except KeyboardInterrupt:
            self._series.interrupted = True

    def _look_over(self, job: Job) -> None:
        try:
            plan = look_over(job, self._folder, self._shared, overwrite=self._overwrite)
        except FAILURES as error:
            if self._all_or_none or isinstance(error, AnotherRun):
                raise InputError(f"{job.name}: {why(error)}") from error
            self._series.set(job, failure=why(error))
            return
        self._plans[job.name] = plan
        if plan.record is not None:
            self._shares[job.name] = 1.0
            self._series.set(job, record=plan.record)

    def _tell_what_there_is(self, waiting: list[Job]) -> None:
        """Each notice once; those of memory are of one picture after the other, and not told."""
        notices = (each for plan in self._plans.values() for each in plan.notices)
        for notice in dict.fromkeys(each for each in notices if each.topic != "memory"):
            self._listener.message(str(notice))
        counts = {
            "pictures": len(self._series.outcomes),
            "finished already": len(self._plans) - len(waiting),
            "begun already": sum(self._plans[job.name].begun for job in waiting),
            "not to be painted": len(self._series.failures),
        }
        self._listener.message(", ".join(f"{what}: {n}" for what, n in counts.items() if n))

    def _paint(self, waiting: list[Job]) -> None:
        count = min(self._count, len(waiting))
        if count > 1:
            count = self._that_memory_allows(waiting, count)
        if count > 1:
            self._shared = Shared()  # the processes have their own
            paint_in_processes(waiting, self._folder, count, self._take)
            return
        for job in waiting:
            try:
                paint(job, self._folder, self._shared, lambda step, job=job: self._take(job, step))
                failure = None
            except FAILURES as error:
                failure = why(error)
            self._take(job, failure)

    def _that_memory_allows(self, waiting: list[Job], count: int) -> int:
        """The number of processes: each holds as much as this one by now, and what a run takes."""
        available, held = machine.available_memory(), machine.peak_memory()
        if available is None or held is None:
            return count
        each = held + max(self._plans[job.name].memory for job in waiting)
        allowed = min(count, max(1, available // each))
        self._listener.message(
            f"processes: {allowed}, of about {machine.format_bytes(each)} each"
            + (f"; memory does not suffice for {count}" if allowed < count else "")
        )
        return allowed

    def _take(self, job: Job, what: Happening) -> None:
        if isinstance(what, Step):
            self._shares[job.name] = what.share
            self._listener.step(self._moment(job, what))
            return
        self._shares[job.name] = 1.0
        if what is None:
            self._series.set(job, record=load_record(Files.of(job, self._folder).record))
        else:
            self._series.set(job, failure=what)
        outcomes = self._series.outcomes
        self._listener.outcome(self._series.of(job), self._done_with, len(outcomes))

    def _moment(self, job: Job, step: Step) -> Moment:
        seconds = time.perf_counter() - self._began
        done = self._share - self._share_before
        left = seconds * (1 - self._share) / done if done else float("inf")
        return Moment(
            job.name,
            step.number,
            step.loss,
            step.size,
            self._done_with,
            seconds,
            left,
            self._share,
        )

    @property
    def _done_with(self) -> int:
        return sum(o.record is not None or o.failure is not None for o in self._series.outcomes)

    @property
    def _share(self) -> float:
        whole = sum(plan.work for plan in self._plans.values())
        shares = self._shares
        return sum(plan.work * shares.get(name, 0) for name, plan in self._plans.items()) / whole
