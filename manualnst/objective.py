"""The objective: a picture x → its loss, the gradient, and every term of the loss.

[E5]  the style loss is Σ_l w_l style_l, over the layers, and
[E7]  L = scale · (α Σ_l a_l content_l + β Σ_l w_l style_l + γ total variation)

Several style pictures are blended: style_l is then Σ_s b_s style_ls, the loss against the targets
of each, and so the gradients add up in the same proportions. The network is evaluated once.

style_l is [E4], the Gram matrix's, at the layers of the network, and [D3], that of the colours'
moments, at `pixels`, which is x itself.

The weights a_l, w_l and b_s are shares: each set is divided by its sum, so that five equal
style layers have w_l = 1/5 as in the paper. `scale` changes nothing but the units (see
`unit_scale`); loss and gradient always carry the same one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from . import losses
from .backends import fetched, replayed, together
from .colours import mean_of_channels
from .errors import InputError
from .memo import NOTHING_KEPT, Memo
from .network import Network
from .targets import Asked, map_itself, measured
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
    style_weights: float | list[float] = 1.0  # of the style pictures; one number: all alike
    in_greys: bool = False  # every pixel of x counts as the mean of its channels


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


# How pictures are compared: what is measured of the given one's map, and the loss that uses it.
_CONTENT = (map_itself, losses.content_forward, losses.content_backward)
_GRAM = (losses.gram_target, losses.style_forward, losses.style_backward)
_MOMENTS = (losses.moments_target, losses.moments_forward, losses.moments_backward)


def _content_kinds(network: Network, picture, weights: dict[str, float], memo) -> list[_Kind]:
    return _kinds("content", dict.fromkeys(weights, _CONTENT), network, picture, weights, memo)


def _style_kinds(name: str, network: Network, picture, weights, memo: Memo) -> list[_Kind]:
    comparisons = {layer: _MOMENTS if layer == PIXELS else _GRAM for layer in weights}
    return _kinds(name, comparisons, network, picture, weights, memo)


def _kinds(name: str, comparisons: dict, network, picture, weights, memo) -> list[_Kind]:
    """One for each layer, compared as `comparisons` has it."""
    asked = [Asked(target_of, (layer,)) for layer, (target_of, _, _) in comparisons.items()]
    targets = measured(network, picture, asked, memo)
    return [
        _Kind(name, {layer: weights[layer]}, {layer: target}, forward, backward)
        for (layer, (_, forward, backward)), target in zip(
            comparisons.items(), targets, strict=True
        )
    ]


class Objective:
    """Targets measured once from the pictures; then call it with x as often as you like."""

    def __init__(
        self,
        network: Network,
        content: np.ndarray,
        style: np.ndarray | list[np.ndarray],
        settings: LossSettings,
        memo: Memo = NOTHING_KEPT,
    ):
        """Pictures are (H, W, 3) in [0, 1]; content has the size of x, and styles may be several.

        With `in_greys` they should be greys. `memo` keeps targets for the next objective of this
        network.
        """
        if settings.normalisation not in losses.NORMALISATIONS:
            raise InputError(
                f"unknown normalisation {settings.normalisation!r}; "
                f"choose one of {', '.join(losses.NORMALISATIONS)}"
            )
        self.scale = 1.0
        self._network = network
        self._normalisation = settings.normalisation
        self._tv_weight = settings.tv_weight
        self._in_greys = settings.in_greys
        content_weights = _weights_of(settings.content_layers, settings.content_weight)
        style_weights = _weights_of(settings.style_layers, settings.style_weight)
        if not (content_weights or style_weights or self._tv_weight):
            raise InputError("all weights are zero: there is nothing to optimise; raise one")
        self._taps = content_weights | style_weights
        self._kinds = _content_kinds(network, content, content_weights, memo)
        styles = style if isinstance(style, list) else [style]
        shares = for_each_style("style_weights", settings.style_weights, len(styles))
        for name, picture, share in zip(style_names(len(styles)), styles, shares, strict=True):
            weights = {
                layer: w * share / sum(shares) for layer, w in style_weights.items() if share
            }
            self._kinds += _style_kinds(name, network, picture, weights, memo)
        self._weights: dict[str, float] = {}  # of the terms, as the last evaluation met them
        self._computed = replayed(network.backend, self._evaluate)

    def __call__(self, x) -> Evaluation:
        """x (H, W, 3) of the network's dtype, where its backend computes → Evaluation."""
        values, dL_dx = self._computed(x, self.scale)
        terms = {
            name: Term(value, weight)
            for (name, weight), value in zip(self._weights.items(), fetched(values), strict=True)
        }
        loss = self.scale * sum(term.weighted for term in terms.values())
        return Evaluation(loss, dL_dx, terms)

    def _evaluate(self, x, scale: float):
        """The terms' values, in the order of `_weights`, and scale times the loss' gradient.

        On a card this is recorded, and replayed for every x: it must not wait for any number.
        """
        if not self._in_greys:
            return self._loss_and_gradient(x, scale)
        values, dL_dx = self._loss_and_gradient(mean_of_channels(x), scale)
        return values, mean_of_channels(dL_dx)

    def _loss_and_gradient(self, x, scale: float):
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
                go_back = partial(kind.backward, scale * weight, cache, backend=backend)
                waiting.setdefault(layer, []).append(go_back)
        dL_dF = {layer: partial(_add_all, losses) for layer, losses in waiting.items()}
        dL_dx = self._network.backward(dL_dF, tape) if dL_dF else np.zeros_like(x)
        if self._tv_weight:
            terms["tv"], gradient = self._total_variation(x, scale)
            dL_dx = dL_dx + gradient
        self._weights = {name: term.weight for name, term in terms.items()}
        return together([term.value for term in terms.values()]), dL_dx

    def _total_variation(self, x, scale: float):
        backend = self._network.backend
        value, cache = losses.total_variation_forward(x, self._normalisation, backend=backend)
        gradient = losses.total_variation_backward(scale * self._tv_weight, cache, backend=backend)
        return Term(value, self._tv_weight), gradient


def style_names(count: int) -> list[str]:
    """What each of so many styles is called, in terms, records and checkpoints."""
    return ["style", *(f"style {n}" for n in range(2, count + 1))]


def for_each_style(name: str, values: float | list[float], count: int) -> list[float]:
    """One number for each of so many styles; a single number is for all."""
    listed = values if isinstance(values, list) else [values]
    if len(listed) not in (1, count):
        raise InputError(
            f"{name} has {len(listed)} numbers for {count} style pictures; give one for each, or "
            "one for all"
        )
    return listed * (count // len(listed))


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
