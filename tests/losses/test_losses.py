"""Content, style, moments, total variation: values by the equations, gradients by the oracles."""

from functools import partial

import numpy as np
import pytest
from proofs import assert_close, check_gradient, random_array

from manualnst import losses
from manualnst.backends import NAMES, get_backend
from manualnst.errors import InputError

SHAPE = (3, 5, 4)
N, M = 4, 15
OTHER_SHAPE = (2, 3, 4)  # a style picture of another size
SHAPES = (SHAPE, OTHER_SHAPE)
P = random_array(1, SHAPE)
STYLE = random_array(2, OTHER_SHAPE)


def style_target(backend, shape=OTHER_SHAPE):
    return losses.gram_target(random_array(2, shape), backend=backend)


def as_dtype(target, dtype):
    """A style target in another dtype: a tuple of arrays, of numbers, and of such tuples."""
    if isinstance(target, tuple):
        return type(target)(*(as_dtype(part, dtype) for part in target))
    return target.astype(dtype) if isinstance(target, np.ndarray) else target


def moments_target(backend, shape=OTHER_SHAPE):
    return losses.moments_target(random_array(2, shape), backend=backend)


def forward_of(kind, backend, normalisation):
    """F → (loss, cache), for any dtype of F."""
    options = dict(normalisation=normalisation, backend=backend)
    if kind == "content":
        return lambda F: losses.content_forward(F, P.astype(F.dtype), **options)
    if kind == "tv":
        return partial(losses.total_variation_forward, **options)
    if kind == "power tv":
        return partial(losses.power_variation_forward, beta=2.5, **options)
    if kind == "smoothed tv":
        return partial(losses.smoothed_variation_forward, epsilon=0.5, **options)
    if kind == "nine-point tv":  # a mean, whatever the normalisation
        return partial(losses.nine_point_variation_forward, backend=backend)
    if kind == "shifted style":
        target = losses.shifted_style_target(STYLE, backend=backend)
        return lambda F: losses.shifted_style_forward(F, as_dtype(target, F.dtype), **options)
    if kind == "wasserstein":
        target = losses.wasserstein_target(STYLE, backend=backend)
        return lambda F: losses.wasserstein_forward(F, as_dtype(target, F.dtype), **options)
    if kind == "histogram":
        target = losses.histogram_target(STYLE, backend=backend)
        return lambda F: losses.histogram_forward(F, as_dtype(target, F.dtype), **options)
    if kind == "patches":
        target = losses.patches_target(random_array(2, (5, 4, N)), backend=backend)
        return lambda F: losses.patches_forward(F, as_dtype(target, F.dtype), **options)
    if kind in ("guided style", "masked style"):
        masks = (np.random.default_rng(n).random(shape[:2]) for n, shape in enumerate(SHAPES))
        target_of = getattr(losses, kind.replace(" ", "_") + "_target")
        target = target_of(STYLE, *masks, backend=backend)
        return lambda F: losses.guided_style_forward(F, as_dtype(target, F.dtype), **options)
    if kind == "moments":
        target = moments_target(backend)
        return lambda F: losses.moments_forward(F, as_dtype(target, F.dtype), **options)
    target = style_target(backend)
    return lambda F: losses.style_forward(F, as_dtype(target, F.dtype), **options)


BACKWARD = {
    "content": losses.content_backward,
    "style": losses.style_backward,
    "moments": losses.moments_backward,
    "tv": losses.total_variation_backward,
    "power tv": losses.power_variation_backward,
    "smoothed tv": losses.smoothed_variation_backward,
    "nine-point tv": losses.nine_point_variation_backward,
    "shifted style": losses.shifted_style_backward,
    "histogram": losses.histogram_backward,
    "patches": losses.patches_backward,
    "guided style": losses.guided_style_backward,
    "masked style": losses.guided_style_backward,
    "wasserstein": losses.wasserstein_backward,
}


