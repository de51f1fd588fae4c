"""python -m weights.narrow: what it does is told in weights/README.md."""

import argparse
import sys
import time
from pathlib import Path

import numpy as np

from manualnst.errors import InputError
from manualnst.pictures.saving import save_picture
from manualnst.system import threads
from manualnst.system.files import check_writable_folder, make_folder
from manualnst.system.machine import format_duration
from manualnst.weights import find_weights, save_weights

from . import crops, sheet, train

CHECKPOINT, NARROW = "checkpoint.npz", "narrow.h5"
LAST_SEED = 2**32 - 1  # that NumPy takes
SAVE_EVERY = 120  # seconds
TELL_EVERY = 30  # seconds, where there is no terminal
LOOK_EVERY = 100  # batches
SHEET_COLUMNS = 6


class Teller:
    """A line that is written over in a terminal, and now and then a new one elsewhere."""

    def __init__(self):
        self._next = 0.0

    def __call__(self, line: str, *, last: bool = False) -> None:
        if sys.stdout.isatty():
            print(f"\r\x1b[K{line}", end="\n" if last else "", flush=True)
        elif last or time.monotonic() >= self._next:
            print(line, flush=True)
            self._next = time.monotonic() + TELL_EVERY


def main(arguments: list[str] | None = None) -> int:
    args = parser().parse_args(arguments)
    try:
        args.command(args)
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(
            "\nstopped; the same command goes on from the last checkpoint, if there is one",
            file=sys.stderr,
        )
        return 130
    return 0


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(prog="python -m weights.narrow")
    commands = p.add_subparsers(required=True)
    run = commands.add_parser("run", help="narrow a network, or go on, and write the result")
    run.add_argument("teacher", help="a VGG-16 or VGG-19: a file, or a name of the catalogue")
    run.add_argument("folder", type=Path, help="keeps the checkpoint and narrow.h5")
    run.add_argument("--batches", type=int, required=True, help="how long to learn; 0: not at all")
    run.add_argument("--pictures", type=Path, help="a folder of any; without, only drawn ones")
    run.add_argument("--seed", type=int, default=1, help="of crops and drawings (default 1)")
    run.add_argument("--threads", type=int, help="as many as there are processors, unless told")
    run.set_defaults(command=run_command)
    shown = commands.add_parser("sheet", help="a contact sheet of the drawn pictures")
    shown.add_argument("file", type=Path)
    shown.add_argument("--seed", type=int, default=1)
    shown.set_defaults(command=sheet_command)
    return p


def run_command(args: argparse.Namespace) -> None:
    check_option("--batches", args.batches, 0, 10**6)
    check_option("--threads", args.threads, 1, 1000)
    check_option("--seed", args.seed, 0, LAST_SEED)
    if args.threads:
        threads.limit(args.threads)
    make_folder(args.folder)
    for name in (CHECKPOINT, NARROW):
        check_writable_folder(args.folder / name)
    pictures = crops.load_folder(args.pictures)
    lessons = train.Lessons(find_weights(args.teacher), pictures, train.Plan(seed=args.seed))
    learn(lessons, args.folder, args.batches)


def check_option(name: str, given: int | None, least: int, most: int) -> None:
    if given is not None and not least <= given <= most:
        raise InputError(f"{name} {given} is not possible; give a number from {least} to {most}")


def sheet_command(args: argparse.Namespace) -> None:
    check_option("--seed", args.seed, 0, LAST_SEED)
    check_writable_folder(args.file)
    save_picture(args.file, sheet.contact_sheet(args.seed, SHEET_COLUMNS) / np.float32(255))


def learn(lessons: train.Lessons, folder: Path, batches: int) -> None:
    """Fit what is not fitted yet, learn what is not learned yet, write folder/narrow.h5."""
    tell, checkpoint = Teller(), folder / CHECKPOINT
    if checkpoint.exists():
        state = train.load_state(checkpoint, lessons)
    else:
        state = train.fitted_state(lessons, tell)
        train.save_state(checkpoint, lessons, state)
        tell(f"least squares: {in_words(state.errors)}", last=True)
    train.check_total(lessons, state, batches)
    saved = time.monotonic()
    while state.batches < batches:
        errors = train.learn_batch(lessons, state, batches)
        left = (batches - state.batches) * state.seconds / state.batches
        tell(
            f"batch {state.batches} of {batches}: {in_words(errors)}, {format_duration(left)} left"
        )
        if state.batches % LOOK_EVERY == 0:
            unseen = train.unseen_errors(lessons, state)
            tell(f"unseen crops after {state.batches}: {in_words(unseen)}", last=True)
        if time.monotonic() - saved > SAVE_EVERY:
            train.save_state(checkpoint, lessons, state)
            saved = time.monotonic()
    train.save_state(checkpoint, lessons, state)
    weights = train.narrow_weights(lessons, state)
    save_weights(weights, folder / NARROW, dtype=np.float16)
    tell(f"written: {folder / NARROW}", last=True)


def in_words(errors: dict[str, float]) -> str:
    return "errors by layer " + " ".join(f"{error:.3f}" for error in errors.values())


if __name__ == "__main__":
    sys.exit(main())
