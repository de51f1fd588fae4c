"""`manualnst run`: two pictures in, one picture out."""

import argparse
import glob
import itertools
import shlex
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from ..backends import NAMES as BACKENDS
from ..errors import InputError
from ..files import check_writable_folder
from ..images import check_output_suffix, save_picture
from ..inputs import SAMPLE_PREFIX
from ..losses import NORMALISATIONS
from ..network import POOLINGS
from ..optimizers import OPTIMIZERS
from ..result import Result, load_record
from ..run import Progress, Run
from ..samples import CONTENT, STYLES
from ..settings import INITS, Settings, parse_layers
from ..stylize import check_same, prepare, restore
from .progress import QuietProgress, choose_progress

CHECKPOINT_SUFFIX = ".checkpoint"

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
        "convB_I the same before it. Several with weights: relu1_1:2,relu2_1. The weights of a "
        "list are shares: only their ratios count.",
    )
    parser.add_argument("content", nargs="?", metavar="CONTENT", help="what to paint")
    parser.add_argument("style", nargs="?", metavar="STYLE", help="how to paint it")
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
        "--repeat", metavar="RECORD", help="take pictures and settings from an earlier run's .json"
    )


def _add_look_options(group) -> None:
    _add(group, "size", int, "long side of the result; a smaller content keeps its size")
    _add(group, "steps", int, "steps of the optimiser")
    _add(group, "content_weight", float, "higher: more of the content")
    _add(group, "style_weight", float, "higher: more of the style")
    _add(group, "tv_weight", float, "higher: smoother")
    _add(group, "content_layers", parse_layers, "deeper: freer", metavar="LAYERS")
    _add(group, "style_layers", parse_layers, "deeper: larger features", metavar="LAYERS")
    _add(
        group,
        "normalisation",
        str,
        "constants of the losses: relative (shares, independent of size and network), paper, sum "
        "or mean",
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


def _add_report_options(group) -> None:
    group.add_argument("--quiet", action="store_true", help="say nothing unless something is wrong")
    group.add_argument(
        "--json", action="store_true", help="one JSON object a line on standard output"
    )


def _add(group, field, kind, text, *, default_in_words=None, **options) -> None:
    """An option for a field of Settings; absent from the namespace unless it is given."""
    default = default_in_words or _in_words(getattr(Settings(), field))
    option = "--" + field.replace("_", "-")
    group.add_argument(
        option,
        dest=field,
        type=_input_errors_as_argparse_errors(kind),
        default=argparse.SUPPRESS,
        help=f"{text} (default: {default})".replace("%", "%%"),
        **options,
    )


def _in_words(default: Any) -> str:
    if not isinstance(default, dict):
        return f"{default:g}" if isinstance(default, float) else str(default)
    return ",".join(
        name if weight == 1 else f"{name}:{weight:g}" for name, weight in default.items()
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
    with _signals_as_interrupts() as received:
        run, files = _prepare(args)
        _report_new(run.notices, report)
        run.start()
        _report_new(run.notices, report)
        report.begin(steps=run.settings.steps, done=run.done)
        try:
            result = run.finish(
                _callback(args, files, report), files.checkpoint, args.checkpoint_every
            )
        finally:
            report.end()
        with _uninterruptible():
            if result.interrupted:
                _save_interrupted(run, result, files, report)
                return 128 + (received[0] if received else signal.SIGINT)
            _save_finished(result, files, report)
    return 0


def _report_new(notices: list[str], report: QuietProgress) -> None:
    """Tell the notices and take them off the list."""
    while notices:
        report.message(notices.pop(0))


@dataclass(frozen=True)
class _Files:
    """Every file that a run may write."""

    output: Path
    curve: Path | None

    @property
    def record(self) -> Path:
        return self.output.with_suffix(".json")

    @property
    def checkpoint(self) -> Path:
        return self.output.with_name(self.output.name + CHECKPOINT_SUFFIX)

    @property
    def partial(self) -> Path:
        return self.output.with_stem(self.output.stem + ".partial")

    def at_step(self, step: int) -> Path:
        return self.output.with_stem(f"{self.output.stem}.step-{step:05d}")

    def check(self, *, overwrite: bool, resuming: bool) -> None:
        """Refuse, before any work is done, what could not be written at its end."""
        for picture in filter(None, (self.output, self.curve)):
            check_output_suffix(picture)
            check_writable_folder(picture)
        if self.curve == self.output:
            raise InputError(f"--curve and -o are both {self.output}; give two names")
        if not overwrite:
            self._refuse_existing(resuming)

    def _refuse_existing(self, resuming: bool) -> None:
        if not resuming and self.checkpoint.exists():
            raise InputError(
                f"{self.checkpoint} is of an unfinished run; go on with --resume "
                f"{self.checkpoint}, or give --overwrite to begin anew"
            )
        steps = self.output.parent.glob(f"{glob.escape(self.output.stem)}.step-*")
        for path in (self.output, self.record, self.curve, *([] if resuming else steps)):
            if path is not None and path.exists():
                raise InputError(f"{path} exists; give another -o, or --overwrite to replace it")


def _check_intervals(args: argparse.Namespace) -> None:
    for option in ("save_every", "checkpoint_every"):
        value = getattr(args, option)
        if value is not None and value < 1:
            raise InputError(f"--{option.replace('_', '-')} is {value}; it must be at least 1")


def _prepare(args: argparse.Namespace) -> tuple[Run, _Files]:
    given = {f.name: getattr(args, f.name) for f in fields(Settings) if hasattr(args, f.name)}
    if args.resume and args.repeat:
        raise InputError("give --resume or --repeat, not both")
    if args.resume:
        return _prepare_resumed(args, given)
    content, style, same = args.content, args.style, []
    if args.repeat:
        record = load_record(args.repeat)
        content = content or record["content"]["name"]
        style = style or record["style"]["name"]
        same = _unchanged(args, given)
        given = record["settings"] | given
    settings = Settings.from_json(given)
    output = Path(args.output) if args.output else _free_name(content, style)
    files = _Files(output, Path(args.curve) if args.curve else None)
    files.check(overwrite=args.overwrite, resuming=False)
    run = prepare(content, style, settings)
    if same:
        check_same(run, record, same)
    return run, files


def _unchanged(args: argparse.Namespace, given: dict[str, Any]) -> list[str]:
    """What of a repeated run must be as it was, not being replaced by an option."""
    replaced = {
        "content": args.content,
        "style": args.style,
        "start": "init" in given,
        "weights": "weights" in given,
    }
    return [role for role, other in replaced.items() if not other]


def _prepare_resumed(args, given) -> tuple[Run, _Files]:
    refused = [name for name in given if name not in _ALLOWED_WITH_RESUME]
    if refused or args.content:
        what = "pictures" if args.content else "--" + refused[0].replace("_", "-")
        raise InputError(
            f"--resume takes pictures and settings from the checkpoint; leave out {what} "
            "(only --steps may change)"
        )
    if not args.output and not args.resume.endswith(CHECKPOINT_SUFFIX):
        raise InputError("give -o: the name of the checkpoint does not tell that of the picture")
    output = Path(args.output or args.resume.removesuffix(CHECKPOINT_SUFFIX))
    files = _Files(output, Path(args.curve) if args.curve else None)
    files.check(overwrite=args.overwrite, resuming=True)
    run = restore(args.resume, steps=given.get("steps"))
    if run.done >= run.settings.steps:
        raise InputError(
            f"{run.done} steps are done already; give --steps with a larger number to go on"
        )
    return run, files


def _free_name(content: str | None, style: str | None) -> Path:
    """CONTENT-STYLE.png in the current folder, numbered if that exists."""
    stem = f"{_stem(content or CONTENT)}-{_stem(style or STYLES[0])}"
    numbered = (Path(f"{stem}-{number}.png") for number in itertools.count(2))
    return next(path for path in itertools.chain([Path(f"{stem}.png")], numbered) if _is_free(path))


def _stem(name: str) -> str:
    return Path(name.removeprefix(SAMPLE_PREFIX)).stem


def _is_free(path: Path) -> bool:
    files = _Files(path, None)
    return not any(p.exists() for p in (files.output, files.record, files.checkpoint))


def _callback(args, files: _Files, report: QuietProgress):
    def callback(progress: Progress) -> None:
        report.step(progress)
        if args.save_every and progress.step % args.save_every == 0:
            save_picture(files.at_step(progress.step), progress.picture)

    return callback


def _save_finished(result: Result, files: _Files, report: QuietProgress) -> None:
    result.save(files.output)
    result.save_record(files.record)
    report.message(f"stopped: {result.stop_reason}")
    report.message(f"wrote {files.output} and {files.record}")
    if files.curve:
        save_picture(files.curve, result.loss_curve())
        report.message(f"wrote {files.curve}")
    report.event("result", output=files.output, record=files.record, curve=files.curve)
    for leftover in (files.checkpoint, files.partial):
        leftover.unlink(missing_ok=True)


def _save_interrupted(run: Run, result: Result, files: _Files, report: QuietProgress) -> None:
    if run.done == 0:
        report.message("interrupted before the first step; nothing was written")
        return
    run.save(files.checkpoint)
    result.save(files.partial)
    report.message(f"{result.stop_reason}; the best picture so far is {files.partial}")
    report.message(
        f"go on with: python -m manualnst run --resume {shlex.quote(str(files.checkpoint))}"
    )
    report.event("interrupted", partial=files.partial, checkpoint=files.checkpoint)


@contextmanager
def _signals_as_interrupts() -> Iterator[list[int]]:
    """Treat SIGTERM and a closed terminal as Ctrl-C; yields the list of those that came."""
    received: list[int] = []

    def interrupt(signum, frame):
        received.append(signum)
        raise KeyboardInterrupt

    names = ("SIGTERM", "SIGHUP")
    signals = [getattr(signal, name) for name in names if hasattr(signal, name)]
    with _handlers(signals, interrupt):
        yield received


def _uninterruptible():
    """Files are being written: a second Ctrl-C has to wait these few milliseconds."""
    return _handlers((signal.SIGINT, signal.SIGTERM), signal.SIG_IGN)


@contextmanager
def _handlers(signals, handler) -> Iterator[None]:
    previous = {signum: signal.signal(signum, handler) for signum in signals}
    try:
        yield
    finally:
        for signum, before in previous.items():
            signal.signal(signum, before)
