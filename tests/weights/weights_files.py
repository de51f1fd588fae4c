"""Small weights files in the public layouts, written without the code under test."""

import io
import struct
import zipfile
from pathlib import Path

import h5py
import numpy as np
import scipy.io

from manualnst.network.vgg import Preprocessing, Weights, convolution_names, layer_names

WIDTHS = (2, 3, 4, 3, 2)
Layers = dict[str, tuple[np.ndarray, np.ndarray]]


def random_layers(architecture="vgg19", widths=WIDTHS, seed=0) -> Layers:
    """Filters without any symmetry, so that a transposition cannot go unnoticed."""
    rng = np.random.default_rng(seed)
    layers, channels = {}, 3
    for name in convolution_names(architecture):
        filters = widths[int(name[4]) - 1]
        w = rng.standard_normal((3, 3, channels, filters), dtype=np.float32)
        layers[name] = (w, rng.standard_normal(filters, dtype=np.float32))
        channels = filters
    return layers


def random_weights(architecture="vgg19", widths=WIDTHS, seed=0) -> Weights:
    prepared = Preprocessing("BGR", 255, (1.5, 2.5, 3.5), (0.1, 0.2, 0.3))
    provenance = {"source": "drawn at random", "remark": "Zürich, \x1b[31mred\n"}
    return Weights(architecture, random_layers(architecture, widths, seed), prepared, provenance)


def assert_same_layers(found: Layers, expected: Layers) -> None:
    assert list(found) == list(expected)
    for name, arrays in expected.items():
        for array, other in zip(found[name], arrays, strict=True):
            assert array.dtype == np.float32
            np.testing.assert_array_equal(array, other)


# Keras


def write_keras(path: Path, layers: Layers, *, style: str = "first") -> None:
    """The styles: "first" as in the published files, "new" as Keras 2 and 3 write, "model"."""
    with h5py.File(path, "w") as file:
        root = file.create_group("model_weights") if style == "model" else file
        names = ["input_1"]
        root.create_group("input_1").attrs["weight_names"] = np.array([], "S1")
        for name, arrays in layers.items():
            keras = f"block{name[4]}_conv{name[6]}"
            parts = ("_W_1:0", "_b_1:0") if style == "first" else ("/kernel:0", "/bias:0")
            group = root.create_group(keras)
            for part, array in zip(parts, arrays, strict=True):
                group[keras + part] = array
            group.attrs["weight_names"] = _texts([keras + part for part in parts], style)
            names.append(keras)
        root.create_group("fc1")["fc1_W_1:0"] = np.zeros((5, 4), np.float32)
        root.attrs["layer_names"] = _texts(names, style)


def _texts(texts: list[str], style: str):
    encoded = [text.encode() for text in texts]
    # h5py makes variable length of a list, and fixed length of an array.
    return np.array(encoded) if style == "first" else encoded


# MatConvNet


def write_matconvnet(
    path: Path, layers: Layers, architecture="vgg19", *, one_cell=True, compressed=True
) -> None:
    structs = []
    for name in layer_names(architecture):
        layer = {"type": "conv" if name in layers else name[:4], "pad": np.ones((1, 4))}
        if name in layers:
            w, b = layers[name]
            if one_cell:
                layer["weights"] = _cells([w, b[None]])
            else:
                layer |= {"filters": w, "biases": b[None]}
        structs.append(layer | {"name": name, "stride": np.ones((1, 2))})
    filters = np.ones((7, 7, layers[convolution_names(architecture)[-1]][1].size, 5), np.float32)
    structs.append({"type": "conv", "weights": _cells([filters, np.ones((1, 5))]), "name": "fc6"})
    contents = {"classes": {"name": "cat"}, "layers": _cells(structs), "normalization": {"a": 1.5}}
    scipy.io.savemat(path, contents, do_compression=compressed)


def _cells(things: list) -> np.ndarray:
    cells = np.empty((1, len(things)), object)
    for i, thing in enumerate(things):
        cells[0, i] = thing
    return cells


# PyTorch: pickles put together by hand

ORDERED_DICT = b"ccollections\nOrderedDict\n)R"
REBUILD = b"ctorch._utils\n_rebuild_tensor_v2\n"


def text(value: str) -> bytes:
    encoded = value.encode()
    return b"X" + struct.pack("<I", len(encoded)) + encoded


