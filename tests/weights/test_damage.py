"""Every format, cut short or with bytes changed at random: refused in one line, or right."""

import numpy as np
import pytest
from weights_files import (
    random_layers,
    random_weights,
    torchvision_tensors,
    write_keras,
    write_matconvnet,
    write_pytorch,
)

from manualnst.errors import InputError
from manualnst.weights import convert, load_weights, save_weights

WRITERS = {
    "own": lambda path, layers: save_weights(random_weights(widths=(1, 1, 1, 1, 1)), path),
    "keras": write_keras,
    "matlab": lambda path, layers: write_matconvnet(path, layers, compressed=False),
    "matlab-compressed": lambda path, layers: write_matconvnet(path, layers, one_cell=False),
    "pytorch-run": lambda path, layers: write_pytorch(
        path, torchvision_tensors(layers), zipped=False
    ),
    "pytorch-zip": lambda path, layers: write_pytorch(
        path, torchvision_tensors(layers), zipped=True
    ),
}


@pytest.fixture(params=WRITERS)
def file(request, tmp_path):
    path = tmp_path / "file"
    WRITERS[request.param](path, random_layers(widths=(1, 1, 1, 1, 1)))
    return path


def read(path):
    """Weights, or None where they are refused as they should be."""
    own = (
        path.read_bytes()[:8] == b"\x89HDF\r\n\x1a\n" and b"manualnst-weights" in path.read_bytes()
    )
    try:
        return load_weights(path) if own else convert(path)
    except InputError as error:
        assert str(error).startswith(f"{path}: ")
        assert len(str(error).splitlines()) == 1
        return None


def test_files_cut_short_are_refused(file):
    whole = file.read_bytes()
    assert read(file) is not None
    for length in np.linspace(0, len(whole) - 300, 40).astype(int):
        file.write_bytes(whole[:length])
        assert read(file) is None, length


def test_files_with_changed_bytes_are_refused_or_right(file):
    rng = np.random.default_rng(5)
    whole = np.frombuffer(file.read_bytes(), np.uint8)
    refused = 0
    for _ in range(150):
        changed = whole.copy()
        places = rng.integers(len(whole), size=rng.integers(1, 9))
        changed[places] = rng.integers(256, size=len(places))
        changed.tofile(file)
        weights = read(file)
        refused += weights is None
    assert refused > 10
