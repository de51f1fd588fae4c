"""python -m weights.learn: what it does is told in weights/README.md."""

import argparse
import sys
import time
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from manualnst.errors import InputError
from manualnst.files import check_writable_folder, read_bytes, write_atomically
from manualnst.images import save_picture
from manualnst.machine import format_duration
from manualnst.weights import save_weights

from . import data, fold, sheet, train

CHECKPOINT, LEARNED, LOG = "checkpoint.npz", "learned.h5", "log.tsv"
LAST_SEED = 2**32 - 1  # that NumPy takes
HELD_OUT = 1  # further pictures of each recipe, to test with
SAVE_EVERY = 120  # seconds
TELL_EVERY = 30  # seconds, where there is no terminal
LOG_EVERY = 50  # batches
LOG_BYTES = 2**26
MEMORY = 0.98  # of the smoothed numbers shown
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
        print(f"\nstopped{outlook(args)}", file=sys.stderr)
        return 130
    return 0


def outlook(args: argparse.Namespace) -> str:
    """What a command that was stopped does when it is given again."""
    if args.command is not run_command:
        return ""
    if (args.folder / CHECKPOINT).exists():
        return "; the same command goes on from the last checkpoint"
    return " before the first checkpoint; the same command begins anew"


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(prog="python -m weights.learn")
    commands = p.add_subparsers(required=True)
    run = commands.add_parser("run", help="learn, or go on learning, and write the network")
    run.add_argument("folder", type=Path, help="keeps the pictures, the checkpoint, learned.h5")
    budget = run.add_mutually_exclusive_group(required=True)
    budget.add_argument("--batches", type=int, help="how long: the same batches, the same network")
    budget.add_argument("--minutes", type=float, help="how long: as many batches as there is time")
    run.add_argument("--seed", type=int, default=1, help="of pictures and network (default 1)")
    run.add_argument("--threads", type=int, help="as many as there are processors, unless told")
    run.set_defaults(command=run_command)
    shown = commands.add_parser("sheet", help="a contact sheet of the pictures learned from")
    shown.add_argument("file", type=Path)
    shown.add_argument("--seed", type=int, default=1)
    shown.set_defaults(command=sheet_command)
    return p


def run_command(args: argparse.Namespace) -> None:
    check_option("--batches", args.batches, train.FEWEST, 10**9)
    check_option("--minutes", args.minutes, 0.1, 10**6)
    check_option("--threads", args.threads, 1, 1000)
    check_option("--seed", args.seed, 0, LAST_SEED)
    if args.threads:
        threadpool_limits(args.threads)
    try:
        args.folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make the folder {args.folder}: {error.strerror}") from error
    plan = train.Plan(seed=args.seed)
    learn(plan, args.folder, args.batches, args.minutes, args.threads or data.processors())


def check_option(name: str, given: float | None, least: float, most: float) -> None:
    if given is not None and not least <= given <= most:  # nor nan
        raise InputError(f"{name} {given} is not possible; give a number from {least} to {most}")


def sheet_command(args: argparse.Namespace) -> None:
    check_option("--seed", args.seed, 0, LAST_SEED)
    check_writable_folder(args.file)
    save_picture(args.file, sheet.contact_sheet(args.seed, SHEET_COLUMNS) / np.float32(255))


def learn(
    plan: train.Plan, folder: Path, batches: int | None, minutes: float | None, workers: int
) -> None:
    """Draw what is not drawn yet, learn what is not learned yet, write folder/learned.h5."""
    for name in (LEARNED, LOG):
        check_writable_folder(folder / name)
    tell = Teller()
    checkpoint = folder / CHECKPOINT
    state = train.load_state(checkpoint, plan) if checkpoint.exists() else train.fresh_state(plan)
    if batches:
        train.check_total(plan, state, batches)
    train.note_commit(state)
    every = data.drawn(
        folder,
        plan.seed,
        plan.recipes,
        plan.pictures + HELD_OUT,
        lambda n: tell(f"drawing: {n} of {plan.recipes} recipes", last=n == plan.recipes),
        workers,
    )
    pictures, held_out = every[:, : plan.pictures], every[:, plan.pictures :]
    saved, smooth = time.monotonic(), None
    begin_log(folder / LOG, plan, state.batches)
    with open(folder / LOG, "a", encoding="utf-8") as log:
        while state.batches < (total := batches or train.planned(plan, state, minutes)):
            report = train.learn_batch(plan, pictures, state, total)
            now = [report.loss, report.penalty, *report.right.values()]
            pairs = zip(smooth or now, now, strict=True)
            smooth = [MEMORY * old + (1 - MEMORY) * new for old, new in pairs]
            tell(progress(plan, state, total, smooth))
            if state.batches % LOG_EVERY == 0:
                fields = [str(state.batches), f"{state.seconds:.0f}", *(f"{v:.4f}" for v in smooth)]
                print("\t".join(fields), file=log, flush=True)
            if time.monotonic() - saved > SAVE_EVERY:
                train.save_state(checkpoint, plan, state)
                saved = time.monotonic()
    train.save_state(checkpoint, plan, state)
    unseen = percent(train.unseen(plan, state.parameters, held_out).values())
    tell(f"unseen pictures {unseen}", last=True)
    weights = fold.to_weights(plan, state, pictures, {"unseen pictures": unseen})
    save_weights(weights, folder / LEARNED, dtype=np.float16)
    tell(f"written: {folder / LEARNED}", last=True)


def begin_log(path: Path, plan: train.Plan, batches: int) -> None:
    """A header, and what there is up to the checkpoint; what came after it is learned again."""
    old = read_bytes(path, LOG_BYTES).decode(errors="replace") if path.exists() else ""
    lines = [line.split("\t") for line in old.splitlines()]
    kept = ["\t".join(line) for line in lines if line[0].isdecimal() and int(line[0]) <= batches]
    header = "\t".join(["batch", "seconds", "loss", "penalty", *plan.shape.heads])
    write_atomically(path, lambda new: new.write_text("\n".join([header, *kept, ""]), "utf-8"))


def progress(plan: train.Plan, state: train.State, total: int, smooth: list[float]) -> str:
    speed = state.batches / state.seconds
    return (
        f"batch {state.batches} of {total}: loss {smooth[0]:.3f}, {percent(smooth[2:])}; "
        f"{speed * plan.batch:.0f} crops/s, {format_duration((total - state.batches) / speed)} left"
    )


def percent(shares) -> str:
    return "named right by head: " + " ".join(f"{100 * share:.0f}" for share in shares) + " %"


if __name__ == "__main__":
    sys.exit(main())
