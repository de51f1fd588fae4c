import sys
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest

TESTS = Path(__file__).parent

# So that `import proofs` works from every folder of tests, that comparisons with PyTorch find the
# problems of others, and that the benchmark is this one.
OF_OTHERS = [TESTS / "objective", TESTS / "losses"]
sys.path[:0] = [str(path) for path in (TESTS, *OF_OTHERS, TESTS.parent / "bench")]

NUMBERS = count()


@pytest.fixture
def recommending(tmp_path):
    """The file of a small network that recommends all that can be."""
    from proofs import RECOMMENDED, small_weights

    from manualnst.weights import save_weights

    path = tmp_path / "recommending.h5"
    save_weights(replace(small_weights(), recommended=RECOMMENDED), path)
    return path


@pytest.fixture(autouse=True)
def empty_cache(tmp_path_factory, monkeypatch):
    """No test sees, or leaves anything in, the cache of whoever runs it."""
    cache = tmp_path_factory.getbasetemp() / f"cache-{next(NUMBERS)}"  # made by who needs it
    monkeypatch.setenv("MANUALNST_CACHE", str(cache))
