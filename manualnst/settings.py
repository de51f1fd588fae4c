"""Every setting that decides what a run's picture looks like, checked, and in and out of JSON."""

from dataclasses import asdict, dataclass, field, fields
from typing import Any

from .backends import CHOICES as BACKENDS
from .backends import NAMES, PRECISIONS
from .colours import COLOURS, KEEP_CONTENT
from .errors import InputError
from .losses import NORMALISATIONS, RELATIVE
from .network import MARGIN_UNIT, POOLINGS
from .optimizers import OPTIMIZERS, Optimizer, make_optimizer
from .terms import (
    MASK_FORMS,
    STYLE_LOSSES,
    TOTAL_VARIATIONS,
    LossSettings,
    are_chained,
    chain,
    losses_with,
)
from .vgg import PIXELS

# Starts that are not a file's name.
INITS = ("content", "style", "noise")

LARGEST_INTEGER = 2**31 - 1
# Beyond these a weight of single precision overflows or vanishes on its way through the network.
SMALLEST_NUMBER, LARGEST_NUMBER = 1e-12, 1e12

# Names in style_layers that stand for every layer of the network after its ReLU.
ALL, GEOMETRIC = "all", "geometric"

AVERAGES = ("anew", "kept")

# What a network's file may recommend: of these it depends on the network which value is good.
RECOMMENDABLE = (
    "content_layers",
    "style_layers",
    "style_losses",
    "content_weight",
    "style_weight",
    "tv",
    "tv_weight",
    "steps",
    "first_steps",
    "min_size",
)

_EACH_BLOCK = {f"relu{block}_1": 1.0 for block in range(1, 6)}


