"""Every layer that learns: against its derivatives, and the derivatives against planted mistakes.

The losses are complex-analytic where the masks stay, so the complex step is exact to rounding.
"""

import numpy as np
import pytest
from proofs import assert_close, check_gradient, check_pair, random_array

from manualnst.backends import naive_backend
from weights.learn import layers, network, winograd
from weights.learn.network import Shape

SMALL = [(2, 1, 1, 3, 4), (1, 5, 3, 2, 5), (3, 4, 6, 5, 1), (2, 2, 7, 1, 3)]  # n, H, W, C, K
TILED = [(1, 4, 8, 16, 17), (3, 8, 4, 18, 16)]  # for Winograd's way
LAMBDA = 0.3


def filters(C, K):
    return random_array(1, (3, 3, C, K))


def in_blocks_of_one_crop(monkeypatch):
    """Every loop over blocks, strips and tiles takes several rounds."""
    for module in (layers, winograd):
        monkeypatch.setattr(module, "BLOCK_BYTES", 1)


@pytest.fixture(params=[False, True], ids=["one block", "many blocks"])
def blocks(request, monkeypatch):
    if request.param:
        in_blocks_of_one_crop(monkeypatch)


# Convolution


@pytest.mark.parametrize("shape", SMALL + TILED)
def test_convolution_agrees_with_the_naive_oracle(shape, blocks):
    n, H, W, C, K = shape
    x, w = random_array(2, (n, H, W, C)), filters(C, K)
    dL_dz = random_array(3, (n, H, W, K))
    z = layers.conv3x3_forward(x, w)
    dL_dx, dL_dw = layers.conv3x3_backward(dL_dz, x, w)
    no_bias = np.zeros(K)
    for crop in range(n):
        assert_close(z[crop], naive_backend.conv3x3_forward(x[crop], w, no_bias)[0], 1e-12)
        assert_close(dL_dx[crop], naive_backend.conv3x3_backward(dL_dz[crop], w), 1e-12)
    pairs = zip(dL_dz, x, strict=True)
    expected = sum(naive_backend.conv3x3_backward_params(*pair)[0] for pair in pairs)
    assert_close(dL_dw, expected, 1e-12)
    assert_close(layers.conv3x3_backward_filters(dL_dz, x), expected, 1e-12)


@pytest.mark.parametrize("shape", [(2, 3, 5, 2, 3), *TILED[:1]])
def test_convolution_by_complex_step(shape):
    n, H, W, C, K = shape
    x, w, dL_dz = random_array(2, (n, H, W, C)), filters(C, K), random_array(3, (n, H, W, K))
    dL_dx, dL_dw = layers.conv3x3_backward(dL_dz, x, w)

    def loss(x, w):
        z = layers.conv3x3_forward(x, w.astype(x.dtype))
        return np.sum(dL_dz * z)

    check_gradient(lambda x: loss(x, w), dL_dx, x)
    if w.size < 100:
        check_gradient(lambda w: loss(x.astype(w.dtype), w), dL_dw, w)


def test_winograd_is_used_where_it_can_be_and_pays():
    assert winograd.pays((1, 8, 4, 16), (3, 3, 16, 32))
    assert not winograd.pays((1, 8, 6, 16), (3, 3, 16, 32))
    assert not winograd.pays((1, 8, 8, 3), (3, 3, 3, 32))


# Normalisation and ReLU


def norm_relu(z, gamma, beta, dL_dy, decorrelation=LAMBDA):
    """A loss of everything that the layer gives: Σ dL_dy · y + 2 · penalty."""
    y, penalty, cache = layers.norm_relu_forward(z, gamma, beta, decorrelation)
    return np.sum(dL_dy * y) + 2 * penalty, cache


def norm_relu_case(shape=(3, 4, 2, 5)):
    C = shape[3]
    # Channels that hang together, of different scales, away from mean 0.
    z = random_array(4, shape) @ random_array(5, (C, C)) + np.arange(C)
    return z, 1 + 0.1 * np.arange(C), 0.3 * random_array(6, (C,)), random_array(7, shape)


@pytest.mark.parametrize("shape", [(3, 4, 2, 5), (2, 1, 7, 3), (4, 2, 2, 1)])
def test_normalisation_with_all_its_parameters(shape, blocks):
    z, gamma, beta, dL_dy = norm_relu_case(shape)
    _, cache = norm_relu(z, gamma, beta, dL_dy)
    dL_dz, dL_dgamma, dL_dbeta = layers.norm_relu_backward(dL_dy.copy(), cache, 2.0)
    check_gradient(lambda z: norm_relu(z, gamma, beta, dL_dy)[0], dL_dz, z)
    check_gradient(lambda gamma: norm_relu(z + 0j, gamma, beta, dL_dy)[0], dL_dgamma, gamma)
    check_gradient(lambda beta: norm_relu(z + 0j, gamma, beta, dL_dy)[0], dL_dbeta, beta)


