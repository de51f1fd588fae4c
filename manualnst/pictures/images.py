"""Pictures in: whatever a file, a stream, bytes, Pillow or NumPy has of one, by way of Pillow.

Inside the package a picture is an array (H, W, 3) of float32 in [0, 1], sRGB, upright. What a
file holds beyond that (a rotation, another colour space, transparency) is resolved on loading,
and what was changed is told in the notes.

Transparency is kept apart: the colours are those stored (not multiplied by alpha), except
where a pixel cannot be seen at all; what such a pixel stores is an accident, so it is white.
"""

import hashlib
import io
import os
import re
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import ExifTags, Image, ImageCms

from ..errors import InputError
from ..system.files import read_bytes, unreadable
from ..system.text import printable
from .saving import WRITABLE_SUFFIXES

MAX_FILE_BYTES = 2**30
MAX_PIXELS = 178_000_000  # just below the size at which Pillow refuses by itself

# Formats that Pillow decodes in process: no Ghostscript (EPS), no external converters (WMF, FPX).
READABLE = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF", "PPM", "AVIF", "HEIF")

READABLE_SUFFIXES = (*WRITABLE_SUFFIXES, ".gif", ".ppm", ".pgm", ".avif", ".heic", ".heif")
_HEIF_BRANDS = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1")

# EXIF orientation → what brings the picture upright.
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

_warnings_lock = threading.Lock()


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture in the package's own terms."""

    pixels: np.ndarray  # (H, W, 3) float32 in [0, 1], sRGB
    alpha: np.ndarray | None  # (H, W) float32 in [0, 1]; None when opaque everywhere
    notes: tuple[str, ...]  # what was changed on loading, one short sentence each
    sha256: str  # of the file's bytes; of pixels and alpha where there was no file
    name: str  # for messages and records


# Loading


# What people have pictures as. An array is (H, W), (H, W, 3) or (H, W, 4) of uint8, uint16, or
# floats in [0, 1]; bytes, and what can be read from an open file, are those of a picture file.
Source = str | os.PathLike | np.ndarray | Image.Image | bytes | BinaryIO | Picture


def is_path(source: Source) -> bool:
    return isinstance(source, str | os.PathLike)


def load_picture(source: Source) -> Picture:
    """Load a picture from whatever people have it as."""
    if isinstance(source, Picture):
        return source
    if isinstance(source, np.ndarray):
        return _from_array(source)
    if isinstance(source, Image.Image):
        return _from_pillow(source)
    if is_path(source):
        path = Path(os.fsdecode(source))
        # Once, so that what is hashed is what is decoded.
        return _from_bytes(read_bytes(path, MAX_FILE_BYTES), str(path))
    if isinstance(source, bytes | bytearray | memoryview):
        return _from_bytes(bytes(source), f"picture of {len(source)} bytes")
    if hasattr(source, "read"):
        return _from_open_file(source)
    raise InputError(
        f"cannot load a picture from a {type(source).__name__}; give a path, an array, a Pillow "
        "image, bytes or an open file"
    )


def _from_open_file(file: BinaryIO) -> Picture:
    name = printable(getattr(file, "name", "the open file"))
    try:
        if file.seekable():
            file.seek(0)  # it may have been read before, as another picture of the run
        data = file.read(MAX_FILE_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: it is closed
        raise unreadable(name, error) from error
    if not isinstance(data, bytes):
        raise InputError(f"cannot read {name}: it is open as text; open it as 'rb'")
    if len(data) > MAX_FILE_BYTES:
        raise InputError(f"cannot read {name}: it has more than {MAX_FILE_BYTES} bytes")
    return _from_bytes(data, name)


def _from_bytes(data: bytes, name: str) -> Picture:
    if not data:
        raise InputError(f"cannot read {name}: the file is empty")
    with _refusing_what_pillow_cannot_read(name):
        Image.init()  # registers every plugin, so that those missing in this Pillow can be skipped
        if _is_heif(data):
            _register_heif(name)
        formats = [known for known in READABLE if known in Image.OPEN]
        with Image.open(io.BytesIO(data), formats=formats) as image:
            _check_pixel_count(image, name)
            _check_that_all_is_there(image, name)
            notes = _notes_on_file(image)
            with _without_words_of_libtiff(image.format):
                pixels, alpha, more_notes = _unpack(image, name)
    digest = hashlib.sha256(data).hexdigest()
    return Picture(pixels, alpha, (*notes, *more_notes), digest, name)


def _is_heif(data: bytes) -> bool:
    """Telephones' .heic; AVIF has the same box at its beginning, with another brand."""
    return data[4:8] == b"ftyp" and data[8:12] in _HEIF_BRANDS


def _register_heif(name: str) -> None:
    try:
        from pillow_heif import register_heif_opener
    except ImportError:
        raise InputError(
            f"cannot read {name}: a HEIC picture; `python -m pip install pillow-heif` makes it "
            "readable, or save it as JPEG"
        ) from None
    register_heif_opener()


def _from_pillow(image: Image.Image) -> Picture:
    name = str(getattr(image, "filename", "") or f"picture of {image.width} × {image.height}")
    _check_pixel_count(image, name)
    with _refusing_what_pillow_cannot_read(name):
        pixels, alpha, notes = _unpack(image, name)
    return Picture(pixels, alpha, tuple(notes), _digest(pixels, alpha), name)


def _from_array(array: np.ndarray) -> Picture:
    name = f"array {array.shape}"
    if array.size == 0 or not (array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (3, 4))):
        raise InputError(
            f"cannot use an array of shape {array.shape} as a picture; expected (H, W), "
            "(H, W, 3) or (H, W, 4)"
        )
    values = _unit_floats(np.asarray(array), name)
    if values.ndim == 2:
        values = _grey_to_rgb(values)
    alpha = values[:, :, 3].copy() if values.shape[2] == 4 else None
    pixels, alpha = _with_alpha_resolved(np.ascontiguousarray(values[:, :, :3]), alpha)
    return Picture(pixels, alpha, (), _digest(pixels, alpha), name)


