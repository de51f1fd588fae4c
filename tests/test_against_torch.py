"""The hand-written derivatives against PyTorch's autograd, entry by entry.

Each pair, each loss, the objective of a small network, a whole VGG-19.
"""

import math
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from proofs import assert_close, random_array, small_weights
from test_objective import objective, pictures
from test_objective import settings as loss_settings

from manualnst import losses, ops
from manualnst.backends import NAMES, get_backend
from manualnst.network.network import Network
from manualnst.network.vgg import Preprocessing, layer_names
from manualnst.objective.objective import LossSettings, Objective
from manualnst.runs.settings import Settings
from manualnst.weights import convert

torch = pytest.importorskip("torch", reason="PyTorch is not installed; it is only compared with")
from manualnst_bench import torch_objective as reference  # noqa: E402
from manualnst_bench.sides import random_vgg19  # noqa: E402

NN = torch.nn.functional
EXACT = 1e-12  # of float64, with some room for sums in another order


# The pairs. Each torch function takes and returns (H, W, C).


def nchw(x):
    return x.permute(2, 0, 1)[None]  # (1, C, H, W)


def hwc(x):
    return x[0].permute(1, 2, 0)


def torch_conv3x3(x, w, b):
    # PyTorch 2.13 refuses the gradient of a permuted filter with one output channel.
    w = w.permute(3, 2, 0, 1).clone(memory_format=torch.contiguous_format)
    return hwc(NN.conv2d(nchw(x), w, b, padding=1))


def torch_pixels(x, preprocessing):
    mean, std = x.new_tensor(preprocessing.mean), x.new_tensor(preprocessing.std)
    ordered = x.flip(2) if preprocessing.channels == "BGR" else x
    return (preprocessing.range * ordered - mean) / std


POOLINGS = {
    "avgpool": lambda x: hwc(NN.avg_pool2d(nchw(x), 2)),
    "maxpool": lambda x: hwc(NN.max_pool2d(nchw(x), 2)),
}
UNARY = {"relu": NN.relu, **POOLINGS}
SHAPES = {
    "relu": [(1, 1, 1), (1, 9, 3), (5, 3, 2)],
    "avgpool": [(2, 2, 1), (2, 3, 3), (5, 7, 2), (6, 4, 3)],
    "maxpool": [(2, 2, 1), (2, 3, 3), (5, 7, 2), (6, 4, 3)],
}
CASES = [(name, shape) for name, shapes in SHAPES.items() for shape in shapes]


def by_autograd(function, *inputs):
    """y, a random dL_dy, and by autograd the gradients of Σ dL_dy · y for each input."""
    tensors = [torch.from_numpy(array).requires_grad_() for array in inputs]
    y = function(*tensors)
    dL_dy = random_array(4, y.shape)
    gradients = torch.autograd.grad(y, tensors, torch.from_numpy(dL_dy))
    return y.detach().numpy(), dL_dy, [gradient.numpy() for gradient in gradients]


def compare_unary(name, x, backend, torch_function, **options):
    y, cache = getattr(ops, f"{name}_forward")(x, **options, backend=backend)
    expected_y, dL_dy, (expected_dL_dx,) = by_autograd(torch_function, x)
    assert_close(y, expected_y, EXACT)
    dL_dx = getattr(ops, f"{name}_backward")(dL_dy, cache, backend=backend)
    assert_close(dL_dx, expected_dL_dx, EXACT)


@pytest.mark.parametrize("backend", NAMES)
@pytest.mark.parametrize("filters", [1, 4])
@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 5, 3), (4, 1, 1), (5, 7, 3), (6, 4, 2)])
def test_conv3x3(shape, filters, backend):
    backend = get_backend(backend)
    x, w, b = (
        random_array(n, shape)
        for n, shape in enumerate([shape, (3, 3, shape[2], filters), filters])
    )
    y, cache = ops.conv3x3_forward(x, w, b, backend=backend)
    expected_y, dL_dy, (expected_dL_dx, *expected_params) = by_autograd(torch_conv3x3, x, w, b)
    assert_close(y, expected_y, EXACT)
    assert_close(ops.conv3x3_backward(dL_dy, cache, backend=backend), expected_dL_dx, EXACT)
    params = ops.conv3x3_backward_params(dL_dy, x, backend=backend)
    for actual, expected in zip(params, expected_params, strict=True):
        assert_close(actual, expected, EXACT)


@pytest.mark.parametrize("backend", NAMES)
@pytest.mark.parametrize(("name", "shape"), CASES)
def test_relu_and_pooling(name, shape, backend):
    compare_unary(name, random_array(1, shape), get_backend(backend), UNARY[name])


