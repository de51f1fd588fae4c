"""`manualnst run`: two pictures in, one picture out."""

import argparse
import shlex
import sys
from collections.abc import Callable
from dataclasses import fields
from typing import Any

from ..api import check_same, prepare, restore
from ..backends import NAMES as BACKENDS
from ..colours import COLOURS
from ..errors import InputError
from ..images import save_picture
from ..losses import NORMALISATIONS
from ..network import POOLINGS
from ..optimizers import OPTIMIZERS
from ..presets import PRESETS, with_preset
from ..result import Result, load_record, masks_in, styles_in
from ..run import Progress, Run
from ..samples import CONTENT, STYLES
from ..settings import AVERAGES, INITS, Settings, parse_layers, parse_numbers
from ..terms import MASK_FORMS, STYLE_LOSSES, TOTAL_VARIATIONS
from .interrupts import Interrupts
from .outputs import Outputs, new_outputs, resumed_outputs
from .progress import QuietProgress, choose_progress
from .settings_text import in_words

# With --resume every other setting comes from the checkpoint.
_ALLOWED_WITH_RESUME = {"steps"}


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    parser = subparsers.add_parser(
        "run",
        help="paint one picture in the style of another",
        description="Paint CONTENT in the style of STYLE. Without pictures, the package's own "
        "samples are taken; sample:NAME names one of them "
        f"({', '.join((CONTENT, *STYLES))}).",
        epilog="Layers: reluB_I is the I-th map of block B after its ReLU (the paper's convB_I), "
        "convB_I the same before it. Several with weights: relu1_1:2,relu2_1, and losses likewise: "
        "gram:1,histogram:0.2. The weights of a list are shares: only their ratios count.",
    )
    parser.add_argument("content", nargs="?", metavar="CONTENT", help="what to paint")
    parser.add_argument(
        "styles", nargs="*", metavar="STYLE", help="how to paint it; several are blended"
    )
    parser.add_argument(
        "--masks",
        nargs="+",
        metavar="MASK",
        help="pictures of the shape of CONTENT, one for each STYLE in their order, or one for all: "
        "white where it is painted, black where CONTENT stays, grey in between",
    )
    _add_output_options(parser.add_argument_group("what is written"))
    _add_look_options(parser.add_argument_group("the look"))
    _add_network_options(parser.add_argument_group("the network"))
    _add_optimizer_options(parser.add_argument_group("the optimiser"))
    _add_report_options(parser.add_argument_group("what is told"))
    parser.set_defaults(handler=run_command)


def _add_output_options(group) -> None:
    group.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        help="the picture; .png, .jpg, .webp, .tif or .bmp (default: CONTENT-STYLE.png, numbered "
        "if that exists). Its record goes beside it, as .json",
    )
    group.add_argument("--overwrite", action="store_true", help="replace existing files")
    group.add_argument("--curve", metavar="FILE", help="also draw the loss by evaluation")
    group.add_argument(
        "--save-every", type=int, metavar="N", help="also keep the picture after every N steps"
    )
    group.add_argument(
        "--checkpoint-every",
        type=int,
        default=20,
        metavar="N",
        help="steps between checkpoints (default: %(default)s)",
    )
    group.add_argument(
        "--resume", metavar="CHECKPOINT", help="go on with a run that was interrupted"
    )
    group.add_argument(
        "--preset",
        choices=tuple(PRESETS),
        metavar="NAME",
        help="settings of a well-known system, as far as no option says otherwise: "
        f"{', '.join(PRESETS)} (see `manualnst presets`)",
    )
    group.add_argument(
        "--repeat", metavar="RECORD", help="take pictures and settings from an earlier run's .json"
    )


