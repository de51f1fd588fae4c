"""Where the crops come from."""

from pathlib import Path

import numpy as np
import pytest

from manualnst.errors import InputError
from manualnst.pictures.saving import save_picture
from weights.narrow import crops

COUNT = 40


def picture(seed=1, shape=(50, 60, 3)):
    return np.random.RandomState(seed).randint(0, 256, shape).astype(np.uint8)


def filled(values, shape=(50, 60, 3)):
    return np.broadcast_to(np.asarray(values, np.uint8), shape)


def many_crops_of(pixels):
    return np.stack([crops.crop([pixels], 1, number) for number in range(COUNT)])


def test_a_crop_follows_from_seed_and_number(small_crops):
    given = [picture(1), picture(2)]
    first = crops.crop(given, 1, 5)
    assert first.shape == (crops.SIDE, crops.SIDE, 3) and first.dtype == np.float32
    assert first.min() >= 0 and first.max() <= 1
    crops.crop(given, 1, 6)  # whatever was cut in between
    np.testing.assert_array_equal(crops.crop(given, 1, 5), first)
    for seed, number in ((1, 6), (2, 5)):
        assert not np.array_equal(crops.crop(given, seed, number), first)


def test_crops_are_of_all_pictures_and_scales(small_crops):
    """A chequer's fields are as large in a crop as the crop's scale makes them."""
    rows, columns = np.mgrid[:120, :120] // 8 % 2
    chequer = np.uint8(255 * (rows ^ columns))[..., None]
    found = many_crops_of(np.broadcast_to(chequer, (120, 120, 3)))
    changes = (np.abs(np.diff(found.mean(axis=3), axis=2)) > 0.05).mean(axis=(1, 2))
    assert changes.max() > 2 * changes.min()
    both = [crops.crop([filled(0), filled(255)], 1, number).mean() for number in range(COUNT)]
    assert min(both) < 0.3 and max(both) > 0.7


def test_half_of_the_crops_have_their_colours_exchanged(small_crops):
    """A third of the exchanges leave the first colour where it was."""
    brightest = many_crops_of(filled([255, 100, 100])).mean(axis=(1, 2)).argmax(axis=1)
    share = np.bincount(brightest, minlength=3) / COUNT
    assert 0.5 < share[0] < 0.85 and share[1:].min() > 0.05


def test_about_half_of_the_crops_are_mirrored(small_crops):
    across = filled(np.linspace(0, 255, 60)[None, :, None])
    found = many_crops_of(across).mean(axis=3)
    rises = found[:, :, -8:].mean(axis=(1, 2)) > found[:, :, :8].mean(axis=(1, 2))
    assert 0.3 < rises.mean() < 0.7
    down = filled(np.linspace(0, 255, 50)[:, None, None])
    found = many_crops_of(down).mean(axis=3)
    assert np.all(found[:, -8:].mean(axis=(1, 2)) > found[:, :8].mean(axis=(1, 2)))  # none by rows


def test_some_crops_have_noise_of_pixels_or_of_colours(small_crops):
    found = many_crops_of(filled(128))
    noisy = found.std(axis=(1, 2)).max(axis=1) > 1e-3
    coloured = (found.max(axis=3) - found.min(axis=3)).max(axis=(1, 2)) > 1e-3
    assert 0.25 < noisy.mean() < 0.7
    assert 0.1 < coloured.mean() < noisy.mean() - 0.1


def test_without_a_folder_all_crops_are_drawn():
    first, second = crops.crop([], 1, 0), crops.crop([], 1, 1)
    assert first.shape == (crops.SIDE, crops.SIDE, 3)
    assert first.std() > 0.01 and not np.array_equal(first, second)


def test_some_are_drawn_beside_a_folder(small_crops, monkeypatch):
    monkeypatch.setattr(crops, "DRAWN", 0.4)
    drawn = []
    monkeypatch.setattr(
        crops.pictures,
        "draw_recipe",
        lambda *which: drawn.append(which) or picture()[None, :50, :50],
    )
    many_crops_of(filled(128))
    assert 0.2 < len(drawn) / COUNT < 0.7  # some crops are blends of two
    assert len(set(drawn)) == len(drawn) and {seed for seed, _, _ in drawn} == {1}


def test_a_folders_pictures_by_name(tmp_path, small_crops):
    for name, shape in (("b.png", (40, 50, 3)), ("a.PNG", (33, 800, 3))):
        save_picture(tmp_path / name, picture(1, shape) / np.float32(255))
    (tmp_path / "notes.txt").write_text("not a picture")
    large, as_it_was = crops.load_folder(tmp_path)
    assert large.shape == (32, crops.LARGEST, 3) and large.dtype == np.uint8
    np.testing.assert_array_equal(as_it_was, picture(1, (40, 50, 3)))
    assert crops.load_folder(None) == []


def test_impossible_folders_are_refused(tmp_path, small_crops):
    with pytest.raises(InputError, match="there is no picture in .*; give a folder with some"):
        crops.load_folder(tmp_path)
    save_picture(tmp_path / "small.png", picture(1, (31, 50, 3)) / np.float32(255))
    with pytest.raises(InputError, match="small.png is too small: 50 × 31, but crops have 32 pix"):
        crops.load_folder(tmp_path)
    for path in (tmp_path / "small.png", tmp_path / "missing"):
        with pytest.raises(InputError, match="cannot read the folder"):
            crops.load_folder(path)


def test_the_digest_changes_with_the_pictures():
    digests = {
        crops.digest(given) for given in ([], [picture(1)], [picture(2)], [picture(1), picture(2)])
    }
    assert len(digests) == 4
    assert crops.digest([picture(1)]) in digests
    # The same bytes in another shape are another picture.
    assert crops.digest([picture(1).reshape(60, 50, 3)]) not in digests


@pytest.mark.parametrize("module", ["canvas.py", "crops.py", "families.py", "pictures.py"])
def test_the_digest_changes_with_the_code_that_draws(module, monkeypatch):
    before, read = crops.digest([]), Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda path: read(path) + b"#" * (path.name == module))
    assert crops.digest([]) != before