@pytest.mark.parametrize("normalisation", losses.NORMALISATIONS)
@pytest.mark.parametrize("backend", NAMES)
@pytest.mark.parametrize("kind", BACKWARD)
def test_backward_is_the_derivative_of_forward(kind, backend, normalisation):
    backend = get_backend(backend)
    forward = forward_of(kind, backend, normalisation)
    F = random_array(3, SHAPE)
    gradient = BACKWARD[kind](2.5, forward(F)[1], backend=backend)
    check_gradient(lambda F: 2.5 * forward(F)[0], gradient, F)


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex128"])
@pytest.mark.parametrize("kind", BACKWARD)
def test_numpy_agrees_with_the_naive_oracle(kind, dtype):
    F = random_array(3, SHAPE, np.dtype(dtype))
    results = []
    for name in ("naive", "numpy"):
        backend = get_backend(name)
        loss, cache = forward_of(kind, backend, "paper")(F)
        gradient = BACKWARD[kind](1.0, cache, backend=backend)
        assert gradient.dtype == dtype
        results.append((loss, gradient))
    for naive, fast in zip(*results, strict=True):
        assert_close(fast, naive, 1e-5 if dtype == "float32" else 1e-13)


@pytest.mark.parametrize("backend", NAMES)
def test_gram_backward_assumes_no_symmetry(backend):
    backend = get_backend(backend)
    F, dL_dG = random_array(3, SHAPE), random_array(4, (N, N))
    gradient = backend.gram_backward(dL_dG, backend.gram_forward(F)[1])
    check_gradient(lambda F: np.sum(dL_dG * backend.gram_forward(F)[0]), gradient, F)


@pytest.mark.parametrize("backend", NAMES)
def test_the_backward_of_the_moments_assumes_no_symmetry(backend):
    backend = get_backend(backend)
    F, dL_dmean, dL_dcovariance = (
        random_array(n, shape) for n, shape in enumerate([SHAPE, (N,), (N, N)])
    )

    def loss(F):
        mean, covariance, _ = backend.mean_and_covariance_forward(F)
        return np.sum(dL_dmean * mean) + np.sum(dL_dcovariance * covariance)

    *_, cache = backend.mean_and_covariance_forward(F)
    before = [dL_dmean.copy(), dL_dcovariance.copy()]
    gradient = backend.mean_and_covariance_backward(dL_dmean, dL_dcovariance, cache)
    assert np.array_equal(before[0], dL_dmean) and np.array_equal(before[1], dL_dcovariance)
    check_gradient(loss, gradient, F)


# The equations once more, straight from the sources, in the paper's N × M.


def paper_matrix(F):
    return F.reshape(-1, F.shape[2]).T


def test_e1_and_e2():
    backend = get_backend("numpy")
    F = random_array(3, SHAPE)
    loss, cache = losses.content_forward(F, P, backend=backend)
    assert loss == pytest.approx(0.5 * np.sum((paper_matrix(F) - paper_matrix(P)) ** 2))
    assert_close(losses.content_backward(1.0, cache, backend=backend), F - P, 1e-15)


def test_e4_and_e6():
    backend = get_backend("numpy")
    F, S = random_array(3, SHAPE), random_array(2, SHAPE)
    loss, cache = losses.style_forward(F, style_target(backend, SHAPE), backend=backend)
    Fm, Sm = paper_matrix(F), paper_matrix(S)
    G, A = Fm @ Fm.T, Sm @ Sm.T
    assert loss == pytest.approx(np.sum((G - A) ** 2) / (4 * N**2 * M**2))
    e6 = (Fm.T @ (G - A)).T / (N**2 * M**2)
    assert_close(paper_matrix(losses.style_backward(1.0, cache, backend=backend)), e6, 1e-13)


def covariance(matrix):
    """Of a matrix N × M, with 1/M."""
    return np.cov(matrix, bias=True)


def test_d1_d3_and_d4():
    backend = get_backend("numpy")
    F, S = random_array(3, SHAPE), random_array(2, OTHER_SHAPE)
    target = moments_target(backend)
    Fm, Sm = paper_matrix(F), paper_matrix(S)
    assert_close(target.mean, Sm.mean(axis=1), 1e-15)
    assert_close(target.covariance, covariance(Sm), 1e-15)
    of_mean = Fm.mean(axis=1) - Sm.mean(axis=1)
    of_covariance = covariance(Fm) - covariance(Sm)
    loss, cache = losses.moments_forward(F, target, backend=backend)
    total = np.sum(of_mean**2) + np.sum(of_covariance**2)
    assert loss == pytest.approx(total / (4 * N**2))
    d4 = of_mean[:, None] / 2 + of_covariance @ (Fm - Fm.mean(axis=1, keepdims=True))
    gradient = losses.moments_backward(1.0, cache, backend=backend)
    assert_close(paper_matrix(gradient), d4 / (N**2 * M), 1e-13)


