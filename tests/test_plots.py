import numpy as np
import pytest

from manualnst.plots import draw_curve

INK, BLUE, ORANGE = np.array([30, 30, 30]), np.array([0, 114, 178]), np.array([213, 94, 0])


def draw(series):
    pixels = draw_curve(series, title="loss", x_label="evaluation")
    assert pixels.shape == (540, 960, 3) and pixels.dtype == np.float32
    assert pixels.min() >= 0 and pixels.max() == 1
    return pixels


def where(pixels, colour):
    """Rows and columns, inside the axes, of the pixels of that colour."""
    plot = pixels[60:476, 71:]
    plot = plot[:, : 960 - 71 - 190]  # without the legend
    near = np.abs(plot * 255 - colour).max(axis=2) < 12
    return np.nonzero(near)


def test_a_falling_loss_falls():
    pixels = draw({"total": 1e6 / np.arange(1, 501), "style, its main part": [1.0] * 500})
    rows, columns = where(pixels, INK)
    heights = [rows[columns == column].mean() for column in range(5, columns.max() - 5, 40)]
    assert len(heights) > 10 and np.all(np.diff(heights) > 0)


def test_the_axis_is_logarithmic():
    pixels = draw({"total": np.geomspace(1e4, 1e-4, 200), "style, its main part": [1.0] * 200})
    rows, columns = where(pixels, INK)
    slope, offset = np.polyfit(columns, rows, 1)
    assert slope > 0.3
    assert np.abs(rows - (slope * columns + offset)).max() < 5  # a straight line


def test_the_total_is_thick_and_the_others_have_colours_of_their_own():
    ramp = np.geomspace(1, 5, 50)
    pixels = draw({"style, its main part": 10 * ramp, "content": ramp, "total": 100 * ramp})
    areas = [len(where(pixels, colour)[0]) for colour in (INK, BLUE, ORANGE)]
    assert min(areas) > 300 and areas[0] > 1.5 * max(areas[1:])


def test_what_a_log_axis_cannot_show_is_a_gap():
    values = [10.0, 10, 0, np.nan, np.inf, -1, 10, 10]
    columns = where(draw({"total": values, "style, its main part": [1] * 8}), INK)[1]
    jumps = np.diff(np.unique(columns))
    assert jumps.max() > 200 and (jumps > 20).sum() == 1


def test_a_single_point_is_drawn_as_a_dot():
    rows, columns = where(draw({"total": [3.0], "style, its main part": [1]}), INK)
    assert 4 <= np.ptp(rows) <= 12 and 4 <= np.ptp(columns) <= 12


def test_a_series_without_any_value_above_zero_is_left_out():
    zeros = draw({"total": [1.0, 2.0], "style": [0.0, 0.0]})
    np.testing.assert_array_equal(zeros, draw({"total": [1.0, 2.0]}))


@pytest.mark.parametrize(
    "series",
    [
        {},
        {"total": []},
        {"total": [0.0]},
        {"total": [1234.5] * 40},
        {"total": [1e300, 1e-300]},
        {"total": [5e-324, 1.0]},
        {f"layer {i}": [10.0**i] * 3 for i in range(12)},
    ],
)
def test_extremes_are_drawn_too(series):
    draw(series)
