"""Colours matched, and kept: moments, rotations, least change, quantiles, chrominance."""

import numpy as np
import pytest

from manualnst.errors import InputError
from manualnst.pictures import colours

RED, GREY = np.array([0.7, 0.2, 0.1]), np.ones(3)


def picture(seed, shape=(9, 11)):
    """Colours that depend on each other, in [0, 1]."""
    rng = np.random.default_rng(seed)
    mixture = (np.eye(3) + rng.dirichlet(np.ones(3), 3)) / 2  # rows that add up to 1
    return rng.random((*shape, 3)) @ mixture.T


def of_direction(seed, direction):
    """A picture that varies along one direction only."""
    rng = np.random.default_rng(seed)
    return 0.2 + 0.7 * rng.random((8, 7, 1)) * (direction / direction.max())


DEGENERATE = {
    "grey": of_direction(3, GREY),
    "along red": of_direction(4, RED),
    "two colours": np.where(np.random.default_rng(5).random((6, 6, 1)) < 0.3, RED, 1 - RED),
    "a plane": picture(6) * [1, 1, 0],
    "one colour": np.full((5, 4, 3), RED),
}


def gap(matched, wanted: colours.Moments):
    found = colours.moments(matched)
    return max(np.ptp(found.mean - wanted.mean), np.abs(found.covariance - wanted.covariance).max())


def mean_squared_way(A, covariance):
    """How far A moves colours of this covariance, from the definition."""
    move = A - np.eye(3)
    return np.trace(move @ covariance @ move.T)


def random_rotation(seed):
    Q, _ = np.linalg.qr(np.random.default_rng(seed).standard_normal((3, 3)))
    return Q


def root_of(covariance):
    values, vectors = np.linalg.eigh(covariance)
    return vectors @ np.diag(np.sqrt(values)) @ vectors.T


def test_moments_are_numpys():
    pixels, alpha = picture(0), np.random.default_rng(1).integers(0, 4, (9, 11))
    values = pixels.reshape(-1, 3)
    for weights in (None, alpha):
        repeats = None if weights is None else weights.ravel()
        found = colours.moments(pixels, weights)
        assert np.allclose(found.mean, np.average(values, axis=0, weights=repeats), atol=1e-14)
        expected = np.cov(values.T, bias=True, fweights=repeats)
        assert np.allclose(found.covariance, expected, atol=1e-14)


@pytest.mark.parametrize("root", colours.ROOTS)
def test_matched_moments_are_those_wanted(root):
    for wanted in (picture(2, (5, 20)), *DEGENERATE.values()):
        moments = colours.moments(wanted)
        assert gap(colours.match_moments(picture(1), moments, root), moments) < 1e-10


@pytest.mark.parametrize("root", colours.ROOTS)
@pytest.mark.parametrize("name", DEGENERATE)
def test_what_a_style_has_not_cannot_be_stretched(root, name):
    style, wanted = DEGENERATE[name], colours.moments(picture(2))
    matched = colours.match_moments(style, wanted, root)
    found, given = colours.moments(matched), colours.moments(style)
    assert np.allclose(found.mean, wanted.mean, atol=1e-10)
    assert np.all(np.isfinite(matched))
    rank = 3 - colours.flat_directions(given.covariance)
    assert rank == {"one colour": 0, "a plane": 2}.get(name, 1)
    assert np.linalg.matrix_rank(found.covariance, tol=1e-10) == rank
    if root != "symmetric":  # R̂ Π R̂ᵀ with a projector Π: a part of what is wanted
        assert np.linalg.eigvalsh(wanted.covariance - found.covariance).min() > -1e-10
    assert gap(colours.match_moments(style, given, root), given) < 1e-10  # its own it can have


def test_a_grey_style_stays_grey_under_the_symmetric_map():
    wanted = colours.moments(picture(2))
    matched = colours.match_moments(DEGENERATE["grey"], wanted, "symmetric") - wanted.mean
    assert np.allclose(matched, matched[:, :, :1], atol=1e-12)
    along = GREY / np.sqrt(3)
    assert np.mean((matched @ along) ** 2) == pytest.approx(along @ wanted.covariance @ along)


