"""Results as lines of text."""

import statistics
from collections.abc import Iterable, Sequence

COLUMNS = 100
INDENT, GAP = "  ", "  "


def table(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """The first column to the left, numbers to the right."""
    cells = [heading, *rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return [
        INDENT
        + GAP.join(
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in cells
    ]


def spread(samples: Sequence[float]) -> list[str]:
    """Median, least and largest of some seconds, in the unit of the median."""
    return [as_time(value) for value in (statistics.median(samples), min(samples), max(samples))]


def as_time(seconds: float) -> str:
    if seconds >= 99.95:
        return f"{seconds:.0f} s"
    return f"{seconds:.3g} s" if seconds >= 0.9995 else f"{1e3 * seconds:.3g} ms"


def as_ratio(comparison: dict, ours: str) -> str:
    """A line on `measure.compare`."""
    ratios = comparison["ratios"]
    spread = f" ({min(ratios):.2f} … {max(ratios):.2f})" if len(ratios) > 1 else ""
    return f"{INDENT}{ours} / {comparison['to']}: {comparison['ratio']:.2f}{spread}"


def square(size: int) -> str:
    return f"{size} × {size}"


def left_out(result: dict) -> list[str]:
    """The frameworks that were not measured, and why."""
    lines = [f"{INDENT}{name}: left out; {why}" for name, why in result["left out"].items()]
    return [line if len(line) <= COLUMNS else line[: COLUMNS - 1] + "…" for line in lines]


def side_and_network(side: str, network: str) -> str:
    """For a legend, where vgg19 need not be told."""
    return side if network == "vgg19" else f"{side}, {network}"