@pytest.mark.parametrize("backend", NAMES)
@pytest.mark.parametrize("name", ["relu", "maxpool"])
def test_kinks_are_decided_as_by_torch(name, backend):
    x = np.random.default_rng(0).integers(-1, 2, (9, 8, 5)).astype(np.float64)
    compare_unary(name, x, get_backend(backend), UNARY[name])


@pytest.mark.parametrize("backend", NAMES)
@pytest.mark.parametrize("channels", ["RGB", "BGR"])
def test_pixels(channels, backend):
    preprocessing = Preprocessing(channels, 255, (103.5, 116.5, 123.5), (0.5, 2.0, 3.0))
    torch_function = partial(torch_pixels, preprocessing=preprocessing)
    x = random_array(1, (4, 3, 3))
    compare_unary("pixels", x, get_backend(backend), torch_function, preprocessing=preprocessing)


# The losses.


def compare_loss(forward, backward, torch_loss, F):
    """`forward` (F) → loss, cache against `torch_loss` of the same as (1, N, H, W)."""
    loss, cache = forward(F)
    tensor = torch.from_numpy(F).requires_grad_()
    expected_loss = torch_loss(nchw(tensor))
    (expected_gradient,) = torch.autograd.grad(0.7 * expected_loss, tensor)
    assert_close(loss, expected_loss.item(), EXACT)
    assert_close(backward(0.7, cache), expected_gradient.numpy(), EXACT)


@pytest.mark.parametrize("backend", NAMES)
@pytest.mark.parametrize("normalisation", losses.NORMALISATIONS)
@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 5, 3), (4, 3, 2)])
def test_content_loss(shape, normalisation, backend):
    options = dict(backend=get_backend(backend))
    F, P = random_array(1, shape), random_array(2, shape)
    compare_loss(
        lambda F: losses.content_forward(F, P, normalisation, **options),
        partial(losses.content_backward, **options),
        lambda F: reference.content_loss(F, nchw(torch.from_numpy(P)), normalisation),
        F,
    )


@pytest.mark.parametrize("backend", NAMES)
@pytest.mark.parametrize("normalisation", losses.NORMALISATIONS)
@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 5, 3), (4, 3, 2)])
def test_style_loss_with_a_style_picture_of_another_size(shape, normalisation, backend):
    options = dict(backend=get_backend(backend))
    F, style = random_array(1, shape), random_array(2, (3, 5, shape[2]))
    target = losses.gram_target(style, **options)
    A = reference.gram_per_position(nchw(torch.from_numpy(style)))
    compare_loss(
        lambda F: losses.style_forward(F, target, normalisation, **options),
        partial(losses.style_backward, **options),
        lambda F: reference.style_loss(F, A, normalisation),
        F,
    )


@pytest.mark.parametrize("backend", NAMES)
@pytest.mark.parametrize("normalisation", losses.NORMALISATIONS)
@pytest.mark.parametrize("shape", [(1, 2, 1), (1, 5, 3), (4, 3, 2)])
def test_moments_loss_with_a_style_picture_of_another_size(shape, normalisation, backend):
    options = dict(backend=get_backend(backend))
    F, style = random_array(1, shape), random_array(2, (3, 5, shape[2]))
    target = losses.moments_target(style, **options)
    expected_target = reference.moments(nchw(torch.from_numpy(style)))
    compare_loss(
        lambda F: losses.moments_forward(F, target, normalisation, **options),
        partial(losses.moments_backward, **options),
        lambda F: reference.moments_loss(F, expected_target, normalisation),
        F,
    )


@pytest.mark.parametrize("backend", NAMES)
@pytest.mark.parametrize("normalisation", losses.NORMALISATIONS)
@pytest.mark.parametrize("shape", [(1, 5, 3), (4, 1, 3), (4, 3, 2)])
def test_total_variation(shape, normalisation, backend):
    options = dict(backend=get_backend(backend))
    compare_loss(
        lambda x: losses.total_variation_forward(x, normalisation, **options),
        partial(losses.total_variation_backward, **options),
        lambda x: reference.total_variation(x, normalisation),
        random_array(1, shape),
    )


# The whole objective, of a small network.


def torch_maps(x, taps, weights, pool):
    """x (1, 3, H, W) → {tap: its map}, by the functions above, as `reference.Vgg` does it."""
    y = torch_pixels(hwc(x), weights.preprocessing)
    maps = {"pixels": x}
    for name in layer_names(weights.architecture):
        if name in weights.layers:
            y = torch_conv3x3(y, *map(torch.from_numpy, weights.layers[name]))
        elif name.startswith("relu"):
            y = NN.relu(y)
        else:
            y = POOLINGS[pool](y)
        maps[name] = nchw(y)
        if set(taps) <= set(maps):
            return {tap: maps[tap] for tap in taps}