@contextmanager
def _refusing_what_pillow_cannot_read(name: str) -> Iterator[None]:
    """Turn all that Pillow raises on damaged files into InputError, and hush its warnings.

    There is no end to the kinds (OSError, SyntaxError, struct.error, zlib.error, KeyError, …),
    hence the broad net. The lock: `catch_warnings` of two threads at once can lose the filters.
    """
    with _warnings_lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        except InputError:
            raise
        except Image.UnidentifiedImageError as error:
            raise InputError(
                f"cannot read {name}: not a picture, or damaged, or of another kind than "
                f"{', '.join(READABLE)}"
            ) from error
        except Image.DecompressionBombError as error:
            raise _too_many_pixels(name) from error
        except MemoryError as error:
            raise InputError(f"cannot read {name}: not enough memory to decode it") from error
        except Exception as error:
            raise InputError(
                f"cannot read {name}: damaged or cut off ({printable(error)[:100]})"
            ) from error


def _check_pixel_count(image: Image.Image, name: str) -> None:
    if image.width * image.height > MAX_PIXELS:
        raise _too_many_pixels(name)
    if image.width * image.height == 0:
        raise InputError(f"cannot read {name}: it has no pixels")


def _check_that_all_is_there(image: Image.Image, name: str) -> None:
    """Refuse a TIFF header that promises more rows than there are strips: Pillow would leave
    those black. (A frame of a GIF may well be smaller than its picture.)"""
    if image.format != "TIFF":
        return
    strips = [strip[1] for strip in image.tile]
    there = sum((right - left) * (lower - upper) for left, upper, right, lower in strips)
    if there < image.width * image.height:
        raise InputError(
            f"cannot read {name}: damaged or cut off (there are data for {there} of its "
            f"{image.width * image.height} pixels)"
        )


@contextmanager
def _without_words_of_libtiff(format: str | None) -> Iterator[None]:
    """It writes to the standard error itself, what Pillow then says in an exception."""
    if format != "TIFF":
        yield
        return
    try:
        before = os.dup(2)
    except OSError:  # it is closed
        yield
        return
    try:
        with open(os.devnull, "wb") as nothing:
            os.dup2(nothing.fileno(), 2)
        yield
    finally:
        os.dup2(before, 2)
        os.close(before)


def _too_many_pixels(name: str) -> InputError:
    return InputError(
        f"cannot read {name}: more than {MAX_PIXELS // 10**6} megapixels; make it smaller first"
    )


def _notes_on_file(image: Image.Image) -> list[str]:
    """What decoding will leave out; known only before it."""
    notes = []
    # Phones append previews and gain maps to a JPEG (MPO): no frames that anyone would miss.
    if getattr(image, "is_animated", False) and image.format != "MPO":
        notes.append("Of several frames only the first is used.")
    if re.search(r"(RGB[AXa]?|LA|CMYK);16[BLN]", str(getattr(image, "tile", ""))):
        notes.append("16-bit colours were read at 8 bits.")
    return notes


def _unpack(image: Image.Image, name: str) -> tuple[np.ndarray, np.ndarray | None, list[str]]:
    """Pixels (H, W, 3), alpha (H, W) or None, and notes, of a picture of any mode."""
    notes: list[str] = []
    image.load()
    image = _upright(image, notes)
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        return _grey_to_rgb(_deep_grey(image, name)), None, notes
    if image.mode in ("La", "RGBa"):  # multiplied by alpha; undo that
        image = image.convert(image.mode.upper())
    alpha = None
    if image.has_transparency_data:
        alpha = _bytes_to_floats(image.convert("RGBA").getchannel("A"))
    pixels = _bytes_to_floats(_srgb(image, notes))
    return *_with_alpha_resolved(pixels, alpha), notes


