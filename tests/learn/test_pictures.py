"""The pictures that are learned from, and the crops made of them."""

from pathlib import Path

import numpy as np
import pytest

from manualnst.errors import InputError
from manualnst.images import load_picture
from weights.learn import canvas, data, pictures, sheet
from weights.learn.__main__ import main
from weights.learn.canvas import SIDE, Random
from weights.learn.families import FAMILIES


def first_of(family) -> int:
    return next(n for n in range(100) if pictures.family_of(n) is family)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.__name__)
def test_family_draws_pictures_that_follow_from_the_seed(family):
    number = first_of(family)
    drawn = pictures.draw_recipe(7, number, 3)
    assert drawn.shape == (3, SIDE, SIDE, 3) and drawn.dtype == np.uint8
    again = pictures.draw_recipe(7, number, 2)
    np.testing.assert_array_equal(again, drawn[:2])  # however many follow
    assert not np.array_equal(drawn[0], drawn[1])
    other_seed = pictures.draw_recipe(8, number, 1)
    assert not np.array_equal(other_seed[0], drawn[0])
    assert drawn.std(axis=(1, 2)).max() > 3  # not empty


def test_families_have_their_shares():
    families = [pictures.family_of(n) for n in range(100)]
    assert {family: families.count(family) for family in FAMILIES} == FAMILIES
    assert sum(FAMILIES.values()) == 100


def test_palettes_are_a_common_pool():
    pool = canvas.palettes()
    assert len(pool) == 60
    assert {len(palette) for palette in pool} == {2, 3, 4, 5}
    assert all(palette.min() >= 0 and palette.max() <= 1 for palette in pool)


@pytest.mark.parametrize(("slope", "stretch"), [(0.5, 1), (2, 1), (2, 4)])
def test_noise_has_the_spectrum_that_is_asked_for(slope, stretch):
    values = canvas.noise(Random(1), slope, stretch=stretch, angle=0)
    assert values.mean() == pytest.approx(0, abs=1e-12)
    assert values.std() == pytest.approx(1)
    right, down = (np.abs(np.diff(values, axis=axis)).mean() for axis in (1, 0))
    if stretch == 1:
        assert 0.7 < right / down < 1.4
    else:
        assert right < 0.6 * down  # longer along x


def test_relief_is_brightest_where_the_slope_faces_the_light():
    height = np.tile(np.linspace(0, 1, 32), (32, 1))  # rises to the right
    facing, averted = (canvas.relief(height, 1.0, angle)[16, 16] for angle in (0, np.pi))
    assert facing > 1 > averted


@pytest.mark.parametrize("width", [52, 64, 77, 100])
def test_resampling_keeps_what_is_even_and_what_slopes(width):
    even = np.full((width, width, 3), 200, np.uint8)
    np.testing.assert_allclose(data.resampled(even, 64), 200 / 255, rtol=1e-5)
    slope = np.broadcast_to(np.arange(width, dtype=np.uint8)[None, :, None], (width, width, 3))
    across = data.resampled(slope, 64)[32, :, 0] * 255
    centres = (np.arange(64) + 0.5) * width / 64 - 0.5
    np.testing.assert_allclose(across[3:-3], centres[3:-3], atol=0.5)
    assert np.all(np.diff(across) > 0)


def test_in_each_round_every_picture_comes_once():
    first = [data.chosen(1, 23, 5, number) for number in range(4)]
    assert len(set(np.concatenate(first))) == 20
    second = [data.chosen(1, 23, 5, number) for number in range(4, 8)]
    assert len(set(np.concatenate(second))) == 20
    assert not np.array_equal(first[0], second[0])


def some_pictures():
    return np.stack([pictures.draw_recipe(1, n, 2) for n in range(3)])


def test_crops_follow_from_the_stream_and_vary():
    drawn = some_pictures()
    crops = [data.augmented(drawn, [0, 0, 5], 32, Random(seed)) for seed in (1, 1, 2)]
    assert crops[0].shape == (3, 32, 32, 3) and crops[0].dtype == np.float32
    np.testing.assert_array_equal(crops[0], crops[1])
    assert not np.array_equal(crops[0], crops[2])
    assert not np.array_equal(crops[0][0], crops[0][1])


