"""The further losses against PyTorch's autograd, entry by entry.

Each is written once more, in the literature's N × M, and knows nothing of ours.
"""

from functools import partial

import numpy as np
import pytest
from proofs import assert_close, random_array
from test_against_torch import EXACT, compare_loss, nchw, reference, torch

from manualnst import losses
from manualnst.backends import NAMES, get_backend

each_backend = pytest.mark.parametrize("backend", NAMES)
each_normalisation = pytest.mark.parametrize("normalisation", losses.NORMALISATIONS)


STYLE_SHAPE = (3, 5)  # of the style's maps, another than that of the picture's
SHAPES = [(1, 5, 3), (4, 3, 2)]
each_shape = pytest.mark.parametrize("shape", SHAPES)


def compare_style(name, torch_loss, shape, normalisation, backend, *parameters):
    """losses.NAME_forward and backward against torch_loss of the maps (1, N, H, W) of both."""
    options = dict(backend=get_backend(backend))
    target_of, forward, backward = (
        getattr(losses, f"{name}_{way}") for way in ("target", "forward", "backward")
    )
    style = random_array(2, (*STYLE_SHAPE, shape[2]))
    target = target_of(style, *parameters, **options)
    compare_loss(
        lambda F: forward(F, target, normalisation, **options),
        partial(backward, **options),
        lambda F: torch_loss(F, nchw(torch.from_numpy(style)), normalisation),
        random_array(1, shape),
    )


@each_backend
@each_normalisation
@each_shape
def test_shifted_style(shape, normalisation, backend):
    def torch_loss(F, style, normalisation):
        A = reference.gram_per_position(style - 1.5)
        return reference.style_loss(F - 1.5, A, normalisation)

    compare_style("shifted_style", torch_loss, shape, normalisation, backend, -1.5)


@each_backend
@each_normalisation
@each_shape
@pytest.mark.parametrize("kind", ["guided", "masked"])
def test_style_of_a_part(kind, shape, normalisation, backend):
    rng = np.random.default_rng(0)
    w, v = rng.random(shape[:2]), rng.random(STYLE_SHAPE)

    def torch_loss(F, style, normalisation):
        roots = [torch.from_numpy(m if kind == "masked" else np.sqrt(m)) for m in (w, v)]
        counts = [m.size if kind == "masked" else m.sum() for m in (w, v)]
        G, A = (
            torch.einsum("ahw,bhw->ab", *2 * [(map_ * root)[0]]) / count
            for map_, root, count in zip((F, style), roots, counts, strict=True)
        )
        total, N = (G - A).square().sum(), shape[2]
        match normalisation:
            case "paper":
                return total / (4 * N**2)
            case "sum":
                return total * counts[0] ** 2
            case "mean":
                return total / (N**3 * counts[0])
            case "mse":
                return total / N**4
            case "relative":
                return total / A.square().sum()

    options = dict(backend=get_backend(backend))
    style = random_array(2, (*STYLE_SHAPE, shape[2]))
    target = getattr(losses, f"{kind}_style_target")(style, w, v, **options)
    compare_loss(
        lambda F: losses.guided_style_forward(F, target, normalisation, **options),
        partial(losses.guided_style_backward, **options),
        lambda F: torch_loss(F, nchw(torch.from_numpy(style)), normalisation),
        random_array(1, shape),
    )


@each_backend
@pytest.mark.parametrize("below", [(4, 3), (8, 6), (9, 7), (16, 13)])
def test_chained_style(below, backend):
    options = dict(backend=get_backend(backend))
    maps = random_array(1, (4, 3, 2)), random_array(2, (*below, 3))
    style = random_array(3, (3, 5, 2)), random_array(4, (6, 11, 3))

    def torch_chain(F, B):
        F, B = nchw(F) - 1, nchw(B) - 1
        while B.shape[2:] != F.shape[2:]:
            B = torch.nn.functional.avg_pool2d(B, 2)
        return torch.einsum("ihw,jhw->ij", F[0], B[0]) / F[0, 0].numel()

    tensors = [torch.from_numpy(array).requires_grad_() for array in maps]
    A = torch_chain(*map(torch.from_numpy, style))
    expected_loss = (torch_chain(*tensors) - A).square().mean() / 4
    expected = torch.autograd.grad(0.7 * expected_loss, tensors)
    target = losses.chained_style_target(*style, -1.0, **options)
    loss, cache = losses.chained_style_forward(*maps, target, **options)
    assert_close(loss, expected_loss.item(), EXACT)
    for own, other in zip(
        losses.chained_style_backward(0.7, cache, **options), expected, strict=True
    ):
        assert_close(own, other.numpy(), EXACT)