def _upright(image: Image.Image, notes: list[str]) -> Image.Image:
    """Undo the EXIF orientation. (TIFF files never get here rotated: Pillow does them itself.)"""
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation)
    except Exception:  # as many kinds as for the picture itself, but no reason to refuse it
        notes.append("Its EXIF data are damaged and were ignored.")
        return image
    if orientation not in _UPRIGHT:
        return image
    notes.append("It was turned upright as its EXIF data say.")
    return image.transpose(_UPRIGHT[orientation])


def _deep_grey(image: Image.Image, name: str) -> np.ndarray:
    """(H, W) of a greyscale picture of more than 8 bits, at its full precision."""
    values = np.asarray(image)  # (H, W)
    if image.mode == "I":  # where Pillow puts 16-bit files too
        if values.min() < 0 or values.max() > 65535:
            raise InputError(
                f"cannot read {name}: 32-bit values from {values.min()} to {values.max()}; "
                "expected at most 16 bits (0 to 65535)"
            )
        values = values.astype(np.uint16)
    return _unit_floats(values, name)


def _srgb(image: Image.Image, notes: list[str]) -> Image.Image:
    """The colours in mode RGB, converted from the picture's own ICC profile where it has one."""
    profile_bytes = image.info.get("icc_profile")
    if profile_bytes:
        try:
            return _from_profile(image, profile_bytes, notes)
        except Exception as error:  # a strange profile is no reason to refuse the picture
            notes.append(
                f"Its colour profile is unusable and was ignored ({printable(error)[:100]})."
            )
    if image.mode == "CMYK":
        notes.append("CMYK was converted to RGB without a colour profile.")
    return image.convert("RGB")


def _from_profile(image: Image.Image, profile_bytes: bytes, notes: list[str]) -> Image.Image:
    profile = ImageCms.ImageCmsProfile(io.BytesIO(profile_bytes))
    space = profile.profile.xcolor_space.strip()
    description = printable(ImageCms.getProfileDescription(profile).strip())[:100]
    if space == "RGB" and description.startswith("sRGB") and image.mode != "CMYK":
        return image.convert("RGB")
    mode = {"GRAY": "L", "RGB": "RGB", "CMYK": "CMYK"}.get(space)
    fits = (image.mode == "CMYK") == (mode == "CMYK") and (
        mode != "L" or image.mode in ("1", "L", "LA")
    )
    if mode is None or not fits:
        raise ValueError(f"{space} for a picture of mode {image.mode}")
    converted = ImageCms.profileToProfile(
        image.convert(mode), profile, ImageCms.createProfile("sRGB"), outputMode="RGB"
    )
    notes.append(f"Its colours were converted from {description} to sRGB.")
    return converted


def _unit_floats(values: np.ndarray, name: str) -> np.ndarray:
    """Any shape, bool, uint8, uint16 or floats in [0, 1] → float32 in [0, 1]."""
    if values.dtype == bool:  # as masks are
        return values.astype(np.float32)
    if values.dtype.name in ("uint8", "uint16"):  # of either byte order
        return np.divide(values, np.iinfo(values.dtype).max, dtype=np.float32)
    if values.dtype.kind != "f":
        raise InputError(
            f"cannot use {name}: its values are {values.dtype}; expected bool, uint8, uint16, or "
            "floats in [0, 1]"
        )
    low, high = values.min(), values.max()
    if np.isnan(low):
        raise InputError(f"cannot use {name}: there are NaN values; expected 0 to 1")
    if low < 0 or high > 1:
        raise InputError(
            f"cannot use {name}: values from {low:g} to {high:g}; expected 0 to 1, so scale or "
            "clip them first"
        )
    return values.astype(np.float32)


def _bytes_to_floats(image: Image.Image) -> np.ndarray:
    return np.divide(np.asarray(image), 255, dtype=np.float32)


def _grey_to_rgb(grey: np.ndarray) -> np.ndarray:
    return np.repeat(grey[:, :, None], 3, axis=2)  # (H, W, 3)


def _with_alpha_resolved(
    pixels: np.ndarray, alpha: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray | None]:
    """Forget an alpha that hides nothing; make white what cannot be seen."""
    if alpha is None or np.all(alpha == 1):
        return pixels, None
    pixels[alpha == 0] = 1
    return pixels, alpha


def _digest(pixels: np.ndarray, alpha: np.ndarray | None) -> str:
    digest = hashlib.sha256()
    for array in (pixels, alpha):
        if array is not None:
            digest.update(f"{array.shape}".encode())
            digest.update(np.ascontiguousarray(array, dtype="<f4"))
    return digest.hexdigest()
