"""Other people's verifiers judge the derivatives: PyTorch's gradcheck and JAX's check_grads.

Each pair (forward, backward) is dressed up as a function of that library with a derivative of its
own, and the library's verifier compares that derivative with differences of its own. The
verifiers' tolerances are their defaults. Those are partly absolute (1e-5), so losses are weighted
to have gradients of about 1: of a tiny gradient anything at all would be accepted. That nothing
is accepted blindly is shown by planting mistakes; each verifier has to find each.
"""

import sys
from collections.abc import Callable
from contextlib import contextmanager
from functools import partial
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from proofs import random_array, small_weights
from test_losses import BACKWARD as LOSS_BACKWARD
from test_losses import MISTAKES as LOSS_MISTAKES
from test_losses import SHAPE as LOSS_SHAPE
from test_losses import forward_of as loss_forward

from manualnst import ops
from manualnst.backends import NAMES, get_backend
from manualnst.losses import (
    NORMALISATIONS,
    chained_style_backward,
    chained_style_forward,
    chained_style_target,
)
from manualnst.network.network import Network
from manualnst.objective.objective import LossSettings, Objective, unit_scale

sys.path.append(str(Path(__file__).parent / "ops"))
from test_pairs import pair_of
from test_planted_mistakes import MISTAKES as OPERATION_MISTAKES

WITHOUT_TORCH = "PyTorch is not installed; its gradcheck is only asked to judge"
WITHOUT_JAX = "JAX is not installed; its check_grads is only asked to judge"


class Pair(NamedTuple):
    inputs: tuple[np.ndarray, ...]  # float64; where to differentiate
    forward: Callable  # (*inputs) → y, cache
    backward: Callable  # (dL_dy, cache) → a gradient for each input


# The verifiers: each takes a pair, and raises if it does not accept it.


def as_torch(torch, pair: Pair) -> Callable:
    class Function(torch.autograd.Function):
        @staticmethod
        def forward(ctx, *inputs):
            y, ctx.cache = pair.forward(*(tensor.detach().numpy() for tensor in inputs))
            return torch.from_numpy(y)

        @staticmethod
        def backward(ctx, dL_dy):
            gradients = pair.backward(dL_dy.numpy(), ctx.cache)
            return tuple(torch.from_numpy(gradient) for gradient in gradients)

    return Function.apply


def gradcheck(pair: Pair, fast_mode: bool) -> None:
    torch = pytest.importorskip("torch", reason=WITHOUT_TORCH)
    inputs = [torch.from_numpy(array).requires_grad_() for array in pair.inputs]
    torch.autograd.gradcheck(as_torch(torch, pair), inputs, fast_mode=fast_mode)


def as_jax(jax, pair: Pair) -> Callable:
    def on_host(function, like, *arguments):
        """The NumPy function from within JAX, which has to be told the results' shapes before."""
        like = jax.tree.map(lambda array: jax.ShapeDtypeStruct(array.shape, array.dtype), like)
        return jax.pure_callback(
            lambda *arguments: function(*map(np.asarray, arguments)), like, *arguments
        )

    def backward_on_host(dL_dy, *inputs):
        return pair.backward(dL_dy, pair.forward(*inputs)[1])  # a cache is not for JAX to keep

    y_like, _ = pair.forward(*pair.inputs)

    @jax.custom_vjp
    def function(*inputs):
        return on_host(lambda *inputs: pair.forward(*inputs)[0], y_like, *inputs)

    def forward(*inputs):
        return function(*inputs), inputs

    def backward(inputs, dL_dy):
        return on_host(backward_on_host, pair.inputs, dL_dy, *inputs)

    function.defvjp(forward, backward)
    return function


@contextmanager
def double_precision(jax, enabled=True):
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", enabled)
    try:
        yield
    finally:
        jax.config.update("jax_enable_x64", before)


def check_grads(pair: Pair) -> None:
    pytest.importorskip("jax", reason=WITHOUT_JAX)
    import jax.test_util

    with double_precision(jax):
        jax.test_util.check_grads(as_jax(jax, pair), pair.inputs, order=1, modes=["rev"])


class Verifier(NamedTuple):
    check: Callable[[Pair], None]
    verdict: type[Exception]
    words: str  # of the verdict: a refusal for another reason is none


VERIFIERS = {
    # PyTorch's GradcheckError is a RuntimeError
    "gradcheck": Verifier(partial(gradcheck, fast_mode=False), RuntimeError, "Jacobian mismatch"),
    "fast gradcheck": Verifier(
        partial(gradcheck, fast_mode=True), RuntimeError, "Jacobian mismatch"
    ),
    "check_grads": Verifier(check_grads, AssertionError, "cotangent projection"),
}


@pytest.fixture(params=VERIFIERS)
def verifier(request) -> Verifier:
    return VERIFIERS[request.param]


# The pairs.

PICTURE = (5, 6, 3)  # the first pooling drops a row, the second a column


