"""The distance of two Gaussians: values that are known, degenerate covariances, and precision."""

import numpy as np
import pytest
from proofs import assert_close, random_array

from manualnst import losses
from manualnst.backends import NAMES, get_backend
from manualnst.errors import InputError

numpy_backend = get_backend("numpy")


@pytest.fixture(params=NAMES)
def backend(request):
    return get_backend(request.param)


def loss_and_gradient(F, target, backend=numpy_backend, normalisation="paper"):
    target = target._replace(mean=target.mean.astype(F.dtype))
    loss, cache = losses.wasserstein_forward(F, target, normalisation, backend=backend)
    return loss, losses.wasserstein_backward(1.0, cache, backend=backend)


def random_covariance(seed, N, dtype=np.float64):
    factors = random_array(seed, (N, N), dtype)
    return factors.T @ factors


def test_the_root_squared_is_the_matrix(backend):
    A = random_covariance(1, 4)
    root = backend.matrix_root(A, 0.5)
    assert_close(root @ root, A + 0.5 * np.eye(4), 1e-13)
    assert np.all(np.linalg.eigvalsh(root) > 0)


def test_in_one_dimension_it_is_the_difference_of_mean_and_deviation(backend):
    F, S = random_array(1, (3, 4, 1)), 3 * random_array(2, (5, 2, 1)) + 1
    target = losses.wasserstein_target(S, backend=backend)
    deviations = [np.sqrt(map_.var() + target.noise) for map_ in (F, S)]
    expected = (F.mean() - S.mean()) ** 2 + (deviations[0] - deviations[1]) ** 2
    assert loss_and_gradient(F, target, backend)[0] == pytest.approx(expected)


def test_a_picture_of_the_styles_moments_has_no_loss_and_no_gradient(backend):
    S = random_array(2, (4, 3, 3))
    target = losses.wasserstein_target(S, backend=backend)
    loss, gradient = loss_and_gradient(S[::-1, ::-1].copy(), target, backend)
    assert abs(loss) < 1e-12
    assert np.max(np.abs(gradient)) < 1e-11


def test_the_gradient_points_to_where_the_plan_goes():
    """A full step moves the picture to the style's mean and covariance."""
    F, S = random_array(1, (5, 4, 3)), 2 * random_array(2, (6, 5, 3)) - 0.5
    target = losses.wasserstein_target(S, backend=numpy_backend)
    target = target._replace(root=numpy_backend.matrix_root(np.cov(_matrix(S).T, bias=True), 0.0))
    target = target._replace(noise=0.0)
    _, gradient = loss_and_gradient(F, target)
    moved = F - gradient * 20 / 2
    assert_close(moved.mean(axis=(0, 1)), S.mean(axis=(0, 1)), 1e-12)
    assert_close(np.cov(_matrix(moved).T, bias=True), np.cov(_matrix(S).T, bias=True), 1e-12)


def _matrix(F):
    return F.reshape(-1, F.shape[2])


DEGENERATE = {
    "fewer positions than channels": random_array(1, (1, 3, 5)),
    "one position": random_array(1, (1, 1, 5)),
    "a silent filter": random_array(1, (3, 4, 5)) * [1, 1, 0, 1, 1],
    "filters in step": random_array(1, (3, 4, 5))[:, :, [0, 1, 1, 2, 0]],
    "nothing varies": np.full((3, 4, 5), 0.3),
    "black": np.zeros((3, 4, 5)),
}


@pytest.mark.parametrize("style", DEGENERATE)
@pytest.mark.parametrize("picture", DEGENERATE)
def test_degenerate_covariances_have_a_gradient(picture, style, backend):
    F, S = DEGENERATE[picture], DEGENERATE[style]
    target = losses.wasserstein_target(S, backend=backend)
    loss, gradient = loss_and_gradient(F, target, backend, "relative")
    assert np.isfinite(loss) and loss >= -1e-8  # Newton's root has half of the digits left here
    bound = np.sqrt(1 + 5 / losses.NOISE_SHARE) * np.sqrt(np.sum((F - F.mean((0, 1))) ** 2))
    bound += np.sqrt(F.shape[0] * F.shape[1]) * np.linalg.norm(F.mean((0, 1)) - target.mean)
    assert np.linalg.norm(gradient) * F[..., 0].size * (target.energy or 1) <= 2.01 * bound


@pytest.mark.parametrize("picture", ["fewer positions than channels", "a silent filter"])
def test_it_is_the_derivative_where_the_covariance_is_degenerate(picture):
    F = DEGENERATE[picture]
    target = losses.wasserstein_target(random_array(2, (3, 3, 5)), backend=numpy_backend)
    gradient = loss_and_gradient(F, target)[1]
    h, d = 1e-7, random_array(3, F.shape) * (np.abs(F) > 0)
    losses_beside = [loss_and_gradient(F + side * h * d, target)[0] for side in (1, -1)]
    slope = (losses_beside[0] - losses_beside[1]) / (2 * h)
    assert np.sum(gradient * d) == pytest.approx(slope, rel=1e-5)


def test_relative_is_the_share_of_the_way_from_nothing():
    S = random_array(2, (4, 5, 3))
    target = losses.wasserstein_target(S, backend=numpy_backend)
    assert target.energy == pytest.approx(np.mean(np.sum(S**2, axis=2)))
    assert loss_and_gradient(0 * S, target, normalisation="relative")[0] == pytest.approx(
        1, abs=0.05
    )
    one, _ = loss_and_gradient(2 * S, target, normalisation="relative")
    scaled = losses.wasserstein_target(1000 * S, backend=numpy_backend)
    other, _ = loss_and_gradient(2000 * S, scaled, normalisation="relative")
    assert one == pytest.approx(other)


@pytest.mark.parametrize(("H", "W", "N"), [(40, 30, 64), (5, 6, 64)])
def test_single_precision_is_enough(H, W, N):
    """With channels that vary together, as a network's do, and more of them than positions."""
    mixing = random_covariance(1, N) / N
    F = np.maximum(random_array(2, (H, W, N)) @ mixing, 0)
    S = np.maximum(random_array(3, (H, W, N)) @ mixing + 0.2, 0)
    results = []
    for dtype in ("float64", "float32"):
        target = losses.wasserstein_target(S.astype(dtype), backend=numpy_backend)
        results.append(loss_and_gradient(F.astype(dtype), target))
    (loss, gradient), (loss_32, gradient_32) = results
    assert gradient_32.dtype == np.float32
    assert loss_32 == pytest.approx(loss, rel=1e-5)
    assert_close(gradient_32, gradient, 1e-4)


def test_a_target_of_another_layer_is_told(backend):
    target = losses.wasserstein_target(random_array(1, (3, 3, 5)), backend=backend)
    with pytest.raises(InputError, match="4 channels.* mean of 5"):
        losses.wasserstein_forward(random_array(1, (3, 3, 4)), target, backend=backend)
