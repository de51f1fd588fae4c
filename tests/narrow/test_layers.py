"""The layers of the narrow network: against the naive oracle, against their derivatives, and the
derivatives against planted mistakes.
"""

import numpy as np
import pytest
from proofs import assert_close, check_gradient, check_pair, random_array, small_weights

from manualnst.backends import get_backend
from manualnst.backends.numpy import winograd as package_winograd
from manualnst.network.network import Network
from manualnst.ops import pixels_forward
from weights.narrow import layers, network, winograd

naive_backend = get_backend("naive")
SMALL = [(2, 1, 1, 3, 4), (1, 5, 3, 2, 5), (3, 4, 6, 5, 1), (2, 2, 7, 1, 3)]  # n, H, W, C, K
TILED = [(1, 4, 8, 16, 17), (2, 4, 4, 17, 16)]  # for Winograd's way


def filters(C, K):
    return random_array(1, (3, 3, C, K))


def in_small_blocks(monkeypatch):
    """Every loop over blocks, strips and tiles takes as many rounds as there can be."""
    for module in (layers, winograd):
        monkeypatch.setattr(module, "BLOCK_BYTES", 1)


@pytest.fixture(params=[False, True], ids=["one block", "many blocks"])
def blocks(request, monkeypatch):
    if request.param:
        in_small_blocks(monkeypatch)


# Convolution


def conv_case(shape):
    n, H, W, C, K = shape
    return random_array(2, (n, H, W, C)), filters(C, K), random_array(3, (n, H, W, K))


def all_of_convolution(x, w, dL_dz):
    return layers.conv3x3_forward(x, w), *layers.conv3x3_backward(dL_dz, x, w)


@pytest.mark.parametrize("shape", SMALL + TILED)
def test_convolution_agrees_with_the_naive_oracle(shape):
    x, w, dL_dz = conv_case(shape)
    z, dL_dx, dL_dw = all_of_convolution(x, w, dL_dz)
    for crop in range(len(x)):
        expected, _ = naive_backend.conv3x3_forward(x[crop], w, np.zeros(w.shape[3]))
        assert_close(z[crop], expected, 1e-12)
        assert_close(dL_dx[crop], naive_backend.conv3x3_backward(dL_dz[crop], w), 1e-12)
    pairs = zip(dL_dz, x, strict=True)
    expected = sum(naive_backend.conv3x3_backward_params(*pair)[0] for pair in pairs)
    assert_close(dL_dw, expected, 1e-12)
    assert_close(layers.conv3x3_backward_filters(dL_dz, x), expected, 1e-12)


@pytest.mark.parametrize("shape", [*SMALL, (5, 8, 4, 18, 16)])
def test_blocks_change_nothing(shape, monkeypatch):
    case = conv_case(shape)
    whole = all_of_convolution(*case)
    in_small_blocks(monkeypatch)
    for found, expected in zip(all_of_convolution(*case), whole, strict=True):
        assert_close(found, expected, 1e-12)
    assert_close(layers.conv3x3_backward_filters(case[2], case[0]), whole[2], 1e-12)


@pytest.mark.parametrize("shape", [(2, 3, 5, 2, 3), (1, 4, 4, 16, 17)])
def test_convolution_by_complex_step(shape):
    x, w, dL_dz = conv_case(shape)
    dL_dx, dL_dw = layers.conv3x3_backward(dL_dz, x, w)

    def loss(x, w):
        z = layers.conv3x3_forward(x, w.astype(x.dtype))
        return np.sum(dL_dz * z)

    check_gradient(lambda x: loss(x, w), dL_dx, x)
    if w.size < 100:
        check_gradient(lambda w: loss(x.astype(w.dtype), w), dL_dw, w)


def test_filters_can_be_given_as_winograds_algorithm_has_them():
    x, w, _ = conv_case(TILED[0])
    z = layers.conv3x3_forward(x, w, winograd.transformed(w))
    np.testing.assert_array_equal(z, layers.conv3x3_forward(x, w))
    # They are what is used: others give another map.
    assert np.abs(layers.conv3x3_forward(x, w, winograd.transformed(2 * w)) - 2 * z).max() < 1e-10


def test_transformed_filters_are_those_of_the_equation():
    """U = G g Gᵀ for every pair of channels."""
    w, G = filters(2, 5), np.array(package_winograd.G)
    U = winograd.transformed(w)
    for c, k in np.ndindex(2, 5):
        assert_close(U[:, c, k].reshape(6, 6), G @ w[:, :, c, k] @ G.T, 1e-14)


def test_winograd_is_used_where_it_can_be_and_pays():
    assert winograd.pays((1, 8, 4, 16), (3, 3, 16, 32))
    assert not winograd.pays((1, 8, 6, 16), (3, 3, 16, 32))
    assert not winograd.pays((1, 8, 8, 3), (3, 3, 3, 32))


