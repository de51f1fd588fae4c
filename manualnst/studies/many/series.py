"""What has come of a list of jobs: pictures on a sheet, and their losses in a table."""

import csv
import io
import json
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import InputError
from ...pictures.images import load_picture
from ...pictures.resizing import fitted_size, resize
from ...pictures.saving import encode_png, save_picture
from ...pictures.sheets import Cell, draw_sheet
from ...runs.inputs import Source, load_source
from ...runs.result import MAX_RECORD_BYTES, summary
from ...system.files import read_bytes, write_atomically
from .jobs import BATCH_LABELS, Job

Grid = dict[str, dict[str, "Outcome"]]  # label of the row → label of the column → outcome

FORMAT = "manualnst table 1"
_SHEET, _CSV, _JSON = "sheet.png", "table.csv", "table.json"
_COLUMNS = 6  # of a sheet on which only one thing differs
_SHEET_WIDTH = 1800  # about, in pixels
_SMALLEST, _LARGEST = 128, 400  # long side of a picture on it


@dataclass(frozen=True)
class Outcome:
    """The outcome of one job: neither record nor failure if it is not finished."""

    job: Job
    path: Path  # of the picture
    record: dict[str, Any] | None = None
    failure: str | None = None

    @property
    def image(self) -> np.ndarray:
        """(H, W, 3) float32 in [0, 1], read from the file."""
        return load_picture(self.path).pixels


class Series:
    """The outcomes of all jobs. In a notebook it shows its sheet."""

    def __init__(self, folder: Path, outcomes: list[Outcome]):
        self.folder = folder
        self.begun = True  # unless all its jobs are refused; then nothing is written
        self.interrupted = False
        self._outcomes = {outcome.job.name: outcome for outcome in outcomes}

    @property
    def outcomes(self) -> list[Outcome]:
        return list(self._outcomes.values())

    @property
    def failures(self) -> list[Outcome]:
        return [outcome for outcome in self.outcomes if outcome.failure is not None]

    @property
    def finished(self) -> list[Outcome]:
        return [outcome for outcome in self.outcomes if outcome.record is not None]

    def of(self, job: Job) -> Outcome:
        return self._outcomes[job.name]

    def set(self, job: Job, **what: Any) -> None:
        self._outcomes[job.name] = replace(self._outcomes[job.name], **what)

    def table(self) -> list[dict[str, Any]]:
        """A row for each job; the losses are those of the picture that was kept."""
        return [_row(outcome) for outcome in self.outcomes]

    def sheet(self) -> np.ndarray:
        """The contact sheet, (H, W, 3) in [0, 1].

        The first of what differs goes to the columns, all others to the rows.
        """
        return _draw(self.outcomes)

    def save(self) -> None:
        """Sheet and tables into the folder, in the place of older ones."""
        rows = self.table()
        text = json.dumps({"format": FORMAT, "rows": rows}, indent=1, allow_nan=False) + "\n"
        _write(self.folder / _JSON, text)
        _write(self.folder / _CSV, _as_csv(rows))
        if self.finished:
            save_picture(self.folder / _SHEET, self.sheet())

    @property
    def written(self) -> list[Path]:
        """Beside the pictures and their records."""
        return [path for path in _written_in(self.folder) if self.begun and path.exists()]

    def _repr_png_(self) -> bytes:
        return encode_png(self.sheet(), None)


def _written_in(folder: Path) -> list[Path]:
    """What a series writes beside the files of its pictures."""
    return [folder / name for name in (_SHEET, _CSV, _JSON)]


def check_folder(folder: Path, *, overwrite: bool) -> None:
    """Refuse a folder where sheet and tables would replace what is not of a series."""
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file; give the name of a folder")
    above = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not above.is_dir():
        raise InputError(f"cannot make the folder {folder}: {above} is a file; give another name")
    if not os.access(above, os.W_OK | os.X_OK):
        raise InputError(f"cannot write in {above}: no permission; give another folder")
    there = [path for path in _written_in(folder) if path.exists()]
    if there and not overwrite and not _is_a_table(folder / _JSON):
        raise InputError(
            f"{there[0]} is not of a sweep or batch; give another folder, or --overwrite to "
            "replace it"
        )


def _is_a_table(path: Path) -> bool:
    try:
        table = json.loads(read_bytes(path, MAX_RECORD_BYTES))
    except (InputError, ValueError, RecursionError):
        return False
    return isinstance(table, dict) and table.get("format") == FORMAT


# The table


