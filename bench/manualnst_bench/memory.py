"""The most memory that one evaluation takes above what the process has when it is ready for it."""

import ctypes
import gc
from collections.abc import Callable
from itertools import product
from pathlib import Path

from manualnst.errors import InputError
from manualnst.system.machine import format_bytes, peak_memory

from . import table
from .children import ChildFailed, run_child
from .measure import Tell, in_turns, timed
from .options import Mode, Options
from .sides import FRAMEWORKS, build, make_problem, warms_up, why_absent

CLEAR_REFS = Path("/proc/self/clear_refs")


def measure(options: Options, tell: Tell, say: Tell) -> dict:
    if not CLEAR_REFS.exists():
        raise InputError("--memory: only Linux tells the peak of one evaluation; try --growth")
    found = []
    for network, size in product(options.network, options.sizes):
        peaks, left_out = {}, {}
        for name in (options.backend, *options.sides):
            try:
                alone = measure_alone(name, size, network, 0, options, tell)
                peaks[name] = alone["peak"]
            except ChildFailed as error:
                left_out[name] = str(error)
        found.append(
            {
                "size": size,
                "network": network,
                "dtype": options.dtype,
                "ours": options.backend,
                "peaks": peaks,
                "left out": left_out,
            }
        )
        for line in lines(found[-1]):
            say(line)
    return {"memory": found}


def measure_alone(
    name: str, size: int, network: str, repeats: int, options: Options, tell: Tell
) -> dict:
    """One side in a process of its own: {"peak": bytes or None, "seconds": [...]}."""
    if reason := why_absent(name):
        raise ChildFailed(reason)
    return run_child(
        "memory:peak_and_seconds",
        options.threads,
        lambda text: tell(f"{table.square(size)}, {text}"),
        name=name,
        size=size,
        network=network,
        dtype=options.dtype,
        repeats=repeats,
    )


def peak_and_seconds(
    name: str, size: int, network: str, dtype: str, repeats: int, tell: Tell
) -> dict:
    tell(f"preparing {name}")
    evaluate = build(name, make_problem(size, network).to(dtype))
    if warms_up(name):
        evaluate()
    tell(f"the peak of {name}")
    peak = peak_of(evaluate) if CLEAR_REFS.exists() else None
    return {"peak": peak, "seconds": in_turns({name: timed(evaluate)}, repeats, tell)[name]}


def peak_of(evaluate: Callable[[], object]) -> int:
    """Bytes."""
    gc.collect()
    # What was freed must not serve as room for the evaluation. Not every C library has this.
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim:
        trim(0)
    CLEAR_REFS.write_text("5")  # the peak starts anew from what there is now
    before = peak_memory()
    evaluate()
    return peak_memory() - before


def lines(result: dict) -> list[str]:
    own = result["peaks"].get(result["ours"])
    rows = [
        [name, format_bytes(peak), f"{peak / result['size'] ** 2:.0f}", _share(own, peak)]
        for name, peak in result["peaks"].items()
    ]
    what = f"{table.square(result['size'])}, {result['network']}, {result['dtype']}"
    heading = ["", "peak", "bytes a pixel", f"{result['ours']} / it"]
    return ["", f"{what}: memory of one evaluation", *table.table(heading, rows)] + table.left_out(
        result
    )


def _share(own: int | None, peak: int) -> str:
    return f"{own / peak:.2f}" if own and peak else ""


def plot(result: dict) -> dict:
    """For `draw_growth`: each side's megabytes by pixels."""
    series: dict[str, list[tuple[float, float]]] = {}
    for found in result["memory"]:
        for name, peak in found["peaks"].items():
            label = table.side_and_network(name, found["network"])
            series.setdefault(label, []).append((found["size"] ** 2, peak / 1e6))
    return {"series": series, "title": "megabytes of one evaluation"}


MODE = Mode(
    measure,
    heeds=frozenset({"sizes", "network", "dtype", "backend", "sides", "plot"}),
    repeats=0,
    sizes=(512,),
    sides=FRAMEWORKS,
    all_sides=FRAMEWORKS,
    plot=plot,
)
