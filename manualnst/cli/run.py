"""`manualnst run`: two pictures in, one picture out."""

import argparse
import os
import shlex
from collections.abc import Callable
from shutil import rmtree
from typing import Any

from ..api import check_same, prepare, restore, settings_from
from ..errors import InputError
from ..pictures.animation import LONGEST, Animation, check_frames, usual_interval
from ..pictures.samples import CONTENT, STYLES
from ..pictures.saving import save_picture
from ..runs.declared import parse_path
from ..runs.inputs import SAMPLE_PREFIX, is_picture
from ..runs.presets import over
from ..runs.progress import Progress
from ..runs.result import Result, load_record, masks_in, styles_in
from ..runs.run import Run
from ..runs.settings import Settings
from ..system.files import make_folder
from ..system.machine import format_bytes
from .interrupts import Interrupts
from .options import (
    LAYERS_HELP,
    add_mask_option,
    add_picture_arguments,
    add_report_options,
    add_settings_options,
    chosen_report,
    given_settings,
)
from .outputs import Outputs, new_outputs, refuse_existing, resumed_outputs
from .parser import shorten_help
from .progress import QuietProgress

# With --resume every other setting comes from the checkpoint.
_ALLOWED_WITH_RESUME = {"steps"}

_EXAMPLES = """examples:
  manualnst run                                    the package's own samples
  manualnst run photo.jpg painting.jpg             photo-painting.png
  manualnst run photo.jpg painting.jpg -o out.png --size 1024 --style-strength 0.4
  manualnst run photo.jpg painting.jpg --colours content
  manualnst run --resume photo-painting.png.checkpoint"""


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    parser = subparsers.add_parser(
        "run",
        help="paint one picture in the style of another",
        description="Paint CONTENT in the style of STYLE. Without pictures, the package's own "
        "samples are taken; sample:NAME names one of them "
        f"({', '.join((CONTENT, *STYLES))}).",
        epilog=LAYERS_HELP,
    )
    add_picture_arguments(parser)
    add_mask_option(parser)
    _add_output_options(parser.add_argument_group("what is written"))
    add_settings_options(parser)
    add_report_options(parser.add_argument_group("what is told"))
    shorten_help(parser, _EXAMPLES)
    parser.set_defaults(handler=run_command)


def _add_output_options(group) -> None:
    group.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        type=parse_path,
        help="the picture; .png, .jpg, .webp, .tif or .bmp (default: CONTENT-STYLE.png, numbered "
        "if that exists). Its record goes beside it, as .json",
    )
    group.add_argument("--overwrite", action="store_true", help="replace existing files")
    group.add_argument(
        "--curve",
        metavar="FILE",
        type=parse_path,
        help="also draw the loss by evaluation",
    )
    group.add_argument(
        "--save-every", type=int, metavar="N", help="also keep the picture after every N steps"
    )
    group.add_argument(
        "--animate",
        metavar="FILE",
        type=parse_path,
        help="also make the pictures on the way into an animation of at most "
        f"{LONGEST} pixels a side, .webp or .gif, with a frame after every N steps of --save-every "
        "(default: about 40 frames)",
    )
    group.add_argument(
        "--checkpoint-every",
        type=int,
        default=20,
        metavar="N",
        help="steps between checkpoints (default: %(default)s)",
    )
    group.add_argument(
        "--resume",
        metavar="CHECKPOINT",
        type=parse_path,
        help="go on with a run that was interrupted",
    )
    group.add_argument(
        "--repeat",
        metavar="RECORD",
        type=parse_path,
        help="take pictures and settings from an earlier run's .json",
    )


# The command


def run_command(args: argparse.Namespace) -> int:
    _check_intervals(args)
    report = chosen_report(args)
    with Interrupts() as interrupts:
        try:
            return _paint(args, report, interrupts)
        except KeyboardInterrupt:
            report.message("interrupted before the first step; nothing was written")
            return interrupts.exit_code


