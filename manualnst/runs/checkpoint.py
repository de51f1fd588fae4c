"""Checkpoints: a JSON text and named arrays in one .npz file, written whole or not at all.

Nothing is pickled, and a file that is not such a checkpoint is refused.
"""

import json
import os
import zipfile
from typing import Any

import numpy as np

from ..errors import InputError
from ..system.files import check_file, write_atomically

FORMAT = "manualnst checkpoint 2"
_JSON = "json"


def save_checkpoint(path: str | os.PathLike, facts: dict[str, Any], arrays: dict) -> None:
    text = json.dumps({"format": FORMAT} | facts)
    contents = arrays | {_JSON: np.frombuffer(text.encode(), np.uint8)}

    def write(temporary):
        with open(temporary, "wb") as file:
            np.savez(file, **contents)

    write_atomically(path, write)


def load_checkpoint(path: str | os.PathLike) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    check_file(path)
    try:
        with zipfile.ZipFile(path) as archive:
            _check_stored(archive)
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        facts = json.loads(arrays.pop(_JSON).tobytes())
    except OSError as error:
        raise InputError(f"cannot read checkpoint {path}: {error.strerror or error}") from error
    except Exception as error:  # numpy's reader fails on damaged headers in a dozen ways
        raise InputError(f"{path} is not a checkpoint of manualnst, or is damaged") from error
    if not isinstance(facts, dict) or facts.get("format") != FORMAT:
        raise InputError(
            f"{path} is not a checkpoint of this version (expected {FORMAT!r}); go on with the "
            "version that wrote it, or begin anew"
        )
    return facts, arrays


def _check_stored(archive: zipfile.ZipFile) -> None:
    """Checkpoints are not compressed, so one that is could only be a decompression bomb."""
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in archive.infolist()):
        raise ValueError("compressed")
