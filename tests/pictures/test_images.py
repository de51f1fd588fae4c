import hashlib
import io
import os
import random
import struct
import sys
import threading
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageCms, PngImagePlugin

from manualnst.errors import InputError
from manualnst.pictures import images
from manualnst.pictures.images import load_picture
from manualnst.pictures.resizing import fitted_size, resize
from manualnst.pictures.saving import check_output_suffix, encode_png, save_picture


def noise(height=5, width=7, channels=3, seed=0):
    """(height, width, channels) of uint8."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, channels), dtype=np.uint8)


def smooth(height=24, width=32):
    """(height, width, 3) of uint8, as gentle as lossy formats like it."""
    rows, columns = np.mgrid[0:height, 0:width]
    planes = [rows * 200 // height, columns * 200 // width, (rows + columns) * 2]
    return np.stack(planes, axis=2).astype(np.uint8)


def encoded(image, format, **options):
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def refusal(call, *arguments):
    """The message of the InputError that the call raises; it must be one line."""
    with pytest.raises(InputError) as caught:
        call(*arguments)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.fixture
def file(tmp_path):
    def write(data, name="picture"):
        path = tmp_path / name
        path.write_bytes(data)
        return path

    return write


# Modes


def test_rgb_is_divided_by_255(file):
    values = noise()
    picture = load_picture(file(encoded(Image.fromarray(values), "PNG")))
    assert picture.pixels.dtype == np.float32
    np.testing.assert_array_equal(picture.pixels, values.astype(np.float32) / np.float32(255))
    assert picture.alpha is None
    assert picture.notes == ()


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF", "PPM"])
def test_every_common_format_loads(file, format):
    values = smooth()
    picture = load_picture(file(encoded(Image.fromarray(values), format)))
    assert picture.pixels.shape == values.shape
    assert np.abs(picture.pixels * 255 - values).mean() < 6  # GIF's palette is the coarsest


def test_grey_becomes_three_equal_channels(file):
    grey = noise(channels=1)[:, :, 0]
    picture = load_picture(file(encoded(Image.fromarray(grey), "PNG")))
    assert picture.pixels.shape == (5, 7, 3)
    for c in range(3):
        np.testing.assert_array_equal(np.rint(picture.pixels[:, :, c] * 255), grey)


def test_black_and_white(file):
    image = Image.fromarray(noise(channels=1)[:, :, 0] > 128)
    picture = load_picture(file(encoded(image, "PNG")))
    np.testing.assert_array_equal(picture.pixels[:, :, 1], np.asarray(image))


def test_alpha_is_kept_apart_and_colours_are_not_multiplied_by_it(file):
    values = noise(channels=4)
    values[..., 3] = 100
    picture = load_picture(file(encoded(Image.fromarray(values), "PNG")))
    np.testing.assert_array_equal(np.rint(picture.pixels * 255), values[..., :3])
    np.testing.assert_array_equal(np.rint(picture.alpha * 255), values[..., 3])


def test_what_cannot_be_seen_is_white():
    values = noise(channels=4)
    values[..., 3] = 255
    values[2, 3, 3] = 0
    picture = load_picture(values)
    assert picture.pixels[2, 3].tolist() == [1, 1, 1]
    assert picture.pixels[2, 2].tolist() != [1, 1, 1]
    assert picture.alpha[2, 3] == 0


def test_an_alpha_that_hides_nothing_is_forgotten():
    values = noise(channels=4)
    values[..., 3] = 255
    assert load_picture(values).alpha is None
    assert load_picture(Image.fromarray(values)).alpha is None


def test_transparency_in_palettes_and_in_key_colours(file):
    indexed = Image.fromarray(np.array([[0, 1, 2]], np.uint8), mode="P")
    indexed.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    picture = load_picture(file(encoded(indexed, "PNG", transparency=bytes([255, 51, 0]))))
    assert picture.pixels[0].tolist() == [[1, 0, 0], [0, 1, 0], [1, 1, 1]]
    np.testing.assert_allclose(picture.alpha, [[1, 0.2, 0]], atol=1e-6)

    values = np.array([[[1, 2, 3], [4, 5, 6]]], np.uint8)
    data = encoded(Image.fromarray(values), "PNG", transparency=(4, 5, 6))
    assert load_picture(file(data)).alpha.tolist() == [[1, 0]]


def test_grey_with_alpha(file):
    image = Image.merge("LA", [Image.new("L", (2, 1), 51), Image.new("L", (2, 1), 102)])
    picture = load_picture(file(encoded(image, "PNG")))
    np.testing.assert_allclose(picture.pixels, np.full((1, 2, 3), 0.2), atol=1e-6)
    np.testing.assert_allclose(picture.alpha, np.full((1, 2), 0.4), atol=1e-6)


@pytest.mark.parametrize(
    ("mode", "straight", "expected"),
    [("RGBA", (200, 100, 0, 128), (200, 100, 0)), ("LA", (200, 128), (200, 200, 200))],
)
def test_colours_multiplied_by_alpha_are_divided_again(mode, straight, expected):
    multiplied = Image.new(mode, (1, 1), straight).convert(mode[:-1] + "a")
    picture = load_picture(multiplied)
    np.testing.assert_allclose(picture.pixels[0, 0] * 255, expected, atol=2)
    np.testing.assert_allclose(picture.alpha * 255, 128, atol=1e-4)


@pytest.mark.parametrize("format", ["PNG", "TIFF", "PGM"])
def test_16_bit_grey_keeps_its_precision(file, format):
    grey = np.array([[0, 1, 257], [30000, 65534, 65535]], np.uint16)
    if format == "PGM":  # which Pillow reads as mode I
        data = b"P5 3 2 65535\n" + grey.astype(">u2").tobytes()
    else:
        data = encoded(Image.fromarray(grey), format)
    picture = load_picture(file(data))
    np.testing.assert_array_equal(picture.pixels[:, :, 2], grey / np.float32(65535))
    assert picture.notes == ()


def test_16_bit_colour_is_read_at_8_bits_and_that_is_told(file):
    samples = (np.arange(18).reshape(2, 3, 3) * 3000).astype(">u2")
    picture = load_picture(file(png_by_hand(3, 2, 16, 2, [row.tobytes() for row in samples])))
    np.testing.assert_allclose(picture.pixels, samples / 65535, atol=1 / 255)
    assert picture.notes == ("16-bit colours were read at 8 bits.",)


def png_by_hand(width, height, bits, colour_type, rows):
    """A PNG of a kind, or of a size, that Pillow does not write."""

    def chunk(kind, body):
        crc = zlib.crc32(kind + body)
        return len(body).to_bytes(4, "big") + kind + body + crc.to_bytes(4, "big")

    header = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    header += bytes([bits, colour_type, 0, 0, 0])
    data = zlib.compress(b"".join(b"\0" + row for row in rows))
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def test_float_tiff(file):
    values = np.array([[0, 0.25], [0.5, 1]], np.float32)
    picture = load_picture(file(encoded(Image.fromarray(values), "TIFF")))
    np.testing.assert_array_equal(picture.pixels[:, :, 0], values)
    message = refusal(load_picture, file(encoded(Image.fromarray(values * 2), "TIFF"), "over.tif"))
    assert "over.tif" in message and "0 to 2" in message


def test_32_bit_integers_beyond_16_bits_are_refused(file):
    image = Image.fromarray(np.array([[0, 70000]], np.int32))
    assert "70000" in refusal(load_picture, file(encoded(image, "TIFF")))


def test_cmyk_without_a_profile(file):
    image = Image.new("CMYK", (8, 8), (255, 0, 0, 0))
    picture = load_picture(file(encoded(image, "JPEG", quality=95)))
    np.testing.assert_allclose(picture.pixels[4, 4], [0, 1, 1], atol=0.02)
    assert "CMYK" in picture.notes[0]


# EXIF


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ["PNG", "TIFF"])
def test_every_exif_orientation_comes_upright(file, orientation, format):
    values = noise(4, 6)
    # What a camera stores so that the orientation, applied, gives `values`.
    stored = {
        1: values,
        2: values[:, ::-1],
        3: values[::-1, ::-1],
        4: values[::-1],
        5: values.transpose(1, 0, 2),
        6: np.rot90(values),
        7: values[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(values, -1),
    }[orientation]
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    image = Image.fromarray(np.ascontiguousarray(stored))
    picture = load_picture(file(encoded(image, format, exif=exif)))
    np.testing.assert_array_equal(np.rint(picture.pixels * 255), values)
    if format == "PNG":
        assert any("upright" in note for note in picture.notes) == (orientation != 1)


def test_damaged_exif_does_not_refuse_the_picture(file):
    data = encoded(Image.fromarray(smooth()), "WEBP", exif=b"Exif\0\0no TIFF header")
    picture = load_picture(file(data))
    assert picture.pixels.shape == (24, 32, 3)
    assert picture.notes == ("Its EXIF data are damaged and were ignored.",)


# Colour profiles


def gamma_one_profile():
    """A display profile with sRGB's primaries and linear light: sRGB's bytes, new curves."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    linear = b"curv" + bytes(4) + bytes(4)  # a curve of no points is the identity
    for i in range(int.from_bytes(data[128:132], "big")):
        entry = 132 + 12 * i
        offset = int.from_bytes(data[entry + 4 : entry + 8], "big")
        if data[entry : entry + 4] in (b"rTRC", b"gTRC", b"bTRC"):
            data[offset : offset + 12] = linear
            data[entry + 8 : entry + 12] = (12).to_bytes(4, "big")
        if data[entry : entry + 4] == b"desc":
            at = data.index("sRGB".encode("utf-16-be"), offset)
            data[at : at + 8] = "Flat".encode("utf-16-be")
    return bytes(data)