def _add_look_options(group) -> None:
    _add(group, "size", int, "long side of the result; a smaller content keeps its size")
    _add(group, "steps", int, "steps of the optimiser, at all sizes together")
    _add(
        group,
        "scales",
        int,
        "sizes to go through, from coarse to fine; 1: only the last",
        default_in_words="as many as make each about 1.4 times the one before",
    )
    _add(group, "min_size", int, "long side of the coarsest")
    _add(group, "content_weight", float, "higher: more of the content")
    _add(group, "style_weight", float, "higher: more of the style")
    _add(group, "tv_weight", float, "higher: smoother")
    _add(
        group,
        "mask_form",
        str,
        "guided: the masked part is compared with the whole style picture; product: both maps are "
        "multiplied by the mask, and compared as wholes",
        choices=tuple(MASK_FORMS),
    )
    _add(
        group,
        "tv",
        str,
        "what is smooth: by squared differences; the slope to the power --tv-power (below 2: edges "
        "stay sharper); smoothed absolute differences (sharpest); nine-point: squared, diagonals "
        "too, of mean size under every --normalisation",
        choices=TOTAL_VARIATIONS,
    )
    _add(group, "tv_power", float, "of --tv power; 1 or more")
    _add(group, "tv_smoothing", float, "of --tv smoothed: differences below this count little")
    _add(group, "content_layers", parse_layers, "deeper: freer", metavar="LAYERS")
    _add(
        group,
        "style_layers",
        parse_layers,
        "pixels: the colours; deeper: larger features; all: every layer of the network, and "
        "geometric: each with half the weight of the one before",
        metavar="LAYERS",
    )
    _add(
        group,
        "style_losses",
        parse_layers,
        f"what of the style is compared, at every style layer: {', '.join(STYLE_LOSSES)}. chained "
        "takes each layer with the one before it in the list. At pixels, mean and covariance of "
        "the colours stand in for gram, shifted, chained and patches. patches is slow: for the "
        "deeper layers",
        metavar="LOSSES",
    )
    _add(group, "shift", float, "what shifted and chained add to the activations")
    _add(
        group,
        "style_weights",
        parse_numbers,
        "shares of several STYLEs, as in 0.7,0.3",
        metavar="NUMBERS",
        default_in_words="all alike",
    )
    _add(
        group,
        "style_scale",
        parse_numbers,
        "long side of the style as a multiple of --size, never enlarged; below 1: its forms come "
        "out smaller. One for all styles, or one for each",
        metavar="NUMBERS",
    )
    _add(
        group,
        "colours",
        str,
        "whose colours: the style's; the content's, by painting luminance only; or match-…: the "
        "style's, brought to the content's beforehand, by mean and covariance (three ways; "
        "match-symmetric changes least) or by the histogram of each channel",
        choices=COLOURS,
    )
    _add(
        group,
        "normalisation",
        str,
        "constants of the losses: relative (shares, independent of size and network), paper, sum, "
        "mean or mse",
        choices=tuple(NORMALISATIONS),
    )
    _add(group, "init", str, f"start from {', '.join(INITS)} or a picture FILE", metavar="START")
    _add(group, "seed", int, "seed of the noise start")


def _add_network_options(group) -> None:
    _add(
        group,
        "weights",
        str,
        "builtin, a name of `manualnst weights list`, or a FILE",
        default_in_words="vgg19 if it has been fetched, else builtin",
    )
    _add(group, "pool", str, "kind of pooling", choices=tuple(POOLINGS))
    _add(group, "backend", str, "who computes; naive is for tiny pictures", choices=BACKENDS)


def _add_optimizer_options(group) -> None:
    _add(group, "optimizer", str, "how to get from step to step", choices=tuple(OPTIMIZERS))
    _add(
        group,
        "rate",
        float,
        "step length of adam and momentum",
        default_in_words=", ".join(
            f"{kind.rate:g} for {name}"
            for name, kind in OPTIMIZERS.items()
            if hasattr(kind, "rate")
        ),
    )

    _add(group, "beta1", float, "of adam: how slowly it forgets gradients")
    _add(group, "beta2", float, "of adam: how slowly it forgets their squares")
    _add(
        group,
        "average",
        float,
        "of adam and momentum: the result is an average of the pictures, which forgets this "
        "slowly, as 0.99; 0: the best of them",
    )
    _add(
        group,
        "averages",
        str,
        "of adam's and momentum's gradients: begun anew at each size, or kept and enlarged",
        choices=AVERAGES,
    )


def _add_report_options(group) -> None:
    group.add_argument("--quiet", action="store_true", help="say nothing unless something is wrong")
    group.add_argument(
        "--json", action="store_true", help="one JSON object a line on standard output"
    )


def _add(group, field, kind, text, *, default_in_words=None, **options) -> None:
    """An option for a field of Settings; absent from the namespace unless it is given."""
    default = default_in_words or in_words(getattr(Settings(), field))
    option = "--" + field.replace("_", "-")
    group.add_argument(
        option,
        dest=field,
        type=_input_errors_as_argparse_errors(kind),
        default=argparse.SUPPRESS,
        help=f"{text} (default: {default})".replace("%", "%%"),
        **options,
    )


