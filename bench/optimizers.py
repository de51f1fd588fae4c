"""Our L-BFGS against scipy's L-BFGS-B: the loss after as many evaluations, and the time of one.

    python bench/optimizers.py --output bench/results/optimizers.json

Each problem is a whole run of the built-in network, by both in turn.
"""

import argparse
import json
import statistics

from facts import facts

import manualnst

PROBLEMS = [
    {"style": "mosaic", "size": 128},
    {"style": "mosaic", "size": 256},
    {"style": "strokes", "size": 192},
    {"style": "waves", "size": 192, "init": "noise"},
    {"style": "mosaic", "size": 192, "normalisation": "paper", "content_weight": 1e-3},
]
OPTIMIZERS = ("lbfgs", "lbfgsb")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--evaluations", type=int, default=100)
    parser.add_argument("--output", metavar="FILE", help="also write what is printed, as JSON")
    args = parser.parse_args()
    rows = [compare(problem, args.evaluations) for problem in PROBLEMS]
    ratio = statistics.median(row["seconds_ratio"] for row in rows)
    print(f"seconds of one evaluation, ours / scipy's: median {ratio:.2f}")
    if args.output:
        record = {"facts": facts(), "evaluations": args.evaluations, "rows": rows}
        with open(args.output, "w", encoding="utf-8") as file:
            json.dump(record, file, indent=1)


def compare(problem: dict, evaluations: int) -> dict:
    options = {key: value for key, value in problem.items() if key != "style"}
    losses, seconds = {}, {}
    for optimizer in OPTIMIZERS:
        result = manualnst.stylize(
            "sample:harbour",
            f"sample:{problem['style']}",
            optimizer=optimizer,
            steps=evaluations,
            scales=1,
            seed=0,
            **options,
        )
        record = result.record
        losses[optimizer] = min(record["history"]["total"][:evaluations])
        seconds[optimizer] = record["seconds"] / record["evaluations"]
    row = {
        "problem": problem,
        "loss": losses,
        "loss_ratio": losses["lbfgs"] / losses["lbfgsb"],
        "seconds": seconds,
        "seconds_ratio": seconds["lbfgs"] / seconds["lbfgsb"],
    }
    print(
        f"{problem}: loss {losses['lbfgs']:.5g} to scipy's {losses['lbfgsb']:.5g} "
        f"({row['loss_ratio']:.4f}), seconds {seconds['lbfgs']:.3f} to {seconds['lbfgsb']:.3f}"
    )
    return row


if __name__ == "__main__":
    main()