def test_a_colour_profile_is_converted_to_srgb(file):
    image = Image.new("RGB", (2, 2), (55, 55, 55))
    picture = load_picture(file(encoded(image, "PNG", icc_profile=gamma_one_profile())))
    linear = 55 / 255
    np.testing.assert_allclose(picture.pixels, 1.055 * linear ** (1 / 2.4) - 0.055, atol=0.01)
    assert any("Flat" in note and "sRGB" in note for note in picture.notes)


def test_a_colour_profile_leaves_alpha_alone(file):
    image = Image.new("RGBA", (2, 2), (55, 55, 55, 55))
    picture = load_picture(file(encoded(image, "PNG", icc_profile=gamma_one_profile())))
    assert picture.pixels.min() > 0.4
    np.testing.assert_allclose(picture.alpha, 55 / 255, atol=1e-6)


def test_grey_under_an_rgb_profile_is_converted_too(file):
    image = Image.new("L", (2, 2), 55)
    picture = load_picture(file(encoded(image, "PNG", icc_profile=gamma_one_profile())))
    assert picture.pixels.min() > 0.4


def test_srgb_itself_changes_nothing(file):
    values = noise()
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    picture = load_picture(file(encoded(Image.fromarray(values), "PNG", icc_profile=profile)))
    np.testing.assert_array_equal(np.rint(picture.pixels * 255), values)
    assert picture.notes == ()