# Bias and ReLU


def bias_relu(z, b):
    """As a pair for the checkers, which want their arrays left as they are."""
    y = layers.bias_relu_forward(z.copy(), b)
    return y, y


def bias_relu_back(dL_dy, y):
    return layers.bias_relu_backward(dL_dy.copy(), y)


@pytest.mark.parametrize("shape", [(3, 4, 2, 5), (2, 1, 7, 3), (4, 2, 2, 1)])
def test_bias_and_relu(shape, blocks):
    z, b, dL_dy = random_array(4, shape), 0.02 * random_array(5, shape[3:]), random_array(6, shape)
    y, _ = bias_relu(z, b)
    for crop in range(shape[0]):
        assert_close(y[crop], naive_backend.relu_forward(z[crop] + b)[0], 1e-15)
    dL_dz, dL_db = bias_relu_back(dL_dy, y)
    check_gradient(lambda z: np.sum(dL_dy * bias_relu(z, b)[0]), dL_dz, z)
    check_gradient(lambda b: np.sum(dL_dy * bias_relu(z.astype(b.dtype), b)[0]), dL_db, b)


def test_bias_and_relu_work_in_place():
    z, b = random_array(4, (2, 3, 4, 5)), random_array(5, (5,))
    assert layers.bias_relu_forward(z, b) is z
    dL_dy = random_array(6, z.shape)
    assert layers.bias_relu_backward(dL_dy, z)[0] is dL_dy


# Pooling


@pytest.mark.parametrize("shape", [(1, 2, 2, 1), (3, 4, 6, 2), (2, 6, 2, 5)])
def test_pooling(shape, blocks):
    x = random_array(8, shape)
    check_pair(*POOLING, x)
    y = layers.avgpool_forward(x)
    dL_dx = layers.avgpool_backward(y)
    for crop in range(shape[0]):
        expected, cache = naive_backend.avgpool_forward(x[crop])
        assert_close(y[crop], expected, 1e-14)
        assert_close(dL_dx[crop], naive_backend.avgpool_backward(y[crop], cache), 1e-14)


POOLING = (
    lambda x: (layers.avgpool_forward(x), None),
    lambda dL_dy, _: layers.avgpool_backward(dL_dy),
)


# The whole network


def network_case(last="conv5_1", channels=(4, 5, 6, 7, 8)):
    """A narrow network, a batch, what its maps should be, and what whole layers have.

    One crop is nearly blank at one layer, so that QUIET decides there.
    """
    weights = small_weights(2, channels, last, "vgg16")
    parameters = network.parameters_of(weights)
    for name in parameters:
        if name.endswith(".b"):
            parameters[name] = np.abs(parameters[name]) + 0.1  # lest a small layer be silent
    x = random_array(3, (3, 16, 32, 3))
    _, maps = network.forward(parameters, weights.layers, x)
    learning = list(maps)[1:]
    targets = {name: np.abs(random_array(4, maps[name].shape)) for name in learning}
    energies = {name: float(np.mean(t**2)) for name, t in targets.items()}
    targets[learning[1]][0] *= 1e-3
    return parameters, x, targets, energies


def network_loss(parameters, x, targets, energies):
    names = ["conv1_1", *targets]
    inputs, maps = network.forward(parameters, names, x)
    shares, gradients = network.errors(maps, targets, energies)
    return sum(shares.values()), (inputs, maps, gradients)


@pytest.mark.parametrize("last", ["conv5_1", "conv3_2"])
def test_every_parameter_of_the_network_in_a_random_direction(last, blocks):
    parameters, x, *lesson = network_case(last)
    _, passed = network_loss(parameters, x, *lesson)
    gradients = network.backward(parameters, *passed)
    learning = [name for name in parameters if not name.startswith("conv1_1.")]
    assert set(gradients) == set(learning)
    for seed, name in enumerate(learning):
        direction = random_array(seed, parameters[name].shape)
        moved = parameters | {name: parameters[name] + 1e-30j * direction}
        slope = network_loss(moved, x + 0j, *lesson)[0].imag / 1e-30
        size = np.sqrt(np.sum(gradients[name] ** 2) * np.sum(direction**2))
        assert size > 0
        assert abs(slope - np.sum(gradients[name] * direction)) < 1e-12 * size, name


def test_errors_are_relative_and_those_of_nearly_blank_crops_bounded():
    parameters, x, targets, energies = network_case()
    _, maps = network.forward(parameters, ["conv1_1", *targets], x)
    shares, _ = network.errors(maps, targets, energies)
    quiet = list(targets)[1]
    for name, t in targets.items():
        squares = np.sum((maps[name] - t) ** 2, axis=(1, 2, 3))
        whole = np.sum(t**2, axis=(1, 2, 3))
        if name == quiet:
            assert whole[0] < network.QUIET * energies[name] * t[0].size
            whole[0] = network.QUIET * energies[name] * t[0].size
        assert shares[name] == pytest.approx(np.mean(squares / whole), rel=1e-12), name


