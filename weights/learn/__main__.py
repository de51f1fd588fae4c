"""python -m weights.learn: see the README beside weights/."""

import argparse
import sys
import time
from pathlib import Path

from threadpoolctl import threadpool_limits

from manualnst.errors import InputError
from manualnst.machine import format_duration

from . import data, train

HELD_OUT = 1  # further pictures of each recipe, to test with
SAVE_EVERY = 120  # seconds


def main(arguments: list[str] | None = None) -> int:
    args = parser().parse_args(arguments)
    try:
        if args.threads:
            threadpool_limits(args.threads)
        learn(args)
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(prog="python -m weights.learn")
    p.add_argument("folder", type=Path, help="pictures, checkpoint and network are kept here")
    budget = p.add_mutually_exclusive_group(required=True)
    budget.add_argument("--batches", type=int)
    budget.add_argument("--minutes", type=float)
    p.add_argument("--threads", type=int)
    p.add_argument("--seed", type=int, default=1)
    return p


def learn(args) -> None:
    plan = train.Plan(seed=args.seed)
    every = data.drawn(
        args.folder,
        plan.seed,
        plan.recipes,
        plan.pictures + HELD_OUT,
        lambda n: say(f"drawing the pictures: {n} of {plan.recipes} recipes"),
        args.threads or data.processors(),
    )
    pictures, held_out = every[:, : plan.pictures], every[:, plan.pictures :]
    checkpoint = args.folder / "checkpoint.npz"
    state = train.load_state(checkpoint, plan) if checkpoint.exists() else train.fresh_state(plan)
    saved = time.monotonic()
    smooth = None
    log = open(args.folder / "log.tsv", "a", encoding="utf-8")
    while state.batches < (total := planned(args, plan, state)):
        report = train.learn_batch(plan, pictures, state, total)
        now = (report.loss, *report.right.values())
        smooth = now if smooth is None else [0.98 * s + 0.02 * n for s, n in zip(smooth, now)]
        left = state.seconds / state.batches * (total - state.batches)
        shares = " ".join(f"{100 * share:.0f}" for share in smooth[1:])
        say(
            f"batch {state.batches} of {total}: loss {smooth[0]:.3f}, right {shares} %, "
            f"{format_duration(left)} left"
        )
        if state.batches % 50 == 0:
            print(state.batches, f"{state.seconds:.1f}", *(f"{s:.4f}" for s in smooth), f"{report.penalty:.4f}", sep="\t", file=log, flush=True)
        if time.monotonic() - saved > SAVE_EVERY or state.batches == total:
            train.save_state(checkpoint, plan, state)
            saved = time.monotonic()
    say(f"unseen: {train.unseen(plan, state.parameters, held_out)}\n")


def planned(args, plan, state) -> int:
    """How many batches there will be; with --minutes as many as the speed so far allows."""
    return args.batches


def say(line: str) -> None:
    print(f"\r\033[K{line}", end="", flush=True)


if __name__ == "__main__":
    sys.exit(main())