def test_normalised_maps_have_mean_beta_and_deviation_gamma(blocks):
    z, gamma, _, _ = norm_relu_case((5, 6, 7, 4))
    beta = np.full(4, 50.0)  # far from the ReLU's kink
    y, _, _ = layers.norm_relu_forward(z, gamma, beta, 0.0)
    assert_close(y.mean(axis=(0, 1, 2)), beta, 1e-12)
    assert_close(y.std(axis=(0, 1, 2)), gamma, 1e-4)  # ε


def test_penalty_is_that_of_the_correlations():
    z, gamma, beta, _ = norm_relu_case((5, 6, 7, 4))
    _, penalty, _ = layers.norm_relu_forward(z, gamma, beta, LAMBDA)
    R = np.corrcoef(z.reshape(-1, 4).T)
    assert penalty == pytest.approx(LAMBDA / 4 * (np.sum(R**2) - 4), rel=1e-4)  # ε
    alone = layers.norm_relu_forward(z[..., :1], gamma[:1], beta[:1], LAMBDA)
    assert alone[1] == 0


# Pooling, heads


@pytest.mark.parametrize("shape", [(1, 2, 2, 1), (3, 4, 6, 2), (2, 6, 2, 5)])
def test_pooling(shape, blocks):
    check_pair(
        lambda x: (layers.avgpool_forward(x), None),
        lambda dL_dy, _: layers.avgpool_backward(dL_dy),
        random_array(8, shape),
    )
    x = random_array(8, shape)
    windows = x.reshape(shape[0], shape[1] // 2, 2, shape[2] // 2, 2, shape[3])
    assert_close(layers.avgpool_forward(x), windows.mean(axis=(2, 4)), 1e-14)


def add_statistics(dL_df, cache):
    gradient = np.zeros_like(cache[0])
    layers.statistics_backward(dL_df, cache, gradient)
    return gradient


@pytest.mark.parametrize("shape", [(2, 3, 5, 2), (3, 1, 4, 1), (1, 2, 2, 6)])
def test_statistics(shape, blocks):
    y = random_array(9, shape)
    f, cache = layers.statistics_forward(y)
    assert_close(f[:, : shape[3]], y.mean(axis=(1, 2)), 1e-14)
    assert_close(f[:, shape[3] :], np.sqrt(y.var(axis=(1, 2)) + layers.EPSILON), 1e-14)
    check_pair(layers.statistics_forward, add_statistics, y)
    before = random_array(10, shape)
    gradient = before.copy()
    layers.statistics_backward(random_array(11, f.shape), cache, gradient)
    assert_close(gradient - before, add_statistics(random_array(11, f.shape), cache), 1e-12)


def classifier_case():
    return random_array(12, (3, 4)), random_array(13, (4, 5)), random_array(14, (5,)), [4, 0, 2]


def test_classifier():
    f, w, b, labels = classifier_case()
    loss, right, cache = layers.classifier_forward(f, w, b, labels)
    scores = f @ w + b
    p = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    assert loss == pytest.approx(-np.log(p[[0, 1, 2], labels]).sum())
    assert right == np.sum(scores.argmax(axis=1) == labels)
    gradients = layers.classifier_backward(2.0, cache)
    for i, gradient in enumerate(gradients):

        def twice(value, i=i):
            given = [f, w, b]
            given[i] = value
            return 2 * layers.classifier_forward(*given, labels)[0]

        check_gradient(twice, gradient, (f, w, b)[i])


def test_classifier_bears_large_scores():
    f, w, b, labels = classifier_case()
    loss, _, cache = layers.classifier_forward(1e4 * f, w, b, labels)
    assert np.isfinite(loss)
    assert all(np.isfinite(gradient).all() for gradient in layers.classifier_backward(1.0, cache))


# The whole network

SHAPE = Shape(recipes=5, widths=(4, 5, 6, 7, 3))


def network_case(shape=SHAPE, seed=0):
    random = np.random.RandomState(seed)
    parameters = network.draw_parameters(shape, random, np.float64)
    parameters = {
        name: value + 0.2 * random.standard_normal(value.shape)
        for name, value in parameters.items()
    }
    x = random.standard_normal((3, 16, 32, 3))
    return parameters, x, np.array([4, 0, 2])


def network_loss(parameters, x, labels, shape=SHAPE):
    return network.forward(shape, parameters, x, labels, LAMBDA).loss


@pytest.mark.parametrize("last", ["conv5_1", "conv3_2"])
def test_every_parameter_of_the_network_in_a_random_direction(last):
    shape = Shape(SHAPE.recipes, SHAPE.widths, last)
    parameters, x, labels = network_case(shape)
    outcome = network.forward(shape, parameters, x, labels, LAMBDA)
    gradients = network.backward(shape, parameters, outcome, 3.0)
    assert set(gradients) == set(parameters)
    assert outcome.caches == {}
    for seed, (name, value) in enumerate(parameters.items()):
        direction = random_array(seed, value.shape)
        moved = parameters | {name: value + 1e-30j * direction}
        slope = network_loss(moved, x + 0j, labels, shape).imag / 1e-30
        size = np.sqrt(np.sum(gradients[name] ** 2) * np.sum(direction**2))
        assert abs(3 * slope - np.sum(gradients[name] * direction)) < 1e-12 * size, name


def test_float32_stays_float32():
    parameters, x, labels = network_case()
    narrow = {name: value.astype(np.float32) for name, value in parameters.items()}
    outcome = network.forward(SHAPE, narrow, x.astype(np.float32), labels, LAMBDA)
    wide = network.forward(SHAPE, parameters, x, labels, LAMBDA)
    assert outcome.loss == pytest.approx(wide.loss, rel=1e-4)
    expected = network.backward(SHAPE, parameters, wide)
    for name, gradient in network.backward(SHAPE, narrow, outcome).items():
        assert gradient.dtype == np.float32, name
        assert gradient.shape == narrow[name].shape
        assert_close(gradient, expected[name], 2e-3)


# Planted mistakes: each must be noticed by what proves the right ones


def conv_broken(change):
    w = filters(2, 3)

    def backward(dL_dz, x):
        return change(*layers.conv3x3_backward(dL_dz, x, w))

    return lambda x: (layers.conv3x3_forward(x, w.astype(x.dtype)), x), backward


def norm_broken(change):
    _, gamma, beta, _ = norm_relu_case((2, 5, 3, 4))

    def forward(z):
        y, _, cache = layers.norm_relu_forward(z, gamma, beta, LAMBDA)
        return y, cache

    def backward(dL_dy, cache):
        # What is proven here is y alone, so the right backward has no penalty.
        return layers.norm_relu_backward(dL_dy.copy(), change(*cache), 0.0)[0]

    return forward, backward


def scaled(scale, pair):
    forward, backward = pair
    return forward, lambda dL_dy, cache: scale * backward(dL_dy, cache)


POOLING = (
    lambda x: (layers.avgpool_forward(x), None),
    lambda dL_dy, _: layers.avgpool_backward(dL_dy),
)
STATISTICS = layers.statistics_forward, add_statistics


def deviations_twice(dL_df, cache):
    C = dL_df.shape[1] // 2
    return add_statistics(np.concatenate([dL_df[:, :C], 2 * dL_df[:, C:]], axis=1), cache)


MISTAKES = {
    "conv: shifted by a row": conv_broken(lambda dx, dw: np.roll(dx, 1, axis=1)),
    "conv: crops exchanged": conv_broken(lambda dx, dw: dx[::-1]),
    "conv: doubled": conv_broken(lambda dx, dw: 2 * dx),
    "norm: mean not subtracted": norm_broken(
        lambda z, y, gamma, mean, *rest: (z, y, gamma, 0 * mean, *rest)
    ),
    "norm: another deviation": norm_broken(
        lambda z, y, gamma, mean, sigma, *rest: (z, y, gamma, mean, sigma + 0.1, *rest)
    ),
    "norm: mask of another map": norm_broken(lambda z, y, *rest: (z, y[..., ::-1], *rest)),
    "norm: γ forgotten": norm_broken(lambda z, y, gamma, *rest: (z, y, 0 * gamma + 1, *rest)),
    "pooling: without ¼": scaled(4, POOLING),
    "statistics: without 1/P": scaled(30, STATISTICS),
    "statistics: deviation doubled": (layers.statistics_forward, deviations_twice),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_is_caught(mistake):
    forward, backward = MISTAKES[mistake]
    channels = {"conv": 2, "norm": 4}.get(mistake[:4], 3)
    z = random_array(15, (2, 6, 4, channels)) + 0.5
    with pytest.raises(AssertionError, match="relative error"):
        check_pair(forward, backward, z)


@pytest.mark.parametrize(
    "change",
    [lambda dw: dw[::-1], lambda dw: dw.transpose(1, 0, 2, 3), lambda dw: 1.01 * dw],
    ids=["not turned", "axes swapped", "one percent too large"],
)
def test_a_mistake_in_the_filters_gradient_is_caught(change):
    x, w, dL_dz = random_array(2, (2, 3, 5, 2)), filters(2, 3), random_array(3, (2, 3, 5, 3))
    wrong = change(layers.conv3x3_backward(dL_dz, x, w)[1])
    with pytest.raises(AssertionError, match="relative error"):
        check_gradient(
            lambda w: np.sum(dL_dz * layers.conv3x3_forward(x.astype(w.dtype), w)), wrong, w
        )


@pytest.mark.parametrize("scale", [0, -1, 2])
def test_a_mistake_in_the_penaltys_gradient_is_caught(scale):
    z, gamma, beta, dL_dy = norm_relu_case()
    _, cache = norm_relu(z, gamma, beta, dL_dy)
    dL_dz = layers.norm_relu_backward(dL_dy.copy(), cache, 2.0 * scale)[0]
    with pytest.raises(AssertionError, match="relative error"):
        check_gradient(lambda z: norm_relu(z, gamma, beta, dL_dy)[0], dL_dz, z)