def test_the_network_is_that_of_the_package():
    weights = small_weights(2, architecture="vgg16")
    pixels = np.random.default_rng(1).uniform(size=(16, 32, 3))
    fast = get_backend("numpy")
    x, _ = pixels_forward(pixels, weights.preprocessing, backend=fast)
    _, maps = network.forward(network.parameters_of(weights), weights.layers, x[None])
    relus = {name: name.replace("conv", "relu") for name in weights.layers}
    features, _ = Network(weights, backend=fast, dtype=np.float64).forward(
        pixels, list(relus.values())
    )
    for name, relu in relus.items():
        assert_close(maps[name][0], features[relu], 1e-12)


def test_float32_stays_float32():
    parameters, x, targets, energies = network_case()
    single = ({name: a.astype(np.float32) for name, a in d.items()} for d in (parameters, targets))
    single_parameters, single_targets = single
    wide, passed = network_loss(parameters, x, targets, energies)
    loss, single_passed = network_loss(
        single_parameters, x.astype(np.float32), single_targets, energies
    )
    assert loss == pytest.approx(wide, rel=1e-4)
    expected = network.backward(parameters, *passed)
    for name, gradient in network.backward(single_parameters, *single_passed).items():
        assert gradient.dtype == np.float32, name
        assert gradient.shape == parameters[name].shape
        assert_close(gradient, expected[name], 2e-3)


# Planted mistakes: each must be noticed by what proves the right ones


def conv_broken(change):
    w = filters(3, 2)

    def backward(dL_dz, x):
        return change(layers.conv3x3_backward(dL_dz, x, w)[0])

    return lambda x: (layers.conv3x3_forward(x, w.astype(x.dtype)), x), backward


def relu_broken(change):
    b = np.array([0.3, -0.2, 0.1])

    def backward(dL_dy, y):
        return bias_relu_back(dL_dy, change(y))[0]

    return lambda z: bias_relu(z, b), backward


MISTAKES = {
    "conv: shifted by a row": conv_broken(lambda dL_dx: np.roll(dL_dx, 1, axis=1)),
    "conv: crops exchanged": conv_broken(lambda dL_dx: dL_dx[::-1]),
    "conv: doubled": conv_broken(lambda dL_dx: 2 * dL_dx),
    "relu: mask of another map": relu_broken(lambda y: y[..., ::-1]),
    "relu: no mask": relu_broken(lambda y: y + 1),
    "relu: mask turned round": relu_broken(lambda y: 0.0 + (y == 0)),
    "pooling: without ¼": (POOLING[0], lambda dL_dy, _: 4 * layers.avgpool_backward(dL_dy)),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_is_caught(mistake):
    z = random_array(15, (2, 6, 4, 3)) + 0.5
    with pytest.raises(AssertionError, match="relative error"):
        check_pair(*MISTAKES[mistake], z)


@pytest.mark.parametrize(
    "change",
    [lambda dw: dw[::-1], lambda dw: dw.transpose(1, 0, 2, 3), lambda dw: 1.01 * dw],
    ids=["not turned", "axes swapped", "one percent too large"],
)
def test_a_mistake_in_the_filters_gradient_is_caught(change):
    x, w, dL_dz = conv_case((2, 3, 5, 2, 3))
    wrong = change(layers.conv3x3_backward(dL_dz, x, w)[1])
    with pytest.raises(AssertionError, match="relative error"):
        check_gradient(
            lambda w: np.sum(dL_dz * layers.conv3x3_forward(x.astype(w.dtype), w)), wrong, w
        )


@pytest.mark.parametrize("wrong", [lambda d: 0.5 * d, lambda d: d[::-1], np.abs])
def test_a_mistake_in_the_loss_gradient_is_caught(wrong, monkeypatch):
    right = network.errors

    def broken(maps, targets, energies):
        shares, gradients = right(maps, targets, energies)
        return shares, {name: wrong(d) for name, d in gradients.items()}

    monkeypatch.setattr(network, "errors", broken)
    with pytest.raises(AssertionError):
        test_every_parameter_of_the_network_in_a_random_direction("conv3_2", None)


def test_a_forgotten_way_back_is_caught(monkeypatch):
    """As if only a layer's own error moved its filters."""
    right = layers.conv3x3_backward
    monkeypatch.setattr(layers, "conv3x3_backward", lambda *given: (0 * given[1], right(*given)[1]))
    with pytest.raises(AssertionError):
        test_every_parameter_of_the_network_in_a_random_direction("conv3_2", None)
