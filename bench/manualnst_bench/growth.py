"""How time and memory of an evaluation grow with the picture: ours alone, unless others are asked.

Both should grow in proportion to the pixels: a slope of 1 on two logarithmic axes.
"""

import math
import statistics
from collections.abc import Callable
from itertools import product

import numpy as np

from manualnst.system.machine import available_memory, format_bytes

from . import table
from .children import ChildFailed
from .measure import Tell
from .memory import measure_alone
from .options import Mode, Options
from .sides import FRAMEWORKS

ROOM = 1.25  # times what is foretold has to be there


def measure(options: Options, tell: Tell, say: Tell) -> dict:
    found = []
    for network, name in product(options.network, (options.backend, *options.sides)):
        found.append(grow(name, network, options, tell))
        for line in lines(found[-1]):
            say(line)
    return {"growth": found}


def grow(name: str, network: str, options: Options, tell: Tell) -> dict:
    """Of one side, size by size, until memory would not suffice."""
    rows: list[dict] = []
    stopped = None
    for size in sorted(options.sizes):
        needed, room = _foretold(rows, size), available_memory()
        if needed and room and ROOM * needed > room:
            stopped = (
                f"{table.square(size)} would need about {format_bytes(needed)}, "
                f"{format_bytes(room)} are available"
            )
            break
        try:
            alone = measure_alone(name, size, network, options.repeats, options, tell)
        except ChildFailed as error:
            stopped = f"{table.square(size)}: {error}"
            break
        rows.append({"size": size, **alone})
    return {
        "side": name,
        "network": network,
        "dtype": options.dtype,
        "rows": rows,
        "stopped": stopped,
        "slopes": {
            "seconds": _slope(rows, lambda row: statistics.median(row["seconds"])),
            "peak": _slope(rows, lambda row: row["peak"]),
        },
    }


def _foretold(rows: list[dict], size: int) -> float | None:
    """Bytes that the next size takes, if they grow as the pixels do."""
    if not rows or not rows[-1]["peak"]:
        return None
    return rows[-1]["peak"] * (size / rows[-1]["size"]) ** 2


def _slope(rows: list[dict], value: Callable[[dict], float | None]) -> float | None:
    """Of the logarithm of the value by that of the pixels; 1 is proportional."""
    points = [(math.log(row["size"] ** 2), math.log(value(row))) for row in rows if value(row)]
    if len(points) < 2:
        return None
    return float(np.polyfit(*zip(*points, strict=True), deg=1)[0])


def lines(result: dict) -> list[str]:
    heading = ["", "median", "min", "max", "s a megapixel", "peak", "bytes a pixel"]
    found = ["", f"{result['side']}, {result['network']}, {result['dtype']}: one evaluation"]
    found += table.table(heading, map(_row, result["rows"]))
    slopes = {name: slope for name, slope in result["slopes"].items() if slope is not None}
    if slopes:
        words = ", ".join(f"{name} {slope:.2f}" for name, slope in slopes.items())
        found.append(f"{table.INDENT}slopes (1: in proportion to the pixels): {words}")
    if result["stopped"]:
        found.append(f"{table.INDENT}stopped: {result['stopped']}")
    return found


def _row(row: dict) -> list[str]:
    pixels = row["size"] ** 2
    known = row["peak"] is not None
    return [
        table.square(row["size"]),
        *table.spread(row["seconds"]),
        f"{statistics.median(row['seconds']) / pixels * 1e6:.2f}",
        format_bytes(row["peak"]) if known else "unknown",
        f"{row['peak'] / pixels:.0f}" if known else "",
    ]


def plot(result: dict) -> dict:
    """For `draw_growth`: seconds and gigabytes by pixels, and what a slope of 1 looks like."""
    series: dict[str, list[tuple[float, float]]] = {}
    for found in result["growth"]:
        label = table.side_and_network(found["side"], found["network"])
        rows = [(row["size"] ** 2, row) for row in found["rows"]]
        seconds = [(pixels, statistics.median(row["seconds"])) for pixels, row in rows]
        gigabytes = [(pixels, (row["peak"] or 0) / 1e9) for pixels, row in rows]
        series[f"{label}: seconds"], series[f"{label}: GB"] = seconds, gigabytes
        if seconds:
            last, its_seconds = seconds[-1]
            proportion = [(pixels, its_seconds * pixels / last) for pixels, _ in seconds]
            series.setdefault("slope 1", proportion)
    return {"series": series, "title": "seconds and gigabytes of one evaluation"}


MODE = Mode(
    measure,
    heeds=frozenset({"sizes", "network", "dtype", "backend", "sides", "repeats", "plot"}),
    repeats=3,
    sizes=(128, 256, 512, 1024, 2048),
    all_sides=FRAMEWORKS,
    plot=plot,
)
