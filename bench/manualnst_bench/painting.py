"""How near a painting is to its style and its content, by the seconds spent on it.

All begin with the content picture and have the objective of a run by default, without its margin,
which PyTorch's side does not have. Ours are runs with other settings; PyTorch paints as in `runs`.
The pictures on the way are kept, and judged when all are done, by a trained VGG-16 that none of
them has seen.
"""

import json
import tempfile
import time
from collections.abc import Sequence
from itertools import product
from pathlib import Path

import numpy as np

import manualnst
from manualnst.errors import InputError
from manualnst.runs.inputs import load_source
from manualnst.studies.judge import Judge, chosen_judge
from manualnst.weights import find_weights

from . import table
from .children import run_child
from .measure import Tell
from .options import Mode, Options
from .runs import SIDES
from .sides import why_absent

VARIANTS = {
    "lbfgs": {},
    "lbfgs, one size": {"scales": 1},
    "adam": {"optimizer": "adam"},
    "momentum": {"optimizer": "momentum"},
    "lbfgsb": {"optimizer": "lbfgsb"},
}
MOMENTS = 16  # of a run, evenly spread over its steps, whose pictures are kept
SHARES = {"1/8": 2, "1/4": 4, "1/2": 8, "all": 16}  # of the steps, in such moments
WAYS = (0.5, 0.75, 0.9)  # from the photograph's distance to the least that any has reached


def measure(options: Options, tell: Tell, say: Tell) -> dict:
    judge = chosen_judge(options.judge)
    if options.evaluations < MOMENTS:
        raise InputError(f"--painting keeps {MOMENTS} pictures: give --evaluations from {MOMENTS}")
    found = []
    for network, size in product(options.network, options.sizes):
        with tempfile.TemporaryDirectory() as folder:
            found.append(_compare(folder, judge, network, size, options, tell))
        for line in lines(found[-1]):
            say(line)
    return {"paintings": found}


def _compare(
    folder: str, judge: str, network: str, size: int, options: Options, tell: Tell
) -> dict:
    def child(function: str, **more):
        return run_child(f"painting:{function}", options.threads, tell, folder=folder, **more)

    run_child(
        "runs:write_problem", options.threads, tell, folder=folder, network=network, size=size
    )
    left_out = {side: reason for side in options.sides if (reason := why_absent(side))}
    steps = {"steps": options.evaluations}
    rows = {name: child("paint", name=name, **steps) for name in VARIANTS}
    for side in options.sides:
        if side not in left_out:
            rows[side] = child("paint_with_torch", name=side, **steps)
    return {
        "size": size,
        "network": network,
        "judge": judge,
        "photograph": child("judge", weights=judge, name=None)[0],
        "rows": {
            name: [
                {"seconds": seconds, **distances}
                for seconds, distances in zip(
                    moments, child("judge", weights=judge, name=name), strict=True
                )
            ]
            for name, moments in rows.items()
        },
        "left out": left_out,
    }


# In processes of their own. Both leave the pictures of their moments as NAME.npy, and return the
# seconds at which they had them.


def paint(folder: str, name: str, steps: int, tell: Tell) -> list[float]:
    tell(name)
    settings = json.loads(Path(folder, "problem.json").read_text())["settings"]
    seconds, painted = [], []

    def keep(progress: manualnst.Progress) -> None:
        seconds.append(progress.seconds)
        painted.append(progress.painted)  # to be enlarged when time does not matter

    manualnst.stylize(
        Path(folder, "content.png"),
        Path(folder, "style.png"),
        callback=keep,
        steps=steps,
        margin=0,
        **settings,
        **VARIANTS[name],
    )
    last = len(seconds) - 1  # one that has converged is the same from then on
    kept = [min(n, last) for n in _moments(steps)]
    size = settings["size"]
    np.save(Path(folder, f"{name}.npy"), [painted[n](size, size) for n in kept])
    return [seconds[n] for n in kept]


def paint_with_torch(folder: str, name: str, steps: int, tell: Tell) -> list[float]:
    """One evaluation is a step there."""
    tell(name)
    from . import run_torch

    objective, start = run_torch.prepare(Path(folder), name)
    seconds, pictures = [], []

    def watched(x):
        loss = objective(x)
        pictures.append(run_torch.to_picture(x.detach()))
        seconds.append(time.perf_counter() - began)
        return loss

    began = time.perf_counter()
    run_torch.minimise(watched, start, steps)
    kept = [1 + n for n in _moments(steps)]  # the first one is for the scale
    np.save(Path(folder, f"{name}.npy"), [pictures[n] for n in kept])
    return [seconds[n] for n in kept]


def _moments(steps: int) -> list[int]:
    return [steps * (n + 1) // MOMENTS - 1 for n in range(MOMENTS)]


def judge(folder: str, weights: str, name: str | None, tell: Tell) -> list[dict[str, float]]:
    """Of the pictures of that name, or of the photograph."""
    tell(f"judging {name or 'the photograph'}")
    content, style = (load_source(Path(folder, f"{r}.png")).pixels for r in ("content", "style"))
    pictures = [content] if name is None else np.load(Path(folder, f"{name}.npy"))
    seen = Judge(find_weights(weights))
    verdicts = (seen.verdict(picture, content, style) for picture in pictures)
    return [{"style": verdict.style, "content": verdict.content} for verdict in verdicts]


def seconds_to(row: Sequence[dict[str, float]], distance: float) -> float | None:
    """When its style distance was first no more than that; None if it never was."""
    return next((moment["seconds"] for moment in row if moment["style"] <= distance), None)


def lines(result: dict) -> list[str]:
    rows, photograph = result["rows"], result["photograph"]
    least = min(moment["style"] for row in rows.values() for moment in row)
    marks = [photograph["style"] + way * (least - photograph["style"]) for way in WAYS]
    by_share = [
        [name, *(_in_words(row[n - 1]) for n in SHARES.values()), _time(row[-1]["seconds"])]
        for name, row in rows.items()
    ]
    by_mark = [[name, *(_time(seconds_to(row, m)) for m in marks)] for name, row in rows.items()]
    start = f"{photograph['style']:.3f} of the photograph"
    return [
        "",
        f"{table.square(result['size'])}, {result['network']}: style and content distance after",
        *table.table(["a share of the steps:", *SHARES, "seconds"], by_share),
        f"seconds until the style distance, {start}, has fallen to",
        *table.table(["", *(f"{mark:.3f}" for mark in marks)], by_mark),
        *table.left_out(result),
    ]


def _in_words(moment: dict[str, float]) -> str:
    return f"{moment['style']:.3f} {moment['content']:.3f}"


def _time(seconds: float | None) -> str:
    return "—" if seconds is None else table.as_time(seconds)


MODE = Mode(
    measure,
    heeds=frozenset({"sizes", "network", "sides", "evaluations", "judge"}),
    repeats=1,
    sizes=(256,),
    network=("builtin",),
    sides=("torch-channels-last",),
    all_sides=SIDES,
    evaluations=160,
)
