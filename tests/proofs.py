"""Oracles that a hand-written gradient has to agree with, and small things to try them on.

A pair (forward, backward) is judged by L(x) = Σ dL_dy · y for a random dL_dy: its gradient is
what backward(dL_dy) must be.
"""

import numpy as np

from manualnst.gradcheck.oracles import gradient_by_complex_step, two_point
from manualnst.network.vgg import Preprocessing, Weights, convolution_names


def random_array(seed: int, shape, dtype=np.float64) -> np.ndarray:
    """Normal numbers, none of them nearer to 0 than 0.05: off the kinks of ReLU and maximum."""
    rng = np.random.default_rng(seed)
    values = rng.standard_normal(shape)
    values += np.copysign(0.05, values)
    if np.issubdtype(dtype, np.complexfloating):
        values = values + 1j * rng.standard_normal(shape)
    return values.astype(dtype)


def assert_close(actual, expected, tolerance: float) -> None:
    """Largest error against the largest entry: an error anywhere counts, a tiny entry does not."""
    assert np.shape(actual) == np.shape(expected)
    scale = np.max(np.abs(expected), initial=0) or 1.0
    error = np.max(np.abs(np.asarray(actual) - expected), initial=0) / scale
    assert error <= tolerance, f"relative error {error:.3g} > {tolerance:.3g}"


def check_gradient(loss, dL_dx, x) -> None:
    """Both oracles against a gradient at x (float64)."""
    assert_close(dL_dx, gradient_by_complex_step(loss, x), 1e-12)
    direction = random_array(99, x.shape)
    expected = two_point(loss, x, direction, 1e-5)
    scale = np.sqrt(np.sum(dL_dx**2) * np.sum(direction**2))
    assert abs(np.sum(dL_dx * direction) - expected) <= 1e-7 * max(scale, abs(expected))


def check_pair(forward, backward, x) -> None:
    """A forward/backward pair of one operation at x (float64)."""
    y, cache = forward(x)
    dL_dy = random_array(98, y.shape)
    check_gradient(lambda x: np.sum(dL_dy * forward(x)[0]), backward(dL_dy, cache), x)


def check_adjoint(forward, backward, x) -> None:
    """⟨dL_dy, A x⟩ = ⟨Aᵀ dL_dy, x⟩ for a linear operation A."""
    y, cache = forward(x)
    dL_dy = random_array(97, y.shape)
    left, right = np.sum(dL_dy * y), np.sum(backward(dL_dy, cache) * x)
    assert abs(left - right) <= 1e-13 * np.sum(np.abs(dL_dy * y))


# Each setting that a network may recommend, and each otherwise than by default.
RECOMMENDED = {
    "content_layers": {"relu2_1": 1.0},
    "style_layers": {"relu1_1": 2.0, "relu2_1": 1.0},
    "style_losses": {"gram": 1.0, "moments": 0.5},
    "content_weight": 0.7,
    "style_weight": 2.0,
    "tv": "smoothed",
    "tv_weight": 0.05,
    "steps": 7,
    "first_steps": 4,
    "min_size": 24,
}


def small_weights(
    seed: int = 0, widths=(4, 5, 6, 7, 8), last: str = "conv5_1", architecture: str = "vgg19"
) -> Weights:
    """A VGG with few random filters, BGR so that a forgotten permutation shows."""
    rng = np.random.default_rng(seed)
    layers, channels = {}, 3
    names = convolution_names(architecture)
    for name in names[: names.index(last) + 1]:
        filters = widths[int(name[4]) - 1]
        w = rng.standard_normal((3, 3, channels, filters)) * np.sqrt(2 / (9 * channels))
        layers[name] = w, 0.1 * rng.standard_normal(filters)
        channels = filters
    preprocessing = Preprocessing("BGR", 2.0, (0.8, 0.9, 1.0), (0.5, 0.6, 0.7))
    return Weights(architecture, layers, preprocessing)
