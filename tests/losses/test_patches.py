"""Patches: that the nearest is found, whatever the tiles; overlaps, borders, ties and refusals."""

import numpy as np
import pytest
from proofs import assert_close, check_gradient, random_array

from manualnst import losses
from manualnst.backends import NAMES, get_backend
from manualnst.backends.numpy import losses as numpy_losses
from manualnst.errors import InputError

numpy_backend = get_backend("numpy")
F, S = random_array(1, (5, 4, 3)), random_array(2, (4, 6, 3))


@pytest.fixture(params=NAMES)
def backend(request):
    return get_backend(request.param)


def loss_and_gradient(F, S, backend, normalisation="paper"):
    target = losses.patches_target(S, backend=backend)
    loss, cache = losses.patches_forward(F, target, normalisation, backend=backend)
    return loss, losses.patches_backward(1.0, cache, backend=backend)


def patches(F):
    """As rows: (h · w, 9 N)."""
    h, w = F.shape[0] - 2, F.shape[1] - 2
    return np.array([F[i : i + 3, j : j + 3].ravel() for i in range(h) for j in range(w)])


def test_the_nearest_is_that_of_the_smallest_angle(backend):
    cosines = patches(F) @ patches(S).T
    cosines /= np.linalg.norm(patches(F), axis=1)[:, None] * np.linalg.norm(patches(S), axis=1)
    assert backend.nearest_patches(F, S).ravel().tolist() == cosines.argmax(axis=1).tolist()


@pytest.mark.parametrize("shapes", [((3, 3), (3, 3)), ((3, 9), (7, 3)), ((9, 4), (3, 8))])
def test_both_backends_find_the_same(shapes):
    F, S = (random_array(n, (*shape, 2)) for n, shape in enumerate(shapes))
    found = [get_backend(name).nearest_patches(F, S) for name in NAMES]
    assert np.array_equal(*found)


@pytest.mark.parametrize("tile_bytes", [1, 20_000, 100_000])
def test_tiles_do_not_show(tile_bytes, monkeypatch):
    F, S = random_array(1, (13, 9, 2)), random_array(2, (11, 14, 2))
    whole = numpy_backend.nearest_patches(F, S)
    monkeypatch.setattr(numpy_losses, "_TILE_BYTES", tile_bytes)
    assert np.array_equal(numpy_backend.nearest_patches(F, S), whole)


@pytest.mark.parametrize("tile_bytes", [1, 16 << 20])
def test_of_equals_the_first_is_taken(tile_bytes, backend, monkeypatch):
    monkeypatch.setattr(numpy_losses, "_TILE_BYTES", tile_bytes)
    twice = np.concatenate(
        [S, 2 * S]
    )  # its patches of rows 4 and 5 are as like as those of 0 and 1
    rows = backend.nearest_patches(F, twice) // 4
    assert np.all(rows < 4)
    assert not backend.nearest_patches(0 * F, S).any()


def test_a_picture_of_the_style_itself_has_no_loss(backend):
    loss, gradient = loss_and_gradient(S[:, 1:].copy(), S, backend)
    assert loss == 0 and not gradient.any()


def test_every_patch_pulls_at_all_its_positions(backend):
    """All want the same: the gradient is 2 (F − s), times the patches that a position is in."""
    S = np.full((3, 3, 1), 2.0)
    F = np.ones((4, 5, 1))
    loss, gradient = loss_and_gradient(F, S, backend)
    assert loss == 6 * 9
    counts = np.outer([1, 2, 2, 1], [1, 2, 3, 2, 1])
    assert gradient[:, :, 0].tolist() == (-2 * counts).tolist()


@pytest.mark.parametrize("normalisation", losses.NORMALISATIONS)
def test_it_is_the_derivative(normalisation, backend):
    def loss(F):
        target = losses.patches_target(S, backend=backend)._replace(S=S.astype(F.dtype))
        return losses.patches_forward(F, target, normalisation, backend=backend)[0]

    _, gradient = loss_and_gradient(F, S, backend, normalisation)
    check_gradient(loss, gradient, F)


def test_relative_does_not_know_scale_and_size(backend):
    one, other = (loss_and_gradient(c * F, c * S, backend, "relative")[0] for c in (1, 1000))
    assert one == pytest.approx(other)
    flat = np.ones((3, 4, 2))
    for size in ((3, 3, 2), (7, 5, 2)):  # each patch has four times the energy of the style's
        loss, _ = loss_and_gradient(2 * np.ones(size), flat, backend, "relative")
        assert loss == pytest.approx(1)
        loss, _ = loss_and_gradient(np.zeros(size), flat, backend, "relative")
        assert loss == pytest.approx(1)


def test_patches_of_zeros_divide_by_nothing(backend):
    black = S.copy()
    black[:, :4] = 0
    for style in (black, 0 * S):
        loss, gradient = loss_and_gradient(F, style, backend, "relative")
        assert np.isfinite(loss) and np.all(np.isfinite(gradient))


def test_single_precision(backend):
    loss, gradient = loss_and_gradient(F, S, backend)
    loss_32, gradient_32 = loss_and_gradient(F.astype("float32"), S.astype("float32"), backend)
    assert gradient_32.dtype == np.float32
    assert loss_32 == pytest.approx(loss, rel=1e-6)
    assert_close(gradient_32, gradient, 1e-6)


def test_what_does_not_fit_is_told(backend):
    target = losses.patches_target(S, backend=backend)
    with pytest.raises(InputError, match="F is 2 × 5, too small for a 3 × 3 patch"):
        losses.patches_forward(random_array(1, (2, 5, 3)), target, backend=backend)
    with pytest.raises(InputError, match="F is 5 × 1, too small"):
        losses.patches_target(random_array(1, (5, 1, 3)), backend=backend)
    with pytest.raises(InputError, match="F has 2 channels, but the target has 3"):
        losses.patches_forward(random_array(1, (3, 3, 2)), target, backend=backend)
