"""The objective a second time, from its equations, in PyTorch: autograd is what we compare with.

For the benchmark, and for tests/test_against_torch.py. It takes its filters and settings from
manualnst's objects, but shares no computation with manualnst and does not import it: the network is
torchvision's, layer for layer and name for name, maps are (1, N, H, W), and the losses are
written as in the literature.
"""

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor, nn

# Convolutions in the blocks of torchvision's `vgg19().features`; each block ends with a pooling.
BLOCKS = (2, 2, 4, 4, 4)
# Of the sides of the benchmark.
MEMORY_FORMATS = {
    "torch-nchw": torch.contiguous_format,
    "torch-channels-last": torch.channels_last,
}
POOLINGS = {"average": nn.AvgPool2d, "max": nn.MaxPool2d}


class Vgg(nn.Module):
    """VGG-19, as far as there are filters."""

    def __init__(self, weights, pool: str = "average"):
        """`weights` has `layers`, name → (w (3, 3, C_in, C_out), b), and `preprocessing`."""
        super().__init__()
        self.preprocessing = weights.preprocessing
        for name in ("mean", "std"):  # buffers go to a card with the filters, once
            values = torch.tensor(getattr(weights.preprocessing, name), dtype=torch.float64)
            self.register_buffer(name, values[:, None, None], persistent=False)
        self.places = {}  # name of a ReLU's map → its place in `features`
        layers = []
        for name in layer_names():
            if name.startswith("pool"):
                layers.append(POOLINGS[pool](2))
            elif name in weights.layers:
                layers += [_convolution(*weights.layers[name]), nn.ReLU(inplace=True)]
                self.places[name.replace("conv", "relu")] = len(layers) - 1
        self.features = nn.Sequential(*layers)
        self.requires_grad_(False)

    def forward(self, x: Tensor, taps: Iterable[str]) -> dict[str, Tensor]:
        """x (1, 3, H, W) in [0, 1] → {tap: its map (1, N, H_l, W_l)}."""
        maps = {"pixels": x} if "pixels" in taps else {}
        taps = {self.places[tap]: tap for tap in taps if tap != "pixels"}
        wanted = len(maps) + len(taps)
        y = self.normalise(x)
        for place, layer in enumerate(self.features):
            y = layer(y)
            if place in taps:
                maps[taps[place]] = y
            if len(maps) == wanted:
                return maps

    def normalise(self, x: Tensor) -> Tensor:
        how = self.preprocessing
        ordered = x.flip(1) if how.channels == "BGR" else x
        return (how.range * ordered - self.mean.to(x.dtype)) / self.std.to(x.dtype)


def layer_names() -> list[str]:
    """["conv1_1", "conv1_2", "pool1", "conv2_1", …]."""
    names = []
    for block, count in enumerate(BLOCKS, start=1):
        names += [f"conv{block}_{i}" for i in range(1, count + 1)] + [f"pool{block}"]
    return names


def _convolution(w: np.ndarray, b: np.ndarray) -> nn.Conv2d:
    convolution = nn.Conv2d(*w.shape[2:], 3, padding=1)
    convolution.weight.data = torch.from_numpy(w.transpose(3, 2, 0, 1).copy())
    convolution.bias.data = torch.from_numpy(b.copy())
    return convolution


class TorchObjective(nn.Module):
    """Targets measured once; then x (1, 3, H, W) → loss. Settings are manualnst's LossSettings."""

    def __init__(self, vgg: Vgg, content: Tensor, style: Tensor, settings):
        super().__init__()
        self.vgg = vgg
        self.settings = settings
        self.weights = _weights(settings)
        with torch.no_grad():
            self.P = vgg(content, settings.content_layers)
            self.A = {
                layer: moments(F) if layer == "pixels" else gram_per_position(F)
                for layer, F in vgg(style, settings.style_layers).items()
            }

    def forward(self, x: Tensor) -> Tensor:
        return sum(self.weights[name] * value for name, value in self.terms(x).items())

    def terms(self, x: Tensor) -> dict[str, Tensor]:
        """The unweighted terms, named as manualnst names them."""
        maps = self.vgg(x, [*self.P, *self.A])
        how = self.settings.normalisation
        content = {f"content {l}": content_loss(maps[l], P, how) for l, P in self.P.items()}
        style = {
            f"style {l}": (moments_loss if l == "pixels" else style_loss)(maps[l], A, how)
            for l, A in self.A.items()
        }
        tv = {"tv": total_variation(x, how)} if self.settings.tv_weight else {}
        return content | style | tv


