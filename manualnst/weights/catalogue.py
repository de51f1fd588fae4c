"""The public weights files that `manualnst weights get` knows, and where they are kept."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from ..errors import InputError

_KERAS = "https://storage.googleapis.com/tensorflow/keras-applications"
_TORCHVISION = "https://download.pytorch.org/models"
_JOHNSON = "https://web.eecs.umich.edu/~justincj/models"
_MATCONVNET = "https://www.vlfeat.org/matconvnet/models"
_ADAIN = "https://github.com/naoto0804/pytorch-AdaIN/releases/download/v0.0.0"


@dataclass(frozen=True)
class PublicFile:
    """A published file. A digest may be only the beginning of the whole one: what is published."""

    name: str
    architecture: str
    url: str
    size: int | None  # bytes, where it is known
    digest: tuple[str, str]  # ("md5" or "sha256", hexadecimal digits)
    preprocessing: str | None  # a name of layouts.PREPROCESSINGS; None: the file tells by itself
    note: str

    @property
    def filename(self) -> str:
        return self.url.rsplit("/", 1)[1]

    @property
    def source(self) -> str:
        """Where to fetch it from: a mirror, e.g. in a classroom, has all files in one folder."""
        mirror = os.environ.get("MANUALNST_MIRROR")
        return f"{mirror.rstrip('/')}/{self.filename}" if mirror else self.url


CATALOGUE = {
    file.name: file
    for file in (
        PublicFile(
            "vgg19",
            "vgg19",
            f"{_KERAS}/vgg19/vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5",
            80_134_624,
            ("md5", "253f8cb515780f3b799900260a226db6"),
            None,
            "the original Oxford weights, as Keras has them; the default",
        ),
        PublicFile(
            "vgg16",
            "vgg16",
            f"{_KERAS}/vgg16/vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5",
            58_889_256,
            ("md5", "6d6bbae143d832006294945121d1f1fc"),
            None,
            "the original Oxford weights, as Keras has them",
        ),
        PublicFile(
            "vgg19-normalised",
            "vgg19",
            f"{_ADAIN}/vgg_normalised.pth",
            80_102_481,
            ("sha256", "804ca2835ecf7539f0cd2a7ac3c18ce81e6f8468969ae7117ac0c148d286bb4a"),
            None,
            "AdaIN's normalised VGG-19; made for reflection padding",
        ),
        PublicFile(
            "vgg19-pytorch",
            "vgg19",
            f"{_TORCHVISION}/vgg19-dcbb9e9d.pth",
            574_673_361,
            ("sha256", "dcbb9e9dad569fff7a846263a77324fc34978fea2bfb039c012d710e1776ae44"),
            "imagenet-rgb",
            "trained anew by torchvision; looks different",
        ),
        PublicFile(
            "vgg16-pytorch",
            "vgg16",
            f"{_TORCHVISION}/vgg16-397923af.pth",
            553_433_881,
            ("sha256", "397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0"),
            "imagenet-rgb",
            "trained anew by torchvision; looks different",
        ),
        PublicFile(
            "vgg19-caffe",
            "vgg19",
            f"{_JOHNSON}/vgg19-d01eb7cb.pth",
            None,
            ("sha256", "d01eb7cb"),
            "caffe-bgr",
            "the original Oxford weights in PyTorch's form (J. Johnson)",
        ),
        PublicFile(
            "vgg16-caffe",
            "vgg16",
            f"{_JOHNSON}/vgg16-00b39a1b.pth",
            None,
            ("sha256", "00b39a1b"),
            "caffe-bgr",
            "the original Oxford weights in PyTorch's form (J. Johnson)",
        ),
        PublicFile(
            "vgg19-matconvnet",
            "vgg19",
            f"{_MATCONVNET}/imagenet-vgg-verydeep-19.mat",
            534_904_783,
            ("md5", "106118b7cf60435e6d8e04f6a6dc3657"),
            None,
            "the original Oxford weights, as MatConvNet has them",
        ),
        PublicFile(
            "vgg16-matconvnet",
            "vgg16",
            f"{_MATCONVNET}/imagenet-vgg-verydeep-16.mat",
            None,
            ("md5", "f72d927587ca4c97fbd165ec9cb9997f"),
            None,
            "the original Oxford weights, as MatConvNet has them",
        ),
    )
}


def public_file(name: str) -> PublicFile:
    if name not in CATALOGUE:
        raise InputError(f"unknown weights {name!r}; known: {', '.join(CATALOGUE)}")
    return CATALOGUE[name]


def cache_folder() -> Path:
    """Where fetched weights are kept; not necessarily there yet."""
    try:
        return _cache_folder()
    except RuntimeError as error:  # there is no such user, or no home folder
        raise InputError(
            f"cannot tell where the cache of weights is ({error}); set MANUALNST_CACHE to a folder"
        ) from error


def _cache_folder() -> Path:
    if override := os.environ.get("MANUALNST_CACHE"):
        return Path(override).expanduser()
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "manualnst"


def cached_path(name: str) -> Path:
    """Where the converted weights of that name are, or would be."""
    return cache_folder() / f"{public_file(name).name}.h5"


def is_cached(name: str) -> bool:
    """Whether there are such weights; in a folder that may not be looked into there are none."""
    return os.path.exists(cached_path(name))  # Path.exists would raise