def many_crops_of(picture):
    """48 crops: every other one, from the first on, with its colours turned."""
    all_pictures = np.uint8(np.broadcast_to(picture, (SIDE, SIDE, 3)))[None, None]
    return data.augmented(all_pictures, [0] * 48, 8, Random(1))


def test_colours_of_every_other_crop_are_turned():
    difference = many_crops_of([255, 127.5, 127.5]).mean(axis=(1, 2)) - 0.5  # from grey
    turned, others = difference[::2], difference[1::2]
    assert np.abs(others[:, 1:]).max() < 0.1 and others[:, 0].min() > 0.2
    size = np.linalg.norm(turned, axis=1)
    assert size.min() > 0.2 and size.max() < 0.8
    assert turned.min() < -0.3 and turned.max(axis=0).min() > 0.3


def test_about_half_of_the_crops_are_mirrored():
    slope = np.linspace(0, 255, SIDE)[None, :, None]
    unturned = many_crops_of(slope)[1::2]
    rises = unturned[:, :, -1].mean(axis=(1, 2)) > unturned[:, :, 0].mean(axis=(1, 2))
    assert 6 <= rises.sum() <= 18
    upright = many_crops_of(slope.swapaxes(0, 1))[1::2]
    assert np.all(upright[:, -1].mean(axis=(1, 2)) > upright[:, 0].mean(axis=(1, 2)))


def test_plain_crops_are_the_middle_of_the_picture_asked_for():
    drawn = np.zeros((2, 3, SIDE, SIDE, 3), np.uint8)
    drawn[1, 2] = 255
    x = data.plain(drawn, [4, 5], 16)
    assert np.all(x[0] == 0)
    np.testing.assert_allclose(x[1], 1, rtol=1e-6)


def test_colours_are_turned_by_orthogonal_matrices():
    q = data.orthogonal(Random(3))
    np.testing.assert_allclose(q @ q.T, np.eye(3), atol=1e-12)


def test_pictures_are_drawn_once_into_a_file(tmp_path):
    told = []
    (tmp_path / ".0123456789abcdef.npy").touch()  # left by a process that was killed
    first = data.drawn(tmp_path, 1, 3, 2, told.append, workers=2)
    np.testing.assert_array_equal(first, some_pictures())
    assert told == [1, 2, 3]
    again = data.drawn(tmp_path, 1, 3, 2, told.append, workers=2)
    assert told == [1, 2, 3]
    np.testing.assert_array_equal(again, first)
    assert len(list(tmp_path.iterdir())) == 1


def test_pictures_that_other_code_drew_are_not_used(tmp_path, monkeypatch):
    told = []
    data.drawn(tmp_path, 1, 1, 1, told.append, workers=1)
    monkeypatch.setattr(data, "code_hash", lambda: "changed")
    data.drawn(tmp_path, 1, 1, 1, told.append, workers=1)
    assert told == [1, 1]
    assert len(list(tmp_path.iterdir())) == 2


def cut(path):
    path.write_bytes(path.read_bytes()[:-1])


def of_another_shape(path):
    np.save(path, np.zeros((1, 2, SIDE, SIDE, 3), np.uint8))


def a_folder(path):
    path.unlink()
    path.mkdir()


def test_a_damaged_file_of_pictures_is_refused(tmp_path):
    data.drawn(tmp_path, 1, 1, 1, print, workers=1)
    (path,) = tmp_path.iterdir()
    for damage in (cut, of_another_shape, lambda path: path.write_bytes(b""), a_folder):
        damage(path)
        with pytest.raises(InputError, match="damaged; remove it, and the pictures are drawn ag"):
            data.drawn(tmp_path, 1, 1, 1, print, workers=1)


@pytest.mark.parametrize("module", ["canvas.py", "families.py", "pictures.py"])
def test_the_hash_is_that_of_all_code_that_draws(module, monkeypatch):
    before, read = data.code_hash(), Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda path: read(path) + b"#" * (path.name == module))
    assert data.code_hash() != before


def test_contact_sheet(tmp_path):
    assert main(["sheet", str(tmp_path / "sheet.png")]) == 0
    pixels = load_picture(tmp_path / "sheet.png").pixels
    rows = len(FAMILIES)
    assert pixels.shape[0] == rows * SIDE + (rows - 1) * sheet.GAP
