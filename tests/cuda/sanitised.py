"""Some cases of every kernel with the address and undefined-behaviour sanitisers: run by
test_sanitised.py in a process of its own, into which the sanitiser has to be loaded first."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parent.parent)]

# ruff: noqa: E402

import numpy as np
from host_card import SANITISERS, HostCupy, Kernels, build
from pairs import CASES, PRODUCTS, TOLERANCES, errors, whole_numbers

from manualnst.backends import PRECISIONS
from manualnst.backends.cuda.card import Card
from manualnst.backends.cuda_backend import RUNGS, Backend

# Of the products those with odd edges and several blocks; the others would be more of the same.
SHAPES = (
    "(1, 5, 3, 4)",
    "(9, 18, 5, 7)",
    "(3, 2, 36, 130)",
    "(5, 3, 3)",
    "(7, 9, 5)",
    "(3, 5, 132)",
)
SMALL = [case for case in CASES if case not in PRODUCTS or case.endswith(SHAPES)]


def main(folder: str) -> None:
    libraries = {
        real: Kernels(build(Path(folder), real, ("-O1", "-g1", *SANITISERS)))
        for real in ("float32", "float64")
    }
    card = Card(HostCupy(libraries))
    for rung in RUNGS:
        for dtype in libraries:
            for case in SMALL:
                check(case, Backend(card, "float32", rung), dtype, TOLERANCES[dtype])
    for precision in PRECISIONS[1:]:
        for case in filter(PRODUCTS.__contains__, SMALL):
            if case.startswith("convolution") or case.startswith("fused ("):
                continue  # the same kernels as of those that are pooled, too
            check(case, Backend(card, precision), "float32", 1e-6, whole_numbers)
    left_out = {real: sorted(lib.names - lib.launched) for real, lib in libraries.items()}
    print("left out:", left_out)


def check(case: str, backend, dtype: str, tolerance: float, *numbers) -> None:
    found = errors(case, backend, np.dtype(dtype), *numbers)
    assert max(found.values()) <= tolerance, (case, found)


if __name__ == "__main__":
    main(sys.argv[1])