@dataclass(frozen=True)
class Settings:
    """The defaults are for a VGG that recommends nothing; `api.settings_from` asks the network."""

    size: int = 512  # long side of the result at most; a smaller content keeps its size
    steps: int = 150  # of all sizes together
    first_steps: int | None = None  # of these at the first size; None: as many as at the others
    scales: int | None = None  # sizes from coarse to fine; None: from min_size by about √2
    min_size: int = 128  # long side of the coarsest
    style_strength: float = 0.5  # 0 to 1: moves the ratio of the two weights that follow
    content_weight: float = 0.03
    style_weight: float = 1.0
    tv_weight: float = 0.1
    content_layers: dict[str, float] = field(default_factory=lambda: {"relu4_2": 1.0})
    style_layers: dict[str, float] = field(default_factory=lambda: _EACH_BLOCK | {PIXELS: 1.0})
    style_losses: dict[str, float] = field(default_factory=lambda: {"gram": 1.0})
    shift: float = -1.0  # of the activations, for the style losses shifted and chained
    style_weights: float | list[float] = 1.0  # shares of several styles; one number: all alike
    style_scale: float | list[float] = 1.0  # × size: a style's long side at most; one: for all
    mask_form: str = "guided"  # one of MASK_FORMS; of no matter without masks
    tv: str = "squared"  # one of TOTAL_VARIATIONS
    tv_power: float = 1.5  # of the slope's length, for the total variation power
    tv_smoothing: float = 1 / 255  # for smoothed: differences below count by their square
    colours: str = "style"  # one of COLOURS
    normalisation: str = RELATIVE
    pool: str = "average"
    margin: int = MARGIN_UNIT  # pixels by which the network sees pictures go on, mirrored
    init: str = "content"  # one of INITS, or a picture file
    seed: int = 0  # of the noise
    optimizer: str = "lbfgs"
    rate: float | None = None  # None: the optimiser's own
    beta1: float = 0.9  # of adam
    beta2: float = 0.999  # of adam
    average: float = 0.0  # of adam and momentum: decay of the average that is the result; 0: none
    averages: str = "anew"  # of adam and momentum at the next size: one of AVERAGES
    weights: str | None = None  # None: vgg19 if it is in the cache, else builtin
    backend: str = "numpy"
    precision: str | None = None  # of a card's matrix products; None: the backend's own

    def __post_init__(self):
        _check_integer("size", self.size, at_least=1)
        _check_integer("steps", self.steps, at_least=1)
        if self.first_steps is not None:
            _check_integer("first_steps", self.first_steps, at_least=1)
            if self.first_steps >= self.steps:
                raise InputError(
                    f"first_steps is {self.first_steps}, of {self.steps} steps at all sizes; give "
                    "less"
                )
        if self.scales is not None:
            _check_integer("scales", self.scales, at_least=1)
        _check_integer("min_size", self.min_size, at_least=1)
        _check_integer("margin", self.margin, at_least=0)
        if self.margin % MARGIN_UNIT:
            raise InputError(
                f"margin is {self.margin}; poolings halve it, so give 0 or a multiple of "
                f"{MARGIN_UNIT}"
            )
        _check_integer("seed", self.seed, at_least=0)
        for name in ("content_weight", "style_weight", "tv_weight"):
            _check_number(name, getattr(self, name))
        self._check_strength()
        for name in ("content_layers", "style_layers", "style_losses"):
            _check_shares(name, getattr(self, name))
        for name in self.style_losses:
            _check_choice("style loss", name, STYLE_LOSSES)
        for name, weight in self.style_losses.items():
            if weight and are_chained(name) and not {ALL, GEOMETRIC} & set(self.style_layers):
                chain(name, self.style_layers)  # refuses what makes none
        _check_number("shift", self.shift, negative=True)
        _check_choice("mask_form", self.mask_form, MASK_FORMS)
        _check_choice("tv", self.tv, TOTAL_VARIATIONS)
        _check_number("tv_power", self.tv_power)
        if not 1 <= self.tv_power <= 8:
            raise InputError(f"tv_power is {self.tv_power:g}; give a number from 1 to 8")
        _check_number("tv_smoothing", self.tv_smoothing)
        if self.tv_smoothing == 0:
            raise InputError("tv_smoothing is 0, which leaves a kink; give a small number")
        _check_numbers("style_weights", self.style_weights, any)
        _check_numbers("style_scale", self.style_scale, all)
        _check_choice("colours", self.colours, COLOURS)
        _check_choice("normalisation", self.normalisation, NORMALISATIONS)
        _check_choice("pool", self.pool, POOLINGS)
        _check_choice("optimizer", self.optimizer, OPTIMIZERS)
        _check_choice("backend", self.backend, BACKENDS)
        if self.precision is not None:
            self._check_precision()
        _check_text("init", self.init)
        if self.weights is not None:
            _check_text("weights", self.weights)
        if self.rate is not None:
            _check_number("rate", self.rate)
            if self.optimizer.startswith("lbfgs"):
                raise InputError("rate is for adam and momentum; lbfgs finds its own step length")
            if self.rate == 0:
                raise InputError("rate is 0: nothing would move; give a positive number")

        for name in ("beta1", "beta2", "average"):
            _check_number(name, getattr(self, name))
            if getattr(self, name) >= 1:
                raise InputError(f"{name} must be below 1")
        if self.average and self.optimizer.startswith("lbfgs"):
            raise InputError("average is for adam and momentum; lbfgs has no need of it")
        _check_choice("averages", self.averages, AVERAGES)
        self._check_that_all_count()

    def _check_that_all_count(self):
        """Refuse what would have no effect: who gives it expects one."""
        losses = [name for name, weight in self.style_losses.items() if weight]
        with_shift = losses_with("shift")
        counts = {
            "shift": (set(losses) & set(with_shift), f"style losses {' and '.join(with_shift)}"),
            **{
                name: (self.tv in losses_with(name), f"tv {' and '.join(losses_with(name))}")
                for name in ("tv_power", "tv_smoothing")
            },
            "beta1": (self.optimizer == "adam", "optimizer adam"),
            "beta2": (self.optimizer == "adam", "optimizer adam"),
            "averages": (self.optimizer in ("adam", "momentum"), "optimizer adam and momentum"),
        }
        for name, (counts_here, what_for) in counts.items():
            if not counts_here and getattr(self, name) != getattr(Settings, name):
                raise InputError(f"{name} is for {what_for}, and has no effect here; leave it out")
        if {ALL, GEOMETRIC} <= set(self.style_layers):
            raise InputError(
                f"style_layers: {ALL} and {GEOMETRIC} both stand for all layers; give one of them"
            )

    def _check_precision(self):
        _check_choice("precision", self.precision, PRECISIONS)
        if self.backend in NAMES and self.precision != "float32":
            raise InputError(
                f"precision {self.precision} is for the cuda backend; {self.backend} computes in "
                "float32"
            )

    def _check_strength(self):
        _check_number("style_strength", self.style_strength)
        if self.style_strength > 1:
            raise InputError(f"style_strength is {self.style_strength:g}; it must be from 0 to 1")
        for strength, alone in ((0, "content_weight"), (1, "style_weight")):
            if self.style_strength == strength and not getattr(self, alone):
                raise InputError(
                    f"style_strength {strength} leaves {alone} alone, which is 0; change one of "
                    "them"
                )

    def make_optimizer(self) -> Optimizer:
        more = {"adam": ("beta1", "beta2", "average"), "momentum": ("average",)}
        given = {name: getattr(self, name) for name in more.get(self.optimizer, ())}
        return make_optimizer(self.optimizer, self.rate, **given)

    @property
    def in_greys(self) -> bool:
        """Whether only luminance is painted."""
        return self.colours == KEEP_CONTENT

    @property
    def losses(self) -> LossSettings:
        """Those of a run without masks."""
        names = (f.name for f in fields(LossSettings) if f.name != "mask_form")
        chosen = {name: getattr(self, name) for name in names}
        return LossSettings(**chosen | self._weights())

    def _weights(self) -> dict[str, float]:
        """Content to style as c (1 − s)² to w s², in all c + w: at s = ½ just c and w, to the bit.

        Squares, as what is seen are amplitudes, of which the losses are the squares.
        """
        content = self.content_weight * (1 - self.style_strength) ** 2
        style = self.style_weight * self.style_strength**2
        whole = self.content_weight + self.style_weight
        unit = whole / (content + style) if whole else 1.0
        return {"content_weight": content * unit, "style_weight": style * unit}

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Any) -> "Settings":
        """Settings from a record or checkpoint: a stranger's file, so nothing is taken on trust."""
        known = dict.fromkeys(f.name for f in fields(cls))
        if not isinstance(data, dict):
            raise InputError(f"settings: expected an object, not {data!r:.40}")
        if unknown := sorted(set(map(str, data)) - set(known)):
            raise InputError(f"unknown setting {unknown[0]!r:.40}; choose among {', '.join(known)}")
        if data.get("style_strength", 0) is None:  # as records had it once: the weights as they are
            data = {name: value for name, value in data.items() if name != "style_strength"}
        return cls(**data)


