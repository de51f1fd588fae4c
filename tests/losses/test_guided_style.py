"""Style of a part: weights that mean something, masks at a layer's size, and what is refused."""

import numpy as np
import pytest
from proofs import assert_close, check_gradient, random_array

from manualnst import losses
from manualnst.backends import NAMES, get_backend
from manualnst.errors import InputError

SHAPE, OTHER_SHAPE = (3, 5, 4), (2, 3, 4)
WHITE, OTHER_WHITE = np.ones(SHAPE[:2]), np.ones(OTHER_SHAPE[:2])
F, S = random_array(1, SHAPE), random_array(2, OTHER_SHAPE)
MASK = np.random.default_rng(3).random(SHAPE[:2])


@pytest.fixture(params=NAMES)
def backend(request):
    return get_backend(request.param)


def loss_and_gradient(F, target, backend, normalisation="paper"):
    loss, cache = losses.guided_style_forward(F, target, normalisation, backend=backend)
    return loss, losses.guided_style_backward(1.0, cache, backend=backend)


def plain_style(F, S, backend, normalisation):
    target = losses.gram_target(S, backend=backend)
    loss, cache = losses.style_forward(F, target, normalisation, backend=backend)
    return loss, losses.style_backward(1.0, cache, backend=backend)


@pytest.mark.parametrize("normalisation", losses.NORMALISATIONS)
@pytest.mark.parametrize("target_of", [losses.guided_style_target, losses.masked_style_target])
def test_a_white_mask_is_no_mask(target_of, normalisation, backend):
    target = target_of(S, WHITE, OTHER_WHITE, backend=backend)
    loss, gradient = loss_and_gradient(F, target, backend, normalisation)
    expected_loss, expected = plain_style(F, S, backend, normalisation)
    assert loss == pytest.approx(expected_loss, rel=1e-13)
    assert_close(gradient, expected, 1e-13)


@pytest.mark.parametrize("normalisation", losses.NORMALISATIONS)
def test_guided_by_black_and_white_is_the_style_of_the_white_part(normalisation, backend):
    white = np.zeros(SHAPE[:2])
    white[1:, 2:4] = 1
    target = losses.guided_style_target(S, white, OTHER_WHITE, backend=backend)
    loss, gradient = loss_and_gradient(F, target, backend, normalisation)
    part = F[1:, 2:4].copy()
    expected_loss, expected = plain_style(part, S, backend, normalisation)
    assert loss == pytest.approx(expected_loss, rel=1e-13)
    assert_close(gradient[1:, 2:4], expected, 1e-13)
    assert not gradient[white == 0].any()


def test_only_the_ratios_of_guiding_weights_matter(backend):
    one, other = (
        losses.guided_style_target(S, factor * MASK, OTHER_WHITE, backend=backend)
        for factor in (1, 0.25)
    )
    for a, b in zip(*(loss_and_gradient(F, t, backend) for t in (one, other)), strict=True):
        assert_close(a, b, 1e-13)


def test_masked_is_the_style_of_the_product(backend):
    style_mask = np.random.default_rng(4).random(OTHER_SHAPE[:2])
    target = losses.masked_style_target(S, MASK, style_mask, backend=backend)
    loss, gradient = loss_and_gradient(F, target, backend)
    m, v = MASK[:, :, None], style_mask[:, :, None]
    expected_loss, dE_dmF = plain_style(m * F, v * S, backend, "paper")
    assert loss == pytest.approx(expected_loss, rel=1e-13)
    assert_close(gradient, m * dE_dmF, 1e-13)


def test_weighted_gram_backward_assumes_no_symmetry(backend):
    dL_dG = random_array(4, (4, 4))
    gradient = backend.weighted_gram_backward(dL_dG, backend.weighted_gram_forward(F, MASK)[1])
    check_gradient(lambda F: np.sum(dL_dG * backend.weighted_gram_forward(F, MASK)[0]), gradient, F)


def test_a_mask_is_pooled_as_the_network_pools(backend):
    mask = np.zeros((7, 9))
    mask[:4, :3] = 1
    half, quarter = (losses.pooled_mask(mask, s, backend=backend) for s in [(3, 4), (1, 2)])
    assert half.tolist() == [[1, 0.5, 0, 0], [1, 0.5, 0, 0], [0, 0, 0, 0]]
    assert quarter.tolist() == [[0.75, 0]]
    assert losses.pooled_mask(mask, (7, 9), backend=backend).tolist() == mask.tolist()


@pytest.mark.parametrize("shape", [(4, 4), (2, 4), (14, 18), (1, 1)])
def test_a_mask_of_another_picture_is_told(shape, backend):
    with pytest.raises(InputError, match=r"7 × 9 cannot be halved to"):
        losses.pooled_mask(np.ones((7, 9)), shape, backend=backend)


def test_what_makes_no_sense_is_refused(backend):
    black, negative = 0 * OTHER_WHITE, np.array([[1.0, 1.0, 1.0], [1.0, 1.0, -1.0]])
    with pytest.raises(InputError, match="black throughout"):
        losses.guided_style_target(S, WHITE, black, backend=backend)
    with pytest.raises(InputError, match="0 or more, the least are 1 and -1"):
        losses.guided_style_target(S, WHITE, negative, backend=backend)
    with pytest.raises(InputError, match=r"each position \(2, 3\) of F, got an array \(3, 5\)"):
        losses.guided_style_target(S, WHITE, WHITE, backend=backend)
    target = losses.guided_style_target(S, WHITE, OTHER_WHITE, backend=backend)
    with pytest.raises(InputError, match="F is float32, weights is float64"):
        losses.guided_style_forward(F.astype(np.float32), target, backend=backend)
    with pytest.raises(InputError, match="4 channels.* Gram matrix of 3"):
        wrong = target._replace(gram=losses.Gram(np.eye(3), 6))
        losses.guided_style_forward(F, wrong, backend=backend)
