"""`manualnst sweep` and `manualnst batch`: many pictures by one command."""

import argparse
import textwrap
from typing import Any

from ..errors import InputError
from ..studies.many import (
    Job,
    Listener,
    Moment,
    Outcome,
    batch_jobs,
    carry_out,
    check_apart,
    sweep_jobs,
)
from ..system.machine import format_duration
from .console import BAD_INPUT, complain
from .interrupts import Interrupts
from .options import (
    LAYERS_HELP,
    add_mask_option,
    add_picture_arguments,
    add_report_options,
    add_settings_options,
    chosen_report,
    given_settings,
    parse_setting,
)
from .outputs import default_stem
from .progress import QuietProgress, TerminalProgress

_SOME_FAILED = 1

_SWEEP_EXAMPLES = r"""
The paper's Figure 3, growing sets of layers by the weight of the content (vgg19.h5 being what
`weights normalise` makes of VGG-19); with --optimizer momentum and 1e-9 … 1e-6 it is another
author's grid:
  manualnst sweep photo.jpg painting.jpg --weights vgg19.h5 --normalisation paper \
    --tv-weight 0 --margin 0 --scales 1 --init noise \
    --vary content-weight 1e-5 1e-4 1e-3 1e-2 \
    --vary style-layers relu1_1 +relu2_1 +relu3_1 +relu4_1 +relu5_1

The same with weights that are shares, for any network:
  manualnst sweep photo.jpg painting.jpg --vary content-weight 0.01 0.1 1 10 \
    --vary style-layers relu1_1 +relu2_1 +relu3_1 +relu4_1 +relu5_1

Networks compared, with both poolings:
  manualnst sweep photo.jpg painting.jpg --vary weights vgg16 vgg19 --vary pool average max
"""


def add_parsers(subparsers: argparse._SubParsersAction) -> None:
    _add_sweep_parser(subparsers)
    _add_batch_parser(subparsers)