def _paint(args: argparse.Namespace, report: QuietProgress, interrupts: Interrupts) -> int:
    run, outputs = _prepare(args)
    animation = _animation(args, outputs, run.settings.steps)
    tell = _teller(run, report)
    tell()
    run.start()
    tell()
    report.begin(steps=run.settings.steps, done=run.done, share=run.share)

    def callback(progress: Progress) -> None:
        report.step(progress)
        tell()
        if args.save_every and progress.step % args.save_every == 0:
            _save_step(run, progress, outputs)
        if animation:
            with run.warned():
                animation(progress)

    try:
        result = run.finish(callback, outputs.checkpoint, args.checkpoint_every)
        interrupts.hold()
    finally:
        report.end()
    tell()
    if result.interrupted:
        return _save_interrupted(run, result, args, outputs, report, interrupts)
    _save_finished(result, outputs if args.overwrite else outputs.free(result), report)
    if animation:
        count = animation.save(result.image)
        size = format_bytes(animation.path.stat().st_size)
        report.message(f"wrote {animation.path} ({count} frames, {size})")
        report.event("animation", output=animation.path, frames=count)
    return 0


def _animation(args: argparse.Namespace, outputs: Outputs, steps: int) -> Animation | None:
    """What --animate asks for, checked."""
    if not args.animate:
        return None
    every = args.save_every or usual_interval(steps)
    check_frames(steps, every)
    animation = Animation(args.animate, every, go_on=bool(args.resume) or args.overwrite)
    if animation.path.resolve() in {path.resolve() for path in outputs.pictures}:
        raise InputError(f"--animate {args.animate} is a picture of this run; give another name")
    refuse_existing(args.animate, args.overwrite)
    if not args.resume:
        animation.discard()
    return animation


def _teller(run: Run, report: QuietProgress) -> Callable[[], None]:
    """A function that reports the notices and warnings that have come since it was last called."""
    faces = [(run.notices, report.message), (run.warnings, report.warning)]
    told = [0, 0]

    def tell() -> None:
        for n, (lines, show) in enumerate(faces):
            for line in lines[told[n] :]:
                show(str(line))
            told[n] = len(lines)

    return tell


def _save_step(run: Run, progress: Progress, outputs: Outputs) -> None:
    """A picture on the way, never without a checkpoint that says what it is of."""
    with run.warned():
        if not outputs.checkpoint.exists():
            run.save(outputs.checkpoint)
        save_picture(outputs.at_step(progress.step), progress.enlarged, run.alpha)


def _check_intervals(args: argparse.Namespace) -> None:
    for option in ("save_every", "checkpoint_every"):
        value = getattr(args, option)
        if value is not None and value < 1:
            raise InputError(f"--{option.replace('_', '-')} is {value}; it must be at least 1")


def _prepare(args: argparse.Namespace) -> tuple[Run, Outputs]:
    given = given_settings(args)
    if sum(map(bool, (args.resume, args.repeat, "preset" in given))) > 1:
        raise InputError("give one of --resume, --repeat and --preset: each brings all settings")
    if args.resume:
        return _prepare_resumed(args, given)
    content, styles, masks, same = args.content, args.styles, args.masks, []
    if args.repeat:
        record = load_record(args.repeat)
        content = content or record["content"]["name"]
        styles = styles or [record[role]["name"] for role in styles_in(record)]
        masks = masks or [record[role]["name"] for role in masks_in(record)]
        same = _unchanged(args, given, record)
        settings = Settings.from_json(over(record["settings"], given))
    else:
        settings = settings_from(given)
    _check_that_it_is_no_output(styles)
    outputs = new_outputs(args.output, content, styles, args.curve)
    _check_outputs(outputs, args)
    run = prepare(content, styles or None, settings, masks or None)
    if same:
        check_same(run, record, same)
    return run, outputs


def _check_that_it_is_no_output(styles: list[str]) -> None:
    """Of three pictures the third is another style; other programs take it for the result."""
    last = styles[-1] if len(styles) > 1 else ""
    if is_picture(last) and not last.startswith(SAMPLE_PREFIX) and not os.path.exists(last):
        raise InputError(
            f"cannot read {last}: there is no such file; if it is to be the result, give it as "
            f"-o {last}"
        )


