import numpy as np
import pytest

from manualnst.gradcheck.steps import (
    COMPLEX_STEP,
    FIVE_POINT,
    TWO_POINT,
    draw_error_by_step,
    error_by_step,
)


@pytest.fixture(scope="module")
def errors():
    """Oracle → (steps, errors), both from large steps to small."""
    return {name: np.array(points).T for name, points in error_by_step().items()}


def at(errors, name, step):
    steps, values = errors[name]
    [value] = values[np.isclose(steps, step, rtol=1e-9, atol=0)]
    return value


def slope(errors, name, low, high):
    """Of the errors with steps between low and high, on log axes."""
    steps, values = errors[name]
    chosen = (steps > low) & (steps < high)
    return np.polyfit(np.log10(steps[chosen]), np.log10(values[chosen]), 1)[0]


@pytest.mark.parametrize(
    ("name", "least"), [(TWO_POINT, 1e-16), (FIVE_POINT, 1e-16), (COMPLEX_STEP, 1e-30)]
)
def test_two_steps_in_a_decade_from_1_down(errors, name, least):
    steps, values = errors[name]
    assert steps[0] == 1 and np.isclose(steps[-1], least, rtol=1e-9, atol=0)
    np.testing.assert_allclose(np.diff(np.log10(steps)), -0.5)
    assert np.all(np.isfinite(values))


def test_there_are_three_oracles(errors):
    assert set(errors) == {TWO_POINT, FIVE_POINT, COMPLEX_STEP}


def test_no_error_is_below_the_unit_roundoff(errors):
    assert min(values.min() for _, values in errors.values()) >= 2.0**-53


def test_an_oracle_that_is_exactly_right_is_given_at_the_unit_roundoff(monkeypatch):
    exact = {TWO_POINT: lambda h: 3.0}
    monkeypatch.setattr("manualnst.gradcheck.steps._slope_and_oracles", lambda: (3.0, exact))
    assert {error for _, error in error_by_step()[TWO_POINT]} == {2.0**-53}


def test_no_step_is_too_small_for_the_complex_step(errors):
    steps, values = errors[COMPLEX_STEP]
    assert at(errors, COMPLEX_STEP, 1e-30) < 1e-13
    assert values[steps < 1e-8].max() < 1e-13
    assert 1.8 < slope(errors, COMPLEX_STEP, 1e-5, 2) < 2.2


def test_two_points_are_best_where_rounding_meets_truncation(errors):
    steps, values = errors[TWO_POINT]
    assert 1e-8 < steps[values.argmin()] < 1e-4 and values.min() < 1e-10
    assert -1.25 < slope(errors, TWO_POINT, 1e-15, 1e-6) < -0.75
    assert 1.8 < slope(errors, TWO_POINT, 2e-5, 5e-4) < 2.2


def test_two_points_of_long_steps_meet_kinks(errors):
    assert at(errors, TWO_POINT, 1e-1) > 1e-3
    half_decade = 10**-1.5
    # Without a kink between the points both are off by the same truncation.
    assert at(errors, TWO_POINT, half_decade) > 3 * at(errors, COMPLEX_STEP, half_decade)


def test_five_points_with_held_masks_have_no_truncation(errors):
    steps, values = errors[FIVE_POINT]
    assert values[steps > 0.05].max() < 1e-10
    assert at(errors, FIVE_POINT, 1e-1) < 1e-6 * at(errors, TWO_POINT, 1e-1)
    assert -1.25 < slope(errors, FIVE_POINT, 1e-15, 2) < -0.75


def test_the_picture_shows_all_three():
    pixels = draw_error_by_step()
    assert pixels.shape == (540, 960, 3) and pixels.dtype == np.float32
    plot = pixels[126:476, 71:720] * 255  # without caption and legend
    for colour in ((0, 114, 178), (213, 94, 0), (0, 158, 115)):
        near = np.abs(plot - colour).max(axis=2) < 12
        assert np.count_nonzero(near) > 150