def _add_sweep_parser(subparsers: argparse._SubParsersAction) -> None:
    parser = subparsers.add_parser(
        "sweep",
        help="paint one picture with many settings, on one sheet",
        description=textwrap.fill(
            "Paint CONTENT in the style of STYLE with every combination of the values that are "
            "given by --vary, one option each, into a folder: the pictures with their records, "
            "sheet.png, table.csv and table.json. The same command again goes on where it was cut "
            "off, and paints only what is not there when a value is added. On the sheet the first "
            "varied option makes the columns; all others make the rows."
        ),
        epilog=f"{textwrap.fill(LAYERS_HELP)}\n{_SWEEP_EXAMPLES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_picture_arguments(parser)
    add_mask_option(parser)
    group = parser.add_argument_group("what is varied (after the pictures)")
    group.add_argument(
        "--vary",
        nargs="+",
        action="append",
        metavar=("OPTION", "VALUE"),
        default=[],
        help="an option of those below without its dashes, and values as it takes them; may be "
        "repeated. A value with a + before it is added to the one before: relu1_1 +relu2_1 are "
        "relu1_1 and relu1_1,relu2_1",
    )
    _add_output_options(parser, "CONTENT-STYLE-sweep")
    add_settings_options(parser)
    add_report_options(parser.add_argument_group("what is told"))
    parser.set_defaults(handler=_sweep)


def _add_batch_parser(subparsers: argparse._SubParsersAction) -> None:
    parser = subparsers.add_parser(
        "batch",
        help="paint many pictures in many styles",
        description="Paint every content in every style, into a folder: the pictures with their "
        "records, sheet.png, table.csv and table.json. What fails (a picture that cannot be read) "
        "is told at the end, with the exit code 1, and does not stop the others; if nothing can be "
        "painted, nothing is written, and the exit code is 2. The same command again goes on where "
        "it was cut off, and paints only what is not there when a picture is added.",
        epilog=LAYERS_HELP,
    )
    for role in ("content", "style"):
        parser.add_argument(
            f"--{role}s",
            nargs="+",
            required=True,
            metavar=role.upper(),
            help="pictures; a folder stands for those in it, sample:NAME for one of the package's",
        )
    parser.add_argument(
        "--masks",
        nargs="+",
        metavar="MASK",
        help="where it is painted, as in `run`: one for each CONTENT in their order, or one for "
        "all; a folder stands for the pictures in it",
    )
    _add_output_options(parser, None)
    add_settings_options(parser)
    add_report_options(parser.add_argument_group("what is told"))
    parser.set_defaults(handler=_batch)


def _add_output_options(parser: argparse.ArgumentParser, default: str | None) -> None:
    group = parser.add_argument_group("what is written")
    group.add_argument(
        "-o",
        "--output",
        metavar="FOLDER",
        required=default is None,
        help="where to; made if it is missing" + (f" (default: {default})" if default else ""),
    )
    group.add_argument(
        "--overwrite", action="store_true", help="replace pictures there that are of another run"
    )
    group.add_argument(
        "--jobs",
        type=int,
        default=1,
        metavar="N",
        help="processes that paint at a time, as far as memory suffices; they share the "
        "processors (default: 1)",
    )


def _sweep(args: argparse.Namespace) -> int:
    jobs = sweep_jobs(
        args.content,
        args.styles or None,
        _varied(args.vary),
        given_settings(args),
        args.masks,
    )
    folder = args.output or f"{default_stem(args.content, args.styles)}-sweep"
    return _carry_out(args, jobs, folder, all_or_none=True)


def _batch(args: argparse.Namespace) -> int:
    jobs = batch_jobs(args.contents, args.styles, given_settings(args), args.masks)
    check_apart(args.output, [*args.contents, *args.styles, *(args.masks or [])])
    return _carry_out(args, jobs, args.output, all_or_none=False)


def _varied(lists: list[list[str]]) -> dict[str, list[Any]]:
    """--vary OPTION VALUE … → {field: [value, …]}."""
    vary: dict[str, list[Any]] = {}
    for option, *texts in lists:
        if not texts:
            raise InputError(f"--vary {option}: give the values that it is to have")
        parsed = [parse_setting(option, text) for text in _added_up(texts)]
        field = parsed[0][0]
        if field in vary:
            raise InputError(f"--vary {option} is there twice; give all values in one list")
        vary[field] = [value for _, value in parsed]
    return vary


def _added_up(texts: list[str]) -> list[str]:
    """relu1_1, +relu2_1 → relu1_1, relu1_1,relu2_1."""
    whole = texts[:1]
    for text in texts[1:]:
        whole.append(f"{whole[-1]},{text[1:]}" if text.startswith("+") else text)
    return whole


def _carry_out(args: argparse.Namespace, jobs: list[Job], folder: str, all_or_none: bool) -> int:
    report = chosen_report(args)
    with Interrupts() as interrupts:
        try:
            series = carry_out(
                jobs, folder, args.jobs, args.overwrite, _Telling(report), all_or_none=all_or_none
            )
        except KeyboardInterrupt:
            report.message("interrupted; the same command goes on")
            return interrupts.exit_code
        finally:
            report.end()
        interrupts.hold()
        _tell_the_end(series, report)
        if series.interrupted:
            return interrupts.exit_code
        if not series.begun:
            return BAD_INPUT
        return _SOME_FAILED if series.failures else 0


def _tell_the_end(series, report: QuietProgress) -> None:
    if series.written:
        report.message(f"wrote {', '.join(map(str, series.written))}")
    if series.interrupted:
        finished, count = len(series.finished), len(series.outcomes)
        report.message(
            f"interrupted; {finished} of {count} are finished, and the same command goes on"
        )
    for outcome in series.failures:
        complain(f"manualnst: {outcome.job.name}: {outcome.failure}")
    report.event(
        "interrupted" if series.interrupted else "result",
        written=series.written,
        finished=[outcome.path for outcome in series.finished],
        failed=[outcome.job.name for outcome in series.failures],
    )


class _Telling(Listener):
    """On a terminal a bar for all pictures; a line for each that is finished or has failed."""

    def __init__(self, report: QuietProgress):
        self._report = report
        self._has_bar = isinstance(report, TerminalProgress)
        self._last: Moment | None = None

    def message(self, text: str) -> None:
        self._report.message(text)

    def begin(self, count: int, done: int, share: float) -> None:
        self._report.begin(count, done, share)

    def step(self, moment: Moment) -> None:
        self._last = moment
        if self._has_bar:
            self._report.step(moment)
        self._report.event("step", **moment._asdict())

    def outcome(self, outcome: Outcome, done: int, count: int) -> None:
        if self._has_bar and self._last:
            self._report.step(self._last._replace(step=done))
        what = f"failed: {outcome.failure}" if outcome.record is None else _words(outcome.record)
        self._report.message(f"{done}/{count}  {outcome.job.name}: {what}")
        self._report.event("picture", picture=outcome.job.name, failure=outcome.failure)


def _words(record: dict[str, Any]) -> str:
    loss = "no loss" if record["best_loss"] is None else f"loss {record['best_loss']:.4g}"
    return f"{record['stop_reason']}, {loss}, {format_duration(record['seconds'])}"
