"""Each preset's loss and gradient against its system's published formula, written in PyTorch.

In the units of that system: pixels from 0 to 255 where it has them, Gram matrices as it divides
them. The networks are VGG-shaped, with few random filters.
"""

from dataclasses import replace

import numpy as np
import pytest
from proofs import assert_close

from manualnst.backends import get_backend
from manualnst.network.network import Network, available_layers
from manualnst.network.vgg import BLOCKS, Preprocessing, Weights, convolution_names
from manualnst.objective.objective import Objective
from manualnst.objective.terms import named_layers
from manualnst.runs.presets import PRESETS
from manualnst.runs.settings import Settings

torch = pytest.importorskip("torch", reason="PyTorch is not installed; it computes the formulas")

HEIGHT, WIDTH = 32, 48  # equal for all pictures, as the formulas have it; halved without remainder
CAFFE = Preprocessing("BGR", 255.0, (103.939, 116.779, 123.68))
IMAGENET = Preprocessing("RGB", 1.0, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
FIRST = [f"relu{block}_1" for block in range(1, 6)]


def random_vgg(architecture, preprocessing):
    rng, layers, channels = np.random.default_rng(0), {}, 3
    for name in convolution_names(architecture):
        filters = (4, 5, 6, 7, 8)[int(name[4]) - 1]
        w = rng.standard_normal((3, 3, channels, filters)) * np.sqrt(2 / (9 * channels))
        layers[name] = w, 0.1 * rng.standard_normal(filters)
        channels = filters
    return Weights(architecture, layers, preprocessing)


class Maps:
    """The maps of a picture x (3, H, W) in [0, 1], each as the literature's N × M."""

    def __init__(self, weights, pool, x):
        self.x, self.maps = x, {}
        pooling = {"max": torch.nn.functional.max_pool2d, "average": torch.nn.functional.avg_pool2d}
        y = self.as_network_input(x, weights.preprocessing)[None]
        for block, count in enumerate(BLOCKS[weights.architecture], start=1):
            for i in range(1, count + 1):
                w, b = map(torch.from_numpy, weights.layers[f"conv{block}_{i}"])
                y = torch.conv2d(y, w.permute(3, 2, 0, 1), b, padding=1).relu()
                self.maps[f"relu{block}_{i}"] = y[0]
            y = pooling[pool](y, 2)

    @staticmethod
    def as_network_input(x, how):
        if how.channels == "BGR":  # 0 … 255 minus the mean, of the original networks
            return 255 * x.flip(0) - torch.tensor(how.mean)[:, None, None]
        return (x - torch.tensor(how.mean)[:, None, None]) / torch.tensor(how.std)[:, None, None]

    def __getitem__(self, layer):
        return self.maps[layer].flatten(1)

    def gram(self, layer):
        return self[layer] @ self[layer].T

    def gaussian(self, layer):
        F = self[layer]
        return F.mean(dim=1), torch.cov(F, correction=0)


def mse(a, b):
    return (a - b).square().mean()


def squares(pixels):
    """Σ of squared differences of neighbours, of (3, H, W)."""
    return pixels.diff(dim=1).square().sum() + pixels.diff(dim=2).square().sum()


def paper_style(x, style):
    total = 0
    for layer in FIRST:
        N, M = x[layer].shape
        E = (x.gram(layer) - style.gram(layer)).square().sum() / (4 * N**2 * M**2)
        total = total + E / 5
    return total


# The systems: each gives its terms, content, style and total variation (0 if it has none).


def paper(alpha, beta):
    def terms(x, content, style):
        content_loss = 0.5 * (x["relu4_2"] - content["relu4_2"]).square().sum()
        return alpha * content_loss, beta * paper_style(x, style), 0

    return terms


def gatys_notebook(x, content, style):
    total = 0
    for layer in FIRST:
        C, M = x[layer].shape
        total = total + 1e3 / C**2 * mse(x.gram(layer) / M, style.gram(layer) / M)
    return mse(x["relu4_2"], content["relu4_2"]), total, 0


def neural_style(x, content, style):
    total = 0
    for layer in FIRST:
        C, M = x[layer].shape
        total = total + 100 * mse(x.gram(layer) / (C * M), style.gram(layer) / (C * M))
    return 5 * mse(x["relu4_2"], content["relu4_2"]), total, 1e-3 * squares(256 * x.x) / 2


def square_root(A):
    values, vectors = torch.linalg.eigh(A)
    return vectors @ torch.diag(values.clamp(min=0).sqrt()) @ vectors.T


def crowsonkb(x, content, style):
    total = 0
    for layer, weight in zip(FIRST, (256, 64, 16, 4, 1), strict=True):
        (mean, covariance), (style_mean, style_covariance) = (
            x.gaussian(layer),
            style.gaussian(layer),
        )
        noise = 1e-4 * style_covariance.diagonal().mean() * torch.eye(len(mean))
        covariance, style_covariance = covariance + noise, style_covariance + noise
        root = square_root(style_covariance)
        cross = square_root(root @ covariance @ root)
        distance = (covariance + style_covariance - 2 * cross).diagonal().mean()
        total = total + weight / 341 * (mse(mean, style_mean) + distance)
    p = torch.nn.functional.pad(x.x[None], (1, 1, 1, 1), "replicate")[0]
    centre = p[:, 1:-1, 1:-1]
    right, below = mse(p[:, 1:-1, 2:], centre), mse(p[:, 2:, 1:-1], centre)
    e, f = mse(p[:, 1:, 1:], p[:, :-1, :-1]), mse(p[:, 1:, :-1], p[:, :-1, 1:])
    tv = 2 * (right / 3 + below / 3 + e / 12 + f / 12)
    return 0.015 * mse(x["relu4_2"], content["relu4_2"]), total, 2 * tv


def keras_adam(x, content, style):
    total = 0
    for layer in FIRST:
        w = 1 / 5 / (4 * 3**2 * (224 * 224) ** 2)
        total = total + w * (x.gram(layer) - style.gram(layer)).square().sum()
    content_loss = 0.025 * (x["relu4_2"] - content["relu4_2"]).square().sum()
    return content_loss, total, 8.5e-5 * squares(255 * x.x)


def lbfgs_tv(x, content, style):
    content_loss = total = 0
    for layer in ("relu3_2", "relu4_2"):
        D = x[layer] - content[layer]
        content_loss = content_loss + 5 * D.square().sum() / D.numel()
    at_512 = {"relu1_1": (512 * 384, 64), "relu2_1": (256 * 192, 128), "relu3_1": (128 * 96, 256)}
    at_512 |= {"relu4_1": (64 * 48, 512), "relu5_1": (32 * 24, 512)}
    for layer, (M, C) in at_512.items():
        size = x[layer].numel()
        D = x.gram(layer) / size - style.gram(layer) / size
        total = total + 100 * M / C * D.square().sum() / size
    return content_loss, total, 1e-3 / 2 * squares(255 * x.x)


def novak_nikulin(x, content, style):
    """G^{l, l−1}, the smaller map enlarged to the larger by repeating it."""
    layers = [name.replace("conv", "relu") for name in convolution_names("vgg19")]
    weights = [2.0 ** (len(layers) - d) for d in range(2, len(layers) + 1)]
    total = 0

    def chained(maps, layer, below):
        F, B = maps.maps[layer] - 1, maps.maps[below] - 1
        if F.shape[1:] != B.shape[1:]:
            F = F.repeat_interleave(2, dim=1).repeat_interleave(2, dim=2)
        return F.flatten(1) @ B.flatten(1).T, F[0].numel()

    for layer, below, w in zip(layers[1:], layers, weights, strict=False):
        (C, M), (A, _) = chained(x, layer, below), chained(style, layer, below)
        total = total + w / sum(weights) * (C - A).square().sum() / (4 * A.numel() * M**2)
    content_loss = 1e-3 / 2 * (x["relu4_2"] - content["relu4_2"]).square().sum()
    return content_loss, total, 8.5e-5 * squares(255 * x.x)


PUBLISHED = {
    "paper-2015": (CAFFE, paper(1e-3, 1)),
    "gatys-notebook": (CAFFE, gatys_notebook),
    "neural-style": (CAFFE, neural_style),
    "crowsonkb": (IMAGENET, crowsonkb),
    "keras-adam": (CAFFE, keras_adam),
    "lbfgs-tv": (CAFFE, lbfgs_tv),
    "vgg16-adam": (IMAGENET, paper(8, 70)),
    "novak-nikulin": (CAFFE, novak_nikulin),
    "momentum-grid": (CAFFE, paper(1e-7, 1)),
}


KINDS = ("content", "style", "tv")


@pytest.mark.parametrize("name", PRESETS)
def test_loss_and_gradient_are_those_of_the_published_formula(name):
    """The whole, and each of its terms: the largest would hide the others."""
    preprocessing, formula = PUBLISHED[name]
    settings = Settings(**PRESETS[name].settings)
    weights = random_vgg(settings.weights.split("-")[0], preprocessing)
    content, style, picture = np.random.default_rng(1).random((3, HEIGHT, WIDTH, 3))
    layers = named_layers(settings.style_layers, available_layers(weights))
    losses = replace(settings, style_layers=layers).losses
    network = Network(weights, backend=get_backend("numpy"), pool=settings.pool, dtype=np.float64)
    maps = [
        Maps(weights, settings.pool, torch.from_numpy(each.transpose(2, 0, 1).copy()))
        for each in (content, style)
    ]
    for kinds in (KINDS, *((kind,) for kind in KINDS)):
        x = torch.from_numpy(picture.transpose(2, 0, 1).copy()).requires_grad_()
        terms = dict(zip(KINDS, formula(Maps(weights, settings.pool, x), *maps), strict=True))
        expected = sum(terms[kind] for kind in kinds)
        without = {f"{kind}_weight": 0.0 for kind in set(KINDS) - set(kinds)}
        if isinstance(expected, int):
            assert getattr(losses, f"{kinds[0]}_weight") == 0
            continue
        evaluation = Objective(network, content, style, replace(losses, **without))(picture)
        assert evaluation.loss == pytest.approx(expected.item(), rel=1e-5)
        (gradient,) = torch.autograd.grad(expected, x)
        assert_close(evaluation.dL_dx, gradient.numpy().transpose(1, 2, 0), 1e-5)


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [
        ("neural-style", "tv_weight", 33.0),
        ("crowsonkb", "tv", "squared"),
        ("paper-2015", "content_weight", 1.001e-3),
        ("novak-nikulin", "shift", -1.001),
        ("lbfgs-tv", "normalisation", "mse"),
    ],
)
def test_a_changed_setting_would_be_noticed(monkeypatch, name, field, value):
    monkeypatch.setitem(PRESETS[name].settings, field, value)
    with pytest.raises(AssertionError):
        test_loss_and_gradient_are_those_of_the_published_formula(name)
