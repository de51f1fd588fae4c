"""What there is to paint: a list of jobs, each with a name that stays the same when others join."""

import hashlib
import itertools
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ...api import settings_from
from ...errors import InputError
from ...pictures.images import READABLE_SUFFIXES, Source, is_path, load_picture
from ...runs.declared import in_words
from ...runs.inputs import SAMPLE_PREFIX
from ...runs.settings import Settings
from ...weights import find_recommended

# In bytes, without the suffix of a file. Most systems take 255, and some that encrypt 143.
_LONGEST_NAME = 120
_FORBIDDEN = str.maketrans(dict.fromkeys('<>:"/\\|?*', "_"))  # in names of files, somewhere


# What tells the jobs of a batch from each other; in a sweep it is the names of settings.
BATCH_LABELS = {"style", "content"}


class Job(NamedTuple):
    """One picture to be painted."""

    name: str  # of its files
    content: Source | None
    styles: list[Source] | None
    masks: list[Source] | None
    settings: Settings
    labels: dict[str, str]  # what tells it from the others: of what → which, in words


def sweep_jobs(
    content: Source | None,
    styles: list[Source] | None,
    vary: Mapping[str, Sequence[Any]],
    settings: Mapping[str, Any],
    masks: list[Source] | None = None,
) -> list[Job]:
    """One job for every combination of the values; the last option changes fastest."""
    if not isinstance(vary, Mapping):
        raise InputError(f'vary is {vary!r:.40}; give options with values, as {{"seed": [1, 2]}}')
    if not vary:
        raise InputError("nothing is varied; name an option and the values that it is to have")
    words = {name: _distinct(name, values) for name, values in vary.items()}
    if both := [name for name in vary if name in settings]:
        raise InputError(f"{both[0]} is varied, and given for all as well; leave out one of them")
    recommended = cache(find_recommended)  # each network is asked once
    jobs = []
    for chosen in itertools.product(*(range(len(values)) for values in vary.values())):
        labels = {name: words[name][k] for name, k in zip(vary, chosen, strict=True)}
        values = {name: vary[name][k] for name, k in zip(vary, chosen, strict=True)}
        name = _file_name("-".join(f"{option}={text}" for option, text in labels.items()))
        try:
            chosen = settings_from({**settings, **values}, recommended)
        except InputError as error:
            raise InputError(f"{name}: {error}") from error
        jobs.append(Job(name, content, styles, masks, chosen, labels))
    return jobs


def _distinct(name: str, values: Sequence[Any]) -> list[str]:
    """The values in words."""
    if isinstance(values, str | bytes) or not isinstance(values, Sequence | np.ndarray):
        raise InputError(f"{name} is varied by {values!r:.40}; give a list of values")
    words = [in_words(value) for value in values]
    if not words:
        raise InputError(f"{name} has no values; give those that it is to have")
    text, count = Counter(words).most_common(1)[0]
    if count > 1:
        raise InputError(f"{name} has {text} {count} times among its values; once is enough")
    return words


def batch_jobs(
    contents: Sequence[Source] | None,
    styles: Sequence[Source] | None,
    settings: Mapping[str, Any],
    masks: Sequence[Source] | None = None,
) -> list[Job]:
    """One job for every content in every style; all of one style follow each other.

    Of masks, one for all contents or one for each, in their order.
    """
    made = settings_from(settings)
    by_name = [_by_name(role, each) for role, each in (("content", contents), ("style", styles))]
    masked = list(zip(by_name[0].items(), _one_each(masks, len(by_name[0])), strict=True))
    return [
        Job(
            _file_name(_pair_name(content_name, style_name)),
            content,
            [style],
            mask,
            made,
            {"style": style_name, "content": content_name},
        )
        for style_name, style in by_name[1].items()
        for (content_name, content), mask in masked
    ]


def check_apart(folder: str | os.PathLike, sources: Iterable[Source]) -> None:
    """Refuse to paint into a folder that stands for the pictures in it: it would eat its own."""
    for source in sources:
        if not is_path(source) or not os.path.isdir(source):
            continue
        if os.path.isdir(folder) and os.path.samefile(source, folder):
            raise InputError(
                f"{folder} is where pictures come from and where they would go; give another "
                "output folder"
            )


def _one_each(masks: Sequence[Source] | None, contents: int) -> list[list[Source] | None]:
    """The masks of each of so many contents."""
    if masks is None:
        return [None] * contents
    pictures = _all_pictures("mask", masks)
    if len(pictures) not in (1, contents):
        raise InputError(
            f"there are {len(pictures)} masks for {contents} contents; give one for each, in "
            "their order, or one for all"
        )
    return [[mask] for mask in pictures] * (contents // len(pictures))


def _all_pictures(role: str, sources: Sequence[Source]) -> list[Source]:
    for source in sources:
        if source is None or isinstance(source, int | float):
            raise InputError(
                f"a {role} is {source!r:.40}; give a path, an array or a folder of pictures"
            )
    return [picture for source in sources for picture in _pictures_of(source)]


def _by_name(role: str, sources: Sequence[Source] | None) -> dict[str, Source]:
    """The pictures under short names. The first of a name keeps it, whatever is added after it:
    what is painted already goes on being found."""
    pictures = _all_pictures(role, sources or [])
    if not pictures:
        raise InputError(f"there is no {role} picture; give at least one")
    named, seen = {}, set()
    for number, picture in enumerate(pictures, 1):
        stem, path = _stem_and_path(picture, number)
        if os.path.abspath(path) in seen:
            raise InputError(f"{role} {path} is given twice; once is enough")
        seen.add(os.path.abspath(path))
        named[f"{stem}_{_digest(path)}" if stem in named else stem] = picture
    return named


def _pictures_of(source: Source) -> list[Source]:
    """The pictures of a folder. What is no path is loaded now: open files can be read once,
    and do not go to other processes."""
    if not is_path(source):
        return [load_picture(source)]
    if not os.path.isdir(source):
        return [source]
    found = sorted(
        path
        for path in Path(source).iterdir()
        if path.suffix.lower() in READABLE_SUFFIXES and not path.name.startswith(".")
    )
    if not found:
        raise InputError(f"in the folder {source} there are no pictures")
    return found


def _stem_and_path(picture: Source, number: int) -> tuple[str, str]:
    if not is_path(picture):
        return f"array {number}", f"array {number}"
    path = os.fspath(picture)
    return Path(path.removeprefix(SAMPLE_PREFIX)).stem, path


def _pair_name(content: str, style: str) -> str:
    """One name of these two, that no other pair has: a-b of a in b-c is not that of a-b in c.

    The last dash parts them if the style has none, else the only double one.
    """
    if "--" in f"{content}-" or "--" in f"-{style}":
        return f"{content}-{style}-{_digest(f'{content}/{style}')}"
    return f"{content}{'--' if '-' in style else '-'}{style}"


def _digest(text: str) -> str:
    return hashlib.sha256(_encoded(text)).hexdigest()[:8]


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")  # names of files may hold what no encoding has


def _file_name(text: str) -> str:
    """The text as the name of a file; where that takes changes, a digest keeps it its own."""
    name = text.translate(_FORBIDDEN).strip(". ")
    if name == text and len(_encoded(name)) <= _LONGEST_NAME:
        return name
    cut = _encoded(name)[: _LONGEST_NAME - 9].decode("utf-8", "ignore")
    return f"{cut}-{_digest(text)}"
