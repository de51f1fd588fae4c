"""The objective: a picture x → its loss, the gradient, and every term of the loss.

[E5]  the style loss is Σ_l w_l style_l, over the layers, and
[E7]  L = scale · (α Σ_l a_l content_l + β Σ_l w_l style_l + γ total variation)

style_l is [E4], the Gram matrix's, at the layers of the network, and [D3], that of the colours'
moments, at `pixels`, which is x itself.

The layer weights a_l and w_l are shares: each set is divided by its sum, so that five equal
style layers have w_l = 1/5 as in the paper. `scale` changes nothing but the units (see
`unit_scale`); loss and gradient always carry the same one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from . import losses
from .errors import InputError
from .network import Network
from .vgg import PIXELS


@dataclass(frozen=True)
class LossSettings:
    """What is asked of the picture. The weights multiply losses normalised as `normalisation`."""

    content_layers: dict[str, float]
    style_layers: dict[str, float]
    content_weight: float
    style_weight: float
    tv_weight: float
    normalisation: str


class Term(NamedTuple):
    value: float  # unweighted
    weight: float

    @property
    def weighted(self) -> float:
        return self.weight * self.value


class Evaluation(NamedTuple):
    loss: float  # scale · Σ weighted terms
    dL_dx: np.ndarray  # (H, W, 3), the gradient of that
    terms: dict[str, Term]  # "content relu4_2", "style relu1_1", …, "tv"

    @property
    def unscaled_loss(self) -> float:
        return sum(term.weighted for term in self.terms.values())

    def times(self, scale: float) -> "Evaluation":
        return Evaluation(self.loss * scale, self.dL_dx * scale, self.terms)


class _Kind(NamedTuple):
    """One kind of loss, at its layers."""

    name: str
    weights: dict[str, float]
    targets: dict[str, Any]
    forward: Callable
    backward: Callable


# How styles are compared: what is measured of the style picture's map, and the loss that uses it.
_GRAM = (losses.gram_target, losses.style_forward, losses.style_backward)
_MOMENTS = (losses.moments_target, losses.moments_forward, losses.moments_backward)


def _style_kind(comparison, weights: dict[str, float], maps: dict, backend) -> _Kind:
    target_of, forward, backward = comparison
    targets = {layer: target_of(maps[layer], backend=backend) for layer in weights}
    return _Kind("style", weights, targets, forward, backward)


class Objective:
    """Targets measured once from the two pictures; then call it with x as often as you like."""

    def __init__(self, network: Network, content, style, settings: LossSettings):
        """`content` and `style` are pictures (H, W, 3) in [0, 1]; content has the size of x."""
        if settings.normalisation not in losses.NORMALISATIONS:
            raise InputError(
                f"unknown normalisation {settings.normalisation!r}; "
                f"choose one of {', '.join(losses.NORMALISATIONS)}"
            )
        self.scale = 1.0
        self._network = network
        self._normalisation = settings.normalisation
        self._tv_weight = settings.tv_weight
        content_weights = _weights_of(settings.content_layers, settings.content_weight)
        style_weights = _weights_of(settings.style_layers, settings.style_weight)
        if not (content_weights or style_weights or self._tv_weight):
            raise InputError("all weights are zero: there is nothing to optimise; raise one")
        P, _ = network.forward(content, content_weights)
        style_maps, _ = network.forward(style, style_weights, as_arrays=False)
        by_gram = {layer: w for layer, w in style_weights.items() if layer != PIXELS}
        by_moments = {layer: w for layer, w in style_weights.items() if layer == PIXELS}
        self._taps = content_weights | style_weights
        self._kinds = (
            _Kind("content", content_weights, P, losses.content_forward, losses.content_backward),
            _style_kind(_GRAM, by_gram, style_maps, network.backend),
            _style_kind(_MOMENTS, by_moments, style_maps, network.backend),
        )

    def __call__(self, x) -> Evaluation:
        """x (H, W, 3) of the network's dtype → Evaluation."""
        backend = self._network.backend
        terms: dict[str, Term] = {}
        waiting: dict[str, list[Callable]] = {}  # layer → its losses' ways back
        features, tape = self._network.forward(x, self._taps, as_arrays=False)
        for layer in list(features):
            F = features.pop(layer)  # a map can go as soon as its losses are done
            for kind in self._kinds:
                if layer not in kind.weights:
                    continue
                weight, target = kind.weights[layer], kind.targets[layer]
                value, cache = kind.forward(F, target, self._normalisation, backend=backend)
                terms[f"{kind.name} {layer}"] = Term(value, weight)
                go_back = partial(kind.backward, self.scale * weight, cache, backend=backend)
                waiting.setdefault(layer, []).append(go_back)
        dL_dF = {layer: partial(_add_all, losses) for layer, losses in waiting.items()}
        dL_dx = self._network.backward(dL_dF, tape) if dL_dF else np.zeros_like(x)
        if self._tv_weight:
            terms["tv"], gradient = self._total_variation(x)
            dL_dx = dL_dx + gradient
        loss = self.scale * sum(term.weighted for term in terms.values())
        return Evaluation(loss, dL_dx, terms)

    def _total_variation(self, x):
        backend = self._network.backend
        value, cache = losses.total_variation_forward(x, self._normalisation, backend=backend)
        weight = self.scale * self._tv_weight
        gradient = losses.total_variation_backward(weight, cache, backend=backend)
        return Term(value, self._tv_weight), gradient


def _add_all(waiting: list[Callable], gradient):
    """Every loss of a layer adds its dL_dF to the gradient; what it kept for that can go then."""
    while waiting:
        gradient = waiting.pop()(gradient)
    return gradient


def unit_scale(evaluation: Evaluation) -> float:
    """The scale at which an unscaled gradient like this one has a root mean square of 1.

    Optimisers have absolute tolerances and step sizes: with losses of 1e12 or gradients of
    1e-9, scipy's L-BFGS-B stops after two steps. In these units they mean the same for every
    size, network and weight. 1 where the gradient vanishes.
    """
    rms = float(np.sqrt(np.mean(np.square(evaluation.dL_dx, dtype=np.float64))))
    return 1 / rms if np.isfinite(rms) and rms > 0 else 1.0


def _weights_of(layers: dict[str, float], total: float) -> dict[str, float]:
    """Each layer's share of the total weight; layers without weight are left out."""
    shares = sum(layers.values())
    return {layer: total * w / shares for layer, w in layers.items() if total * w}