def _weights(settings) -> dict[str, float]:
    """What each term is multiplied by: its share of the total of its kind."""
    weights = {"tv": settings.tv_weight}
    for kind, layers, total in [
        ("content", settings.content_layers, settings.content_weight),
        ("style", settings.style_layers, settings.style_weight),
    ]:
        for layer, weight in layers.items():
            weights[f"{kind} {layer}"] = total * weight / sum(layers.values())
    return weights


def gram(F: Tensor) -> Tensor:
    """F (1, N, H, W) → G (N, N): the products of channels, summed over all positions."""
    F = F[0].flatten(1)  # (N, M)
    return F @ F.T


def gram_per_position(F: Tensor) -> Tensor:
    """G / M, the mean of the products."""
    return gram(F) / (F.shape[2] * F.shape[3])


def moments(F: Tensor) -> tuple[Tensor, Tensor]:
    """F (1, N, H, W) → the mean (N,) and the covariance (N, N) over all positions."""
    F = F[0].flatten(1)  # (N, M)
    return F.mean(dim=1), torch.cov(F, correction=0).reshape(len(F), len(F))


def content_loss(F: Tensor, P: Tensor, normalisation: str) -> Tensor:
    total = (F - P).square().sum()
    match normalisation:
        case "paper":
            return total / 2
        case "sum":
            return total
        case "mean" | "mse":
            return total / F.numel()
        case "relative":
            return total / P.square().sum()


def style_loss(F: Tensor, A: Tensor, normalisation: str) -> Tensor:
    """F (1, N, H, W); A (N, N) per position, so that pictures of two sizes compare."""
    return mean_over_positions_loss(gram_per_position(F), A, F.shape, normalisation)


def moments_loss(F: Tensor, target: tuple[Tensor, Tensor], normalisation: str) -> Tensor:
    """F (1, N, H, W); the target's mean and covariance."""
    least = (target[0].square().sum().item() / 100) ** 2  # a tenth of the mean as contrast
    return sum(
        mean_over_positions_loss(ours, A, F.shape, normalisation, least_energy)
        for ours, A, least_energy in zip(moments(F), target, (0.0, least), strict=True)
    )


def mean_over_positions_loss(
    ours: Tensor, A: Tensor, shape, normalisation: str, least_energy: float = 0.0
) -> Tensor:
    """Of two means over the positions of maps of the shape (1, N, H, W)."""
    N, M = shape[1], shape[2] * shape[3]
    total = (ours - A).square().sum()
    match normalisation:
        case "paper":
            return total / (4 * N**2)
        case "sum":
            return total * M**2
        case "mean":
            return total / (N**3 * M)
        case "mse":
            return total / N**4
        case "relative":
            return total / A.square().sum().clamp(min=least_energy)


def total_variation(x: Tensor, normalisation: str) -> Tensor:
    """x (1, C, H, W)."""
    total = x.diff(dim=2).square().sum() + x.diff(dim=3).square().sum()
    return total / x.numel() if normalisation == "relative" else total


def evaluate(objective: nn.Module, x: Tensor) -> tuple[float, Tensor]:
    """Loss, and the gradient by autograd (1, 3, H, W)."""
    x = x.detach().requires_grad_()
    loss = objective(x)
    (gradient,) = torch.autograd.grad(loss, x)
    return loss.item(), gradient


def to_tensor(picture: np.ndarray, memory_format=torch.contiguous_format) -> Tensor:
    """(H, W, 3) → (1, 3, H, W)."""
    return torch.from_numpy(picture).permute(2, 0, 1)[None].contiguous(memory_format=memory_format)


def to_picture(x: Tensor) -> np.ndarray:
    """(1, 3, H, W) → (H, W, 3)."""
    return x[0].permute(1, 2, 0).numpy()
