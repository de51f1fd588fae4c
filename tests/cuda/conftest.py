"""The kernels, compiled once for all tests here."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from host_card import COMPILER, HostCupy, Kernels, build


def pytest_collection_modifyitems(items):
    """Kernels are slow on a processor."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def libraries(tmp_path_factory):
    if COMPILER is None:
        pytest.skip("no C++ compiler: the kernels cannot be tried on this processor")
    folder = tmp_path_factory.mktemp("kernels")
    return {real: Kernels(build(folder, real)) for real in ("float32", "float64")}


@pytest.fixture
def cupy(libraries):
    card = HostCupy(libraries)
    yield card
    assert card.cuda.lost == 0