def test_the_triangular_root_is_choleskys():
    covariance = colours.moments(picture(1)).covariance
    A = colours.affine_map("cholesky", np.eye(3), covariance)
    assert np.allclose(A, np.linalg.cholesky(covariance), atol=1e-12)


@pytest.mark.parametrize("root", colours.ROOTS)
def test_the_maps_differ_by_a_rotation(root):
    given, wanted = (colours.moments(picture(seed)).covariance for seed in (1, 2))
    A = colours.affine_map(root, given, wanted)
    rotation = np.linalg.inv(root_of(wanted)) @ A @ root_of(given)
    assert np.allclose(rotation @ rotation.T, np.eye(3), atol=1e-10)
    others = [colours.affine_map(other, given, wanted) for other in colours.ROOTS if other != root]
    assert all(np.abs(A - other).max() > 1e-3 for other in others)


@pytest.mark.parametrize("seed", range(5))
def test_the_symmetric_map_moves_colours_least(seed):
    given, wanted = (colours.moments(picture(10 * seed + n)).covariance for n in (1, 2))
    A = colours.affine_map("symmetric", given, wanted)
    assert np.allclose(A, A.T, atol=1e-10)
    least = mean_squared_way(A, given)
    rotations = [random_rotation(n) for n in range(200)]
    maps = [root_of(wanted) @ Q @ np.linalg.inv(root_of(given)) for Q in rotations]
    maps += [colours.affine_map(other, given, wanted) for other in ("cholesky", "pca")]
    assert all(np.allclose(other @ given @ other.T, wanted, atol=1e-10) for other in maps)
    assert all(mean_squared_way(other, given) > least for other in maps)


def test_unknown_roots_are_refused():
    with pytest.raises(InputError, match="unknown root 'square'.*symmetric"):
        colours.affine_map("square", np.eye(3), np.eye(3))


# Histograms


