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
from manualnst.backends.cuda.backend import CudaBackend
from manualnst.backends.cuda.card import Card
from manualnst.backends.cuda.launches import RUNGS

# Of the products those with odd edges and several blocks; the others would be more of the same.
SHAPES = (
    "(1, 5, 3, 4)",
    "(9, 18, 5, 7)",
    "(9, 18, 5, 70)",
    "(5, 3, 3)",
    "(7, 9, 5)",
    "(3, 5, 132)",
)
SMALLEST = SHAPES[0]
WITH_TILES = (*{case.partition(" (")[0] for case in PRODUCTS}, "squared error")
SMALL = [case for case in CASES if case not in PRODUCTS or case.endswith(SHAPES)]


def main(folder: str) -> None:
    library = Kernels(build(Path(folder), "float32", ("-O1", *SANITISERS)))
    card = Card(HostCupy({"float32": library}))
    for rung in RUNGS:
        for case in SMALL:
            if rung == "tiled" and not case.startswith(WITH_TILES):
                continue  # the same kernels as on another rung
            check(case, CudaBackend(card, "float32", rung), TOLERANCES["float32"])
    for precision in PRECISIONS[1:]:
        for case in filter(PRODUCTS.__contains__, SMALL):
            # The others' kernels are those that pool, too.
            if not case.startswith(("fused (", "convolution")) or case.endswith(SMALLEST):
                check(case, CudaBackend(card, precision), 1e-6, whole_numbers)
    print("left out:", sorted(library.names - library.launched))


def check(case: str, backend, tolerance: float, *numbers) -> None:
    found = errors(case, backend, np.dtype(np.float32), *numbers)
    assert max(found.values()) <= tolerance, (case, found)


if __name__ == "__main__":
    main(sys.argv[1])