@each_backend
@each_normalisation
@each_shape
def test_histogram(shape, normalisation, backend):
    """Autograd goes through the sorting: here R is no constant."""

    def torch_loss(F, style, normalisation):
        F, t = F[0].flatten(1).sort().values, style[0].flatten(1).sort().values  # (N, M), (N, M_s)
        M, count = F.shape[1], t.shape[1]
        places = ((torch.arange(M).double() + 0.5) * count / M - 0.5).clamp(0, count - 1)
        below = places.floor().long()
        R = t[:, below].lerp(t[:, (below + 1).clamp(max=count - 1)], places - below)
        energy = t.square().sum() * M / count
        scale = {"mean": F.numel(), "mse": F.numel(), "relative": energy}.get(normalisation, 1)
        return (F - R).square().sum() / scale

    compare_style("histogram", torch_loss, shape, normalisation, backend)


@each_backend
@each_normalisation
@pytest.mark.parametrize("shape", [(3, 5, 3), (6, 4, 2)])
def test_patches(shape, normalisation, backend):
    def torch_loss(F, style, normalisation):
        mine, theirs = (torch.nn.functional.unfold(x, 3)[0].T for x in (F, style))  # (m, 9N)
        nearest = theirs[torch.cosine_similarity(mine[:, None], theirs[None], dim=2).argmax(1)]
        energy = theirs.square().sum(1).mean() * len(mine)
        scale = {"mean": mine.numel(), "mse": mine.numel(), "relative": energy}.get(
            normalisation, 1
        )
        return (mine - nearest).square().sum() / scale

    compare_style("patches", torch_loss, shape, normalisation, backend)


def moments(F):
    """(N,) and (N, N) of F (1, N, H, W)."""
    F = F[0].flatten(1)
    return F.mean(1), torch.cov(F, correction=0).reshape(len(F), len(F))


def torch_root(A):
    values, vectors = torch.linalg.eigh(A)
    return vectors @ values.sqrt().diag() @ vectors.T


@each_backend
@each_normalisation
@pytest.mark.parametrize("shape", [(2, 5, 3), (4, 3, 2), (4, 4, 5)])
def test_wasserstein(shape, normalisation, backend):
    def torch_loss(F, style, normalisation):
        style_mean, style_covariance = moments(style)
        mean, covariance = moments(F)
        energy = style_mean.square().sum() + style_covariance.trace()
        noise = (
            losses.NOISE_SHARE
            * style_covariance.trace()
            / len(mean)
            * torch.eye(len(mean)).double()
        )
        root = torch_root(style_covariance + noise)
        cross = torch_root(root @ (covariance + noise) @ root)
        distance = (style_covariance + covariance + 2 * noise - 2 * cross).trace()
        total = (mean - style_mean).square().sum() + distance
        scale = {"mean": len(mean), "mse": len(mean), "relative": energy}.get(normalisation, 1)
        return total / scale

    compare_style("wasserstein", torch_loss, shape, normalisation, backend)


def per_entry(x, normalisation):
    return x.numel() if normalisation == "relative" else 1


def torch_power_variation(x, beta, normalisation):
    padded = torch.nn.functional.pad(x, (0, 1, 0, 1), "replicate")
    down, right = padded[:, :, 1:, :-1] - x, padded[:, :, :-1, 1:] - x
    return (down**2 + right**2).pow(beta / 2).sum() / per_entry(x, normalisation)


def torch_smoothed_variation(x, epsilon, normalisation):
    total = sum((x.diff(dim=dim).square() + epsilon**2).sqrt().sub(epsilon).sum() for dim in (2, 3))
    return total / per_entry(x, normalisation)


@each_backend
@each_normalisation
@pytest.mark.parametrize("shape", [(4, 3, 2), (5, 6, 3)])
@pytest.mark.parametrize(
    ("name", "parameter", "torch_loss"),
    [
        ("power_variation", 2.5, torch_power_variation),
        ("smoothed_variation", 0.3, torch_smoothed_variation),
    ],
)
def test_variations(name, parameter, torch_loss, shape, normalisation, backend):
    options = dict(backend=get_backend(backend))
    forward, backward = (getattr(losses, f"{name}_{way}") for way in ("forward", "backward"))
    compare_loss(
        lambda x: forward(x, parameter, normalisation, **options),
        partial(backward, **options),
        lambda x: torch_loss(x, parameter, normalisation),
        random_array(1, shape),
    )


def torch_nine_point_variation(x):
    p = torch.nn.functional.pad(x, (1, 1, 1, 1), "replicate")
    right = (p[..., 1:-1, 2:] - p[..., 1:-1, 1:-1]).square().mean() / 3
    below = (p[..., 2:, 1:-1] - p[..., 1:-1, 1:-1]).square().mean() / 3
    e = (p[..., 1:, 1:] - p[..., :-1, :-1]).square().mean() / 12
    f = (p[..., 1:, :-1] - p[..., :-1, 1:]).square().mean() / 12
    return 2 * (right + below + e + f)


@each_backend
@pytest.mark.parametrize("shape", [(4, 3, 2), (5, 6, 3), (1, 4, 1)])
def test_nine_point_variation(shape, backend):
    options = dict(backend=get_backend(backend))
    compare_loss(
        partial(losses.nine_point_variation_forward, **options),
        partial(losses.nine_point_variation_backward, **options),
        torch_nine_point_variation,
        random_array(1, shape),
    )
