"""The network that learns: VGG-19's shape to conv5_1, with a classifier at the end of each block.

    conv 3×3 → batch normalisation → ReLU, as often as VGG has it; between blocks the average
    heads (conv1_2, conv2_2, conv3_4, conv4_4, conv5_1): the mean and the deviation of every map
    → linear classifier → cross-entropy over the recipes

The loss of a part of the batch is the sum of the heads' mean cross-entropies and the decorrelation
penalties of all layers; that of the batch is the mean over its parts. Statistics are taken within
a part, so that parts are independent, and threads can each take one.
"""

from dataclasses import dataclass, field

import numpy as np

from manualnst.vgg import BLOCKS, IMAGENET_MEAN_RGB_255, Preprocessing, convolution_names

from . import layers

ARCHITECTURE = "vgg19"
PREPROCESSING = Preprocessing(
    "RGB", 1.0, mean=tuple(v / 255 for v in IMAGENET_MEAN_RGB_255), std=(0.25, 0.25, 0.25)
)

Parameters = dict[str, np.ndarray]


@dataclass(frozen=True)
class Shape:
    """How wide the network is, how far it goes, and how many recipes it tells apart."""

    recipes: int
    widths: tuple[int, ...] = (32, 64, 96, 128, 128)  # of the layers of each block
    last: str = "conv5_1"

    @property
    def convolutions(self) -> list[str]:
        names = convolution_names(ARCHITECTURE)
        return names[: names.index(self.last) + 1]

    @property
    def heads(self) -> list[str]:
        """The last convolution of each block that there is."""
        ends = [f"conv{block}_{count}" for block, count in enumerate(BLOCKS[ARCHITECTURE], 1)]
        return [name for name in self.convolutions if name in ends or name == self.last]

    def width(self, name: str) -> int:
        return self.widths[int(name[4]) - 1]


def starts_block(name: str) -> bool:
    """Does a pooling come before this convolution?"""
    return name.endswith("_1") and name != "conv1_1"


def draw_parameters(shape: Shape, random: np.random.RandomState, dtype=np.float32) -> Parameters:
    """He initialisation of the filters; classifiers begin at 0, where all recipes are equal."""
    parameters, channels = {}, 3
    for name in shape.convolutions:
        width = shape.width(name)
        deviation = np.sqrt(2 / (9 * channels))
        parameters[f"{name}.w"] = random.standard_normal((3, 3, channels, width)) * deviation
        parameters[f"{name}.gamma"] = np.ones(width)
        parameters[f"{name}.beta"] = np.zeros(width)
        if name in shape.heads:
            parameters[f"{name}.head.w"] = np.zeros((2 * width, shape.recipes))
            parameters[f"{name}.head.b"] = np.zeros(shape.recipes)
        channels = width
    return {name: np.ascontiguousarray(value, dtype) for name, value in parameters.items()}


@dataclass
class Outcome:
    """What a forward came to, for one part of a batch."""

    loss: float
    right: dict[str, int]  # crops named rightly, by head
    penalty: float
    caches: dict = field(repr=False)


def forward(shape: Shape, parameters: Parameters, x, labels, decorrelation: float) -> Outcome:
    """x (n, H, W, 3) as the preprocessing makes it, labels (n,) → loss and the rest."""
    loss, penalties, right, caches = 0.0, 0.0, {}, {}
    for name in shape.convolutions:
        if starts_block(name):
            x = layers.avgpool_forward(x)
        z = layers.conv3x3_forward(x, parameters[f"{name}.w"])
        y, penalty, normed = layers.norm_relu_forward(
            z, parameters[f"{name}.gamma"], parameters[f"{name}.beta"], decorrelation
        )
        caches[name] = x, normed
        penalties += penalty
        if name in shape.heads:
            f, statistics = layers.statistics_forward(y)
            w, b = parameters[f"{name}.head.w"], parameters[f"{name}.head.b"]
            entropy, right[name], classified = layers.classifier_forward(f, w, b, labels)
            caches[f"{name}.head"] = statistics, classified
            loss += entropy / len(labels)
        x = y
    return Outcome(loss + penalties, right, penalties, caches)


def statistics(shape: Shape, parameters: Parameters, x):
    """For each convolution (name, mean, deviation) of its channels, ε within, over the batch x."""
    for name in shape.convolutions:
        if starts_block(name):
            x = layers.avgpool_forward(x)
        z = layers.conv3x3_forward(x, parameters[f"{name}.w"])
        gamma, beta = parameters[f"{name}.gamma"], parameters[f"{name}.beta"]
        x, _, (_, _, _, mean, sigma, _, _) = layers.norm_relu_forward(z, gamma, beta, 0.0)
        yield name, mean, sigma


def backward(shape: Shape, parameters: Parameters, outcome: Outcome, scale: float = 1.0):
    """The gradient of scale · loss by every parameter. Uses the caches up, layer by layer."""
    gradients: Parameters = {}
    dL_dy = None
    for name in reversed(shape.convolutions):
        x, normed = outcome.caches.pop(name)
        if dL_dy is None:
            dL_dy = np.zeros_like(normed[1])
        if name in shape.heads:
            statistics, classified = outcome.caches.pop(f"{name}.head")
            dL_df, dL_dw, dL_db = layers.classifier_backward(scale / len(dL_dy), classified)
            gradients[f"{name}.head.w"], gradients[f"{name}.head.b"] = dL_dw, dL_db
            layers.statistics_backward(dL_df, statistics, dL_dy)
        dL_dz, dL_dgamma, dL_dbeta = layers.norm_relu_backward(dL_dy, normed, scale)
        gradients[f"{name}.gamma"], gradients[f"{name}.beta"] = dL_dgamma, dL_dbeta
        w = parameters[f"{name}.w"]
        if name == shape.convolutions[0]:
            gradients[f"{name}.w"] = layers.conv3x3_backward_filters(dL_dz, x)
            break
        dL_dy, gradients[f"{name}.w"] = layers.conv3x3_backward(dL_dz, x, w)
        if starts_block(name):
            dL_dy = layers.avgpool_backward(dL_dy)
    return gradients
