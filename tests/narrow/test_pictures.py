"""The pictures that are drawn to learn from."""

import numpy as np
import pytest

from manualnst.pictures.images import load_picture
from weights.narrow import __main__ as command
from weights.narrow import canvas, pictures, sheet
from weights.narrow.canvas import SIDE, Random
from weights.narrow.families import FAMILIES


def first_of(family) -> int:
    return next(n for n in range(100) if pictures.family_of(n) is family)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.__name__)
def test_family_draws_pictures_that_follow_from_the_seed(family):
    number = first_of(family)
    drawn = pictures.draw_recipe(7, number, 2)
    assert drawn.shape == (2, SIDE, SIDE, 3) and drawn.dtype == np.uint8
    again = pictures.draw_recipe(7, number, 1)
    np.testing.assert_array_equal(again, drawn[:1])  # however many follow
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


def test_contact_sheet_has_a_row_for_each_family(tmp_path, monkeypatch):
    monkeypatch.setattr(command, "SHEET_COLUMNS", 2)
    monkeypatch.setattr(
        pictures, "draw_recipe", lambda seed, n, k: np.full((k, SIDE, SIDE, 3), n, np.uint8)
    )
    assert command.main(["sheet", str(tmp_path / "sheet.png")]) == 0
    pixels = np.rint(load_picture(tmp_path / "sheet.png").pixels * 255).astype(int)
    rows, columns = len(FAMILIES), 2
    assert pixels.shape == (
        rows * SIDE + (rows - 1) * sheet.GAP,
        columns * 2 * SIDE + (columns - 1) * sheet.GAP,
        3,
    )
    for row, family in enumerate(FAMILIES):
        numbers = pixels[row * (SIDE + sheet.GAP), [0, -1], 0]
        assert [pictures.family_of(number) for number in numbers] == [family, family]
        assert numbers[0] < numbers[1]