@pytest.mark.parametrize("backend", NAMES)
@pytest.mark.parametrize("normalisation", losses.NORMALISATIONS)
@pytest.mark.parametrize(("pool", "torch_pool"), [("average", "avgpool"), ("max", "maxpool")])
def test_objective_of_a_small_network(pool, torch_pool, normalisation, backend):
    content, style, x = pictures()
    evaluation = objective(backend=backend, pool=pool, normalisation=normalisation)(x)
    expected = reference.TorchObjective(
        partial(torch_maps, weights=small_weights(), pool=torch_pool),
        reference.to_tensor(content),
        reference.to_tensor(style),
        loss_settings(normalisation=normalisation),
    )
    loss, dL_dx = reference.evaluate(expected, reference.to_tensor(x))
    assert_close(evaluation.loss, loss, EXACT)
    assert_close(evaluation.dL_dx, reference.to_picture(dL_dx), EXACT)


# A whole VGG-19.

CONTENT_SIZE, STYLE_SIZE = (47, 67, 3), (59, 50, 3)  # odd edges are dropped at several poolings
# Gradients jump where a ReLU or maximum switches, so single and double precision, or two orders
# of summing, can only agree where all are further from switching than single precision errs.
MARGIN = 2e-6  # relative to the map's standard deviation


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Random filters, by way of a .pth file as torchvision's are."""
    path = tmp_path_factory.mktemp("weights") / "vgg19.pth"
    torch.save(reference.Vgg(random_vgg19()).state_dict(), path)
    return convert(path, preprocessing="imagenet-rgb")


@pytest.fixture(scope="module", params=["average", "max"])
def problem(request):
    """pool, pictures (content, style, x) and settings under which every term matters."""
    pool = request.param
    content, style = random_picture(1, CONTENT_SIZE), random_picture(2, STYLE_SIZE)
    vgg = reference.Vgg(random_vgg19(), pool).double()
    candidates = (random_picture(seed, CONTENT_SIZE) for seed in range(100, 200))
    x = next(x for x in candidates if is_off_kinks(vgg, x))
    return pool, (content, style, x), balanced_settings(vgg, content, style, x)


def random_picture(seed, shape):
    """Numbers that single precision holds exactly."""
    return np.random.default_rng(seed).random(shape, np.float32).astype(np.float64)


@torch.no_grad()
def is_off_kinks(vgg, x):
    """Whether no ReLU's input is near zero, and no maximum near the second in its window."""
    y = vgg.normalise(reference.to_tensor(x))
    for layer in vgg.features[: vgg.places["relu5_1"] + 1]:
        near = MARGIN * y.std()
        if isinstance(layer, torch.nn.ReLU) and y.abs().min() <= near:
            return False
        if isinstance(layer, torch.nn.MaxPool2d):
            windows = NN.unfold(y.transpose(0, 1), 2, stride=2)  # (N, 4, windows)
            first, second = windows.topk(2, dim=1).values.unbind(1)
            if (first - second)[first > 0].min() <= near:  # through all zeros nothing goes back
                return False
        y = layer(y)
    return True


def balanced_settings(vgg, content, style, x):
    """Weights by which every term contributes a gradient of the same length."""
    ones = LossSettings({"relu4_2": 1}, dict.fromkeys(Settings().style_layers, 1), 1, 1, 1, "paper")
    content, style, x = map(reference.to_tensor, (content, style, x))
    terms = reference.TorchObjective(vgg, content, style, ones).terms(x.requires_grad_())
    weights = {
        name: 1 / torch.autograd.grad(term, x, retain_graph=True)[0].norm().item()
        for name, term in terms.items()
    }
    style_layers = {layer: weights[f"style {layer}"] for layer in ones.style_layers}
    return replace(
        ones,
        style_layers=style_layers,
        content_weight=weights["content relu4_2"],
        style_weight=math.fsum(style_layers.values()),
        tv_weight=weights["tv"],
    )


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-4), ("float64", 1e-10)])
def test_one_evaluation_of_vgg19(problem, weights, dtype, tolerance):
    pool, pictures, settings = problem
    content, style, x = (picture.astype(dtype) for picture in pictures)
    network = Network(weights, backend=get_backend("numpy"), pool=pool, dtype=dtype)
    evaluation = Objective(network, content, style, settings)(x)
    assert evaluation.dL_dx.dtype == dtype

    vgg = reference.Vgg(random_vgg19(), pool).to(getattr(torch, dtype))
    content, style, x = map(reference.to_tensor, (content, style, x))
    objective = reference.TorchObjective(vgg, content, style, settings)
    loss, dL_dx = reference.evaluate(objective, x)
    assert_close(evaluation.loss, loss, tolerance)
    assert_close(evaluation.dL_dx, reference.to_picture(dL_dx), tolerance)
    expected_terms = objective.terms(x)
    assert set(evaluation.terms) == set(expected_terms)
    for name, expected in expected_terms.items():
        assert_close(evaluation.terms[name].value, expected.item(), tolerance)