def recommended_settings(recommended: dict[str, Any], network: str) -> Settings:
    """Those that a network recommends, and the defaults: what a stranger's file says is checked."""
    where = f"{network}: recommended settings"
    for name in recommended:
        if name not in RECOMMENDABLE:
            allowed = ", ".join(RECOMMENDABLE)
            raise InputError(f"{where}: {name!r:.40} is not one of {allowed}")
    try:
        return Settings(**recommended)
    except InputError as error:
        raise InputError(f"{where}: {error}") from error


def listed(settings: dict[str, Any]) -> str:
    """{"content_weight": 0.2, "steps": 250} → 'content weight 0.2; steps 250'."""
    return "; ".join(
        f"{name.replace('_', ' ')} {in_words(each)}" for name, each in settings.items()
    )


def parse_layers(text: str) -> dict[str, float]:
    """'relu1_1:2,relu2_1' → {'relu1_1': 2.0, 'relu2_1': 1.0}; losses are written likewise."""
    weights = {}
    for part in text.split(","):
        name, colon, weight = part.strip().partition(":")
        if name in weights:
            raise InputError(f"{name} is named twice in {text!r}")
        try:
            weights[name] = float(weight) if colon else 1.0
        except ValueError:
            raise InputError(
                f"{part.strip()!r}: expected NAME or NAME:WEIGHT, as in relu1_1:2"
            ) from None
    return weights


