import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent

# So that `import proofs` works from every folder of tests, and that the benchmark is this one.
sys.path[:0] = [str(TESTS), str(TESTS.parent / "bench")]


@pytest.fixture(autouse=True)
def empty_cache(tmp_path, monkeypatch):
    """No test sees, or leaves anything in, the cache of whoever runs it."""
    monkeypatch.setenv("MANUALNST_CACHE", str(tmp_path / "cache"))