def off_kinks(shape) -> np.ndarray:
    """In random order, numbers 0.1 apart, and 0.05 from 0: no step of a verifier's flips a mask."""
    size = int(np.prod(shape))
    order = np.random.default_rng(1).permutation(size)
    return (0.1 * (order - size // 2) + 0.05).reshape(shape)


def of_one_input(x, forward, backward) -> Pair:
    return Pair((x,), forward, lambda dL_dy, cache: (backward(dL_dy, cache),))


def operation(backend, name, shape) -> Pair:
    return of_one_input(off_kinks(shape), *pair_of(name, backend, shape[2]))


def convolution(backend, shape, filters=4) -> Pair:
    """To the input and to the parameters at once."""

    def forward(x, w, b):
        y, cache = ops.conv3x3_forward(x, w, b, backend=backend)
        return y, (x, cache)

    def backward(dL_dy, cache):
        x, cache = cache
        dL_dx = ops.conv3x3_backward(dL_dy, cache, backend=backend)
        return dL_dx, *ops.conv3x3_backward_params(dL_dy, x, backend=backend)

    shapes = shape, (3, 3, shape[2], filters), (filters,)
    return Pair(tuple(random_array(n, shape) for n, shape in enumerate(shapes)), forward, backward)


def loss(backend, kind, normalisation, spoil=lambda gradient, F: gradient) -> Pair:
    """Weighted for its gradient to be about 1; `spoil` plants a mistake into that."""
    F = random_array(3, LOSS_SHAPE)
    unweighted = loss_forward(kind, backend, normalisation)
    backward = partial(LOSS_BACKWARD[kind], backend=backend)
    weight = 1 / np.sqrt(np.mean(backward(1.0, unweighted(F)[1]) ** 2))

    def forward(F):
        value, cache = unweighted(F)
        return np.array(weight * value), (F, cache)

    def weighted_backward(dL_dy, cache):
        F, cache = cache
        return spoil(backward(weight * dL_dy.item(), cache), F)

    return of_one_input(F, forward, weighted_backward)


def chain(backend, below) -> Pair:
    """The correlations of two layers, to both maps at once."""
    maps = random_array(3, (3, 2, 3)), random_array(4, below)
    style = random_array(5, (2, 2, 3)), random_array(6, (4, 4, 2))
    target = chained_style_target(*style, -1.0, backend=backend)

    def forward(F, B):
        value, cache = chained_style_forward(F, B, target, "relative", backend=backend)
        return np.array(value), cache

    def backward(dL_dy, cache):
        return chained_style_backward(dL_dy.item(), cache, backend=backend)

    return Pair(maps, forward, backward)


def objective(backend, pool, normalisation) -> Pair:
    """Down to conv3_1, past two poolings that drop an odd edge, with every kind of loss."""
    weights = small_weights(last="conv3_1")
    network = Network(weights, backend=backend, pool=pool, dtype=np.float64)
    settings = LossSettings(
        content_layers={"conv2_2": 3.0, "relu2_1": 1.0},
        style_layers={"pixels": 1.0, "relu1_1": 1.0, "relu2_1": 2.0, "conv3_1": 1.0},
        content_weight=0.7,
        style_weight=1.3,
        tv_weight=0.1,
        normalisation=normalisation,
    )
    content, style = random_picture(1, PICTURE), random_picture(2, (6, 5, 3))
    evaluate = Objective(network, content, style, settings)
    x = picture_off_kinks(network)
    evaluate.scale = unit_scale(evaluate(x))

    def forward(x):
        evaluation = evaluate(x)
        return np.array(evaluation.loss), evaluation.dL_dx

    return of_one_input(x, forward, lambda dL_dy, dL_dx: dL_dy * dL_dx)


def random_picture(seed, shape):
    return np.random.default_rng(seed).random(shape)


def picture_off_kinks(network) -> np.ndarray:
    candidates = (random_picture(seed, PICTURE) for seed in range(100, 200))
    return next(x for x in candidates if is_off_kinks(network, x))


def is_off_kinks(network, x, margin=2e-3) -> bool:
    """Whether no ReLU's input is near zero, and no maximum near the second in its window.

    check_grads moves every pixel by 1e-4 times a normal number.
    """
    before_relu = ["conv1_1", "conv1_2", "conv2_1", "conv2_2", "conv3_1"]
    before_pool = ["relu1_2", "relu2_2"]
    maps, _ = network.forward(x, before_relu + before_pool)
    distances = [np.abs(maps[name]) for name in before_relu]
    for name in before_pool:
        F = maps[name]
        h, w = F.shape[0] // 2 * 2, F.shape[1] // 2 * 2
        windows = np.stack([F[u:h:2, v:w:2] for u in (0, 1) for v in (0, 1)])
        *_, second, first = np.sort(windows, axis=0)
        distances.append((first - second)[first > 0])  # through all zeros nothing goes back
    return all(distance.min(initial=np.inf) > margin for distance in distances)


SHAPES = {
    "relu": [(3, 5, 2), (1, 7, 1)],
    "avgpool": [(3, 5, 2), (6, 4, 1)],
    "maxpool": [(3, 5, 2), (6, 4, 1)],
    "pixels": [(3, 2, 3), (1, 4, 3)],
    "mirror": [(3, 2, 3), (4, 5, 1)],
    "crop": [(3, 4, 2), (5, 5, 1)],
}
OPERATIONS = {
    f"{name} {shape}": partial(operation, name=name, shape=shape)
    for name, shapes in SHAPES.items()
    for shape in shapes
}
CONVOLUTIONS = {
    f"conv3x3 {shape}": partial(convolution, shape=shape) for shape in [(3, 5, 2), (4, 1, 3)]
}
LOSSES = {
    f"{kind} {normalisation}": partial(loss, kind=kind, normalisation=normalisation)
    for kind in LOSS_BACKWARD
    for normalisation in NORMALISATIONS
}
CHAINS = {f"chain from {shape}": partial(chain, below=shape) for shape in [(3, 2, 2), (6, 5, 2)]}
OBJECTIVES = {
    f"objective {pool} {normalisation}": partial(objective, pool=pool, normalisation=normalisation)
    for pool in ("average", "max")
    for normalisation in NORMALISATIONS
}
CASES = OPERATIONS | CONVOLUTIONS | LOSSES | CHAINS | OBJECTIVES
# The naive backend takes more than a second for an objective's full Jacobian, and normalisations,
# constants that they are, are not its business.
TOO_SLOW = {("naive", case) for case in OBJECTIVES if not case.endswith("relative")}
RUNS = [run for run in product(NAMES, CASES) if run not in TOO_SLOW]


@pytest.mark.parametrize(("backend", "case"), RUNS)
def test_is_accepted(backend, case, verifier):
    verifier.check(CASES[case](get_backend(backend)))


def test_every_operation_is_examined():
    forwards = {name for name in ops.__all__ if name.endswith("_forward")}
    forwards -= {"fused_forward"}  # three of the others, in one pass (tests/test_fused.py)
    assert forwards == {f"{name}_forward" for name in ["conv3x3", *SHAPES]}


# The verifiers are verified.


def spoiled(pair: Pair, spoil: Callable) -> Pair:
    """With `spoil` of the gradient in place of it, for every input."""

    def backward(dL_dy, cache):
        return tuple(map(spoil, pair.backward(dL_dy, cache)))

    return pair._replace(backward=backward)


def assert_rejected(verifier: Verifier, pair: Pair) -> None:
    with pytest.raises(verifier.verdict, match=verifier.words):
        verifier.check(pair)


@pytest.mark.parametrize("case", CASES)
def test_twice_the_gradient_is_rejected(case, verifier):
    """So that no pair is accepted for want of a gradient to speak of."""
    assert_rejected(verifier, spoiled(CASES[case](get_backend("numpy")), lambda g: 2 * g))


@pytest.mark.parametrize("wrong", ["x", "w", "b"])
def test_one_wrong_gradient_of_three_is_rejected(wrong, verifier):
    ndim = {"x": 3, "w": 4, "b": 1}[wrong]
    pair = convolution(get_backend("numpy"), (3, 5, 2))
    turned = spoiled(pair, lambda g: g[::-1].copy() if g.ndim == ndim else g)
    assert_rejected(verifier, turned)


@pytest.mark.parametrize("mistake", OPERATION_MISTAKES)
def test_planted_mistakes_of_operations_are_rejected(mistake, verifier):
    assert_rejected(verifier, of_one_input(off_kinks((4, 6, 3)), *OPERATION_MISTAKES[mistake]))


@pytest.mark.parametrize("mistake", LOSS_MISTAKES)
def test_planted_mistakes_of_losses_are_rejected(mistake, verifier):
    kind, spoil = LOSS_MISTAKES[mistake]
    assert_rejected(verifier, loss(get_backend("numpy"), kind, "paper", spoil))


@pytest.mark.parametrize("tap", ["pixels", "relu1_1", "conv2_2", "conv3_1"])
def test_a_forgotten_tap_is_rejected(tap, verifier, monkeypatch):
    whole = Network.backward

    def forgetting(self, dL_dF, tape):
        return whole(self, {layer: g for layer, g in dL_dF.items() if layer != tap}, tape)

    monkeypatch.setattr(Network, "backward", forgetting)
    assert_rejected(verifier, objective(get_backend("numpy"), "average", "relative"))


@pytest.mark.parametrize("enabled", [False, True])
def test_jax_is_left_in_the_precision_it_was_in(enabled):
    jax = pytest.importorskip("jax", reason=WITHOUT_JAX)
    right = operation(get_backend("numpy"), "relu", (3, 5, 2))
    with double_precision(jax, enabled):
        check_grads(right)
        assert jax.config.jax_enable_x64 == enabled
        assert_rejected(VERIFIERS["check_grads"], spoiled(right, lambda g: 2 * g))
        assert jax.config.jax_enable_x64 == enabled
