"""`manualnst reconstruct`: what layers know of a picture, of its content or of its style.

All goes into a folder: for each reconstruction a picture and its record, and a sheet of them all.
What the folder has already, of the same settings and the same picture, is not made again.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..api import prepare, settings_from
from ..errors import InputError
from ..network.network import available_layers
from ..network.vgg import Weights
from ..pictures.images import load_picture
from ..pictures.saving import check_output_suffix, save_picture
from ..pictures.similarity import check_comparable, signal_to_noise, structural_similarity
from ..runs.inputs import open_content
from ..runs.result import Result, load_record
from ..runs.run import Run
from ..runs.shared import Shared
from ..studies.many import Job
from ..studies.many.alone import alone_in
from ..studies.many.painting import Files, begun, finished, look_over
from ..studies.reconstruction import (
    DEFAULTS,
    SAMPLES,
    Crop,
    content_alone,
    draw_reconstructions,
    most_detailed,
    style_alone,
)
from ..system.machine import format_duration
from ..weights import default_weights
from .interrupts import Interrupts
from .options import add_options, add_report_options, chosen_report, given_settings
from .outputs import refuse_existing, stem
from .progress import QuietProgress

_BLOCKS = range(1, 6)
_SHEET = "sheet.png"
_LAYERS = "layers"  # what tells the jobs from each other
_LIKENESS = {
    "structural_similarity": structural_similarity,
    "signal_to_noise": signal_to_noise,
}
_OTHERWISE = "give another -o, or --overwrite to begin anew"


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    parser = subparsers.add_parser(
        "reconstruct",
        help="show what layers know of a picture",
        description="Rebuild a picture from noise, by what a network's layers tell of it.",
    )
    kinds = parser.add_subparsers(metavar="content | style", required=True)
    content = kinds.add_parser(
        "content",
        help="from the map of one layer after the other",
        description="From the map of each layer alone, by the content loss. A sheet shows all, "
        "with a row of close-ups; how alike they are to the picture is told in numbers.",
    )
    content.add_argument(
        "--crop",
        type=_crop,
        metavar="X,Y,W,H",
        help="the part that is shown close up, in pixels of the reconstructions (default: a "
        "quarter each way, where there is most detail)",
    )
    style = kinds.add_parser(
        "style",
        help="from the Gram matrices of more and more layers",
        description="From the Gram matrices of the first layer, of the first two, and so on, by "
        "the style loss.",
    )
    for kind, of_kind in (("content", content), ("style", style)):
        _add_options(of_kind, kind)
        of_kind.set_defaults(handler=_reconstruct, kind=kind)


def _add_options(parser: argparse.ArgumentParser, kind: str) -> None:
    sample = SAMPLES[kind]
    parser.add_argument(
        "picture", nargs="?", metavar="PICTURE", default=sample, help=f"(default: {sample})"
    )
    layers = parser.add_mutually_exclusive_group()
    layers.add_argument(
        "--set",
        type=int,
        default=1,
        choices=(1, 2, 3, 4),
        metavar="N",
        help="layers relu1_N … relu5_N, the paper's conv1_N … conv5_N (default: 1)",
    )
    layers.add_argument("--layers", metavar="NAMES", help="these, as relu1_1,relu3_1,relu4_2")
    for name, text in (
        ("size", "long side of the picture; a smaller one keeps its size"),
        ("steps", "steps of the optimiser for each reconstruction, at all sizes together"),
        ("min_size", "long side of the coarsest size; that of --size: noise at the full size"),
    ):
        option, default = "--" + name.replace("_", "-"), DEFAULTS[kind][name]
        help = f"{text} (default: {default})"
        parser.add_argument(option, type=int, default=default, metavar="N", help=help)
    parser.add_argument("--seed", type=int, default=0, help="of the noise (default: 0)")
    add_options(parser.add_argument_group("the network"), "network")
    written = parser.add_argument_group("what is written")
    written.add_argument(
        "-o", "--output", metavar="FOLDER", help=f"where it goes (default: PICTURE-{kind})"
    )
    written.add_argument("--sheet", metavar="FILE", help="put the sheet there as well")
    written.add_argument(
        "--overwrite", action="store_true", help="begin anew, and replace what is there"
    )
    add_report_options(parser.add_argument_group("what is told"))


def _crop(text: str) -> Crop:
    try:
        x, y, width, height = map(int, text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r}: expected four whole numbers, as in 80,20,64,48"
        ) from None
    return x, y, width, height


# The command


def _reconstruct(args: argparse.Namespace) -> int:
    report = chosen_report(args)
    with Interrupts() as interrupts:
        try:
            _make_all(args, report)
        except KeyboardInterrupt:
            report.message("interrupted; the same command (without --overwrite) goes on from here")
            return interrupts.exit_code
    return 0


def _make_all(args: argparse.Namespace, report: QuietProgress) -> None:
    if "weights" not in args:
        args.weights, notice = default_weights()
        report.message(str(notice))
    shared = Shared()
    folder = Path(args.output or f"{stem(args.picture)}-{args.kind}")
    jobs = _jobs(args, _layers(args, shared.weights(args.weights), report))
    original = open_content(args.picture, jobs[0].settings).pixels
    crop = _checked_crop(args, original)
    maker = _Maker(args, folder, shared, original, report)
    sheet = folder / _SHEET
    with alone_in(folder) as make_folder:
        unfinished = maker.unfinished(jobs)
        make_folder()
        for n, job in enumerate(jobs, start=1):
            report.message(f"{job.labels[_LAYERS]} ({n} of {len(jobs)})")
            if job in unfinished:
                maker.make(job)
            else:
                report.message(f"{Files.of(job, folder).picture} is there already")
            drawn = _drawn(args, folder, jobs[:n], original, crop)
            save_picture(sheet, drawn)
    report.message(f"wrote {sheet}")
    if args.sheet:
        save_picture(args.sheet, drawn)
        report.message(f"wrote {args.sheet}")
    report.event("result", folder=folder, sheet=sheet)


def _layers(args: argparse.Namespace, weights: Weights, report: QuietProgress) -> list[str]:
    if args.layers:
        layers = args.layers.split(",")
        if len(set(layers)) < len(layers):
            raise InputError(f"--layers {args.layers}: one is named twice; give each once")
        return layers
    layers = [f"relu{block}_{args.set}" for block in _BLOCKS]
    there = [layer for layer in layers if layer in available_layers(weights)]
    if not there:
        raise InputError(f"--set {args.set}: the network {args.weights} has none of these layers")
    if len(there) < len(layers):
        lacking = ", ".join(layer for layer in layers if layer not in there)
        report.message(f"left out: {lacking}, which this network does not have")
    return there


def _jobs(args: argparse.Namespace, layers: list[str]) -> list[Job]:
    if args.kind == "content":
        asked = [(layer, layer, content_alone(layer)) for layer in layers]
    else:
        growing = [layers[: n + 1] for n in range(len(layers))]
        asked = [
            (f"to-{some[-1]}", _in_words(some), style_alone(dict.fromkeys(some, 1.0)))
            for some in growing
        ]
    given = given_settings(args)
    return [
        Job(
            name,
            args.picture,
            [args.picture],
            None,
            settings_from(DEFAULTS[args.kind] | given | settings),
            {_LAYERS: heading},
        )
        for name, heading, settings in asked
    ]


def _in_words(layers: Sequence[str]) -> str:
    return layers[0] if len(layers) == 1 else f"… and {layers[-1]}"


def _checked_crop(args: argparse.Namespace, original: np.ndarray) -> Crop | None:
    height, width = original.shape[:2]
    check_comparable(height, width)
    if args.kind == "style":
        return None
    if args.crop is None:
        return most_detailed(original)
    x, y, wide, high = args.crop
    if min(x, y) < 0 or min(wide, high) < 1 or x + wide > width or y + high > height:
        raise InputError(
            f"--crop {x},{y},{wide},{high} is not within the picture, which is {width} × {height}"
        )
    return args.crop


class _Maker:
    """Makes what is not there yet."""

    def __init__(
        self,
        args: argparse.Namespace,
        folder: Path,
        shared: Shared,
        original: np.ndarray,
        report: QuietProgress,
    ):
        self._args, self._folder, self._shared = args, folder, shared
        self._original, self._report = original, report
        self._told: set[str] = set()

    def unfinished(self, jobs: list[Job]) -> list[Job]:
        """Refuse whatever there is to refuse, before any work; with --overwrite, clear away."""
        overwrite = self._args.overwrite
        if self._args.sheet:
            check_output_suffix(self._args.sheet)
            refuse_existing(self._args.sheet, overwrite)
        for job in jobs:  # each, before a file of any is removed
            prepare(job.content, job.styles, job.settings, shared=self._shared)
        if overwrite:
            for job in jobs:
                Files.of(job, self._folder).remove()
        unfinished = [job for job in jobs if not self._is_finished(job)]
        sheet = self._folder / _SHEET
        if unfinished == jobs and sheet.exists() and not overwrite:
            raise InputError(f"{sheet} exists; {_OTHERWISE}")
        return unfinished

    def _is_finished(self, job: Job) -> bool:
        record = look_over(job, self._folder, self._shared, overwrite=False).record
        if record is not None:
            _check_likeness(Files.of(job, self._folder).record, record)
        return record is not None

    def make(self, job: Job) -> None:
        files = Files.of(job, self._folder)
        run = begun(job, files, self._shared)
        self._tell(run)
        run.start()
        self._tell(run)
        self._report.begin(steps=job.settings.steps, done=run.done, share=run.share)
        try:
            result = finished(run, files, self._report.step)
        finally:
            self._report.end()
        self._save(job, files, result)

    def _tell(self, run: Run) -> None:
        """Its notices, each once for all; the picture is content and style, the network chosen, and
        what it recommends of no matter."""
        unused = {"style" if self._args.kind == "content" else "content", "weights", "settings"}
        for notice in run.notices:
            if notice not in self._told and notice.topic not in unused:
                self._report.message(str(notice))
        self._told |= set(run.notices)

    def _save(self, job: Job, files: Files, result: Result) -> None:
        """The record first: with the picture, the reconstruction is complete."""
        record = result.record
        record["likeness"] = {
            name: measure(result.image, self._original) for name, measure in _LIKENESS.items()
        }
        result.save_record(files.record)
        save_picture(files.picture, result.image, result.alpha, description=job.labels[_LAYERS])
        files.checkpoint.unlink(missing_ok=True)
        told = (
            _likeness(record) if self._args.kind == "content" else f"loss {record['best_loss']:.3g}"
        )
        seconds = format_duration(record["seconds"])
        self._report.message(f"{files.picture}: {told} ({record['steps']} steps, {seconds})")
        self._report.event("reconstruction", output=files.picture, **record["likeness"])


def _check_likeness(path: Path, record: dict[str, Any]) -> None:
    """Refuse the record of a run with the same settings, which is no reconstruction."""
    likeness = record.get("likeness")
    if not isinstance(likeness, dict) or not all(
        isinstance(likeness.get(name), float) for name in _LIKENESS
    ):
        raise InputError(f"{path} is not of a reconstruction; {_OTHERWISE}")


def _likeness(record: dict[str, Any]) -> str:
    return "SSIM {structural_similarity:.4f}, PSNR {signal_to_noise:.1f} dB".format(
        **record["likeness"]
    )


def _drawn(
    args: argparse.Namespace,
    folder: Path,
    jobs: Sequence[Job],
    original: np.ndarray,
    crop: Crop | None,
) -> np.ndarray:
    """The sheet of these jobs, which are done, from their files."""
    files = [Files.of(job, folder) for job in jobs]
    made = {
        job.labels[_LAYERS]: load_picture(each.picture).pixels
        for job, each in zip(jobs, files, strict=True)
    }
    captions = [""] * len(jobs)
    if args.kind == "content":
        captions = [_likeness(load_record(each.record)) for each in files]
    title = f"{args.kind} of {stem(args.picture)}, rebuilt by {Path(args.weights).stem}"
    return draw_reconstructions(original, made, captions, title=title, crop=crop)