def _row(outcome: Outcome) -> dict[str, Any]:
    row = {"picture": outcome.path.name, **outcome.job.labels}
    if outcome.record is None:
        return row | {"stopped": outcome.failure or "not finished"}
    record = outcome.record
    terms = _terms_of_the_best(record)
    return row | {
        "stopped": record["stop_reason"],
        "steps done": record["steps"],  # "steps" may be what is varied
        "evaluations": record["evaluations"],
        "seconds": record["seconds"],
        "loss": record["best_loss"],
        **_unweighted(terms, outcome.job),
        **{f"weighted {name}": value for name, value in terms.items()},
    }


def _terms_of_the_best(record: dict[str, Any]) -> dict[str, float]:
    """The weighted terms at the evaluation whose picture was kept, of the last size."""
    totals, best = record["history"]["total"], record["best_loss"]
    first = len(totals) - record["scales"][-1]["evaluations"]
    if best not in totals[first:]:  # it diverged at once
        return {}
    at = totals.index(best, first)
    return {name: values[at] for name, values in record["history"].items() if name != "total"}


def _unweighted(terms: dict[str, float], job: Job) -> dict[str, float]:
    """Sums by kind without α, β and γ: these can be compared from row to row."""
    losses = job.settings.losses
    sums = {}
    for kind in ("content", "style", "tv"):
        weight = getattr(losses, f"{kind}_weight")
        if weight and terms:
            of_kind = (value for name, value in terms.items() if name.split()[0] == kind)
            sums[f"{kind} loss"] = sum(of_kind) / weight
    return sums


def _as_csv(rows: list[dict[str, Any]]) -> str:
    columns = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _write(path: Path, text: str) -> None:
    data = text.encode("utf-8", "backslashreplace")  # names of files may hold what no encoding has
    write_atomically(path, lambda temporary: temporary.write_bytes(data))


# The sheet


def _draw(outcomes: list[Outcome]) -> np.ndarray:
    grid = _grid(outcomes)
    if outcomes[0].job.labels.keys() == BATCH_LABELS:
        return _draw_batch(grid, _side(1 + len(next(iter(grid.values()))), outcomes))
    columns, labels = list(next(iter(grid.values()))), list(grid)
    rows = [[_cell(outcome) for outcome in row.values()] for row in grid.values()]
    if labels == [""]:  # one thing differs: in lines, each picture with its own words
        cells = [
            cell._replace(caption=f"{text} {cell.caption}")
            for cell, text in zip(rows[0], columns, strict=True)
        ]
        rows = [cells[k : k + _COLUMNS] for k in range(0, len(cells), _COLUMNS)]
        columns = []
    side = _side(len(rows[0]), outcomes)
    return draw_sheet(rows, columns=columns, labels=labels, title=_title(outcomes), side=side)


def _draw_batch(grid: Grid, side: int) -> np.ndarray:
    """Styles above, contents at the left."""
    rows = [list(row.values()) for row in grid.values()]
    above = [_head(o.job.styles[0], o.job.labels["style"]) for o in rows[0]]
    lines = [
        [_head(row[0].job.content, row[0].job.labels["content"]), *map(_cell, row)] for row in rows
    ]
    return draw_sheet([[Cell(None), *above], *lines], side=side)


def _grid(outcomes: list[Outcome]) -> Grid:
    """The first label tells the column, all others the row."""
    across, *down = outcomes[0].job.labels
    grid: Grid = {}
    for outcome in outcomes:
        labels = outcome.job.labels
        row = "; ".join(_words(name, labels[name]) for name in down)
        grid.setdefault(row, {})[_words(across, labels[across])] = outcome
    return grid


def _words(name: str, value: str) -> str:
    """Such as can be broken into lines."""
    return f"{name.replace('_', ' ')} {value.replace(',', ', ')}"


def _cell(outcome: Outcome) -> Cell:
    if outcome.record is not None:
        return _picture(outcome.path, "", otherwise="cannot be read")
    return Cell(None, f"failed: {outcome.failure}" if outcome.failure else "not finished")


def _head(source: Source, name: str) -> Cell:
    return _picture(source, name, otherwise=name)


def _picture(source: Source, caption: str, *, otherwise: str) -> Cell:
    try:
        return Cell(_small(load_source(source).pixels), caption)
    except InputError:
        return Cell(None, otherwise)


def _small(picture: np.ndarray) -> np.ndarray:
    """As large as it may be on a sheet: there may be hundreds."""
    return resize(picture, *fitted_size(*picture.shape[:2], _LARGEST))


def _title(outcomes: list[Outcome]) -> str:
    return next((summary(o.record) for o in outcomes if o.record is not None), "")


def _side(columns: int, outcomes: list[Outcome]) -> int:
    """The long side of a picture on a sheet with so many; no larger than what was painted."""
    sizes = (o.record["scales"][-1]["size"] for o in outcomes if o.record is not None)
    painted = max(map(max, sizes), default=_LARGEST)
    return min(_LARGEST, painted, max(_SMALLEST, _SHEET_WIDTH // columns))
