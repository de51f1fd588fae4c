"""Time and memory of one evaluation, loss and picture gradient: manualnst against PyTorch.

    python bench/evaluation.py --output bench/results/evaluation.json

See README.md beside this file.
"""

import argparse
import ctypes
import gc
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

PAUSE = 0.1  # s; by then the threads of the library that ran before have stopped spinning
MEMORY_SIZE = 512
CLEAR_REFS = Path("/proc/self/clear_refs")


def main() -> None:
    arguments = parse_arguments()
    set_threads(arguments.threads)
    if arguments.memory_of:
        print(peak_of_one_evaluation(arguments.memory_of))
        return
    if arguments.output:
        arguments.output.parent.mkdir(parents=True, exist_ok=True)
    from facts import facts

    result = facts() | {"threads": arguments.threads, "repeats": arguments.repeats}
    print(f"{result['processor']}, {result['cores']} cores, {arguments.threads} threads")
    result["sizes"] = {size: compare(size, arguments) for size in arguments.sizes}
    if not arguments.no_memory:
        result["memory"] = compare_memory(arguments.threads)
    if arguments.output:
        write(arguments.output, result)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[256, 512], help="pixels a side")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--breakdown", action="store_true", help="also our time by layer")
    parser.add_argument("--no-memory", action="store_true", help="leave the peak memory out")
    parser.add_argument("--output", type=Path, help="a JSON file for all that was measured")
    parser.add_argument("--memory-of", metavar="SIDE", help="only print this side's peak, in bytes")
    return parser.parse_args()


def set_threads(count: int) -> None:
    """Has to come before NumPy is first imported: BLAS reads the environment once, then."""
    assert "numpy" not in sys.modules
    for library in ("OMP", "OPENBLAS", "MKL"):
        os.environ[f"{library}_NUM_THREADS"] = str(count)
    import torch

    torch.set_num_threads(count)


def compare(size: int, arguments: argparse.Namespace) -> dict:
    from breakdown import break_down
    from sides import OURS, check_agreement, prepare

    print(f"\n{size} × {size}: seconds of one evaluation, {arguments.repeats} repeats")
    sides, skipped = prepare(size)
    errors = check_agreement(sides)
    seconds = time_interleaved(sides, arguments.repeats)
    best = min(seconds.keys() - {OURS}, key=lambda name: statistics.median(seconds[name]))
    ratios = [a / b for a, b in zip(seconds[OURS], seconds[best], strict=True)]
    result = {
        "seconds": seconds,
        "errors": errors,
        "skipped": skipped,
        "best torch": best,
        "ratios": ratios,
    }
    print_times(result)
    if arguments.breakdown:
        result["breakdown"] = break_down(size, arguments.repeats)
        print_breakdown(result["breakdown"])
    return result


def time_interleaved(sides: dict, repeats: int) -> dict[str, list[float]]:
    """Side after side, again and again, so that a machine that drifts drifts for all of them."""
    seconds = {name: [] for name in sides}
    for _ in range(repeats):
        for name, evaluate in sides.items():
            time.sleep(PAUSE)
            start = time.perf_counter()
            evaluate()
            seconds[name].append(time.perf_counter() - start)
    return seconds


def compare_memory(threads: int) -> dict[str, int] | str:
    """Peak bytes of one evaluation for each side, each in a process of its own."""
    from sides import SIDES

    from manualnst.machine import format_bytes

    print(f"\n{MEMORY_SIZE} × {MEMORY_SIZE}: peak memory of one evaluation")
    if not CLEAR_REFS.exists():
        print("  skipped: only Linux tells")
        return "skipped: only Linux tells"
    peaks = {}
    for name in SIDES:
        command = [sys.executable, __file__, "--memory-of", name, "--threads", str(threads)]
        child = subprocess.run(command, stdout=subprocess.PIPE, text=True)
        if child.returncode == 0:
            peaks[name] = int(child.stdout)
        print(f"  {name:30}{format_bytes(peaks[name]) if name in peaks else 'failed':>9}")
    return peaks


def peak_of_one_evaluation(name: str) -> int:
    """Bytes above what the process has when imports, weights and targets are there."""
    from sides import SIDES

    from manualnst.machine import peak_memory

    evaluate = SIDES[name](MEMORY_SIZE)
    if "compiled" in name:
        evaluate()  # the compiler's memory is not the evaluation's
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)  # what was freed must not serve as room for the evaluation
    CLEAR_REFS.write_text("5")  # the peak starts anew from what there is now
    before = peak_memory()
    evaluate()
    return peak_memory() - before


def print_times(result: dict) -> None:
    print(f"  {'':30}{'median':>9}{'min':>9}{'max':>9}   error of loss and gradient")
    for name, seconds in result["seconds"].items():
        numbers = (statistics.median(seconds), min(seconds), max(seconds))
        errors = "".join(f"{error:10.1e}" for error in result["errors"].get(name, {}).values())
        print(f"  {name:30}{''.join(f'{number:9.3f}' for number in numbers)}   {errors}")
    for name, reason in result["skipped"].items():
        print(f"  {name:30} skipped: {reason}")
    ratios = result["ratios"]
    print(
        f"  numpy / {result['best torch']}: {statistics.median(ratios):.2f} "
        f"({min(ratios):.2f} … {max(ratios):.2f})"
    )


def print_breakdown(rows: list[dict]) -> None:
    total = sum(row["seconds"] for row in rows)
    print(f"  {'':30}{'ms':>9}{'%':>7}{'calls':>7}{'GFLOP/s':>9}")
    for row in rows:
        gflops = round(row["gflops"]) if "gflops" in row else ""
        shapes = " → ".join("×".join(map(str, row[key])) or "1" for key in ("in", "out"))
        print(
            f"  {row['function']:30}{1e3 * row['seconds']:9.1f}{100 * row['seconds'] / total:7.1f}"
            f"{row['calls']:7}{gflops:>9}   {shapes}"
        )
    print(f"  {'in all':30}{1e3 * total:9.1f}")


def write(path: Path, result: dict) -> None:
    from manualnst.files import write_atomically

    write_atomically(path, lambda temporary: temporary.write_text(json.dumps(result, indent=1)))
    print(f"\nwritten to {path}")


if __name__ == "__main__":
    main()