def test_a_broken_or_unfitting_profile_is_ignored_and_that_is_told(file):
    values = noise()
    for image, profile in [
        (Image.fromarray(values), b"no profile at all"),
        (Image.fromarray(values).convert("CMYK"), gamma_one_profile()),
    ]:
        data = encoded(image, "TIFF", icc_profile=profile)
        picture = load_picture(file(data))
        np.testing.assert_array_equal(np.rint(picture.pixels * 255), values)
        assert "profile is unusable" in picture.notes[0]


# Frames, sizes, names and hashes


@pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG", "TIFF"])
def test_of_several_frames_the_first_is_taken(file, format):
    frames = [Image.new("RGB", (9, 6), colour) for colour in ("red", "green", "blue")]
    data = encoded(frames[0], format, save_all=True, append_images=frames[1:])
    picture = load_picture(file(data))
    np.testing.assert_allclose(picture.pixels[3, 3], [1, 0, 0], atol=0.02)
    assert picture.notes == ("Of several frames only the first is used.",)


def test_a_phones_extra_pictures_are_no_frames_worth_telling(file):
    frames = [Image.new("RGB", (9, 6), colour) for colour in ("red", "green")]
    data = encoded(frames[0], "MPO", save_all=True, append_images=frames[1:])
    assert load_picture(file(data)).notes == ()


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 300), (300, 1), (13, 130)])
def test_odd_sizes(file, height, width):
    values = noise(height, width)
    picture = load_picture(file(encoded(Image.fromarray(values), "PNG")))
    np.testing.assert_array_equal(np.rint(picture.pixels * 255), values)


