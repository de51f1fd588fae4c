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

from functools import partial
from typing import NamedTuple

import numpy as np

from .. import losses
from ..backends import fetched, together
from ..backends.backend import call
from ..errors import InputError
from ..network.network import Network
from ..network.tiles import needs_tiles
from ..pictures.colours import mean_of_channels
from ..pictures.masks import mixed, one_for_each_style, union
from ..system.memo import NOTHING_KEPT, Memo
from .parts import Part, content_parts, style_parts, ways_back
from .terms import LossSettings, shares
from .tiles import InTiles, check_tiled


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
        tile: int | None = None,
    ):
        """Pictures are (H, W, 3) in [0, 1]; content has the size of x, and styles may be several.

        With `in_greys` they should be greys. Masks (H, W) have the content's size; there is one for
        each style, or one for all, and then `settings.mask_form` says how they take part. `memo`
        keeps targets for the next objective of this network. With `tile` it is computed in tiles of
        about so many rows and columns.
        """
        if settings.normalisation not in losses.NORMALISATIONS:
            raise InputError(
                f"unknown normalisation {settings.normalisation!r}; "
                f"choose one of {', '.join(losses.NORMALISATIONS)}"
            )
        if not (settings.content_weight or settings.style_weight or settings.tv_weight):
            raise InputError("all weights are zero: there is nothing to optimise; raise one")
        if tile:
            check_tiled(settings)
        self.scale = 1.0
        self._network = network
        self._settings = settings
        self._normalisation = settings.normalisation
        content_weights = shares(settings.content_layers, settings.content_weight)
        self._parts = list(content_parts(network, content, content_weights, memo, tile))
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
                self._parts += style_parts(
                    title, network, picture, share, settings, mask, memo, tile
                )
        self._taps = {layer for part in self._parts for layer in part.layers}
        self._weights: dict[str, float] = {}  # of the terms, as the last evaluation met them
        self._in_tiles = None
        self._computed = network.backend.replayer()
        if needs_tiles(content.shape[:2], tile) and self._parts:
            self._in_tiles = InTiles(network, self._parts, settings.normalisation, tile)
            self._computed = call  # a recording would hold all tiles' memory at once

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
        values, dL_dx = (self._in_tiles or self._at_once)(x, scale)
        terms = {part.name: Term(value, part.weight) for part, value in values}
        if self._settings.tv_weight:
            terms["tv"], gradient = self._total_variation(x, scale)
            dL_dx = dL_dx + gradient
        self._weights = {name: term.weight for name, term in terms.items()}
        return together([term.value for term in terms.values()]), dL_dx

    def _at_once(self, x, scale: float):
        """The parts with their values, and scale times the gradient of their sum."""
        values, backend = [], self._network.backend

        def way_back(part: Part, maps):
            target, loss = part.target, part.loss
            value, cache = loss.forward(*maps, target, self._normalisation, backend=backend)
            values.append((part, value))
            return partial(loss.backward, scale * part.weight, cache, backend=backend)

        features, tape = self._network.forward(x, self._taps, as_arrays=False)
        dL_dF = ways_back(self._parts, features, way_back)
        return values, self._network.backward(dL_dF, tape) if dL_dF else np.zeros_like(x)

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


def unit_scale(evaluation: Evaluation) -> float:
    """The scale at which an unscaled gradient like this one has a root mean square of 1.

    Optimisers have absolute tolerances and step sizes: with losses of 1e12 or gradients of
    1e-9, scipy's L-BFGS-B stops after two steps. In these units they mean the same for every
    size, network and weight. 1 where the gradient vanishes.
    """
    rms = float(np.sqrt(np.mean(np.square(evaluation.dL_dx, dtype=np.float64))))
    return 1 / rms if np.isfinite(rms) and rms > 0 else 1.0
