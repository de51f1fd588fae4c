"""From a public weights file, whatever its format, to `Weights`."""

import datetime
import hashlib
from pathlib import Path

from ..errors import InputError
from ..network.vgg import Preprocessing, Weights, convolution_names
from ..version import __version__
from .catalogue import CATALOGUE
from .formats import KERAS, MATCONVNET, OWN, PYTORCH_RUN, PYTORCH_ZIP, SAFETENSORS, recognise
from .keras import read_keras
from .layouts import Found, named_preprocessing
from .matconvnet import read_matconvnet
from .pytorch import read_pytorch
from .reading import refusing

READERS = {
    KERAS: read_keras,
    MATCONVNET: read_matconvnet,
    PYTORCH_RUN: read_pytorch,
    PYTORCH_ZIP: read_pytorch,
    SAFETENSORS: read_pytorch,
}
# For files that do not tell: torchvision's are by far the most common of their kind.
ASSUMED = "imagenet-rgb"


def convert(
    path: str | Path, *, architecture: str | None = None, preprocessing: str | None = None
) -> Weights:
    """Read a public file. `preprocessing` is a name of `layouts.PREPROCESSINGS`.

    The provenance says where the preprocessing came from, in case it had to be assumed.
    """
    if architecture is not None:
        convolution_names(architecture)  # refuses an unknown one
    kind = recognise(path)
    if kind == OWN:
        raise InputError(f"{path}: already a weights file of this program; nothing to convert")
    found = READERS[kind](path, architecture)
    sha256 = _sha256(path)
    with refusing(path, kind):
        prepared, reason = _choose_preprocessing(found, preprocessing, sha256)
        provenance = {
            "file": ascii(Path(path).name)[1:-1],
            "sha256": sha256,
            "format": kind,
            "preprocessing": reason,
            **found.remarks,
            "converted": f"{datetime.date.today()} by manualnst {__version__}",
        }
        return Weights(found.architecture, found.layers, prepared, provenance)


def _sha256(path: str | Path) -> str:
    with refusing(path, "weights"), open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _choose_preprocessing(
    found: Found, asked: str | None, sha256: str
) -> tuple[Preprocessing, str]:
    if isinstance(found.preprocessing, Preprocessing):
        if asked is not None:
            raise InputError("the file itself says how to prepare pixels; give no --preprocessing")
        return found.preprocessing, "as the first convolution in the file had it"
    if asked is not None:
        return named_preprocessing(asked), f"{asked}, as asked for"
    if found.preprocessing is not None:
        return named_preprocessing(found.preprocessing), f"{found.preprocessing}, by the format"
    for public in CATALOGUE.values():
        kind, digest = public.digest
        if kind == "sha256" and sha256.startswith(digest):
            name = public.preprocessing
            return named_preprocessing(name), f"{name}, by the hash: the file is {public.name}"
    return named_preprocessing(ASSUMED), (
        f"{ASSUMED}, assumed: the file does not tell; "
        "for weights that come from Caffe give --preprocessing caffe-bgr"
    )
