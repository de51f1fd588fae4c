import sys
from pathlib import Path

import pytest

# So that `import proofs` works from every folder of tests.
sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(autouse=True)
def empty_cache(tmp_path, monkeypatch):
    """No test sees, or leaves anything in, the cache of whoever runs it."""
    monkeypatch.setenv("MANUALNST_CACHE", str(tmp_path / "cache"))
