"""The network that learns, and its teacher: the maps of a batch of crops, and the way back.

    conv 3×3 + bias → ReLU, as often as VGG has it; between blocks the average of 2 × 2

The teacher's filters are all there, the narrow network's are fewer; otherwise they are alike. The
loss compares their maps after the ReLU, y and t, at every convolution but the first, over the
channels that the narrow network has:

    L = Σ_layers (1/n) Σ_crops Σ (y − t)² / Σ t²        the inner sums over a crop's map

Relative, because the maps of a VGG differ in size by orders of magnitude, from layer to layer and
from crop to crop: of plain squares the loudest few would be all of the loss.
"""

from collections.abc import Iterable

import numpy as np

from manualnst.network.vgg import Weights

from . import layers, winograd

Parameters = dict[str, np.ndarray]  # "conv1_1.w" (3, 3, C, K), "conv1_1.b" (K,), …
Maps = dict[str, np.ndarray]  # convolution → (n, H, W, K) after its ReLU

QUIET = 1e-3  # of a layer's mean square: what crops have at least, lest a blank one weigh most


def parameters_of(weights: Weights) -> Parameters:
    pairs = weights.layers.items()
    return {f"{name}.w": w for name, (w, _) in pairs} | {f"{name}.b": b for name, (_, b) in pairs}


def with_transformed(parameters: Parameters) -> Parameters:
    """And "conv1_1.U", …, the filters as Winograd's algorithm has them: for what stays the same."""
    filters = {name: w for name, w in parameters.items() if name.endswith(".w")}
    return parameters | {f"{name[:-1]}U": winograd.transformed(w) for name, w in filters.items()}


def starts_block(name: str) -> bool:
    """Does a pooling come before this convolution?"""
    return name.endswith("_1") and name != "conv1_1"


def forward(parameters: Parameters, names: Iterable[str], x) -> tuple[Maps, Maps]:
    """x (n, H, W, 3) as the preprocessing makes it → each convolution's input, and its map."""
    inputs, maps = {}, {}
    for name in names:
        x = inputs[name] = layers.avgpool_forward(x) if starts_block(name) else x
        z = layers.conv3x3_forward(x, parameters[f"{name}.w"], parameters.get(f"{name}.U"))
        x = maps[name] = layers.bias_relu_forward(z, parameters[f"{name}.b"])
    return inputs, maps


def errors(maps: Maps, targets: Maps, energies: dict[str, float]) -> tuple[dict[str, float], Maps]:
    """→ each layer's term of the loss, and its gradient by the layer's map y.

    The teacher's t depends on no parameter of ours, so of each entry of y

        dL_dy = (1/n) 2 (y − t) / Σ t²

    `energies` are the mean squares of whole layers, over many crops.
    """
    shares, gradients = {}, {}
    for name, t in targets.items():
        n, H, W, K = t.shape
        d = maps[name] - t
        least = QUIET * energies[name] * (H * W * K)
        whole = np.array([max(float(np.vdot(crop, crop).real), least) for crop in t]) * n
        shares[name] = sum(_square(crop) / part for crop, part in zip(d, whole, strict=True))
        d *= (2 / whole).astype(t.real.dtype)[:, None, None, None]
        gradients[name] = d
    return shares, gradients


def _square(d):
    """Σ d², of complex numbers too, for the complex step."""
    d = d.ravel()
    return d @ d


def backward(parameters: Parameters, inputs: Maps, maps: Maps, gradients: Maps) -> Parameters:
    """The gradient of the loss by every parameter, but for those of the first convolution, which
    stays as it is. `gradients` are those by each map alone, from `errors`, and are used up: to each
    is added what comes back through the layers above, which read the map, too."""
    first, *learning = maps
    result: Parameters = {}
    dL_dy = None
    for name in reversed(learning):
        own = gradients.pop(name)
        dL_dy = own if dL_dy is None else np.add(dL_dy, own, out=dL_dy)
        dL_dz, result[f"{name}.b"] = layers.bias_relu_backward(dL_dy, maps[name])
        x, w = inputs[name], parameters[f"{name}.w"]
        if name == learning[0]:
            result[f"{name}.w"] = layers.conv3x3_backward_filters(dL_dz, x)
            break
        dL_dy, result[f"{name}.w"] = layers.conv3x3_backward(dL_dz, x, w)
        if starts_block(name):
            dL_dy = layers.avgpool_backward(dL_dy)
    return result
