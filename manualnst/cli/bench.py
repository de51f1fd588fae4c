"""`manualnst bench`: how fast the package is here. What measures is the package manualnst_bench."""

import argparse
import sys

from ..backends import NAMES as BACKENDS
from ..errors import InputError
from ..pictures.saving import check_output_suffix
from .console import say, show
from .outputs import refuse_existing
from .progress import columns_of

_MODES = {
    "per-layer": "layer by layer, forward and backward, against the frameworks' own operations",
    "memory": "the peak memory of one evaluation, each side in a process of its own",
    "growth": "time and memory from 128 × 128 to 2048 × 2048, as far as memory suffices",
    "runs": "whole processes of 200 evaluations, against PyTorch with its own L-BFGS (minutes)",
    "startup": "imports, and the time to the first step of a default run",
    "optimizers": "our L-BFGS against scipy's: losses after as many evaluations, and own work",
    "painting": "a painting by several optimisers and by PyTorch, judged by the seconds (minutes)",
    "breakdown": "where our evaluation's time goes, by function and shape",
}
_OPTIONS = (
    *("sizes", "network", "dtype", "backend", "sides", "layers", "evaluations", "repeats"),
    "judge",
)
_CLEAR_LINE = "\r\x1b[K"


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    parser = subparsers.add_parser(
        "bench",
        help="measure speed and memory, also against PyTorch and JAX",
        description="Time one evaluation (loss and picture gradient) of a full-size VGG-19 with "
        "random filters against PyTorch and JAX, where they are installed, after checking that "
        "all compute the same; or one of the other measurements. Let nothing else run meanwhile.",
    )
    others = parser.add_argument_group("the other measurements").add_mutually_exclusive_group()
    for name, text in _MODES.items():
        others.add_argument(f"--{name}", dest="mode", action="store_const", const=name, help=text)
    _add_options(parser.add_argument_group("how (without, as fits the measurement)"))
    group = parser.add_argument_group("what is written")
    group.add_argument("--json", metavar="FILE", help="all that was measured")
    group.add_argument("--plot", metavar="PICTURE", help="a plot of what grows with the picture")
    group.add_argument("--overwrite", action="store_true", help="replace files that exist")
    parser.set_defaults(handler=_bench, mode="whole")


def _add_options(group) -> None:
    group.add_argument("--sizes", type=int, nargs="+", metavar="N", help="pixels a side")
    group.add_argument("--threads", type=int, metavar="N", help="for all (default: every core)")
    group.add_argument("--repeats", type=int, metavar="N", help="rounds, in which all take turns")
    group.add_argument("--network", nargs="+", choices=("vgg19", "builtin"))
    group.add_argument("--dtype", choices=("float32", "float64"))
    group.add_argument("--backend", choices=BACKENDS, help="naive is for tiny pictures")
    group.add_argument(
        "--sides",
        nargs="*",
        metavar="NAME",
        help="compare with these alone: torch-nchw, torch-channels-last, jax, and the same of "
        "torch ending in -compiled; without a name, with none",
    )
    group.add_argument(
        "--layers", nargs="+", metavar="NAME", help="these alone, as conv3_2 (implies --per-layer)"
    )
    group.add_argument("--evaluations", type=int, metavar="N", help="of a run")
    group.add_argument(
        "--judge",
        metavar="FILE",
        help="of --painting: weights of a trained VGG-16 (default: the variable MANUALNST_VGG16)",
    )


def _bench(args: argparse.Namespace) -> int:
    try:
        from manualnst_bench.command import bench
    except ModuleNotFoundError as error:
        if error.name.partition(".")[0] != "manualnst_bench":
            raise
        raise InputError(
            "the benchmark (the package manualnst_bench, in bench/) is not installed; install "
            "manualnst from its repository: python -m pip install ."
        ) from None
    given = {name: getattr(args, name) for name in (*_OPTIONS, "threads")}
    given = {name: value for name, value in given.items() if value is not None}
    files = {name: path for name in ("json", "plot") if (path := getattr(args, name))}
    for path in files.values():
        refuse_existing(path, args.overwrite)
    if "plot" in files:
        check_output_suffix(files["plot"])
    mode = "per-layer" if args.layers and args.mode == "whole" else args.mode
    status = _Status()
    try:
        bench(mode, given, files, status.say, status.tell)
    finally:
        status.tell("")
    for path in files.values():
        say(path)
    return 0


class _Status:
    """What is being done, on a line of standard error that is written over, if that is a terminal.

    Results go to standard output.
    """

    def __init__(self):
        self._shown = sys.stderr is not None and sys.stderr.isatty()

    def tell(self, text: str) -> None:
        if self._shown:
            show(f"{_CLEAR_LINE}{text[: columns_of(sys.stderr) - 1]}", sys.stderr)

    def say(self, line: str) -> None:
        self.tell("")
        say(line)