def named_layers(layers: dict[str, float], network: list[str]) -> dict[str, float]:
    """`all` and `geometric` spelt out in layers of this network; those named beside them stay.

    `all:W` gives every layer after its ReLU the weight W; `geometric:W` gives W to the first of
    them, and each other has half of the one before, as Novak and Nikulin (2016) have it.
    """
    relus = [name for name in network if name.startswith("relu")]
    spelt = {}
    for name, ratio in ((ALL, 1.0), (GEOMETRIC, 0.5)):
        if name in layers:
            spelt |= {relu: layers[name] * ratio**n for n, relu in enumerate(relus)}
    return spelt | {name: w for name, w in layers.items() if name not in (ALL, GEOMETRIC)}


def parse_numbers(text: str) -> list[float]:
    """'0.7,0.3' → [0.7, 0.3]."""
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise InputError(f"{text!r}: expected numbers with commas, as in 0.7,0.3") from None


def in_words(value: Any) -> str:
    """A setting as it is typed: what the parsers above take."""
    if isinstance(value, dict):
        return ",".join(
            name if weight == 1 else f"{name}:{in_words(weight)}" for name, weight in value.items()
        )
    if isinstance(value, list | tuple):
        return ",".join(map(in_words, value))
    if isinstance(value, float):
        return short if float(short := f"{value:g}") == value else repr(value)
    return str(value)


def _check_integer(name, value, at_least):
    if not isinstance(value, int) or isinstance(value, bool):
        raise InputError(f"{name} is {value!r:.40}; it must be a whole number")
    if not at_least <= value <= LARGEST_INTEGER:
        raise InputError(f"{name} must be from {at_least} to {LARGEST_INTEGER}")


def _check_number(name, value, negative=False):
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise InputError(f"{name} is {value!r:.40}; it must be a number")
    size = abs(value) if negative else value
    if value != 0 and not SMALLEST_NUMBER <= size <= LARGEST_NUMBER:  # NaN is not either
        raise InputError(
            f"{name} must be 0 or a number from {SMALLEST_NUMBER:g} to {LARGEST_NUMBER:g}"
            + (", of either sign" if negative else "")
        )


def _check_numbers(name, value, enough):
    """One number or a list of them; `enough` of these, any or all, must not be 0."""
    numbers = value if isinstance(value, list) else [value]
    for number in numbers:
        _check_number(name, number)
    if not numbers or not enough(numbers):
        raise InputError(f"{name} is {value!r:.40}; give numbers, {enough.__name__} larger than 0")


def _check_shares(name, weights):
    if not isinstance(weights, dict) or not weights:
        example = "gram:1,histogram:0.2" if name == "style_losses" else "relu1_1:2,relu2_1"
        raise InputError(f"{name} is {weights!r}; give names with weights, as {example}")
    for each, weight in weights.items():
        _check_text(f"a name in {name}", each)
        _check_number(f"the weight of {each} in {name}", weight)
    if not any(weights.values()):
        raise InputError(f"{name}: all weights are zero; set the total weight to 0 instead")


def _check_choice(name, value, choices):
    if value not in tuple(choices):
        raise InputError(f"unknown {name} {value!r}; choose one of {', '.join(choices)}")


def _check_text(name, value):
    if not isinstance(value, str) or not value:
        raise InputError(f"{name} is {value!r}; it must be a non-empty text")
