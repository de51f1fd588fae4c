"""Correlations of two layers: against the formula, across poolings, and with a shift."""

import numpy as np
import pytest
from proofs import assert_close, check_adjoint, check_gradient, random_array

from manualnst import losses
from manualnst.backends import NAMES, get_backend
from manualnst.errors import InputError
from manualnst.losses.resample import resample_backward, resample_forward

F = random_array(1, (2, 3, 4))
BELOW = {  # of the layer below, at any distance
    "the same size": (2, 3, 2),
    "one pooling": (4, 6, 2),
    "one pooling, odd edges": (5, 7, 2),
    "two poolings": (9, 15, 2),
}
STYLE = random_array(2, (3, 2, 4)), random_array(3, (6, 5, 2))


@pytest.fixture(params=NAMES)
def backend(request):
    return get_backend(request.param)


def loss_and_gradients(F, B, target, backend, normalisation="paper"):
    loss, cache = losses.chained_style_forward(F, B, target, normalisation, backend=backend)
    return loss, *losses.chained_style_backward(1.0, cache, backend=backend)


@pytest.mark.parametrize("size", BELOW)
@pytest.mark.parametrize("shift", [0.0, -1.0])
@pytest.mark.parametrize("normalisation", losses.NORMALISATIONS)
def test_both_gradients_are_the_derivatives(normalisation, shift, size, backend):
    B = random_array(4, BELOW[size])
    target = losses.chained_style_target(*STYLE, shift, backend=backend)

    def loss(F, B):
        target_as = target._replace(gram=target.gram._replace(A=target.gram.A.astype(F.dtype)))
        return losses.chained_style_forward(F, B, target_as, normalisation, backend=backend)[0]

    _, dE_dF, dE_dB = loss_and_gradients(F, B, target, backend, normalisation)
    check_gradient(lambda x: loss(x, B.astype(x.dtype)), dE_dF, F)
    check_gradient(lambda x: loss(F.astype(x.dtype), x), dE_dB, B)


def test_the_formula_in_the_papers_matrices(backend):
    B, (style_F, style_B) = random_array(4, (2, 3, 2)), (STYLE[0][:2], random_array(5, (2, 2, 2)))
    Fm, Bm, SF, SB = (x.reshape(-1, x.shape[2]).T for x in (F, B, style_F, style_B))  # N × M
    D = Fm @ Bm.T / 6 - SF @ SB.T / 4
    target = losses.chained_style_target(style_F, style_B, backend=backend)
    loss, dE_dF, dE_dB = loss_and_gradients(F, B, target, backend)
    assert loss == pytest.approx(np.sum(D**2) / (4 * 4 * 2))
    assert_close(dE_dF.reshape(-1, 4).T, D @ Bm / (2 * 4 * 2 * 6), 1e-13)
    assert_close(dE_dB.reshape(-1, 2).T, D.T @ Fm / (2 * 4 * 2 * 6), 1e-13)


@pytest.mark.parametrize("normalisation", losses.NORMALISATIONS)
def test_a_layer_with_itself_is_the_gram_matrix(normalisation, backend):
    plain = losses.gram_target(STYLE[0], backend=backend)
    expected, cache = losses.style_forward(F, plain, normalisation, backend=backend)
    target = losses.chained_style_target(STYLE[0], STYLE[0], backend=backend)
    loss, dE_dF, dE_dB = loss_and_gradients(F, F, target, backend, normalisation)
    assert loss == pytest.approx(expected, rel=1e-13)
    gradient = losses.style_backward(1.0, cache, backend=backend)
    assert_close(dE_dF + dE_dB, gradient, 1e-13)


def test_values_repeated_upwards_have_the_same_correlations():
    backend = get_backend("numpy")
    B = random_array(4, (4, 6, 2))
    pooled = losses.chained_style_target(F, B, backend=backend).gram
    repeated = np.repeat(np.repeat(F, 2, axis=0), 2, axis=1)
    upwards = losses.chained_style_target(repeated, B, backend=backend).gram
    assert_close(pooled.A / pooled.positions, upwards.A / upwards.positions, 1e-14)


def test_resampling_is_adjoint(backend):
    def forward(x):
        return resample_forward(x, (2, 3), backend=backend)

    def backward(dL_dy, caches):
        return resample_backward(dL_dy, caches, backend=backend)

    check_adjoint(forward, backward, random_array(4, (9, 15, 2)))


def test_a_dropped_edge_gets_no_gradient(backend):
    target = losses.chained_style_target(*STYLE, backend=backend)
    *_, dE_dB = loss_and_gradients(F, random_array(4, (5, 7, 2)), target, backend)
    assert not dE_dB[4].any() and not dE_dB[:, 6].any() and dE_dB[:4, :6].all()


@pytest.mark.parametrize("shape", [(3, 3, 2), (1, 3, 2), (12, 6, 2)])
def test_layers_that_do_not_meet_are_told(shape, backend):
    with pytest.raises(InputError, match=f"{shape[0]} × {shape[1]} cannot be halved to 2 × 3"):
        losses.chained_style_target(F, random_array(4, shape), backend=backend)


def test_a_target_of_other_layers_is_told(backend):
    target = losses.chained_style_target(*STYLE, backend=backend)
    with pytest.raises(InputError, match="4 and 3 channels.* Gram matrix of 4 and 2"):
        losses.chained_style_forward(F, random_array(4, (2, 3, 3)), target, backend=backend)
    with pytest.raises(InputError, match="F is float64, B is float32"):
        losses.chained_style_forward(F, F.astype(np.float32), target, backend=backend)


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex128"])
def test_numpy_agrees_with_the_naive_oracle(dtype):
    results = []
    for name in ("naive", "numpy"):
        maps = [random_array(n, s, np.dtype(dtype)) for n, s in enumerate([(2, 3, 4), (5, 7, 2)])]
        target = losses.chained_style_target(*maps, -1.0, backend=get_backend(name))
        target = target._replace(gram=target.gram._replace(A=0.5 * target.gram.A))
        results.append(loss_and_gradients(*maps, target, get_backend(name)))
    for naive, fast in zip(*results, strict=True):
        assert_close(fast, naive, 1e-5 if dtype == "float32" else 1e-13)
    assert all(gradient.dtype == dtype for result in results for gradient in result[1:])
