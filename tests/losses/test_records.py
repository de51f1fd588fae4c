"""What all style losses have in common, so that any of them can be put in another's place."""

import numpy as np
import pytest
from proofs import assert_close, random_array

from manualnst import losses
from manualnst.backends import NAMES, get_backend
from manualnst.losses import NORMALISATIONS

SHAPE, STYLE_SHAPE = (4, 5, 3), (3, 6, 3)
MASKS = [np.random.default_rng(n).random(s[:2]) for n, s in enumerate([SHAPE, STYLE_SHAPE])]
FURTHER = {"guided": MASKS, "masked": MASKS}  # what a target is made of beside the map


@pytest.fixture(params=NAMES)
def backend(request):
    return get_backend(request.param)


# Those of one map.
STYLE_LOSSES = {name: loss for name, loss in losses.STYLE_LOSSES.items() if not loss.of_pairs}
each_loss = pytest.mark.parametrize("name", STYLE_LOSSES)
each_normalisation = pytest.mark.parametrize("normalisation", NORMALISATIONS)


def evaluate(name, F, S, backend, normalisation="relative", dL_dloss=1.0):
    loss = STYLE_LOSSES[name]
    further = [array.astype(S.dtype) for array in FURTHER.get(name, [])]
    target = loss.target_of(S, *further, backend=backend)
    value, cache = loss.forward(F, target, normalisation, backend=backend)
    return value, loss.backward(dL_dloss, cache, backend=backend)


@each_loss
@each_normalisation
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_gradient_is_a_map_and_the_loss_a_number(name, normalisation, dtype, backend):
    F, S = random_array(1, SHAPE, np.dtype(dtype)), random_array(2, STYLE_SHAPE, np.dtype(dtype))
    loss, gradient = evaluate(name, F, S, backend, normalisation)
    assert type(loss) is float and loss > 0
    assert gradient.shape == SHAPE and gradient.dtype == dtype
    assert gradient.flags.c_contiguous and gradient.flags.owndata


@each_loss
def test_the_maps_are_left_alone_and_weights_multiply(name, backend):
    F, S = random_array(1, SHAPE), random_array(2, STYLE_SHAPE)
    before = F.copy(), S.copy()
    _, gradient = evaluate(name, F, S, backend)
    _, weighted = evaluate(name, F, S, backend, dL_dloss=2.5)
    assert np.array_equal(F, before[0]) and np.array_equal(S, before[1])
    assert_close(weighted, 2.5 * gradient, 1e-14)


@each_loss
def test_a_gradient_that_is_there_already_is_added_to(name, backend):
    F, S = random_array(1, SHAPE), random_array(2, STYLE_SHAPE)
    loss = STYLE_LOSSES[name]
    target = loss.target_of(S, *FURTHER.get(name, []), backend=backend)
    gradient = loss.backward(1.0, loss.forward(F, target, backend=backend)[1], backend=backend)
    arrived = random_array(3, SHAPE)
    onto = arrived.copy()
    both = loss.backward(1.0, loss.forward(F, target, backend=backend)[1], onto, backend=backend)
    assert both is onto
    assert_close(both, arrived + gradient, 1e-14)


@each_loss
def test_a_map_that_is_made_when_read_will_do(name):
    """As the numpy backend's of the first layer is."""
    backend = get_backend("numpy")
    w, b = random_array(1, (3, 3, 1, 12)), random_array(2, (12,))
    x, style = random_array(3, (*SHAPE[:2], 1)), random_array(4, (*STYLE_SHAPE[:2], 1))
    results = []
    for read in (lambda remade: remade, np.asarray):
        F, S = (read(backend.fused_forward(y, w, b, False)[0]) for y in (x, style))
        results.append(evaluate(name, F, S, backend))
    assert results[0][0] == pytest.approx(results[1][0], rel=1e-12)
    assert_close(results[0][1], results[1][1], 1e-12)


@each_loss
@each_normalisation
def test_a_step_against_the_gradient_lowers_the_loss(name, normalisation, backend):
    F, S = random_array(1, SHAPE), random_array(2, STYLE_SHAPE)
    loss, gradient = evaluate(name, F, S, backend, normalisation)
    step = 1e-4 / np.max(np.abs(gradient))
    after, _ = evaluate(name, F - step * gradient, S, backend, normalisation)
    assert 0 < loss - after == pytest.approx(step * np.sum(gradient**2), rel=1e-2)


@pytest.mark.parametrize("name", [name for name in STYLE_LOSSES if name != "shifted"])
def test_relative_losses_do_not_know_the_scale_of_the_network(name, backend):
    """A shift is on that scale itself."""
    F, S = random_array(1, SHAPE), random_array(2, STYLE_SHAPE)
    one, other = (evaluate(name, c * F, c * S, backend)[0] for c in (1, 100))
    assert one == pytest.approx(other, rel=1e-10)


@pytest.mark.parametrize("name", [name for name in STYLE_LOSSES if name not in FURTHER])
def test_relative_losses_hardly_know_the_size_of_the_picture(name, backend):
    """Each position and its like twice: the statistics are the same, and so is the loss. (A mask
    has a size of its own.)"""
    F, S = random_array(1, SHAPE), random_array(2, STYLE_SHAPE)
    once, _ = evaluate(name, F, S, backend)
    twice, _ = evaluate(name, np.concatenate([F, F]), S, backend)
    assert twice == pytest.approx(once, rel=0.5 if name == "patches" else 0.05)


@each_loss
@each_normalisation
def test_nothing_against_nothing(name, normalisation, backend):
    F, S = np.zeros(SHAPE), np.zeros(STYLE_SHAPE)
    loss, gradient = evaluate(name, F, S, backend, normalisation)
    assert loss == pytest.approx(0, abs=1e-15)
    assert np.max(np.abs(gradient)) < 1e-10
