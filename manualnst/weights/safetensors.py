"""The container of .safetensors files: the length of a JSON text, that text, and the numbers.

    {"features.0.weight": {"dtype": "F16", "shape": [64, 3, 3, 3], "data_offsets": [0, 3456]}, …}

What it declares is checked against the file before anything is read.
"""

import json
import math
import os
from collections.abc import Callable
from typing import Any, BinaryIO

from ..errors import InputError
from .pickles import Storage, Tensor
from .reading import check_shape, quote

MAX_HEADER_BYTES = 1 << 24
_DTYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "bfloat16"}
_BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2}


def has_its_beginning(head: bytes) -> bool:
    return head[8:9] == b"{" and 2 <= int.from_bytes(head[:8], "little") <= MAX_HEADER_BYTES


def open_safetensors(file: BinaryIO) -> tuple[dict[str, Tensor], Callable]:
    """Its tensors by name, and how to read their numbers: read(storage, first byte, bytes)."""
    length = int.from_bytes(file.read(8), "little")
    end = os.fstat(file.fileno()).st_size
    begin = 8 + length
    if length > MAX_HEADER_BYTES or begin > end:
        raise InputError(f"its header is to have {length} bytes, the file has {end}")
    header = json.loads(file.read(length))
    if not isinstance(header, dict):
        raise InputError("its header is no JSON object")
    header.pop("__metadata__", None)
    places, tensors = {}, {}
    for name, entry in header.items():
        tensors[name], places[name] = _tensor(name, entry, end - begin)

    def read(storage: Storage, first: int, count: int) -> bytes:
        file.seek(begin + places[storage.key] + first)
        return file.read(count)

    return tensors, read


def _tensor(name: str, entry: Any, room: int) -> tuple[Tensor, int]:
    """The tensor, and where its bytes begin."""
    if not isinstance(entry, dict) or entry.get("dtype") not in _DTYPES:
        raise InputError(f"{quote(name)} has no dtype of {', '.join(_DTYPES)}")
    shape, place = entry.get("shape"), entry.get("data_offsets")
    if not (_are_counts(shape) and _are_counts(place) and len(place) == 2):
        raise InputError(f"{quote(name)} declares shape {shape!r:.40}, bytes {place!r:.40}")
    check_shape(name, shape)
    start, stop = place
    count = math.prod(shape)
    if not 0 <= start <= stop <= room or stop - start != count * _BYTES[entry["dtype"]]:
        raise InputError(
            f"{quote(name)} is to lie at the bytes {start} to {stop} of {room}, for shape {shape}"
        )
    strides = tuple(math.prod(shape[axis + 1 :]) for axis in range(len(shape)))
    return Tensor(Storage(name, _DTYPES[entry["dtype"]], count), 0, tuple(shape), strides), start


def _are_counts(value: Any) -> bool:
    return isinstance(value, list) and all(type(n) is int and n >= 0 for n in value)
