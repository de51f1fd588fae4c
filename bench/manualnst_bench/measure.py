"""How everything here is timed: all in turns, again and again.

A machine that drifts then drifts for all of them, and what they took in the same round compares.
"""

import statistics
import time
from collections.abc import Callable

# By then the threads of the library that ran before have stopped spinning.
PAUSE = 0.05

Call = Callable[[], float]  # does it once; the seconds that it took
Tell = Callable[[str], None]  # what is being done, for whoever waits


def timed(function: Callable[[], object]) -> Call:
    def call() -> float:
        start = time.perf_counter()
        function()
        return time.perf_counter() - start

    return call


def in_turns(calls: dict[str, Call], rounds: int, tell: Tell) -> dict[str, list[float]]:
    """Seconds of each call in each round."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for n in range(1, rounds + 1):
        for name, call in calls.items():
            tell(f"round {n} of {rounds}: {name}")
            time.sleep(PAUSE)
            seconds[name].append(call())
    return seconds


def fastest(seconds: dict[str, list[float]]) -> str:
    return min(seconds, key=lambda name: statistics.median(seconds[name]))


def compare(seconds: dict[str, list[float]], ours: str) -> dict | None:
    """Our time over that of the fastest of the others, round by round; None without others."""
    others = {name: samples for name, samples in seconds.items() if name != ours}
    if not others:
        return None
    best = fastest(others)
    ratios = [a / b for a, b in zip(seconds[ours], seconds[best], strict=True)]
    return {"to": best, "ratios": ratios, "ratio": statistics.median(ratios)}
