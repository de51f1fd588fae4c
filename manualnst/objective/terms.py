"""Which terms the loss has: from what is asked for to a table of losses, layers and weights."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from ..errors import InputError
from ..losses import STYLE_LOSSES as _LOSSES
from ..losses import TOTAL_VARIATIONS as _VARIATIONS
from ..network.vgg import PIXELS, RELU, kind_of, layer_names

# The style losses to choose from, and how a mask takes part in the one that does it.
STYLE_LOSSES = tuple(name for name, loss in _LOSSES.items() if not loss.mask_form)
MASK_FORMS = {loss.mask_form: name for name, loss in _LOSSES.items() if loss.mask_form}
TOTAL_VARIATIONS = tuple(_VARIATIONS)

# All names of layers, from the first to the last; VGG-16 has most of VGG-19's.
_ORDER = (PIXELS, *layer_names("vgg19"))

# Names in style_layers that stand for every layer of the network after its ReLU.
ALL, GEOMETRIC = "all", "geometric"


@dataclass(frozen=True)
class LossSettings:
    """What is asked of the picture. The weights multiply losses normalised as `normalisation`."""

    content_layers: dict[str, float]
    style_layers: dict[str, float]
    content_weight: float
    style_weight: float
    tv_weight: float
    normalisation: str
    style_losses: dict[str, float] = field(default_factory=lambda: {"gram": 1.0})
    shift: float = -1.0  # of the activations, for the losses that have one
    style_weights: float | list[float] = 1.0  # of the style pictures; one number: all alike
    tv: str = "squared"  # one of TOTAL_VARIATIONS
    tv_power: float = 1.5  # of `power`
    tv_smoothing: float = 1 / 255  # of `smoothed`
    mask_form: str | None = None  # one of MASK_FORMS, if there are masks
    in_greys: bool = False  # every pixel of x counts as the mean of its channels


class StyleTerm(NamedTuple):
    """A style loss at one place."""

    name: str  # "relu1_1" for the Gram matrix, else with the loss: "histogram relu1_1"
    loss: str  # one of losses.STYLE_LOSSES
    layers: tuple[str, ...]  # whose maps it takes: its own, and for pairs the one before
    weight: float


def style_terms(settings: LossSettings) -> list[StyleTerm]:
    """The terms of a single style picture, which has the whole of the style's weight."""
    losses = shares(settings.style_losses, settings.style_weight)
    if settings.mask_form:
        return _masked_terms(settings, losses)
    return [
        StyleTerm(
            name=layers[0] if loss == "gram" else f"{loss} {layers[0]}",
            loss=(_LOSSES[loss].at_pixels or loss) if layers == (PIXELS,) else loss,
            layers=layers,
            weight=weight,
        )
        for loss, total in losses.items()
        for layers, weight in _places(loss, settings.style_layers, total)
    ]


def _masked_terms(settings: LossSettings, losses: dict[str, float]) -> list[StyleTerm]:
    """Gram matrices of the masked part, of the colours too, whose mean and covariance would count
    the whole picture."""
    if set(losses) - {"gram"}:
        raise InputError(
            f"masks are for the style loss gram, not for {', '.join(set(losses) - {'gram'})}; "
            "leave out one or the other"
        )
    form = settings.mask_form
    return [
        StyleTerm(f"{form} {layer}", MASK_FORMS[form], (layer,), weight)
        for total in losses.values()
        for layer, weight in shares(settings.style_layers, total).items()
    ]


def shares(weights: dict[str, float], total: float) -> dict[str, float]:
    """Each one's share of the total weight; what has no weight is left out."""
    whole = sum(weights.values())
    return {name: total * w / whole for name, w in weights.items() if total * w}


def _places(
    loss: str, layers: dict[str, float], total: float
) -> Iterator[tuple[tuple[str, ...], float]]:
    if not _LOSSES[loss].of_pairs:
        yield from (((layer,), weight) for layer, weight in shares(layers, total).items())
        return
    before = chain(loss, layers)
    for layer, weight in shares({layer: layers[layer] for layer in before}, total).items():
        yield (layer, *before[layer]), weight


def losses_with(setting: str) -> list[str]:
    """The style losses and total variations that this setting is for."""
    return [name for name, each in (_LOSSES | _VARIATIONS).items() if setting in each.settings]


def words_of_style_losses() -> str:
    """What there is to know before one chooses."""
    of_each = [f"{name} {_LOSSES[name].words}" for name in STYLE_LOSSES if _LOSSES[name].words]
    instead = [name for name in STYLE_LOSSES if _LOSSES[name].at_pixels]
    return (
        f"{'; '.join(of_each)}. At pixels, mean and covariance of the colours stand in for "
        f"{', '.join(instead)}"
    )


def are_chained(loss: str) -> bool:
    return _LOSSES[loss].of_pairs


def chain(loss: str, layers: dict[str, float]) -> dict[str, tuple[str, ...]]:
    """Every layer that has a weight and one before it: {layer: (the one before,)}; the pixels, if
    they are listed, have none, and are nobody's."""
    listed = sorted((layer for layer, w in layers.items() if w and layer != PIXELS), key=_place)
    if len(listed) < 2:
        raise InputError(
            f"style loss {loss}: it pairs each style layer with the one before, but the list "
            f"has only {', '.join(listed) or 'the pixels'}; give at least two layers"
        )
    pairs = {layer: (before,) for before, layer in zip(listed, listed[1:], strict=False)}
    return ({PIXELS: ()} if layers.get(PIXELS) else {}) | pairs


def _place(layer: str) -> int:
    """In the network's order. What no network has comes last; the network will refuse it."""
    return _ORDER.index(layer) if layer in _ORDER else len(_ORDER)


def named_layers(layers: dict[str, float], network: list[str]) -> dict[str, float]:
    """`all` and `geometric` spelt out in layers of this network; those named beside them stay.

    `all:W` gives every layer after its ReLU the weight W; `geometric:W` gives W to the first of
    them, and each other has half of the one before, as Novak and Nikulin (2016) have it.
    """
    relus = [name for name in network if kind_of(name) == RELU]
    spelt = {}
    for name, ratio in ((ALL, 1.0), (GEOMETRIC, 0.5)):
        if name in layers:
            spelt |= {relu: layers[name] * ratio**n for n, relu in enumerate(relus)}
    return spelt | {name: w for name, w in layers.items() if name not in (ALL, GEOMETRIC)}
