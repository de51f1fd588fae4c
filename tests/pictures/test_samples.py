import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from manualnst.errors import InputError
from manualnst.pictures.samples import CONTENT, STYLES, __main__, draw, sample_path, waves
from manualnst.pictures.samples.canvas import finish, fractal, ramp
from manualnst.pictures.samples.scene import Camera, Film, Lamp, Model, Place


@pytest.mark.parametrize("name", [CONTENT, *STYLES])
def test_every_sample_is_an_rgb_picture_of_a_sensible_size(name):
    with Image.open(sample_path(name)) as picture:
        assert (picture.format, picture.mode) == ("PNG", "RGB")
        assert min(picture.size) >= 400 and max(picture.size) <= 700


def test_samples_stay_small():
    assert sum(sample_path(name).stat().st_size for name in (CONTENT, *STYLES)) < 2_500_000


def test_every_sample_has_its_drawing():
    assert set(draw.DRAWINGS) == {CONTENT, *STYLES}


def test_an_unknown_sample_is_refused():
    with pytest.raises(InputError, match="unknown sample 'x'.*harbour, mosaic, strokes, waves"):
        sample_path("x")


def test_asking_for_a_sample_does_not_load_the_drawing_code():
    code = (
        "import sys; from manualnst.pictures.samples import sample_path; sample_path('harbour');"
        "print([name for name in sys.modules if name.startswith('manualnst.pictures.samples')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['manualnst.pictures.samples']"


@pytest.mark.slow
def test_the_shipped_file_is_what_the_code_draws_each_time_the_same():
    first, second = waves.draw(), waves.draw()  # the cheapest of the pictures
    assert np.array_equal(first, second)
    with Image.open(sample_path("waves")) as picture:
        shipped = np.asarray(picture, float)
    assert np.abs(shipped - first).mean() < 1.0


# ---- python -m manualnst.pictures.samples ----


def test_the_command_draws_all_into_a_folder(tmp_path, monkeypatch, capsys):
    patch = np.uint8(np.arange(5 * 7 * 3).reshape(5, 7, 3))
    monkeypatch.setattr(__main__, "DRAWINGS", {"a": None, "b": None})
    monkeypatch.setattr(draw, "DRAWINGS", {"a": lambda: patch, "b": lambda: patch[::-1]})
    assert __main__.main([str(tmp_path)]) == 0
    assert capsys.readouterr().out.split() == [str(tmp_path / "a.png"), str(tmp_path / "b.png")]
    assert np.array_equal(np.asarray(Image.open(tmp_path / "b.png")), patch[::-1])


@pytest.mark.parametrize("arguments", [["a", "b"], ["--help"]])
def test_the_command_explains_itself(arguments, capsys):
    assert __main__.main(arguments) == 2
    assert "usage:" in capsys.readouterr().err


def test_the_command_refuses_a_missing_folder_in_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(__main__, "DRAWINGS", {"a": None})
    monkeypatch.setattr(draw, "DRAWINGS", {"a": lambda: np.zeros((2, 2, 3), np.uint8)})
    assert __main__.main([str(tmp_path / "missing")]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: cannot write") and error.count("\n") == 1


# ---- the drawing tools --------------------------------------------------------------------------


def test_finish_averages_blocks():
    large = np.zeros((4, 6, 3))
    large[:2, 2:4] = [[[1.0], [0.0]], [[1.0], [1.0]]]
    expected = np.zeros((2, 3, 3), np.uint8)
    expected[0, 1] = 191
    assert np.array_equal(finish(large, 2), expected)


def test_ramp_meets_its_colours_and_stays_between_them():
    colours = [np.array([0.0, 1.0, 0.2]), np.array([1.0, 0.0, 0.4]), np.array([0.5, 0.5, 0.6])]
    found = ramp(np.array([-1.0, 0.0, 0.25, 0.5, 2.0]), colours)
    assert np.allclose(found, [colours[0], colours[0], [0.5, 0.5, 0.3], colours[1], colours[2]])


def test_fractal_noise_is_normalised_and_obeys_its_coarsest_size():
    noise = fractal(np.random.RandomState(0), (32, 48), 1.5, coarsest=4)
    assert abs(noise.mean()) < 1e-12 and abs(noise.std() - 1) < 1e-12
    spectrum = np.abs(np.fft.fft2(noise))
    assert spectrum[:5, 0].max() < 1e-9 and spectrum[5, 0] > 1e-3


# ---- the renderer -------------------------------------------------------------------------------

RED, BLUE = np.array([1.0, 0, 0]), np.array([0, 0, 1.0])


def plain(tint):
    return lambda u, v: np.broadcast_to(tint, (len(u), 3))


def wall(model, z, half, tint):
    """A square in front of the camera."""
    corners = (-half, -half, z), (half, -half, z), (half, half, z), (-half, half, z)
    model.add(Place(0, 0, 0), plain(tint), *corners)


def photograph(model):
    film = Film(Camera((0, 0, 0), focal=10, shape=(20, 30), horizon=0.5))
    model.draw(film)
    return film


@pytest.mark.parametrize("nearest_first", [True, False])
def test_what_is_nearer_hides_what_is_farther(nearest_first):
    walls = [(5, 1, RED), (10, 4, BLUE)]  # 4 × 4 pixels before 8 × 8
    model = Model()
    for z, half, tint in walls if nearest_first else walls[::-1]:
        wall(model, z, half, tint)
    film = photograph(model)
    expected = np.zeros((20, 30, 3))
    expected[6:14, 11:19], expected[8:12, 13:17] = BLUE, RED
    assert np.array_equal(film.colour, expected)
    assert np.allclose(film.depth[10, 15], 5) and np.isinf(film.depth[0, 0])
    assert np.allclose(film.normal[10, 15], [0, 0, -1])  # towards the viewer


def test_a_material_is_asked_in_metres_from_the_first_corner():
    asked = []

    def material(u, v):
        asked.append((u, v))
        return np.zeros((len(u), 3))

    model = Model()
    corners = (1, -2, 10), (4, -2, 10), (4, 3, 10), (1, 3, 10)
    model.add(Place(0, 0, 0), material, *corners)
    photograph(model)
    (u, v) = asked[0]
    assert np.allclose([u.min(), u.max(), v.min(), v.max()], [0.5, 2.5, 0.5, 4.5])


def test_a_place_turns_and_moves():
    place = Place(1, 2, 3, np.pi / 2)  # its right is +z, its away is -x
    assert np.allclose(place([(5, 7, 11)]), [[1 - 11, 2 + 7, 3 + 5]])
    assert np.allclose(place.moved(5, 11)([(0, 7, 0)]), place([(5, 7, 11)]))
    assert np.allclose(place.turned()([(5, 7, 11)]), place([(-11, 7, 5)]))


def test_a_lamp_does_not_light_what_lies_in_a_shadow():
    x, y, z = Lamp.CENTRE
    model = Model()
    corners = (-5, 0, -5), (5, 0, -5), (5, 0, 5), (-5, 0, 5)
    model.add(Place(x, y + 10, z), plain(RED), *corners)  # a roof
    lamp = Lamp((0, 1, 0), width=60, pixels=120, blur=0.5)
    film = Film(lamp, only_depth=True)
    model.draw(film)
    points = Lamp.CENTRE + [[0, 0, 0], [4, 0, -4], [8, 0, 0], [0, 10, 0], [0, 12, 0]]
    share = lamp.lit(film, points, np.random.RandomState(0))
    assert np.array_equal(share, [0, 0, 1, 1, 1])


def test_leaves_lie_on_their_ball():
    model = Model()
    model.leaves((1.0, 0.5, 12.0), 4.0, RED)
    film = photograph(model)
    seen = np.isfinite(film.depth)
    assert 15 < seen.sum() < 50  # of the disc's π (10 · 4 / 12)² ≈ 35 pixels
    distance = np.linalg.norm(film.positions()[seen] - [1.0, 0.5, 12.0], axis=-1)
    assert np.allclose(distance, 4) and film.depth[seen].max() < 12