def number(value: int) -> bytes:
    if -(2**31) <= value < 2**31:
        return b"J" + struct.pack("<i", value)
    data = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(data)]) + data


def tuple_of(*items: bytes) -> bytes:
    return b"(" + b"".join(items) + b"t"


def storage(key: str, count: int, kind: str = "FloatStorage", *more: bytes) -> bytes:
    named = (text("storage"), f"ctorch\n{kind}\n".encode(), text(key), text("cpu"), number(count))
    return tuple_of(*named, *more) + b"Q"


def tensor(stored: bytes, offset: int, shape, strides) -> bytes:
    sizes = [tuple_of(*map(number, numbers)) for numbers in (shape, strides)]
    return REBUILD + tuple_of(stored, number(offset), *sizes, b"\x89", ORDERED_DICT) + b"R"


def dictionary(entries: dict[str, bytes]) -> bytes:
    """An OrderedDict with PyTorch's _metadata, as a pickle."""
    items = b"".join(text(key) + value for key, value in entries.items())
    metadata = b"}" + text("_metadata") + ORDERED_DICT + b"sb"
    return b"\x80\x02" + ORDERED_DICT + b"(" + items + b"u" + metadata + b"."


def pickle_tensors(tensors: dict[str, np.ndarray], *, view: bool) -> tuple[bytes, dict[str, bytes]]:
    """The pickle, and the storages' bytes; keys are numbers, as PyTorch's are."""
    entries, storages = {}, {}
    for i, (name, array) in enumerate(tensors.items()):
        strides = [n // array.itemsize for n in array.strides]
        more = (b"N",) if view else ()
        entries[name] = tensor(
            storage(str(i), array.size, "FloatStorage", *more), 0, array.shape, strides
        )
        storages[str(i)] = array.tobytes()
    return dictionary(entries), storages


def run_container(pickle: bytes, storages: dict[str, bytes], *, item_bytes=4) -> bytes:
    system = b"\x80\x02}(" + text("protocol_version") + number(1001)
    system += text("little_endian") + b"\x88u."
    parts = [b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.", b"\x80\x02M\xe9\x03.", system, pickle]
    parts.append(b"\x80\x02](" + b"".join(map(text, storages)) + b"e.")
    for data in storages.values():
        parts += [struct.pack("<q", len(data) // item_bytes), data]
    return b"".join(parts)


def zip_container(
    pickle: bytes,
    storages: dict[str, bytes],
    *,
    compression=zipfile.ZIP_STORED,
    byteorder=b"little",
) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        archive.writestr("model/data.pkl", pickle)
        archive.writestr("model/byteorder", byteorder)
        for key, data in storages.items():
            archive.writestr(f"model/data/{key}", data)
        archive.writestr("model/version", b"3\n")
    return buffer.getvalue()


def write_pytorch(path: Path, tensors: dict[str, np.ndarray], *, zipped: bool) -> None:
    pickle, storages = pickle_tensors(tensors, view=not zipped)
    path.write_bytes((zip_container if zipped else run_container)(pickle, storages))


def pytorch_tensors(layers: Layers, modules: list[str]) -> dict[str, np.ndarray]:
    """(out, in, height, width) under the modules' names, and a classifier."""
    tensors = {}
    for module, (w, b) in zip(modules, layers.values(), strict=True):
        tensors[f"{module}.weight"] = np.ascontiguousarray(w.transpose(3, 2, 0, 1))
        tensors[f"{module}.bias"] = b
    return tensors


FEATURES = {
    "vgg19": [0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28, 30, 32, 34],
    "vgg16": [0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28],
}
WITH_PADDING = [2, 5, 9, 12, 16, 19, 22, 25, 29, 32, 35, 38, 42, 45, 48, 51]


def torchvision_tensors(layers: Layers, architecture="vgg19") -> dict[str, np.ndarray]:
    modules = [f"features.{i}" for i in FEATURES[architecture]]
    classifier = {"classifier.0.weight": np.ones((2, 3), np.float32)}
    return pytorch_tensors(layers, modules) | classifier


def normalised_tensors(layers: Layers, matrix, bias) -> dict[str, np.ndarray]:
    first = {
        "0.weight": np.array(matrix, np.float32).reshape(3, 3, 1, 1),
        "0.bias": np.array(bias, np.float32),
    }
    return first | pytorch_tensors(layers, [str(i) for i in WITH_PADDING])
