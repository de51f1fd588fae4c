"""Reading parts of HDF5 files that strangers wrote: nothing but plain arrays and plain text.

HDF5 can point to other files, inflate compressed chunks, and declare arrays that are stored
nowhere. No weights file needs any of it, so all of it is refused before it is read.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np

from ..errors import InputError
from .reading import as_float32, check_shape, quote, refusing

SIGNATURE = b"\x89HDF\r\n\x1a\n"


@contextmanager
def open_hdf5(path: str | Path) -> Iterator[h5py.File]:
    with refusing(path, "HDF5"), h5py.File(path, "r") as file:
        yield file


def member(group: h5py.Group, path: str) -> h5py.Group | h5py.Dataset:
    """What lies at `path` in a group, reached by hard links only."""
    here = group
    for name in path.split("/"):
        link = here.get(name, getlink=True) if isinstance(here, h5py.Group) and name else None
        if link is None:
            raise InputError(f"{quote(path)} is missing in {quote(group.name)}")
        if not isinstance(link, h5py.HardLink):
            raise InputError(f"{quote(path)} is a link to somewhere else; links are not followed")
        here = here[name]
    return here


def has(group: h5py.Group, name: str) -> bool:
    """Like `in`, which would follow a link into another file to see whether its end exists."""
    return group.get(name, getlink=True) is not None


def subgroup(group: h5py.Group, path: str) -> h5py.Group:
    found = member(group, path)
    if not isinstance(found, h5py.Group):
        raise InputError(f"{quote(path)} in {quote(group.name)} is not a group")
    return found


def read_array(group: h5py.Group, path: str) -> np.ndarray:
    """A dataset of floating-point numbers, as float32."""
    dataset = member(group, path)
    where = f"{quote(path)} in {quote(group.name)}"
    if not isinstance(dataset, h5py.Dataset) or dataset.shape is None:
        raise InputError(f"{where} is not an array")
    if dataset.dtype.kind != "f" or dataset.dtype.itemsize > 8:
        raise InputError(f"{where} does not hold floating-point numbers but {dataset.dtype}")
    check_shape(path, dataset.shape)
    properties = dataset.id.get_create_plist()
    if properties.get_layout() != h5py.h5d.CONTIGUOUS or properties.get_external_count():
        raise InputError(f"{where} is compressed, chunked or stored outside the file")
    if dataset.id.get_offset() is None:
        raise InputError(f"{where} declares the shape {dataset.shape} but stores nothing")
    return as_float32(dataset[()])


def read_text(attributes: h5py.AttributeManager, name: str) -> str:
    return _read_attribute(attributes, name, "S", ()).item().decode()


def read_numbers(attributes: h5py.AttributeManager, name: str, shape: tuple = ()) -> np.ndarray:
    return _read_attribute(attributes, name, "fiu", shape)


def _read_attribute(
    attributes: h5py.AttributeManager, name: str, kinds: str, shape: tuple
) -> np.ndarray:
    """An attribute of one of the kinds of `numpy.dtype.kind`.

    Text must be of fixed length ("S"). The other sort of text lies elsewhere in the file, and
    the library that follows the way there loops or crashes where the file is damaged.
    """
    if name not in attributes:
        raise InputError(f"the attribute {quote(name)} is missing")
    declared = attributes.get_id(name)
    if declared.dtype.kind not in kinds:
        raise InputError(f"the attribute {quote(name)} has the unexpected type {declared.dtype}")
    if declared.shape != shape:
        raise InputError(f"the attribute {quote(name)} has the shape {declared.shape}, not {shape}")
    return np.asarray(attributes[name])
