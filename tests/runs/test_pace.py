"""How long what is left will take."""

import pytest

from manualnst.runs.pace import Pace


def test_until_the_first_steps_the_forecast_holds():
    pace = Pace(100, rate=2.0)
    assert pace.left(0, 100, 0) == 200
    assert pace.left(9, 98, 2) == 196


def test_then_what_was_measured():
    pace = Pace(100, rate=2.0)
    assert pace.left(30, 90, 3) == pytest.approx(90 * 30 / 10)
    assert pace.left(40, 0, 100) == 0


def test_a_new_size_is_foretold_by_the_one_before_and_then_measured_by_itself():
    pace = Pace(100, rate=2.0)
    pace.left(40, 80, 4)
    pace.begin(40, 80)
    assert pace.left(41, 79, 1) == pytest.approx(79 * 40 / 20)
    assert pace.left(55, 75, 5) == pytest.approx(75 * 15 / 5)


def test_a_machine_that_gets_busy_shows_at_once_and_not_in_the_mean_of_all():
    pace = Pace(1000, rate=1.0)
    pace.left(500, 500, 50)
    pace.begin(500, 500)
    assert pace.left(520, 490, 3) == pytest.approx(490 * 2)


def test_where_nothing_was_foretold_the_first_step_tells():
    pace = Pace(100)
    assert pace.left(4, 98, 1) == pytest.approx(98 * 2)
    assert pace.left(9, 96, 2) == pytest.approx(96 * 2)
    assert pace.left(9, 94, 3) == pytest.approx(94 * 9 / 6)
