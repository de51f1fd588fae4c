"""Total variation to other powers: values, borders, flat places, and what is refused."""

import numpy as np
import pytest
from proofs import assert_close, check_gradient, random_array

from manualnst import losses
from manualnst.backends import NAMES, get_backend
from manualnst.errors import InputError

SHAPES = [(1, 1, 1), (1, 5, 2), (4, 1, 2), (3, 4, 2)]


@pytest.fixture(params=NAMES)
def backend(request):
    return get_backend(request.param)


def gradient_of(name, x, parameter, backend):
    forward, backward = (getattr(losses, f"{name}_{way}") for way in ("forward", "backward"))
    loss, cache = forward(x, parameter, backend=backend)
    return loss, backward(1.0, cache, backend=backend)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_power_2_is_the_squared_total_variation(shape, backend):
    x = random_array(1, shape)
    loss, gradient = gradient_of("power_variation", x, 2, backend)
    expected, cache = losses.total_variation_forward(x, backend=backend)
    assert loss == pytest.approx(expected)
    assert_close(gradient, losses.total_variation_backward(1.0, cache, backend=backend), 1e-14)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("beta", [1, 1.5, 3])
def test_the_power_is_that_of_the_length_of_the_slope(beta, shape, backend):
    x = random_array(1, shape)
    padded = np.pad(x, ((0, 1), (0, 1), (0, 0)), "edge")
    length = np.hypot(padded[1:, :-1] - x, padded[:-1, 1:] - x)
    loss, gradient = gradient_of("power_variation", x, beta, backend)
    assert loss == pytest.approx(np.sum(length**beta))
    if x.size > 1:  # a single pixel has no gradient to compare with
        check_gradient(
            lambda x: losses.power_variation_forward(x, beta, backend=backend)[0], gradient, x
        )


@pytest.mark.parametrize("shape", SHAPES)
def test_smoothed_differences(shape, backend):
    x = random_array(1, shape)
    d = np.concatenate([np.diff(x, axis=0).ravel(), np.diff(x, axis=1).ravel()])
    loss, _ = gradient_of("smoothed_variation", x, 0.5, backend)
    assert loss == pytest.approx(np.sum(np.sqrt(d**2 + 0.25) - 0.5))


def test_small_differences_are_not_lost_in_rounding(backend):
    x = np.zeros((1, 2, 1))
    x[0, 1, 0] = 1e-9
    loss, gradient = gradient_of("smoothed_variation", x, 1.0, backend)
    assert loss == pytest.approx(0.5e-18)
    assert gradient.ravel().tolist() == pytest.approx([-1e-9, 1e-9])


def test_large_steps_pull_no_harder(backend):
    x = np.array([0.0, 0.1, 1.0]).reshape(1, 3, 1)
    _, gradient = gradient_of("smoothed_variation", x, losses.SMOOTHING, backend)
    assert gradient.ravel() == pytest.approx([-1, 0, 1], abs=1e-3)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("beta", [1, 1.5, 2.5])
def test_where_nothing_varies_the_gradient_is_zero(beta, dtype, backend):
    x = np.full((3, 4, 2), 0.3, dtype)
    x[0, 0] = 0.7  # so that not all is flat
    with np.errstate(all="raise"):
        loss, gradient = gradient_of("power_variation", x, beta, backend)
    assert np.isfinite(loss)
    assert gradient[0, 0].all() and not gradient[2:].any()


@pytest.mark.parametrize("shape", SHAPES)
def test_nine_points_as_means_over_the_continued_picture(shape, backend):
    x = random_array(1, shape)
    p = np.pad(x, ((1, 1), (1, 1), (0, 0)), "edge")
    sides = np.mean((p[2:, 1:-1] - x) ** 2) + np.mean((p[1:-1, 2:] - x) ** 2)
    corners = np.mean((p[1:, 1:] - p[:-1, :-1]) ** 2) + np.mean((p[1:, :-1] - p[:-1, 1:]) ** 2)
    loss, cache = losses.nine_point_variation_forward(x, backend=backend)
    assert loss == pytest.approx(2 * (sides / 3 + corners / 12))
    if x.size > 1:
        gradient = losses.nine_point_variation_backward(1.0, cache, backend=backend)
        check_gradient(
            lambda x: losses.nine_point_variation_forward(x, backend=backend)[0], gradient, x
        )


def test_inside_nine_points_are_the_stencil(backend):
    x = np.zeros((7, 7, 1))
    x[3, 3] = 1.0
    _, cache = losses.nine_point_variation_forward(x, backend=backend)
    stencil = losses.nine_point_variation_backward(49.0, cache, backend=backend)[2:5, 2:5, 0]
    by_corner = -1 / 3 * 49 / 64  # there are 64 windows
    assert stencil[0, 0] == pytest.approx(by_corner) == pytest.approx(stencil[2, 0])
    assert stencil[0, 1] == pytest.approx(-4 / 3) == pytest.approx(stencil[1, 2])
    assert stencil.sum() == pytest.approx(0)


def test_what_has_no_slope_is_refused(backend):
    x = random_array(1, (2, 2, 1))
    with pytest.raises(InputError, match="beta is 0.5"):
        losses.power_variation_forward(x, 0.5, backend=backend)
    with pytest.raises(InputError, match="epsilon is 0"):
        losses.smoothed_variation_forward(x, 0, backend=backend)
