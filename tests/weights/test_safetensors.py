"""Files in the container of safetensors: honest ones are read, hostile ones refused."""

import json

import numpy as np
import pytest
from weights_files import assert_same_layers, random_layers, torchvision_tensors

from manualnst.errors import InputError
from manualnst.weights import convert

DTYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<f4"}


def container(tensors, dtype="F32", changes=()):
    """The bytes of a file, written by hand; `changes` are made to the first entry."""
    header, data = {"__metadata__": {"format": "pt"}}, b""
    for name, array in tensors.items():
        numbers = _bytes_of(array, dtype)
        place = [len(data), len(data) + len(numbers)]
        header[name] = {"dtype": dtype, "shape": list(array.shape), "data_offsets": place}
        data += numbers
    header[next(iter(tensors))] |= dict(changes)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + data


def _bytes_of(array, dtype):
    numbers = np.ascontiguousarray(array, DTYPES[dtype])
    if dtype == "BF16":  # the upper halves of float32's bits
        return (numbers.view("<u4") >> 16).astype("<u2").tobytes()
    return numbers.tobytes()


def _rounded(array, dtype):
    rounded = array.astype(DTYPES[dtype])
    if dtype == "BF16":
        rounded = (rounded.view("<u4") & 0xFFFF0000).view("<f4")
    return rounded.astype(np.float32)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_file_of_torchvisions_names_is_read(tmp_path, dtype):
    layers = random_layers()
    path = tmp_path / "vgg.safetensors"
    path.write_bytes(container(torchvision_tensors(layers), dtype))
    rounded = {
        name: tuple(_rounded(array, dtype) for array in pair) for name, pair in layers.items()
    }
    found = convert(path)
    assert_same_layers(found.layers, rounded)
    assert found.provenance["format"] == "safetensors"


def test_a_file_that_its_own_library_wrote(tmp_path):
    library = pytest.importorskip("safetensors.numpy")
    layers = random_layers()
    tensors = {k: np.ascontiguousarray(v) for k, v in torchvision_tensors(layers).items()}
    library.save_file(tensors, tmp_path / "vgg.safetensors")
    assert_same_layers(convert(tmp_path / "vgg.safetensors").layers, layers)


@pytest.mark.parametrize(
    "changes",
    [
        {"dtype": "I64"},
        {"dtype": 3},
        {"shape": [64, 3, 3]},
        {"shape": [-64, -3, 3, 3]},
        {"shape": [1 << 40, 1 << 40, 3, 3]},
        {"shape": "large"},
        {"data_offsets": [0, 1 << 50]},
        {"data_offsets": [8, 0]},
        {"data_offsets": [0.0, 6912.0]},
        {"data_offsets": None},
    ],
)
def test_what_lies_about_its_numbers_is_refused(tmp_path, changes):
    path = tmp_path / "vgg.safetensors"
    path.write_bytes(container(torchvision_tensors(random_layers()), changes=changes))
    with pytest.raises(InputError) as caught:
        convert(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_whatever_is_cut_off_or_changed_is_refused_or_read_within_bounds(tmp_path):
    whole = container(torchvision_tensors(random_layers()))
    path, rng = tmp_path / "vgg.safetensors", np.random.default_rng(0)
    for cut in (9, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:cut])
        with pytest.raises(InputError):
            convert(path)
    for _ in range(200):
        damaged = bytearray(whole)
        damaged[rng.integers(9, 2000)] = rng.integers(256)
        path.write_bytes(damaged)
        try:
            convert(path)
        except InputError as error:
            assert "\n" not in str(error)