def _unchanged(args: argparse.Namespace, given: dict, record: dict) -> list[str]:
    """What of a repeated run must be as it was, not being replaced by an option."""
    replaced = {
        "content": args.content,
        **dict.fromkeys(styles_in(record), args.styles),
        **dict.fromkeys(masks_in(record), args.masks),
        "start": "init" in given,
        "weights": "weights" in given,
    }
    return [role for role, other in replaced.items() if not other]


def _prepare_resumed(args: argparse.Namespace, given: dict[str, Any]) -> tuple[Run, Outputs]:
    refused = [name for name in given if name not in _ALLOWED_WITH_RESUME]
    if refused or args.content or args.masks:
        what = "pictures" if args.content or args.masks else "--" + refused[0].replace("_", "-")
        raise InputError(
            f"--resume takes pictures and settings from the checkpoint; leave out {what} "
            "(only --steps may change)"
        )
    outputs = resumed_outputs(args.resume, args.output, args.curve)
    outputs.check()
    run = restore(args.resume, steps=given.get("steps"))
    if run.done > run.settings.steps:
        raise InputError(
            f"{run.done} steps are done already; give --steps with a larger number to go on"
        )
    if not args.overwrite:
        outputs.refuse_existing(ended=run.done == run.settings.steps)
    return run, outputs


def _check_outputs(outputs: Outputs, args: argparse.Namespace) -> None:
    outputs.check()
    if not args.overwrite:
        outputs.refuse_existing()


def _save_finished(result: Result, outputs: Outputs, report: QuietProgress) -> None:
    try:
        _save_result(result, outputs)
    except InputError as error:
        raise InputError(f"{error}; {_saved_elsewhere(result, outputs)}") from error
    report.message(f"stopped: {result.stop_reason}")
    report.message(f"wrote {outputs.picture} and {outputs.record}")
    if outputs.curve:
        save_picture(outputs.curve, result.loss_curve())
        report.message(f"wrote {outputs.curve}")
    report.event("result", output=outputs.picture, record=outputs.record, curve=outputs.curve)
    for leftover in (outputs.checkpoint, outputs.partial):
        leftover.unlink(missing_ok=True)


def _save_result(result: Result, outputs: Outputs) -> None:
    make_folder(outputs.picture.parent)  # it was there in the beginning
    result.save(outputs.picture)
    result.save_record(outputs.record)


def _saved_elsewhere(result: Result, outputs: Outputs) -> str:
    """Where the result is instead: what took so long is not given up because a disk is full."""
    there = outputs.elsewhere()
    try:
        _save_result(result, there)
    except InputError:
        rmtree(there.picture.parent, ignore_errors=True)
        if outputs.checkpoint.exists():
            return f"nor elsewhere; when there is room, go on with --resume={outputs.checkpoint}"
        return "nor elsewhere"
    return f"the picture and its record are in {there.picture.parent}"


def _save_interrupted(
    run: Run,
    result: Result,
    args: argparse.Namespace,
    outputs: Outputs,
    report: QuietProgress,
    interrupts: Interrupts,
) -> int:
    if run.done == 0:
        raise KeyboardInterrupt
    try:
        make_folder(outputs.picture.parent)
        run.save(outputs.checkpoint)  # first: all the rest can be made from it
        result.save(outputs.partial)
    except InputError as error:
        raise InputError(f"{error}; {_saved_elsewhere(result, outputs)}") from error
    report.message(f"{result.stop_reason}; the best picture so far is {outputs.partial}")
    command = ["python", "-m", "manualnst", "run", f"--resume={outputs.checkpoint}"]
    if args.animate:
        command += [f"--animate={args.animate}"]
        command += [f"--save-every={args.save_every}"] if args.save_every else []
    report.message(f"go on with: {shlex.join(command)}")
    report.event("interrupted", partial=outputs.partial, checkpoint=outputs.checkpoint)
    return interrupts.exit_code
