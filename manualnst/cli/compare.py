"""`manualnst compare-optimizers`: which one is best on a problem of yours."""

import argparse
import json
from pathlib import Path
from typing import Any

from ..api import settings_from
from ..errors import InputError
from ..pictures.samples import CONTENT, STYLES
from ..pictures.saving import check_output_suffix, save_picture
from ..runs.declared import parse_numbers
from ..runs.run import Run
from ..runs.settings import Settings
from ..studies.comparison import (
    EVALUATIONS,
    SIZE,
    Contender,
    Course,
    contenders,
    draw_courses,
    follow,
    prepare_contender,
    record,
)
from ..system.files import write_atomically
from .console import say
from .interrupts import Interrupts
from .options import (
    LAYERS_HELP,
    add_options,
    add_picture_arguments,
    add_report_options,
    chosen_report,
    given_settings,
)
from .outputs import refuse_existing, stem
from .progress import QuietProgress


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    parser = subparsers.add_parser(
        "compare-optimizers",
        help="compare L-BFGS, Adam and momentum on one problem",
        description="Minimise the same objective from the same start with every optimiser, one "
        "after the other, at one size: the loss by evaluations and by seconds, in a plot, a table "
        "and a JSON file. Let nothing else run meanwhile.",
        epilog=LAYERS_HELP,
    )
    add_picture_arguments(parser)
    written = parser.add_argument_group("what is written")
    written.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        help="the plot (default: CONTENT-STYLE-optimizers.png); the numbers go beside it, as .json",
    )
    written.add_argument("--overwrite", action="store_true", help="replace existing files")
    compared = parser.add_argument_group("what is compared")
    compared.add_argument(
        "--size", type=int, default=SIZE, help="long side of the picture (default: %(default)s)"
    )
    compared.add_argument(
        "--evaluations",
        type=int,
        default=EVALUATIONS,
        metavar="N",
        help="of loss and gradient, for each (default: %(default)s)",
    )
    compared.add_argument(
        "--rates",
        nargs="+",
        default=[],
        metavar="NAME=RATES",
        help="step lengths, each of which competes, as adam=0.02,0.05 momentum=0.01",
    )
    add_options(parser.add_argument_group("the look"), "look")
    add_options(parser.add_argument_group("the network"), "network")
    add_report_options(parser.add_argument_group("what is told"))
    parser.set_defaults(handler=_compare)


def _compare(args: argparse.Namespace) -> int:
    report = chosen_report(args)
    with Interrupts() as interrupts:
        try:
            _compare_all(args, report)
        except KeyboardInterrupt:
            report.message("interrupted; nothing was written")
            return interrupts.exit_code
    return 0


def _compare_all(args: argparse.Namespace, report: QuietProgress) -> None:
    if args.evaluations < 2:
        raise InputError(f"--evaluations is {args.evaluations}; it must be at least 2")
    settings = settings_from(given_settings(args))
    compared = contenders(_rates(args.rates))
    plot, numbers = _outputs(args)
    runs = [_prepared(args, each, settings) for each in compared]
    for notice in runs[0].notices:
        report.message(str(notice))
    courses = [_followed(each, args, settings, report) for each in compared]
    found = record(runs[0], courses, args.evaluations)
    text = json.dumps(found, indent=1, allow_nan=False) + "\n"
    write_atomically(numbers, lambda path: path.write_text(text, encoding="utf-8"))
    width, height = found["content"]["used_size"]
    network = Path(runs[0].settings.weights).stem
    save_picture(plot, draw_courses(courses, f"{width} x {height}, {network}"))
    if not (args.json or args.quiet):
        for line in _table(found):
            say(line)
    report.message(f"wrote {plot} and {numbers}")
    report.event("result", output=plot, record=numbers, summary=found["summary"])


def _rates(texts: list[str]) -> dict[str, list[float]]:
    rates = {}
    for text in texts:
        name, equals, numbers = text.partition("=")
        if not equals or name in rates:
            raise InputError(f"--rates {text}: expected each NAME=RATES once, as adam=0.02,0.05")
        rates[name] = parse_numbers(numbers)
    return rates


def _outputs(args: argparse.Namespace) -> tuple[str, str]:
    """The plot and its numbers."""
    names = [args.content or CONTENT, *(args.styles or STYLES[:1])]
    plot = Path(args.output or f"{'-'.join(map(stem, names))}-optimizers.png")
    check_output_suffix(plot)
    for path in (plot, plot.with_suffix(".json")):
        refuse_existing(str(path), args.overwrite)
    return str(plot), str(plot.with_suffix(".json"))


def _prepared(args: argparse.Namespace, contender: Contender, settings: Settings) -> Run:
    styles = args.styles or None
    return prepare_contender(contender, args.content, styles, settings, args.evaluations)


def _followed(
    contender: Contender, args: argparse.Namespace, settings: Settings, report: QuietProgress
) -> Course:
    report.message(f"{contender.name}:")
    run = _prepared(args, contender, settings)
    report.begin(steps=args.evaluations)
    try:
        course = follow(contender, run, args.evaluations, report.step)
    finally:
        report.end()
    report.message(f"{contender.name}: {course.stop_reason}")
    return course


def _table(found: dict[str, Any]) -> list[str]:
    """The summary, the best within the same time first."""
    rows = sorted(found["summary"], key=lambda row: row["equal_seconds"])
    seconds = min(row["seconds"] for row in rows)
    heading = ["", "final loss", "evaluations", "seconds"]
    heading += [f"loss within {found['evaluations']} evaluations", f"within {seconds:.3g} s"]
    cells = [heading] + [
        [
            row["name"],
            f"{row['final_loss']:.5g}",
            str(row["evaluations"]),
            f"{row['seconds']:.3g}",
            f"{row['equal_evaluations']:.5g}",
            f"{row['equal_seconds']:.5g}",
        ]
        for row in rows
    ]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return [
        "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in cells
    ]
