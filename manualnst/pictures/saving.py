"""Pictures out: as files, written whole or not at all, and as bytes."""

import io
import os
from pathlib import Path

import numpy as np
from PIL import Image, PngImagePlugin

from ..errors import InputError
from ..system.files import write_atomically
from ..system.text import printable
from ..version import __version__

# Suffix → Pillow's format and its options: as lossless as the format can be.
_WRITABLE = {
    ".png": ("PNG", {}),
    ".jpg": ("JPEG", {"quality": 95, "subsampling": "4:4:4"}),
    ".jpeg": ("JPEG", {"quality": 95, "subsampling": "4:4:4"}),
    ".webp": ("WEBP", {"lossless": True}),
    ".tif": ("TIFF", {}),
    ".tiff": ("TIFF", {}),
    ".bmp": ("BMP", {}),
}
WRITABLE_SUFFIXES = tuple(_WRITABLE)
_WITHOUT_ALPHA = ("JPEG", "BMP")


def check_output_suffix(path: str | os.PathLike) -> None:
    """Refuse a path whose suffix names no format that can be written."""
    suffix = Path(path).suffix
    if suffix.lower() not in _WRITABLE:
        given = f"the suffix {suffix!r} is unknown" if suffix else "there is no suffix"
        raise InputError(f"cannot write {path}: {given}; use one of {', '.join(_WRITABLE)}")


def save_picture(
    path: str | os.PathLike,
    pixels: np.ndarray,
    alpha: np.ndarray | None = None,
    *,
    description: str | None = None,
) -> None:
    """Save pixels (H, W, 3) in [0, 1] and alpha (H, W) in the format that the suffix names.

    Values are clipped and rounded to 8 bits. JPEG and BMP know no transparency: there the
    picture is laid on white. `description` is kept in PNG files only.
    """
    data = picture_bytes(path, pixels, alpha, description=description)
    write_atomically(path, lambda temporary: temporary.write_bytes(data))


def picture_bytes(
    path: str | os.PathLike,
    pixels: np.ndarray,
    alpha: np.ndarray | None = None,
    *,
    description: str | None = None,
) -> bytes:
    """What `save_picture` writes to this path."""
    check_output_suffix(path)
    format, options = _WRITABLE[Path(path).suffix.lower()]
    if alpha is not None and format in _WITHOUT_ALPHA:
        pixels, alpha = 1 - (1 - pixels) * alpha[:, :, None], None
    if format == "PNG" and description is not None:
        options = {"pnginfo": _png_texts(description)}
    try:
        return _encode(pixels, alpha, format, options)
    except (OSError, ValueError) as error:  # such as more pixels a side than the format can have
        raise InputError(f"cannot write {path} as {format}: {printable(error)[:100]}") from error


def encode_png(pixels: np.ndarray, alpha: np.ndarray | None = None) -> bytes:
    """The bytes of a PNG file, as a notebook or a web page shows it."""
    return _encode(pixels, alpha, "PNG", {})


def encode_preview(pixels: np.ndarray, alpha: np.ndarray | None = None) -> bytes:
    """The bytes of a small WebP file, quickly made, for a glance."""
    return _encode(pixels, alpha, "WEBP", {"quality": 80, "method": 1})


def _encode(pixels: np.ndarray, alpha: np.ndarray | None, format: str, options: dict) -> bytes:
    buffer = io.BytesIO()
    as_pillow(pixels, alpha).save(buffer, format, **options)
    return buffer.getvalue()


def as_pillow(pixels: np.ndarray, alpha: np.ndarray | None = None) -> Image.Image:
    return Image.fromarray(eight_bits(pixels, alpha))


def eight_bits(pixels: np.ndarray, alpha: np.ndarray | None = None) -> np.ndarray:
    """(H, W, 3 or 4) uint8, clipped and rounded."""
    values = pixels if alpha is None else np.dstack([pixels, alpha])
    if not np.all(np.isfinite(values)):
        raise InputError("cannot save a picture with NaN or infinite values")
    return np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8)


def _png_texts(description: str) -> PngImagePlugin.PngInfo:
    texts = PngImagePlugin.PngInfo()
    # Names of files may hold what no encoding has.
    texts.add_text("Description", description.encode("utf-8", "replace").decode())
    texts.add_text("Software", f"manualnst {__version__}")
    return texts