@pytest.mark.parametrize("normalisation", losses.NORMALISATIONS)
def test_the_moments_have_the_constants_of_the_gram_matrix(normalisation):
    """Of the sums over positions M μ and M S, as the Gram matrix is one."""
    backend = get_backend("numpy")
    F, S = random_array(3, SHAPE), random_array(2, SHAPE)
    options = dict(normalisation=normalisation, backend=backend)
    loss, _ = losses.moments_forward(F, losses.moments_target(S, backend=backend), **options)
    Fm, Sm = paper_matrix(F), paper_matrix(S)
    expected = 0
    for ours, target in (
        (M * Fm.mean(axis=1), M * Sm.mean(axis=1)),
        (M * covariance(Fm), M * covariance(Sm)),
    ):
        factor = losses.NORMALISATIONS[normalisation].style(target, M)
        expected += factor * np.sum((ours - target) ** 2)
    assert loss == pytest.approx(expected)


@pytest.mark.parametrize(("deviation", "counts_as"), [(0.0, 0.1), (0.01, 0.1), (0.2, 0.2)])
def test_a_style_without_contrast_does_not_outweigh_everything(deviation, counts_as):
    backend = get_backend("numpy")
    pattern = np.array([1.0, -1.0, -1.0, 1.0]).reshape(2, 2, 1)
    target = losses.moments_target(1 + deviation * pattern, backend=backend)
    loss, _ = losses.moments_forward(1 + pattern, target, "relative", backend=backend)
    assert loss == pytest.approx((1 - deviation**2) ** 2 / counts_as**4)


def test_the_order_of_the_positions_is_nothing_to_the_moments():
    backend = get_backend("numpy")
    F = random_array(3, SHAPE)
    shuffled = np.random.default_rng(0).permutation(F.reshape(-1, N)).reshape(SHAPE)
    target = losses.moments_target(F, backend=backend)
    loss, _ = losses.moments_forward(shuffled, target, "relative", backend=backend)
    assert loss == pytest.approx(0, abs=1e-28)


def test_a_style_of_another_size_is_compared_by_position():
    backend = get_backend("numpy")
    F, S = random_array(3, SHAPE), random_array(2, OTHER_SHAPE)
    loss, _ = losses.style_forward(F, style_target(backend), backend=backend)
    Fm, Sm = paper_matrix(F), paper_matrix(S)
    D = Fm @ Fm.T / M - Sm @ Sm.T / 6
    assert loss == pytest.approx(np.sum(D**2) / (4 * N**2))


@pytest.mark.parametrize(
    ("normalisation", "content", "style"),
    [
        ("paper", 1 / 2, 1 / (4 * N**2 * M**2)),
        ("sum", 1, 1),
        ("mean", 1 / (N * M), 1 / (N * M) ** 3),
        ("mse", 1 / (N * M), 1 / (N**4 * M**2)),
    ],
)
def test_normalisations_are_those_of_the_sources(normalisation, content, style):
    backend = get_backend("numpy")
    F, S = random_array(3, SHAPE), random_array(2, SHAPE)
    options = dict(normalisation=normalisation, backend=backend)
    assert losses.content_forward(F, P, **options)[0] == pytest.approx(
        content * np.sum((F - P) ** 2)
    )
    Fm, Sm = paper_matrix(F), paper_matrix(S)
    assert losses.style_forward(F, style_target(backend, SHAPE), **options)[0] == pytest.approx(
        style * np.sum((Fm @ Fm.T - Sm @ Sm.T) ** 2)
    )


def test_relative_losses_are_one_for_a_picture_that_has_nothing():
    backend = get_backend("numpy")
    nothing = np.zeros(SHAPE)
    for kind, shares in {"content": 1, "style": 1, "moments": 2}.items():
        assert forward_of(kind, backend, "relative")(nothing)[0] == pytest.approx(shares)


