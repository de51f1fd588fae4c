"""PyTorch's .pth files, without PyTorch, and .safetensors: all containers, and the four ways of
naming layers.

Every tensor is a window on a storage, given by an offset, a shape and strides that the file
states. They are checked against the storage, and the storage against the file, before the
window is opened.
"""

import io
import math
import os
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ..errors import InputError
from ..network.vgg import CONVOLUTION, Preprocessing, convolution_names, kind_of, layer_names
from .layouts import Found, find_architecture
from .pickles import Machine, Storage, Tensor
from .reading import Layers, as_float32, check_shape, quote, refusing
from .safetensors import has_its_beginning, open_safetensors

MAX_PICKLE_BYTES = 1 << 24
_RUN_VERSION = 1001

# (storage, first byte, number of bytes) → bytes
ReadBytes = Callable[[Storage, int, int], bytes]


def read_pytorch(path: str | Path, architecture: str | None = None) -> Found:
    """Filters are (out, in, height, width) there; here they become (height, width, in, out)."""
    kind = "safetensors" if _is_safetensors(path) else "PyTorch"
    with refusing(path, kind), _open_container(path) as (content, read):
        tensors = _tensors(content)
        architecture, names = _name_modules(tensors, architecture)
        layers: Layers = {
            convolution: (
                _read_tensor(tensors, f"{module}.weight", 4, read).transpose(2, 3, 1, 0),
                _read_tensor(tensors, f"{module}.bias", 1, read),
            )
            for convolution, module in names.items()
        }
        scheme = next(iter(names.values()))
        if scheme == "2":  # a convolution before the first
            w = _read_tensor(tensors, "0.weight", 4, read)
            b = _read_tensor(tensors, "0.bias", 1, read)
            remarks = {"deviation": "made for reflection padding; zero padding is used here"}
            return Found(architecture, layers, _fold_first(w, b), remarks)
        return Found(architecture, layers, "caffe-bgr" if scheme == "conv1_1" else None)


def _tensors(content: object) -> dict[str, Tensor]:
    if not isinstance(content, dict):
        raise InputError(f"it holds a {type(content).__name__}, not a state dictionary")
    return {key: value for key, value in content.items() if isinstance(value, Tensor)}


# Naming: the modules that hold the convolutions of an architecture, in their order.


def _by_layer(architecture: str) -> list[str]:
    """torchvision and J. Johnson: a Sequential of convolutions, ReLUs and poolings."""
    layers = layer_names(architecture)
    return [f"features.{layers.index(name)}" for name in convolution_names(architecture)]


def _with_padding(architecture: str) -> list[str]:
    """AdaIN: likewise, a padding before each convolution, and first one of 1 × 1."""
    modules = ["0"]
    for name in layer_names(architecture):
        modules += ["padding", name] if kind_of(name) == CONVOLUTION else [name]
    return [str(modules.index(name)) for name in convolution_names(architecture)]


def _name_modules(tensors: dict[str, Tensor], asked: str | None) -> tuple[str, dict[str, str]]:
    """The architecture, and for each convolution in the file the module that holds it."""
    modules = {key.removesuffix(".weight") for key in tensors if key.endswith(".weight")}
    modules = {module for module in modules if not module.startswith("classifier.")}
    for naming in (_by_layer, convolution_names, _with_padding):
        present = modules - {"0"} if naming is _with_padding else modules
        architecture = find_architecture(present, asked, naming)
        if architecture:
            pairs = zip(convolution_names(architecture), naming(architecture), strict=True)
            return architecture, dict(list(pairs)[: len(present)])
    examples = ", ".join(quote(key) for key in sorted(modules)[:4])
    raise InputError(f"its layers are not named as those of a known VGG: {examples or 'none'} …")


def _fold_first(w: np.ndarray, b: np.ndarray) -> Preprocessing:
    """The 1 × 1 convolution w (3, 3, 1, 1), b (3,) before the first, as preprocessing.

    It computes s_k x_c(k) + b_k, which is (R x_c(k) − mean_k) / std_k with std = R / s and
    mean = −b std. That needs c to be the order RGB or BGR and s to be positive.
    """
    if w.shape == (3, 3, 1, 1) and b.shape == (3,):
        matrix = w[:, :, 0, 0].astype(np.float64)  # (out, in)
        for channels, order in (("RGB", [0, 1, 2]), ("BGR", [2, 1, 0])):
            scale = matrix[[0, 1, 2], order]
            if np.count_nonzero(matrix) == 3 and np.all(scale > 0):
                std = scale.max() / scale
                return Preprocessing(channels, scale.max(), tuple(-b * std), tuple(std))
    raise InputError(
        "its first convolution does more than scale the channels and put them in order"
    )


# Reading: a tensor's numbers.


