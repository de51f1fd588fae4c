import sys
from pathlib import Path

import pytest

# The recipes beside the package are no part of it; `weights` is a folder of the repository.
sys.path += [str(Path(__file__).parent), str(Path(__file__).parents[2])]
from weights.narrow import crops

SIDE = 32


@pytest.fixture
def small_crops(monkeypatch):
    """Of 32 pixels, and of the pictures that are given alone: drawing takes time."""
    monkeypatch.setattr(crops, "SIDE", SIDE)
    monkeypatch.setattr(crops, "DRAWN", 0)
    crops._noise_table.cache_clear()
    yield
    crops._noise_table.cache_clear()