def quantile_oracle(values, wanted):
    """One by one: the middle of a value's ranks, as a share; the wanted's value at that share."""
    matched = np.empty(len(values))
    in_order = sorted(wanted)
    for k, value in enumerate(values):
        below = sum(other < value for other in values)
        equal = sum(other == value for other in values)
        matched[k] = in_order[(2 * below + equal) * len(wanted) // (2 * len(values))]
    return matched


@pytest.mark.parametrize("shape", [(6, 7), (5, 4), (9, 9)])
@pytest.mark.parametrize("levels", [2**30, 6])
def test_histograms_are_matched_by_quantiles(shape, levels):
    style = np.floor(picture(1, (6, 7)) * levels) / levels
    content = picture(2, shape)
    matched = colours.match_histogram(style, content)
    assert matched.shape == style.shape
    for c in range(3):
        expected = quantile_oracle(style[:, :, c].ravel(), content[:, :, c].ravel())
        assert np.array_equal(matched[:, :, c].ravel(), expected)


def test_of_as_many_different_pixels_the_histograms_are_the_same():
    style, content = picture(1), picture(2)
    matched = colours.match_histogram(style, content)
    values, wanted = (np.sort(each.reshape(-1, 3), axis=0) for each in (matched, content))
    assert np.array_equal(values, wanted)
    found, moments = colours.moments(matched), colours.moments(content)
    assert np.allclose(found.mean, moments.mean, atol=1e-12)
    assert np.allclose(np.diag(found.covariance), np.diag(moments.covariance), atol=1e-12)
    assert np.abs(found.covariance - moments.covariance).max() > 1e-3  # between two channels


def test_one_colour_has_the_medians_of_the_content():
    content = picture(2)
    matched = colours.match_histogram(DEGENERATE["one colour"], content)
    assert np.array_equal(matched[0, 0], np.median(content.reshape(-1, 3), axis=0))
    assert np.array_equal(matched, np.broadcast_to(matched[0, 0], matched.shape))


# What a run calls


@pytest.mark.parametrize("choice", colours.COLOURS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_choice_gives_a_picture(choice, dtype):
    for style in (picture(1), *DEGENERATE.values()):
        for content in (picture(2), *DEGENERATE.values()):
            before = style.astype(dtype)
            pixels, notices = colours.match_style(choice, before, content.astype(dtype), None)
            assert pixels.shape == style.shape and pixels.dtype == dtype
            assert 0 <= pixels.min() <= pixels.max() <= 1
            assert np.array_equal(before, style.astype(dtype))
            assert bool(notices) == (choice != "style")


@pytest.mark.parametrize("choice", colours.COLOURS)
def test_transparent_pixels_of_the_content_do_not_count(choice):
    style, content = picture(1), picture(2)
    alpha = np.ones((9, 11), np.float32)
    alpha[:4] = 0
    seen, _ = colours.match_style(choice, style, content[4:], None)
    changed = content.copy()
    changed[:4] = RED
    for hidden in (content, changed):
        assert np.allclose(colours.match_style(choice, style, hidden, alpha)[0], seen, atol=1e-12)
    if choice != "style":
        assert not np.allclose(colours.match_style(choice, style, changed, None)[0], seen)
    invisible = colours.match_style(choice, style, content, 0 * alpha)[0]
    assert np.allclose(invisible, colours.match_style(choice, style, content, None)[0], atol=1e-12)


def test_what_was_clipped_and_what_is_flat_is_told():
    content = np.array([[0, 0, 0, 1.0]])[:, :, None] * GREY  # of more contrast than fits
    pixels, notices = colours.match_style("match-pca", picture(1), content, None)
    assert "were clipped" in notices[0]
    assert {0.0, 1.0} <= set(pixels.ravel())
    _, notices = colours.match_style("match-pca", DEGENERATE["grey"], picture(1), None)
    assert any("1 of 3 directions" in notice for notice in notices)
    _, notices = colours.match_style("match-symmetric", picture(1), picture(1), None)
    assert len(notices) == 1 and "clipped" not in notices[0]


def test_luminance_is_matched_in_mean_and_contrast():
    style, content = 0.3 + 0.2 * picture(1), 0.4 + 0.2 * picture(2)
    pixels, _ = colours.match_style("content", style, content, None)
    assert np.array_equal(pixels, np.repeat(pixels[:, :, :1], 3, axis=2))
    Y = content @ [0.299, 0.587, 0.114]
    assert (pixels.mean(), pixels.std()) == pytest.approx((Y.mean(), Y.std()), abs=1e-10)


# Luminance and chrominance

_FROM_RGB = {
    "YIQ": [[0.299, 0.587, 0.114], [0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]],
    "YCbCr": [
        [0.299, 0.587, 0.114],
        [-0.5 * 0.299 / 0.886, -0.5 * 0.587 / 0.886, 0.5],
        [0.5, -0.5 * 0.587 / 0.701, -0.5 * 0.114 / 0.701],
    ],
}


@pytest.mark.parametrize("space", _FROM_RGB)
def test_the_result_has_the_luminance_of_one_and_the_chrominance_of_the_other(space):
    to_space = np.array(_FROM_RGB[space]).T
    content = 0.35 + 0.3 * picture(1)
    greys = colours.luminance(content + 0.1 * np.random.default_rng(0).random((9, 11, 1)))
    result = colours.with_chrominance_of(content, greys)
    assert 0 < result.min() < result.max() < 1  # nothing was clipped
    Y, *chrominance = np.moveaxis(result @ to_space, 2, 0)
    assert np.allclose(Y, greys[:, :, 0], atol=1e-14)
    expected = np.moveaxis(content @ to_space, 2, 0)[1:]
    # A row of the usual YIQ matrix adds up to 1e-4 and not to 0.
    assert np.allclose(chrominance, expected, atol=1e-14 if space == "YCbCr" else 1e-5)


def test_its_own_luminance_gives_the_picture_back():
    content = picture(1).astype(np.float32)
    greys = colours.luminance(content)
    assert greys.dtype == np.float32
    assert np.array_equal(colours.luminance(greys), greys)
    assert np.allclose(colours.with_chrominance_of(content, greys), content, atol=1e-7)


def test_the_mean_of_channels_is_its_own_backward():
    rng = np.random.default_rng(0)
    x, y = rng.random((2, 4, 5, 3))
    inner = np.sum(y * colours.mean_of_channels(x))
    assert inner == pytest.approx(np.sum(colours.mean_of_channels(y) * x), rel=1e-14)
    assert np.allclose(colours.mean_of_channels(x)[1, 2], x[1, 2].mean())
