"""Paintings to be judged: every content in every style, by each network with each variant of
settings. They are kept with their records, and none is painted twice."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from manualnst.cli.options import parse_setting
from manualnst.errors import InputError
from manualnst.runs.inputs import Source
from manualnst.studies.many import Job, Listener, Series, batch_jobs, carry_out, check_apart
from manualnst.system.files import make_folder
from manualnst.weights import save_weights

from .cells import plain_name
from .networks import Named, is_random


class Painting(NamedTuple):
    path: Path
    record: dict[str, Any] | None  # of how it was painted, if that is known


class Pair(NamedTuple):
    """A content in a style, painted in several ways."""

    name: str
    content: Source
    style: Source
    paintings: dict[str, Painting]  # by column


class Column(NamedTuple):
    """What is compared: a network with settings."""

    name: str
    network: Named
    settings: dict[str, Any]  # as they are given


def find_columns(networks: Sequence[Named], variants: Sequence[str]) -> list[Column]:
    """Each network with each variant, as "preset=gatys-notebook size=512"."""
    given = [(" ".join(text.split()), parse_variant(text)) for text in variants]
    return [
        Column(f"{network.name} {text}".strip(), network, settings)
        for network in networks
        for text, settings in given
    ]


def parse_variant(text: str) -> dict[str, Any]:
    settings: dict[str, Any] = {}
    for word in text.split():
        option, _, value = word.partition("=")
        if not value:
            raise InputError(f"--with {text!r}: {word} is not of the form size=512")
        name, parsed = parse_setting(option, value)
        if name == "weights":
            raise InputError(f"--with {text!r}: networks are named by --networks")
        if name in settings:
            raise InputError(f"--with {text!r}: {name} is there twice; give it once")
        settings[name] = parsed
    return settings


def paint(
    columns: Sequence[Column],
    contents: Sequence[Source],
    styles: Sequence[Source],
    folder: Path,
    listener: Listener,
) -> list[Pair]:
    """All pairs of these, with paintings from the folder where they are there, else painted."""
    check_apart(folder, [*contents, *styles])
    jobs = [_jobs_of(column, contents, styles, folder) for column in columns]
    listed = [job for of_column in jobs for job in of_column.values()]
    if len({job.name for job in listed}) < len(listed):
        raise InputError("two columns have the same network and settings; give each once")
    series = carry_out(listed, folder, 1, False, listener, all_or_none=True)
    if series.interrupted:
        raise KeyboardInterrupt
    if series.failures:
        failed = series.failures[0]
        raise InputError(f"{failed.job.name}: {failed.failure}")
    return [
        Pair(name, job.content, job.styles[0], _paintings(series, columns, [j[name] for j in jobs]))
        for name, job in jobs[0].items()
    ]


def _paintings(
    series: Series, columns: Sequence[Column], jobs: Sequence[Job]
) -> dict[str, Painting]:
    outcomes = {column.name: series.of(job) for column, job in zip(columns, jobs, strict=True)}
    return {name: Painting(outcome.path, outcome.record) for name, outcome in outcomes.items()}


def _jobs_of(
    column: Column, contents: Sequence[Source], styles: Sequence[Source], folder: Path
) -> dict[str, Job]:
    """{pair: job}. A job's name has a hash of all that decides but the pictures."""
    weights = _name_of_weights(column.network, folder)
    jobs = batch_jobs(contents, styles, column.settings | {"weights": weights})
    decides = (column.network.weights.fingerprint(), jobs[0].settings.to_json())
    digest = hashlib.sha256(repr(decides).encode()).hexdigest()[:12]
    return {
        job.name: job._replace(
            name=f"{plain_name(column.network.name)}-{digest}-{job.name}",
            labels={"column": column.name, **job.labels},
        )
        for job in jobs
    }


def _name_of_weights(network: Named, folder: Path) -> str:
    """What the settings call it; a random network is first put into a file."""
    if not is_random(network.name):
        return network.name
    digest = network.weights.fingerprint()[:12]
    path = make_folder(folder / "networks") / f"{plain_name(network.name)}-{digest}.h5"
    if not path.exists():
        save_weights(network.weights, path)
    return str(path)
