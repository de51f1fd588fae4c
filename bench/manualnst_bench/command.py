"""`python -m manualnst bench`, behind its options: one mode measured, told and recorded."""

import json
from dataclasses import asdict
from typing import Any

from manualnst.errors import InputError
from manualnst.pictures.plots import draw_growth
from manualnst.pictures.saving import save_picture
from manualnst.system.files import write_atomically

from . import (
    breakdown,
    facts,
    growth,
    layers,
    memory,
    optimizers,
    painting,
    runs,
    startup,
    whole,
)
from .children import ChildFailed, run_child
from .measure import Tell
from .options import Mode, Options

FORMAT = "manualnst bench 1"
MODES: dict[str, Mode] = {
    "whole": whole.MODE,
    "per-layer": layers.MODE,
    "memory": memory.MODE,
    "growth": growth.MODE,
    "runs": runs.MODE,
    "startup": startup.MODE,
    "optimizers": optimizers.MODE,
    "breakdown": breakdown.MODE,
    "painting": painting.MODE,
}
SMALLEST = 16  # four poolings before relu5_1 leave one pixel of it
LARGEST_NAIVE = 32  # an evaluation in plain loops takes minutes then


def bench(mode: str, given: dict[str, Any], files: dict[str, str], say: Tell, tell: Tell) -> None:
    """`given` are the options that were asked for, `files` where "json" and "plot" are to go.

    `say` gets the results, line by line, and `tell` what is being done.
    """
    options = choose_options(mode, given)
    if "plot" in files and not MODES[mode].plot:
        drawn = ", ".join(name for name in MODES if MODES[name].plot)
        raise InputError(f"--plot is of what grows with the picture ({drawn}); leave it out")
    try:
        machine = run_child("facts:describe", options.threads, tell)
        for line in in_words(machine, options):
            say(line)
        result = MODES[mode].measure(options, tell, say)
    except ChildFailed as error:
        raise InputError(f"measuring failed: {error}") from error
    record = {
        "format": FORMAT,
        "mode": mode,
        "command": facts.command(),
        "machine": machine,
        "options": asdict(options),
        **result,
    }
    if "json" in files:
        text = json.dumps(record, indent=1) + "\n"
        write_atomically(files["json"], lambda path: path.write_text(text, encoding="utf-8"))
    if "plot" in files:
        save_picture(files["plot"], draw(mode, record))


def choose_options(mode: str, given: dict[str, Any]) -> Options:
    """The mode's own for what is not given; refuses what does not fit."""
    defaults = MODES[mode]
    for name in given.keys() - defaults.heeds - {"threads"}:
        raise InputError(f"--{name} means nothing to this measurement ({mode}); leave it out")
    options = Options(
        **{
            "threads": facts.usable_cores(),
            "sizes": defaults.sizes,
            "repeats": defaults.repeats,
            "network": defaults.network,
            "sides": defaults.sides,
            "evaluations": defaults.evaluations,
            **given,
        }
    )
    for name in options.sides:
        if name not in defaults.all_sides:
            known = ", ".join(defaults.all_sides)
            raise InputError(f"--sides {name}: this measurement ({mode}) knows {known}")
    if min(options.threads, given.get("repeats", 1), options.evaluations) < 1:
        raise InputError("--threads, --repeats and --evaluations must be at least 1")
    if min(options.sizes, default=SMALLEST) < SMALLEST:
        raise InputError(f"--sizes {min(options.sizes)}: relu5_1 needs at least {SMALLEST} pixels")
    if options.backend == "naive" and max(options.sizes) > LARGEST_NAIVE:
        raise InputError(
            f"--backend naive is plain loops: give --sizes up to {LARGEST_NAIVE}, and --network "
            "builtin"
        )
    return options


def in_words(machine: dict[str, Any], options: Options) -> list[str]:
    versions = machine["versions"]
    return [
        f"{machine['processor']}, {machine['cores']} cores; threads: {options.threads}",
        f"numpy {versions['numpy']}, {versions['blas']}",
    ]


def draw(mode: str, record: dict[str, Any]):
    """A picture (H, W, 3) of a record whose mode can be drawn."""
    machine, options = record["machine"], record["options"]
    return draw_growth(
        **MODES[mode].plot(record),
        caption=[f"{machine['processor']}, threads: {options['threads']}, {options['dtype']}"],
        x_label="pixels",
        ticks={f"{size} x {size}": size**2 for size in options["sizes"]},
    )