def _read_tensor(tensors: dict[str, Tensor], key: str, axes: int, read: ReadBytes) -> np.ndarray:
    if key not in tensors:
        raise InputError(f"{quote(key)} is missing")
    storage, offset, shape, strides = tensors[key]
    if len(shape) != axes or len(strides) != axes or min(offset, *shape, *strides) < 0:
        raise InputError(f"{quote(key)} declares shape {shape[:5]} and strides {strides[:5]}")
    check_shape(key, shape)
    # From the first to the last number of the window; no more numbers than that may be in it.
    span = 1 + sum((n - 1) * stride for n, stride in zip(shape, strides, strict=True))
    if not 0 < math.prod(shape) <= span or offset + span > storage.count:
        raise InputError(
            f"{quote(key)} reaches beyond its storage: offset {offset}, shape {shape}, "
            f"strides {strides}, {storage.count} numbers"
        )
    size = _item_bytes(storage)
    flat = _numbers(read(storage, offset * size, span * size), storage.dtype)
    window = np.lib.stride_tricks.as_strided(
        flat, shape, [flat.itemsize * stride for stride in strides]
    )
    return as_float32(window)


def _item_bytes(storage: Storage) -> int:
    return 2 if storage.dtype == "bfloat16" else np.dtype(storage.dtype).itemsize


def _numbers(data: bytes, dtype: str) -> np.ndarray:
    if dtype == "bfloat16":  # the upper half of a float32
        return (np.frombuffer(data, "<u2").astype("<u4") << 16).view("<f4")
    return np.frombuffer(data, dtype)


# The containers.


@contextmanager
def _open_container(path: str | Path) -> Iterator[tuple[object, ReadBytes]]:
    """What the file describes, and how to read its storages."""
    if _is_safetensors(path):
        with open(path, "rb") as file:
            yield open_safetensors(file)
    elif zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            yield _open_zip(archive)
    else:
        with open(path, "rb") as file:
            yield _open_run(file)


def _is_safetensors(path: str | Path) -> bool:
    with open(path, "rb") as file:
        return has_its_beginning(file.read(9))


def _open_zip(archive: zipfile.ZipFile) -> tuple[object, ReadBytes]:
    """<root>/data.pkl, and a file <root>/data/<key> for each storage."""
    pickles = [name for name in archive.namelist() if name.endswith("/data.pkl")]
    if len(pickles) != 1:
        raise InputError(f"a zip archive with {len(pickles)} files data.pkl, not PyTorch's weights")
    root = pickles[0].removesuffix("data.pkl")
    if f"{root}byteorder" in archive.namelist():
        _require_little_endian(_entry(archive, f"{root}byteorder", 8) == b"little")

    def read(storage: Storage, first: int, count: int) -> bytes:
        size = storage.count * _item_bytes(storage)
        data = _entry(archive, f"{root}data/{storage.key}", size)
        if len(data) != size:
            raise InputError(f"the storage {quote(storage.key)} has {len(data)} bytes, not {size}")
        return data[first : first + count]

    return Machine(io.BytesIO(_entry(archive, pickles[0], MAX_PICKLE_BYTES))).load(), read


def _entry(archive: zipfile.ZipFile, name: str, most: int) -> bytes:
    """A file in the archive. PyTorch never compresses, so nothing can inflate here."""
    entry = archive.getinfo(name)
    if entry.compress_type != zipfile.ZIP_STORED:
        raise InputError(f"{quote(name)} in the archive is compressed")
    if entry.file_size > most:
        raise InputError(f"{quote(name)} in the archive has over {most} bytes")
    return archive.read(entry)


def _open_run(file: BinaryIO) -> tuple[object, ReadBytes]:
    """A run of pickles: a magic number, a version, the system, the content, the storages' keys;
    then for each key the count as a 64-bit number, and the numbers.
    """
    machine = Machine(file)
    machine.load()  # the magic number, by which the file was recognised
    version, system = machine.load(), machine.load()
    if type(version) is not int or version != _RUN_VERSION or not isinstance(system, dict):
        raise InputError(f"its container is not of version {_RUN_VERSION}")
    _require_little_endian(system.get("little_endian") is True)
    content, keys = machine.load(), machine.load()
    starts = _find_storages(file, machine.storages, keys)

    def read(storage: Storage, first: int, count: int) -> bytes:
        file.seek(starts[storage.key] + first)
        return file.read(count)

    return content, read


def _find_storages(file: BinaryIO, storages: dict[str, Storage], keys: object) -> dict[str, int]:
    """Where each storage's numbers begin, each known to lie in the file as a whole."""
    end = os.fstat(file.fileno()).st_size
    starts = {}
    for key in keys if isinstance(keys, list) else []:
        if not isinstance(key, str) or key not in storages:
            raise InputError("it lists a storage that no tensor uses")
        storage = storages[key]
        count = int.from_bytes(file.read(8), "little", signed=True)
        start = file.tell()
        size = storage.count * _item_bytes(storage)
        if count != storage.count or start + size > end:
            raise InputError(f"the storage {quote(key)} is not whole; get the file again")
        starts[key] = start
        file.seek(start + size)
    return starts


def _require_little_endian(little: bool) -> None:
    if not little:
        raise InputError("its numbers are not little-endian")