def test_the_hash_is_that_of_the_files_bytes_and_the_name_its_path(file):
    data = encoded(Image.fromarray(noise()), "PNG")
    path = file(data)
    assert load_picture(path).sha256 == hashlib.sha256(data).hexdigest()
    assert load_picture(str(path)).name == str(path)


def test_without_a_file_the_hash_is_that_of_what_is_seen():
    values = noise()
    a, b = load_picture(values), load_picture(Image.fromarray(values))
    assert a.sha256 == b.sha256
    assert a.sha256 != load_picture(values[::-1]).sha256
    assert a.sha256 != load_picture(values.reshape(7, 5, 3)).sha256


def test_a_pillow_image_is_not_changed():
    image = Image.fromarray(noise(channels=4))
    before = image.tobytes()
    load_picture(image)
    assert image.mode == "RGBA" and image.tobytes() == before


# Arrays


@pytest.mark.parametrize(
    "array",
    [
        noise(),
        noise().astype(np.uint16) * 257,
        (noise().astype(np.uint16) * 257).astype(">u2"),
        noise() / 255,
        (noise() / 255).astype(np.float32),
        np.asfortranarray(noise()),
    ],
)
def test_arrays_of_every_accepted_type(array):
    picture = load_picture(array)
    np.testing.assert_allclose(picture.pixels, noise() / 255, atol=1e-6)
    assert picture.pixels.dtype == np.float32 and picture.pixels.flags.c_contiguous


def test_an_array_is_copied():
    array = np.full((2, 2, 3), 0.5, np.float32)
    assert not np.shares_memory(load_picture(array).pixels, array)
    array = np.full((2, 2, 4), 0.5, np.float32)
    array[..., 3] = 0
    load_picture(array)
    assert np.all(array[..., :3] == 0.5)


def test_a_grey_array():
    assert load_picture(np.full((4, 6), 0.5)).pixels.shape == (4, 6, 3)


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((3, 4, 5)), "(3, 4, 5)"),
        (np.zeros((4,)), "(H, W)"),
        (np.zeros((0, 4, 3)), "(0, 4, 3)"),
        (np.zeros((1, 4, 4, 3)), "(1, 4, 4, 3)"),
        (np.full((4, 4), 255.0), "expected 0 to 1"),
        (np.full((4, 4), -0.1), "expected 0 to 1"),
        (np.full((4, 4), np.inf), "expected 0 to 1"),
        (np.array([[0.5, np.nan]]), "NaN"),
        (np.zeros((4, 4), np.int64), "int64"),
        (np.zeros((4, 4), complex), "complex"),
        (np.array([["a", "b"]]), "<U1"),
    ],
)
def test_arrays_that_are_refused(array, words):
    assert words in refusal(load_picture, array)


@pytest.mark.parametrize("source", [None, 3, b"picture.png", [[0, 1]]])
def test_other_sources_are_refused(source):
    assert type(source).__name__ in refusal(load_picture, source)


def test_a_pillow_image_without_pixels_is_refused():
    assert "no pixels" in refusal(load_picture, Image.new("RGB", (0, 5)))


# Refused files


def test_missing_empty_and_folder(tmp_path, file):
    assert "No such file" in refusal(load_picture, tmp_path / "nothing.png")
    assert "empty" in refusal(load_picture, file(b""))
    assert "folder" in refusal(load_picture, tmp_path)
    assert "null" in refusal(load_picture, "a\0b.png")
    assert "too long" in refusal(load_picture, "a" * 5000)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert "device or pipe" in refusal(load_picture, tmp_path / "pipe")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads all")
def test_permission_denied(file):
    path = file(b"x")
    path.chmod(0)
    assert "Permission denied" in refusal(load_picture, path)


