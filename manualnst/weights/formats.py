"""Which format a weights file has, told by its content and never by its name."""

from pathlib import Path

from ..errors import InputError
from ..system.files import check_file, unreadable
from .hdf5 import SIGNATURE, has, open_hdf5, read_text
from .safetensors import has_its_beginning

OWN, KERAS, MATCONVNET, PYTORCH_ZIP, PYTORCH_RUN, SAFETENSORS = (
    "manualnst",
    "Keras",
    "MatConvNet",
    "PyTorch",
    "PyTorch (old container)",
    "safetensors",
)

# The attribute "format" of this program's own files.
OWN_FORMAT = "manualnst-weights"

# A pickle of the number that begins the old container: protocol 2, a 10-byte integer, stop.
PYTORCH_RUN_SIGNATURE = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."


def recognise(path: str | Path) -> str:
    """One of the six names above; anything else is refused."""
    check_file(path)
    try:
        with open(path, "rb") as file:
            head = file.read(128)
    except OSError as error:
        raise unreadable(path, error) from error
    if head.startswith(SIGNATURE):
        return _recognise_hdf5(path)
    if head.startswith(PYTORCH_RUN_SIGNATURE):
        return PYTORCH_RUN
    if head.startswith(b"PK\x03\x04"):
        return PYTORCH_ZIP
    if has_its_beginning(head):
        return SAFETENSORS
    if head.startswith(b"MATLAB 5.0"):
        return MATCONVNET
    if head.startswith(b"MATLAB 7.3"):
        raise InputError(f"{path}: a MATLAB 7.3 file; save it in MATLAB with -v7 and try again")
    raise InputError(
        f"{path}: not a weights file; known are this program's own .h5, Keras .h5, "
        "PyTorch .pth, .safetensors and MatConvNet .mat"
    )


def _recognise_hdf5(path: str | Path) -> str:
    with open_hdf5(path) as file:
        if "format" in file.attrs and read_text(file.attrs, "format") == OWN_FORMAT:
            return OWN
        if has(file, "block1_conv1") or has(file, "model_weights"):
            return KERAS
    raise InputError(f"{path}: an HDF5 file, but neither this program's weights nor Keras's")
