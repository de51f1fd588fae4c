import numpy as np
import pytest

from manualnst.pictures.plots import draw_curve, draw_errors, draw_growth

INK, BLUE, ORANGE = np.array([30, 30, 30]), np.array([0, 114, 178]), np.array([213, 94, 0])


def draw(series):
    return checked(draw_curve(series, title="loss", x_label="evaluation"))


def draw_steps(series, caption=(), marked=()):
    return checked(
        draw_errors(series, title="error", caption=caption, x_label="step", marked=marked)
    )


def checked(pixels):
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


# Errors by step

STEPS = np.geomspace(1e-30, 1, 61)


def power(exponent, steps=STEPS):
    return list(zip(steps, steps**exponent, strict=True))


def test_both_axes_are_logarithmic_and_large_steps_are_right():
    series = {"two points, to the second": power(2), "five": power(-1)}
    slopes = []
    for colour in (BLUE, ORANGE):
        rows, columns = where(draw_steps(series), colour)
        slope, offset = np.polyfit(columns, rows, 1)
        assert np.abs(rows - (slope * columns + offset)).max() < 5  # a straight line
        slopes.append(-slope)  # rows are counted downwards
    assert slopes[1] < 0 < slopes[0]
    assert slopes[0] / slopes[1] == pytest.approx(-2, rel=0.02)


def test_the_least_error_has_a_dot_and_a_label():
    errors = np.maximum(1e-18 / STEPS, STEPS**2)  # least at 1e-6
    series = {"two points, to the second": list(zip(STEPS, errors, strict=True))}
    plain, marked = draw_steps(series), draw_steps(series, marked=series)
    rows, columns = where(plain, BLUE)
    bottom = rows.argmax()
    changed = np.abs(marked - plain).max(axis=2)[60:476, 71:] > 0.5
    changed_rows, changed_columns = np.nonzero(changed)
    assert abs(changed_rows.mean() - rows[bottom]) < 8
    assert columns[bottom] - 150 < changed_columns.min() < columns[bottom] - 60  # the label
    assert 3 <= changed_columns.max() - columns[bottom] <= 9  # the dot
    assert len(where(marked, INK)[0]) > 20 > len(where(plain, INK)[0])


def test_only_what_is_to_be_marked_is_marked():
    series = {"two": power(2), "five": power(-1)}
    plain = draw_steps(series)
    both = draw_steps(series, marked=["two", "five"])
    one = draw_steps(series, marked=["two"])
    assert not np.array_equal(one, plain) and not np.array_equal(one, both)
    np.testing.assert_array_equal(plain, draw_steps(series, marked=["three"]))


def test_a_caption_moves_the_plot_down():
    series = {"two points, to the second": power(2)}
    tops = [where(draw_steps(series, caption), BLUE)[0].min() for caption in ((), ("a", "b"))]
    assert 30 < tops[1] - tops[0] < 50


@pytest.mark.parametrize(
    "points", [[], [(1.0, 0.0)], [(0.1, np.nan), (1e-5, np.inf)], [(1e-300, 1.0)], [(1.0, 1e-300)]]
)
def test_extreme_errors_are_drawn_too(points):
    draw_steps({"two": points}, marked=["two"])


# Growth


def draw_sizes(series, ticks):
    return checked(draw_growth(series, title="time", caption=["of"], x_label="pixels", ticks=ticks))


def test_growth_in_proportion_is_a_straight_line_of_the_right_slope():
    sizes = [2**k for k in range(10, 20)]
    series = {"in proportion": [(n, 3e-6 * n) for n in sizes]}
    series["its square root"] = [(n, 1e-3 * n**0.5) for n in sizes]
    slopes = []
    for colour in (BLUE, ORANGE):
        rows, columns = where(draw_sizes(series, {}), colour)
        slope, offset = np.polyfit(columns, rows, 1)
        assert np.abs(rows - (slope * columns + offset)).max() < 5
        slopes.append(slope)
    assert slopes[0] / slopes[1] == pytest.approx(2, rel=0.02)


def test_sizes_are_marked_at_their_places():
    series = {"time, its longest name": [(1000, 1.0), (10_000, 10.0), (100_000, 100.0)]}
    ticks = {"first": 1000, "third": 100_000}
    changed = draw_sizes(series, ticks | {"second": 10_000}) != draw_sizes(series, ticks)
    rows, columns, _ = np.nonzero(changed)
    assert rows.min() >= 474  # at and below the axis
    dots = where(draw_sizes(series, ticks), BLUE)[1]
    assert abs(columns.mean() - 71 - (dots.min() + dots.max()) / 2) < 5


@pytest.mark.parametrize("points", [[], [(16, 0.0)], [(16, 1.0)], [(1, 1e-300), (1e9, 1e300)]])
def test_extreme_growth_is_drawn_too(points):
    draw_sizes({"time": points}, {"16 x 16": 16})


def test_sections_are_marked_and_break_the_lines():
    values = {"total": [10.0] * 20 + [1.0] * 20}
    whole = draw(values)
    marks = {1: "128 px", 21: "256 px"}
    pixels = checked(draw_curve(values, title="loss", x_label="evaluation", marks=marks))
    changed = np.abs(pixels - whole).max(axis=2)
    upright = np.flatnonzero((changed[62:70, 80:] > 0.2).all(axis=0))
    assert 1 <= len(upright) <= 3  # the line where the second size begins
    middle = slice(200, 330)  # between the two levels
    dark = [np.sum(np.all(p[middle, 71:700] * 255 < 60, axis=2)) for p in (pixels, whole)]
    assert dark[0] == 0 < dark[1]  # no fall is drawn where another size begins
    assert changed[40:58, 75:150].max() > 0.3  # the name of the first
