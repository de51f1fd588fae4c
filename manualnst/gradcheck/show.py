"""What a check found, in words and in HTML."""

import base64
import html
from typing import TYPE_CHECKING

import numpy as np

from ..pictures.saving import encode_png
from .rounding import TOLERANCES

if TYPE_CHECKING:
    from .report import Entry, Report, Row

_WORST = 5  # entries that a report lists
_COLOURS = {"PASS": "#1a7f37", "WRONG": "#cf222e", "ERROR": "#cf222e"}


ROW_HEADING = (
    f"  {'':<6}{'by':<6} {'in':<8} {'oracle (worst of)':<32}{'at':<14}{'given':>13}{'expected':>14}"
    f"{'error':>9}  {'tolerance':<8} from"
)


def row_as_text(row: "Row") -> str:
    """One line for one of the package's own derivatives: its worst comparison."""
    worst = max(row.comparisons, key=lambda c: (c.severity, c.worst.excess if c.worst else 0))
    oracle = f"{worst.oracle} ({len(row.comparisons)})"
    start = f"  {row.verdict:<6}{row.computed_by:<6} {row.dtype:<8} {oracle:<32}"
    if worst.worst is None:
        return start + worst.note
    entry = worst.worst
    return (
        f"{start}{_index(entry):<14}{entry.given:>13.6g}{entry.expected:>14.6g}"
        f"{entry.error:>9.0e}  {entry.tolerance:<8.0e}  {worst.tolerance_from}"
    )


def entry_as_text(entry: "Entry") -> str:
    return (
        f"at {_index(entry)} {entry.given:.9g} for {entry.expected:.9g}, "
        f"error {entry.error:.1e}, tolerance {entry.tolerance:.1e}"
    )


def _index(entry: "Entry") -> str:
    if isinstance(entry.index, str):
        return entry.index
    return f"[{', '.join(map(str, entry.index))}]"


def report_as_text(report: "Report") -> str:
    row, [comparison] = report.row, report.row.comparisons
    lines = [f"{row.verdict}: {row.words or comparison.note or 'it is the gradient'}"]
    source = TOLERANCES[comparison.tolerance_from]
    lines.append(f"against the {comparison.oracle}; tolerance: {source}")
    lines += ["  ".join(cells) for cells in _table(report)]
    return "\n".join(line.rstrip() for line in lines)


def _table(report: "Report") -> list[list[str]]:
    """The worst entries, with a heading, as columns of equal width."""
    rows = [["entry", "given", "expected", "relative error", "in last places", "tolerance"]]
    for entry in report.entries[:_WORST]:
        size = abs(entry.expected)
        rows.append(
            [
                _index(entry),
                f"{entry.given:.12g}",
                f"{entry.expected:.12g}",
                f"{entry.error / size:.1e}" if size else "–",
                f"{entry.error / np.spacing(size):.3g}" if entry.error < 1e-6 * size else "–",
                f"{entry.tolerance:.1e}",
            ]
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [[cell.ljust(w) for cell, w in zip(row, widths, strict=True)] for row in rows]


def report_as_html(report: "Report") -> str:
    heading, *lines = report_as_text(report).splitlines()
    colour = _COLOURS.get(report.verdict, "#9a6700")
    head, *body = (
        "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in cells) + "</tr>"
        for cells in _table(report)
    )
    picture = _picture(report) if report.verdict == "WRONG" else ""
    return (
        f'<p style="color: {colour}"><b>{html.escape(heading)}</b></p>'
        f"<p>{html.escape(lines[0])}</p>"
        f"<table>{head.replace('td>', 'th>')}{''.join(body)}</table>{picture}"
    )


def _picture(report: "Report") -> str:
    """Every entry of a map as a square: white where it is right, red where it is wrong."""
    entries = [entry for entry in report.entries if not isinstance(entry.index, str)]
    if len(report.shape) not in (2, 3) or len(entries) != np.prod(report.shape):
        return ""
    excess = np.zeros(report.shape)
    for entry in entries:
        excess[entry.index] = entry.excess
    if excess.ndim == 3:
        excess = excess.max(axis=2)
    right = np.clip(-np.log10(np.maximum(excess, 1e-3)) / 3, 0, 1)  # 0 from the tolerance on
    pixels = np.stack([np.ones_like(right), right, right], axis=2)
    png = base64.b64encode(encode_png(pixels)).decode()
    width = 12 * excess.shape[1]
    return (
        f'<p>Wrong entries, red:</p><img alt="the errors" width="{width}" '
        f'style="image-rendering: pixelated; border: 1px solid" src="data:image/png;base64,{png}">'
    )