def test_relative_total_variation_is_a_mean():
    backend, x = get_backend("numpy"), random_array(3, SHAPE)
    paper, relative = (forward_of("tv", backend, n)(x)[0] for n in ("paper", "relative"))
    assert relative == pytest.approx(paper / x.size)


def test_relative_survives_an_empty_target():
    backend = get_backend("numpy")
    nothing = np.zeros(SHAPE)
    loss, _ = losses.content_forward(nothing, nothing, "relative", backend=backend)
    assert loss == 0
    target = losses.moments_target(nothing, backend=backend)
    loss, _ = losses.moments_forward(nothing, target, "relative", backend=backend)
    assert loss == 0


@pytest.mark.parametrize("backend", NAMES)
def test_total_variation_counts_each_pair_once(backend):
    x = np.zeros((3, 3, 1))
    x[1, 1] = 1.0
    loss, _ = losses.total_variation_forward(x, backend=get_backend(backend))
    assert loss == 4


MISTAKES = {
    "content: ½ forgotten": ("content", lambda g, F: 2 * g),
    "content: mask of the ReLU inside": ("content", lambda g, F: g * (F > 0)),
    "content: sign": ("content", lambda g, F: -g),
    "style: factor 4 forgotten": ("style", lambda g, F: 4 * g),
    "style: N instead of N²": ("style", lambda g, F: N * g),
    "style: transposed map": ("style", lambda g, F: g.reshape(N, M).T.reshape(F.shape)),
    "moments: factor 4 forgotten": ("moments", lambda g, F: 4 * g),
    "moments: share of the mean forgotten": ("moments", lambda g, F: g - g.mean(axis=(0, 1))),
    "moments: M instead of M − 1": ("moments", lambda g, F: g * M / (M - 1)),
    "tv: counted from one side": ("tv", lambda g, F: g - np.roll(g, 1, axis=0)),
    "tv: border wraps around": ("tv", lambda g, F: g + 2 * (F - np.roll(F, 1, axis=1))),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_planted_mistakes_are_caught(mistake):
    kind, spoil = MISTAKES[mistake]
    backend = get_backend("numpy")
    forward = forward_of(kind, backend, "paper")
    F = random_array(3, SHAPE)
    gradient = spoil(BACKWARD[kind](1.0, forward(F)[1], backend=backend), F)
    with pytest.raises(AssertionError, match="relative error"):
        check_gradient(lambda F: forward(F)[0], gradient, F)


def test_shapes_that_do_not_fit_are_told():
    backend = get_backend("numpy")
    F = random_array(3, SHAPE)
    with pytest.raises(InputError, match=r"\(3, 5, 4\) and \(2, 3, 4\)"):
        losses.content_forward(F, random_array(1, OTHER_SHAPE), backend=backend)
    with pytest.raises(InputError, match="4 channels.* Gram matrix of 2"):
        losses.style_forward(F, losses.Gram(np.eye(2), 6), backend=backend)
    with pytest.raises(InputError, match="4 channels.* covariance of 2"):
        losses.moments_forward(F, losses.Moments(np.ones(2), np.eye(2)), backend=backend)
    with pytest.raises(InputError, match="float64.*float32"):
        losses.content_forward(F, P.astype(np.float32), backend=backend)


@pytest.mark.parametrize("normalisation", losses.NORMALISATIONS)
def test_constants_leave_single_precision_single(normalisation):
    """A NumPy scalar of double precision would make a double of every array that it multiplies."""
    F, S = random_array(1, (4, 5, 3), np.float32), random_array(2, (4, 5, 3), np.float32)
    pairs = [
        (losses.content_forward, losses.content_backward, S),
        (
            losses.style_forward,
            losses.style_backward,
            losses.gram_target(S, backend=get_backend("numpy")),
        ),
        (
            losses.moments_forward,
            losses.moments_backward,
            losses.moments_target(S, backend=get_backend("numpy")),
        ),
    ]
    for forward, backward, target in pairs:
        value, cache = forward(F, target, normalisation, backend=get_backend("numpy"))
        assert type(value) is float
        assert backward(1.0, cache, backend=get_backend("numpy")).dtype == np.float32
