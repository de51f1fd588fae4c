"""The objective: a picture x → its loss, the gradient, and every term of the loss.

[E5]  the style loss is Σ_l w_l style_l, over the layers, and
[E7]  L = scale · (α Σ_l a_l content_l + β Σ_l w_l style_l + γ total variation)

Several style pictures are blended: style_l is then Σ_s b_s style_ls, the loss against the targets
of each, and so the gradients add up in the same proportions. Several style losses are, too:
style_ls = Σ_t c_t style_lst. The network is evaluated once.

style_l is [E4], the Gram matrix's, unless another loss is chosen. `pixels`, which is x itself, has
three channels and a hundred thousand positions: there [D3], the colours' moments, stands in for the
Gram matrices and for the patches.

Where masks say so, the content stays: with u the largest of the masks at each pixel, and c the
content, the loss is that of y = u x + (1 − u) c, and so dL_dx = u dL_dy.

The weights a_l, w_l, b_s and c_t are shares: each set is divided by its sum, so that five equal
style layers have w_l = 1/5 as in the paper. `scale` changes nothing but the units (see
`unit_scale`); loss and gradient always carry the same one.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from .. import losses
from ..backends import fetched, together
from ..errors import InputError
from ..losses.accumulated import accumulated
from ..network.network import Network
from ..network.vgg import halvings
from ..pictures.colours import mean_of_channels
from ..pictures.masks import mixed, one_for_each_style, union
from ..pictures.resizing import resize_linearly
from ..system.memo import NOTHING_KEPT, Memo
from .targets import Asked, map_itself, measured
from .terms import LossSettings, shares, style_terms


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


class _Part(NamedTuple):
    """One term of the loss: what it is called, what it compares, and how."""

    name: str
    layers: tuple[str, ...]  # whose maps it takes, the deeper one first
    weight: float
    target: Any
    forward: Callable
    backward: Callable


def _content_parts(network: Network, picture, weights: dict[str, float], memo: Memo):
    targets = measured(network, picture, [Asked(map_itself, (layer,)) for layer in weights], memo)
    pair = losses.content_forward, losses.content_backward
    for (layer, weight), P in zip(weights.items(), targets, strict=True):
        yield _Part(f"content {layer}", (layer,), weight, P, *pair)


def _style_parts(
    title: str, network: Network, picture, share: float, settings: LossSettings, mask, memo: Memo
) -> Iterator[_Part]:
    """The parts of the loss of one style picture, which has this share of the style's weight, and
    maybe a mask."""
    asked = []
    for _, name, layers, _ in (terms := style_terms(settings)):
        loss = losses.STYLE_LOSSES[name]
        more = tuple(getattr(settings, each) for each in loss.settings)
        if mask is not None:
            more = _pooled_masks(mask, picture, layers[0], loss.mask_form, network)
        asked.append(Asked(loss.target_of, layers, more))
    targets = measured(network, picture, asked, memo if mask is None else None)
    for (title_there, name, layers, weight), target in zip(terms, targets, strict=True):
        pair = losses.STYLE_LOSSES[name].forward, losses.STYLE_LOSSES[name].backward
        yield _Part(f"{title} {title_there}", layers, weight * share, target, *pair)


def _pooled_masks(mask, picture, layer: str, mask_form: str, network: Network):
    """The mask (H, W) at the size of a layer, and the one of the style picture there.

    A guided loss compares the mean of the masked part with that of the whole style picture. The
    product compares sums, which are larger for more of a picture: the style's map is multiplied by
    the same mask, as if it were its own.
    """
    own = np.ones_like(mask, shape=picture.shape[:2])
    if mask_form == "product":
        own = resize_linearly(mask.real, *picture.shape[:2]).astype(mask.dtype)
    n, backend = halvings(layer), network.backend
    return tuple(
        losses.pooled_mask(
            backend.from_host(each), tuple(side >> n for side in each.shape), backend=backend
        )
        for each in (mask, own)
    )


class Objective:
    """Targets measured once from the pictures; then call it with x as often as you like."""

    def __init__(
        self,
        network: Network,
        content: np.ndarray,
        style: np.ndarray | list[np.ndarray],
        settings: LossSettings,
        masks: list[np.ndarray] | None = None,
        memo: Memo = NOTHING_KEPT,
    ):
        """Pictures are (H, W, 3) in [0, 1]; content has the size of x, and styles may be several.

        With `in_greys` they should be greys. Masks (H, W) have the content's size; there is one for
        each style, or one for all, and then `settings.mask_form` says how they take part. `memo`
        keeps targets for the next objective of this network.
        """
        if settings.normalisation not in losses.NORMALISATIONS:
            raise InputError(
                f"unknown normalisation {settings.normalisation!r}; "
                f"choose one of {', '.join(losses.NORMALISATIONS)}"
            )
        if not (settings.content_weight or settings.style_weight or settings.tv_weight):
            raise InputError("all weights are zero: there is nothing to optimise; raise one")
        self.scale = 1.0
        self._network = network
        self._settings = settings
        self._normalisation = settings.normalisation
        content_weights = shares(settings.content_layers, settings.content_weight)
        self._parts = list(_content_parts(network, content, content_weights, memo))
        styles = style if isinstance(style, list) else [style]
        weights = for_each_style("style_weights", settings.style_weights, len(styles))
        masks = [mask.astype(network.dtype) for mask in masks or ()]
        own_masks = one_for_each_style(masks or [None], len(styles))
        self._content = self._union = None
        if masks:
            self._content = network.backend.from_host(content)
            self._union = network.backend.from_host(union(masks))
        for title, picture, weight, mask in zip(
            style_names(len(styles)), styles, weights, own_masks, strict=True
        ):
            if weight:
                share = weight / sum(weights)
                self._parts += _style_parts(title, network, picture, share, settings, mask, memo)
        self._taps = {layer for part in self._parts for layer in part.layers}
        self._weights: dict[str, float] = {}  # of the terms, as the last evaluation met them
        self._computed = network.backend.replayer()

    def __call__(self, x) -> Evaluation:
        """x (H, W, 3) of the network's dtype, where its backend computes → Evaluation."""
        values, dL_dx = self._computed(self._evaluate, x, self.scale)
        terms = {
            name: Term(value, weight)
            for (name, weight), value in zip(self._weights.items(), fetched(values), strict=True)
        }
        loss = self.scale * sum(term.weighted for term in terms.values())
        return Evaluation(loss, dL_dx, terms)

    @property
    def recorded(self) -> bool:
        """Are evaluations played from a recording? Only a card can, from the second one on."""
        return getattr(self._computed, "recorded", False)

    def _evaluate(self, x, scale: float):
        """The terms' values, in the order of `_weights`, and scale times the loss' gradient.

        On a card this is recorded, and replayed for every x: it must not wait for any number.
        """
        if self._union is None:
            return self._evaluate_in_greys(x, scale)
        values, dL_dx = self._evaluate_in_greys(mixed(x, self._content, self._union), scale)
        return values, self._union * dL_dx

    def _evaluate_in_greys(self, x, scale: float):
        if not self._settings.in_greys:
            return self._loss_and_gradient(x, scale)
        values, dL_dx = self._loss_and_gradient(mean_of_channels(x), scale)
        return values, mean_of_channels(dL_dx)

    def _loss_and_gradient(self, x, scale: float):
        backend = self._network.backend
        terms: dict[str, Term] = {}
        waiting: dict[str, list[Callable]] = {layer: [] for layer in self._taps}  # ways back
        features, tape = self._network.forward(x, self._taps, as_arrays=False)
        for part, maps in self._with_maps(features):
            value, cache = part.forward(*maps, part.target, self._normalisation, backend=backend)
            terms[part.name] = Term(value, part.weight)
            go_back = partial(part.backward, scale * part.weight, cache, backend=backend)
            layer, *before = part.layers
            for other in before:
                go_back = partial(_back_to_two, go_back, waiting[other])
            waiting[layer].append(go_back)
        dL_dF = {layer: partial(_add_all, losses) for layer, losses in waiting.items()}
        dL_dx = self._network.backward(dL_dF, tape) if dL_dF else np.zeros_like(x)
        if self._settings.tv_weight:
            terms["tv"], gradient = self._total_variation(x, scale)
            dL_dx = dL_dx + gradient
        self._weights = {name: term.weight for name, term in terms.items()}
        return together([term.value for term in terms.values()]), dL_dx

    def _with_maps(self, features: dict[str, Any]) -> Iterator[tuple[_Part, list]]:
        """Every part with its maps, layer by layer; a map can go as soon as its losses are done."""
        to_come = Counter(layer for part in self._parts for layer in part.layers)
        for layer in list(features):
            for part in self._parts:
                if part.layers[0] == layer:
                    maps = [features[each] for each in part.layers]
                    to_come.subtract(part.layers)
                    for each in part.layers:
                        if not to_come[each]:
                            del features[each]
                    yield part, maps

    def _total_variation(self, x, scale: float):
        backend, settings = self._network.backend, self._settings
        variation = losses.TOTAL_VARIATIONS[settings.tv]
        given = (getattr(settings, name) for name in variation.settings)
        value, cache = variation.forward(x, *given, backend=backend)
        gradient = variation.backward(scale * settings.tv_weight, cache, backend=backend)
        return Term(value, settings.tv_weight), gradient


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


def _back_to_two(backward: Callable, before: list[Callable], onto):
    """The way back of a loss of two maps: to the deeper one now; the other's share waits there."""
    dL_dF, dL_dB = backward()
    before.append(partial(accumulated, dL_dB))
    return accumulated(dL_dF, onto)


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
