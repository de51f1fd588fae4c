"""The project's own weights file: one .h5 with all that decides what the network computes.

    attributes   format "manualnst-weights", version 1, architecture, channels, range, mean, std,
                 provenance (a JSON object of texts),
                 recommended (a JSON object of settings; not in older files),
                 sha256 (`Weights.fingerprint()` of what loading gives back)
    layers/conv1_1/w   (3, 3, C_in, C_out), cross-correlated
    layers/conv1_1/b   (C_out,)

The hash guards against damage, not against forgery: whoever makes a file can hash it, too.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ..errors import InputError
from ..network.vgg import Preprocessing, Weights, convolution_names
from ..system.files import write_atomically
from .formats import OWN, OWN_FORMAT, recognise
from .hdf5 import open_hdf5, read_array, read_numbers, read_text, subgroup
from .reading import Layers, as_float32, quote

VERSION = 1


def save_weights(weights: Weights, path: str | Path, dtype=np.float32) -> None:
    """Write a weights file. With float16 it is half the size; loading gives float32 either way."""
    if np.dtype(dtype) not in (np.float16, np.float32):
        raise InputError(f"weights are stored as float16 or float32, not {np.dtype(dtype)}")
    with np.errstate(over="ignore"):  # what float16 cannot hold is refused below, as infinite
        stored = {
            name: (w.astype(dtype), b.astype(dtype)) for name, (w, b) in weights.layers.items()
        }
    loaded = {name: (as_float32(w), as_float32(b)) for name, (w, b) in stored.items()}
    fingerprint = Weights(weights.architecture, loaded, weights.preprocessing).fingerprint()
    image = _file_image(weights, stored, fingerprint)
    write_atomically(path, lambda temporary: temporary.write_bytes(image))


def _file_image(weights: Weights, layers: Layers, fingerprint: str) -> bytes:
    # Made in memory, so that a full disk is met by a plain write and not inside libhdf5.
    with h5py.File("weights.h5", "w", driver="core", backing_store=False) as file:
        prepared = weights.preprocessing
        texts = {
            "format": OWN_FORMAT,
            "architecture": weights.architecture,
            "channels": prepared.channels,
            "provenance": json.dumps(weights.provenance),
            "recommended": json.dumps(weights.recommended),
            "sha256": fingerprint,
        }
        # np.bytes_ becomes text of fixed length, the only sort of text that is read back.
        file.attrs.update({key: np.bytes_(text.encode()) for key, text in texts.items()})
        file.attrs.update(
            version=VERSION, range=prepared.range, mean=prepared.mean, std=prepared.std
        )
        for name, (w, b) in layers.items():
            file[f"layers/{name}/w"] = w
            file[f"layers/{name}/b"] = b
        file.flush()
        return file.id.get_file_image()


def load_weights(path: str | Path) -> Weights:
    """Read a weights file; whatever is not whole, plain and as its hash says is refused.

    What it recommends is for `settings.recommended_settings` to check.
    """
    with _opened(path) as file:
        architecture = read_text(file.attrs, "architecture")
        weights = Weights(
            architecture,
            _read_layers(subgroup(file, "layers"), convolution_names(architecture)),
            _read_preprocessing(file.attrs),
            _read_provenance(file.attrs),
            _read_recommended(file.attrs),
        )
        if weights.fingerprint() != read_text(file.attrs, "sha256"):
            raise InputError("the content does not match its SHA-256: damaged; get the file again")
        return weights


def load_recommended(path: str | Path) -> dict[str, Any]:
    """What the file recommends, without its filters."""
    with _opened(path) as file:
        return _read_recommended(file.attrs)


@contextmanager
def _opened(path: str | Path) -> Iterator[h5py.File]:
    """The file, if it is of this format and version."""
    found = recognise(path)
    if found != OWN:
        raise InputError(
            f"{path}: this looks like a {found} file; convert it first with: "
            f"python -m manualnst weights convert {path} -o OUT.h5"
        )
    with open_hdf5(path) as file:
        version = read_numbers(file.attrs, "version")
        if version != VERSION:
            raise InputError(f"format version {version}; this manualnst reads version {VERSION}")
        yield file


def _read_layers(group: h5py.Group, known: list[str]) -> Layers:
    layers = {}
    for name in group:
        if name not in known:
            raise InputError(f"the layer {quote(name)} does not belong there")
        layers[name] = (read_array(group, f"{name}/w"), read_array(group, f"{name}/b"))
    return layers


def _read_preprocessing(attributes: h5py.AttributeManager) -> Preprocessing:
    return Preprocessing(
        channels=read_text(attributes, "channels"),
        range=float(read_numbers(attributes, "range")),
        mean=tuple(read_numbers(attributes, "mean", (3,)).tolist()),
        std=tuple(read_numbers(attributes, "std", (3,)).tolist()),
    )


def _read_provenance(attributes: h5py.AttributeManager) -> dict[str, str]:
    provenance = json.loads(read_text(attributes, "provenance"))
    if not isinstance(provenance, dict) or set(map(type, provenance.values())) - {str}:
        raise InputError("the provenance is not a JSON object of texts")
    return provenance


def _read_recommended(attributes: h5py.AttributeManager) -> dict[str, Any]:
    if "recommended" not in attributes:
        return {}
    recommended = json.loads(read_text(attributes, "recommended"))
    if not isinstance(recommended, dict):
        raise InputError("what it recommends is not a JSON object")
    return recommended
