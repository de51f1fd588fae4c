"""Whole runs, process start included: manualnst against PyTorch with its own L-BFGS.

Both begin with the content picture, have the same objective (a run's default settings, in its own
unit scale), and may take so many evaluations; both give the best picture that they came by, with
pixels in [0, 1]; and one function tells the losses of both pictures.
"""

import json
import subprocess
import sys
import tempfile
from dataclasses import asdict
from itertools import product
from pathlib import Path

import numpy as np

from manualnst.api import settings_from
from manualnst.backends import get_backend
from manualnst.network.network import Network
from manualnst.objective.objective import Objective
from manualnst.pictures.saving import save_picture
from manualnst.runs.inputs import load_source
from manualnst.weights import BUILTIN, load_weights, save_weights

from . import table
from .children import ChildFailed, environment, last_line, run_child
from .measure import Call, Tell, compare, in_turns, timed
from .options import Mode, Options
from .sides import find_network, sample, why_absent

OURS = "manualnst"
SIDES = ("torch-nchw", "torch-channels-last")


def measure(options: Options, tell: Tell, say: Tell) -> dict:
    found = []
    for network, size in product(options.network, options.sizes):
        with tempfile.TemporaryDirectory() as folder:
            found.append(compare_runs(Path(folder), network, size, options, tell))
        for line in lines(found[-1]):
            say(line)
    return {"runs": found}


def compare_runs(folder: Path, network: str, size: int, options: Options, tell: Tell) -> dict:
    tell("preparing")
    where = {"folder": str(folder)}
    run_child("runs:write_problem", options.threads, tell, **where, network=network, size=size)
    left_out = {name: reason for name in options.sides if (reason := why_absent(name))}
    sides = [OURS, *(name for name in options.sides if name not in left_out)]
    evaluations: dict[str, int] = {}
    calls = {name: _process(name, folder, options, evaluations) for name in sides}
    seconds = in_turns(calls, options.repeats, lambda text: tell(f"{network}, {text}"))
    losses = run_child("runs:losses_of", options.threads, tell, **where, names=sides)
    comparison = compare(seconds, OURS)
    return {
        "size": size,
        "network": network,
        "seconds": seconds,
        "evaluations": evaluations,
        "losses": losses,
        "left out": left_out,
        "comparison": comparison,
        "loss ratio": losses[OURS] / losses[comparison["to"]] if comparison else None,
    }


def _process(name: str, folder: Path, options: Options, evaluations: dict[str, int]) -> Call:
    """A run from the start of its process to its end; notes how many evaluations it took."""
    module, rest = ("run_ours", []) if name == OURS else ("run_torch", [name])
    command = [sys.executable, "-m", f"{__package__}.{module}", str(folder)]
    command += [str(options.evaluations), *rest]

    def run() -> None:
        done = subprocess.run(
            command, env=environment(options.threads), capture_output=True, text=True
        )
        if done.returncode != 0:
            raise ChildFailed(f"{name}: {last_line(done.stderr)}")
        evaluations[name] = int(done.stdout.split()[-1])

    return timed(run)


# In processes of their own, so that this one has nothing in memory meanwhile.


def write_problem(folder: str, network: str, size: int, tell: Tell) -> None:
    """What both read: pictures, filters, settings."""
    tell("writing pictures and filters")
    for name, role in (("harbour", "content"), ("mosaic", "style")):
        save_picture(Path(folder, f"{role}.png"), sample(name, size))
    weights = find_network(network)
    path = BUILTIN
    if network != "builtin":
        path = Path(folder, "weights.h5")
        save_weights(weights, path)
    arrays = {f"{name}.{n}": a for name, pair in weights.layers.items() for n, a in enumerate(pair)}
    np.savez(Path(folder, "weights.npz"), **arrays)
    settings = {"size": size, "weights": str(path)}
    problem = {
        "settings": settings,
        "losses": asdict(settings_from(settings).losses),
        "preprocessing": asdict(weights.preprocessing),
    }
    Path(folder, "problem.json").write_text(json.dumps(problem))


def losses_of(folder: str, names: list[str], tell: Tell) -> dict[str, float]:
    """Of the pictures that the runs left, by our objective in double precision."""
    tell("the losses of the pictures")
    settings = json.loads(Path(folder, "problem.json").read_text())["settings"]
    network = Network(
        load_weights(settings["weights"]), backend=get_backend("numpy"), dtype=np.float64
    )
    content, style = (
        load_source(Path(folder, f"{role}.png")).pixels.astype(np.float64)
        for role in ("content", "style")
    )
    objective = Objective(network, content, style, settings_from(settings).losses)
    pictures = {name: np.load(Path(folder, f"{name}.npy")) for name in names}
    return {name: objective(x.astype(np.float64)).loss for name, x in pictures.items()}


def lines(result: dict) -> list[str]:
    rows = [
        [
            name,
            *table.spread(samples),
            str(result["evaluations"][name]),
            f"{result['losses'][name]:.5g}",
        ]
        for name, samples in result["seconds"].items()
    ]
    heading = ["", "median", "min", "max", "evaluations", "loss"]
    what = f"{table.square(result['size'])}, {result['network']}: whole processes"
    found = ["", what, *table.table(heading, rows), *table.left_out(result)]
    if result["comparison"]:
        found.append(table.as_ratio(result["comparison"], OURS))
        found.append(
            f"{table.INDENT}its loss over that of {result['comparison']['to']}: "
            f"{result['loss ratio']:.4f}"
        )
    return found


MODE = Mode(
    measure,
    heeds=frozenset({"sizes", "network", "sides", "evaluations", "repeats"}),
    repeats=1,
    sizes=(512,),
    network=("vgg19", "builtin"),
    sides=SIDES,
    all_sides=SIDES,
)