def _input_errors_as_argparse_errors(kind):
    def convert(text: str):
        try:
            return kind(text)
        except InputError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    convert.__name__ = kind.__name__  # argparse: "invalid int value: …"
    return convert


# The command


def run_command(args: argparse.Namespace) -> int:
    _check_intervals(args)
    stream = sys.stdout if args.json else sys.stderr
    report = choose_progress(stream, quiet=args.quiet, as_json=args.json)
    with Interrupts() as interrupts:
        try:
            return _paint(args, report, interrupts)
        except KeyboardInterrupt:
            report.message("interrupted before the first step; nothing was written")
            return interrupts.exit_code


def _paint(args: argparse.Namespace, report: QuietProgress, interrupts: Interrupts) -> int:
    run, outputs = _prepare(args)
    tell = _teller(run, report)
    tell()
    run.start()
    tell()
    report.begin(steps=run.settings.steps, done=run.done, share=run.share)

    def callback(progress: Progress) -> None:
        report.step(progress)
        tell()
        if args.save_every and progress.step % args.save_every == 0:
            save_picture(outputs.at_step(progress.step), run.enlarged(progress.picture))

    try:
        result = run.finish(callback, outputs.checkpoint, args.checkpoint_every)
        interrupts.hold()
    finally:
        report.end()
    if result.interrupted:
        return _save_interrupted(run, result, outputs, report, interrupts)
    if run.done == 0:
        raise InputError(result.stop_reason)
    _save_finished(result, outputs if args.overwrite else outputs.free(), report)
    return 0


def _teller(run: Run, report: QuietProgress) -> Callable[[], None]:
    """A function that reports the notices that have come since it was last called."""
    position = 0

    def tell() -> None:
        nonlocal position
        for notice in run.notices[position:]:
            report.message(notice)
        position = len(run.notices)

    return tell


def _check_intervals(args: argparse.Namespace) -> None:
    for option in ("save_every", "checkpoint_every"):
        value = getattr(args, option)
        if value is not None and value < 1:
            raise InputError(f"--{option.replace('_', '-')} is {value}; it must be at least 1")


def _prepare(args: argparse.Namespace) -> tuple[Run, Outputs]:
    given = {f.name: getattr(args, f.name) for f in fields(Settings) if hasattr(args, f.name)}
    if sum(map(bool, (args.resume, args.repeat, args.preset))) > 1:
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
        given = record["settings"] | given
    if args.preset:
        given = with_preset(args.preset, given)
    settings = Settings.from_json(given)
    outputs = new_outputs(args.output, content, styles, args.curve)
    _check_outputs(outputs, args)
    run = prepare(content, styles or None, settings, masks or None)
    if same:
        check_same(run, record, same)
    return run, outputs


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
    _check_outputs(outputs, args)
    run = restore(args.resume, steps=given.get("steps"))
    if run.done >= run.settings.steps:
        raise InputError(
            f"{run.done} steps are done already; give --steps with a larger number to go on"
        )
    return run, outputs


def _check_outputs(outputs: Outputs, args: argparse.Namespace) -> None:
    outputs.check()
    if not args.overwrite:
        outputs.refuse_existing()


def _save_finished(result: Result, outputs: Outputs, report: QuietProgress) -> None:
    result.save(outputs.picture)
    result.save_record(outputs.record)
    report.message(f"stopped: {result.stop_reason}")
    report.message(f"wrote {outputs.picture} and {outputs.record}")
    if outputs.curve:
        save_picture(outputs.curve, result.loss_curve())
        report.message(f"wrote {outputs.curve}")
    report.event("result", output=outputs.picture, record=outputs.record, curve=outputs.curve)
    for leftover in (outputs.checkpoint, outputs.partial):
        leftover.unlink(missing_ok=True)


def _save_interrupted(
    run: Run, result: Result, outputs: Outputs, report: QuietProgress, interrupts: Interrupts
) -> int:
    if run.done == 0:
        raise KeyboardInterrupt
    result.save(outputs.partial)
    run.save(outputs.checkpoint)
    report.message(f"{result.stop_reason}; the best picture so far is {outputs.partial}")
    command = ["python", "-m", "manualnst", "run", f"--resume={outputs.checkpoint}"]
    report.message(f"go on with: {shlex.join(command)}")
    report.event("interrupted", partial=outputs.partial, checkpoint=outputs.checkpoint)
    return interrupts.exit_code