def test_an_error_of_the_system_is_told(monkeypatch, file):
    def denied(*_):
        raise PermissionError(13, "Permission denied")

    path = file(b"x")
    monkeypatch.setattr("builtins.open", denied)
    assert "Permission denied" in refusal(load_picture, path)


def test_a_file_that_is_no_picture(file):
    assert "not a picture" in refusal(load_picture, file(b"Dear diary, today I wrote a text."))


def test_formats_that_run_other_programs_are_refused(file):
    eps = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n"
    assert "not a picture" in refusal(load_picture, file(eps, "drawing.eps"))
    # The control: Pillow itself does take it for a picture.
    with Image.open(io.BytesIO(eps)) as image:
        assert image.format == "EPS"


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "TIFF", "BMP", "PPM"])
def test_a_file_cut_in_the_middle_is_refused(file, format):
    data = encoded(Image.fromarray(noise(60, 60)), format)
    assert "picture" in refusal(load_picture, file(data[: len(data) // 2]))


def test_a_bomb_is_refused_by_its_header(file, monkeypatch):
    def no_decoding(_):
        raise AssertionError("decoded before it was measured")

    data = png_by_hand(20000, 20000, 8, 2, [])  # 400 megapixels
    assert "megapixels" in refusal(load_picture, file(data))
    # Pillow's own limit may be off; ours must not depend on it.
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    monkeypatch.setattr(PngImagePlugin.PngImageFile, "load", no_decoding)
    assert "megapixels" in refusal(load_picture, file(data))


def test_a_file_beyond_the_limit_is_not_read_to_its_end(file, monkeypatch):
    monkeypatch.setattr(images, "MAX_FILE_BYTES", 2**20)
    assert "more than 1048576 bytes" in refusal(load_picture, file(bytes(2**20 + 1)))


def test_pillows_warnings_do_not_reach_the_user(file, monkeypatch):
    data = encoded(Image.new("L", (200, 100)), "PNG")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 15_000)  # warns from here, refuses from twice
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        load_picture(file(data))
    assert caught == []


def test_loading_in_threads_leaves_the_warnings_filters_as_they_were(file):
    path = file(encoded(Image.fromarray(noise(50, 50)), "PNG"))
    before = list(warnings.filters)
    threads = [threading.Thread(target=load_picture, args=(path,)) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert warnings.filters == before


@pytest.mark.parametrize("format", ["PNG", "JPEG", "GIF", "TIFF", "WEBP", "BMP", "PPM"])
def test_damaged_files_load_or_are_refused(file, monkeypatch, format):
    monkeypatch.setattr(images, "MAX_PIXELS", 200_000)  # keeps the honest large ones quick
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    extras = {"exif": exif, "icc_profile": gamma_one_profile()}
    options = extras if format in ("PNG", "JPEG", "TIFF", "WEBP") else {}
    whole = encoded(Image.fromarray(noise(9, 11)), format, **options)
    dice = random.Random(format)
    refused = 0
    for trial in range(100):
        data = bytearray(whole)
        if trial % 3 == 0:
            del data[dice.randrange(len(data)) :]
        # Half of the flips hit the header, where they do most harm.
        for _ in range(dice.randrange(1, 6)):
            if data:
                reach = dice.choice([len(data), min(len(data), 120)])
                data[dice.randrange(reach)] = dice.randrange(256)
        path = file(bytes(data))
        try:
            picture = load_picture(path)
        except InputError as error:
            assert "\n" not in str(error)
            refused += 1
        else:
            assert np.all((picture.pixels >= 0) & (picture.pixels <= 1))
    assert refused > 0


# Sizes


@pytest.mark.parametrize(
    ("size", "long_side", "expected"),
    [
        ((480, 640), 320, (240, 320)),
        ((640, 480), 320, (320, 240)),
        ((480, 640), 640, (480, 640)),
        ((480, 640), 9999, (480, 640)),
        ((100, 1000), 3, (1, 3)),
        ((1, 1000), 10, (1, 10)),
        ((3, 4), 2, (2, 2)),
        ((333, 1000), 100, (33, 100)),
        ((335, 1000), 100, (34, 100)),
    ],
)
def test_fitted_size(size, long_side, expected):
    assert fitted_size(*size, long_side) == expected


def test_fitted_size_of_nothing_is_refused():
    assert "at least 1" in refusal(fitted_size, 4, 4, 0)


def test_resizing_keeps_constants_and_averages():
    pixels = np.full((40, 30, 3), 0.3, np.float32)
    np.testing.assert_allclose(resize(pixels, 7, 11), 0.3, atol=1e-6)
    # Antialiased: the finest stripes become grey, not one of the two colours.
    stripes = np.zeros((64, 64), np.float32)
    stripes[:, ::2] = 1
    np.testing.assert_allclose(resize(stripes, 16, 16)[4:12, 4:12], 0.5, atol=0.02)


def test_resizing_a_ramp_gives_a_ramp_the_right_way_round():
    ramp = np.linspace(0.1, 0.9, 40, dtype=np.float32)
    pixels = np.stack([np.tile(ramp, (20, 1)), np.tile(ramp[::-1], (20, 1))], axis=2)
    for height, width in [(10, 20), (30, 80)]:
        resized = resize(pixels, height, width)
        assert resized.shape == (height, width, 2) and resized.dtype == np.float32
        centres = (np.arange(width) + 0.5) * 40 / width - 0.5
        expected = np.interp(centres, np.arange(40), ramp)
        middle = slice(width // 8, -width // 8)
        np.testing.assert_allclose(resized[3, middle, 0], expected[middle], atol=2e-3)
        np.testing.assert_allclose(resized[3, ::-1, 1][middle], expected[middle], atol=2e-3)


def test_resizing_stays_in_the_box():
    edge = np.zeros((20, 20), np.float32)
    edge[:, 10:] = 1
    resized = resize(edge, 50, 50)  # where Lanczos overshoots
    assert resized.min() == 0 and resized.max() == 1


def test_resizing_returns_a_fresh_array():
    pixels = np.full((4, 4), 0.5, np.float32)
    resize(pixels, 4, 4)[:] = 0
    assert np.all(pixels == 0.5)


# Saving


@pytest.mark.parametrize("suffix", [".png", ".webp", ".tif", ".tiff", ".bmp", ".PNG"])
def test_8_bits_survive_saving_and_loading(tmp_path, suffix):
    values = noise(9, 5)
    path = tmp_path / f"picture{suffix}"
    save_picture(path, load_picture(values).pixels)
    np.testing.assert_array_equal(np.rint(load_picture(path).pixels * 255), values)


@pytest.mark.parametrize("suffix", [".jpg", ".jpeg"])
def test_jpeg_is_of_high_quality_and_full_chroma(tmp_path, suffix):
    values = noise(16, 16)
    path = tmp_path / f"picture{suffix}"
    save_picture(path, load_picture(values).pixels)
    # Noise in the colours: with halved chroma or quality 75 the error is several times this.
    assert np.abs(load_picture(path).pixels * 255 - values).mean() < 5


@pytest.mark.parametrize("suffix", [".png", ".webp", ".tif"])
def test_alpha_survives(tmp_path, suffix):
    picture = load_picture(noise(9, 5, 4))
    save_picture(tmp_path / f"p{suffix}", picture.pixels, picture.alpha)
    again = load_picture(tmp_path / f"p{suffix}")
    np.testing.assert_array_equal(again.alpha, picture.alpha)
    np.testing.assert_array_equal(again.pixels, picture.pixels)


@pytest.mark.parametrize("suffix", [".jpg", ".bmp"])
def test_where_there_is_no_alpha_the_picture_lies_on_white(tmp_path, suffix):
    pixels = np.zeros((8, 8, 3), np.float32)
    alpha = np.full((8, 8), 0.2, np.float32)
    save_picture(tmp_path / f"p{suffix}", pixels, alpha)
    np.testing.assert_allclose(load_picture(tmp_path / f"p{suffix}").pixels, 0.8, atol=0.01)


def test_values_are_rounded_and_clipped():
    values = np.array([[[-0.5, 0.4999 / 255, 0.5001 / 255], [254.4 / 255, 254.6 / 255, 1.5]]])
    image = Image.open(io.BytesIO(encode_png(values)))
    assert np.asarray(image).tolist() == [[[0, 0, 1], [254, 255, 255]]]


def test_the_description_is_in_the_png(tmp_path):
    save_picture(tmp_path / "a.png", np.zeros((2, 2, 3)), description="α = 1, naïve")
    with Image.open(tmp_path / "a.png") as image:
        assert image.text["Description"] == "α = 1, naïve"
        assert image.text["Software"].startswith("manualnst ")
    save_picture(tmp_path / "a.jpg", np.zeros((2, 2, 3)), description="ignored there")
    assert load_picture(tmp_path / "a.jpg").pixels.max() == 0


def test_a_description_with_what_no_encoding_has_is_kept_but_for_that(tmp_path):
    path = tmp_path / "a.png"
    save_picture(path, noise(), description="é caf\udce9.jpg")
    with Image.open(path) as image:
        assert image.text["Description"] == "é caf?.jpg"


def test_unknown_suffixes_are_refused_with_the_known_ones():
    for path in ("a.gif", "a", Path("b.eps")):
        message = refusal(check_output_suffix, path)
        assert ".png" in message and ".webp" in message
        assert refusal(save_picture, path, np.zeros((2, 2, 3))) == message
    check_output_suffix("a.JPG")


def test_what_a_format_cannot_hold_is_refused_and_leaves_nothing(tmp_path):
    path = tmp_path / "long.webp"
    assert "WEBP" in refusal(save_picture, path, np.zeros((1, 17000, 3), np.float32))
    assert list(tmp_path.iterdir()) == []


def test_nan_is_not_saved(tmp_path):
    pixels = np.full((2, 2, 3), np.nan)
    assert "NaN" in refusal(save_picture, tmp_path / "a.png", pixels)
    assert list(tmp_path.iterdir()) == []


def test_png_bytes_with_alpha():
    data = encode_png(np.ones((3, 4, 3)), np.full((3, 4), 0.2))
    assert load_picture(Image.open(io.BytesIO(data))).alpha.shape == (3, 4)


def tall_tiff(path, **options):
    """A TIFF of 70 rows whose header says that there are 262,214."""
    Image.new("RGB", (64, 70), "red").save(path, **options)
    data = bytearray(path.read_bytes())
    [directory] = struct.unpack_from("<I", data, 4)
    [entries] = struct.unpack_from("<H", data, directory)
    for place in range(directory + 2, directory + 2 + 12 * entries, 12):
        if struct.unpack_from("<H", data, place)[0] == 257:
            struct.pack_into("<HHII", data, place, 257, 4, 1, 262_214)
    path.write_bytes(data)


@pytest.mark.parametrize("compression", [None, "tiff_lzw", "jpeg", "packbits"])
def test_a_header_with_more_rows_than_data_is_not_believed(tmp_path, capfd, compression):
    tall_tiff(tmp_path / "tall.tif", compression=compression)
    with pytest.raises(InputError, match="damaged or cut off"):
        load_picture(tmp_path / "tall.tif")
    assert capfd.readouterr().err == ""  # libtiff has words of its own


@pytest.mark.parametrize("options", [{}, {"compression": "tiff_deflate"}, {"save_all": True}])
def test_a_whole_tiff_is_read(tmp_path, options):
    Image.new("RGB", (300, 7000), "red").save(tmp_path / "a.tif", **options)
    assert load_picture(tmp_path / "a.tif").pixels.shape == (7000, 300, 3)


def test_heic_is_read_where_its_library_is(tmp_path):
    heif = pytest.importorskip("pillow_heif")
    heif.register_heif_opener()
    grey = np.full((40, 64, 3), 128, np.uint8)
    Image.fromarray(grey).save(tmp_path / "a.heic")
    picture = load_picture(tmp_path / "a.heic")
    assert np.abs(picture.pixels * 255 - grey).max() < 4
    data = (tmp_path / "a.heic").read_bytes()
    for cut in (20, 100, len(data) // 2):
        (tmp_path / "a.heic").write_bytes(data[:cut])
        with pytest.raises(InputError, match="cannot read"):
            load_picture(tmp_path / "a.heic")


def test_heic_without_its_library_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    (tmp_path / "a.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(100))
    with pytest.raises(InputError, match="install pillow-heif"):
        load_picture(tmp_path / "a.heic")
