"""Every setting that decides what a run's picture looks like: declared, checked, in JSON."""

from dataclasses import asdict, dataclass, fields
from typing import Any

from .. import backends
from ..errors import InputError
from ..losses import NORMALISATIONS, RELATIVE
from ..network.network import POOLINGS
from ..network.tiles import UNIT
from ..network.vgg import PIXELS
from ..objective.terms import (
    MASK_FORMS,
    STYLE_LOSSES,
    TOTAL_VARIATIONS,
    LossSettings,
    losses_with,
    words_of_style_losses,
)
from ..optimizers import OPTIMIZERS, Optimizer, make_optimizer
from ..pictures.colours import COLOURS, KEEP_CONTENT
from .declared import (
    AUTO,
    OFF,
    byte_count,
    choice,
    declared_of,
    described,
    integer,
    number,
    numbers,
    parse_bytes,
    parse_layers,
    parse_numbers,
    parse_path,
    parse_tile,
    setting,
    shares,
    text,
    tile_size,
)
from .together import check_together

# Starts that are not a file's name.
INITS = ("content", "style", "noise")

_EACH_BLOCK = {f"relu{block}_1": 1.0 for block in range(1, 6)}
_LAYERS = shares("relu1_1:2,relu2_1")
_RATES = ", ".join(
    f"{kind.rate:g} for {name}" for name, kind in OPTIMIZERS.items() if hasattr(kind, "rate")
)


@dataclass(frozen=True)
class Settings:
    """The defaults are for a VGG that recommends nothing; a network's file may recommend others."""

    size: int = setting(
        512,
        "long side of the result; a smaller content keeps its size",
        "size",
        integer(1),
        int,
        is_basic=True,
    )
    steps: int = setting(
        150,
        "steps of the optimiser, at all sizes together",
        "size",
        integer(1),
        int,
        is_basic=True,
        recommendable=True,
        also=("iterations",),
    )
    first_steps: int | None = setting(
        None,
        "of these at the first size",
        "size",
        integer(1),
        int,
        default_in_words="as many as at the others",
        recommendable=True,
    )
    scales: int | None = setting(
        None,
        "sizes to go through, from coarse to fine; 1: only the last",
        "size",
        integer(1),
        int,
        default_in_words="as many as make each about 1.4 times the one before",
    )
    min_size: int = setting(
        128, "long side of the coarsest", "size", integer(1), int, recommendable=True
    )
    style_strength: float = setting(
        0.5,
        "from 0 (the content alone) to 1 (the style alone): what becomes of the weights of content "
        "and style, which stay as they are at 0.5; means the same with every network",
        "look",
        number(),
        float,
        is_basic=True,
    )
    content_weight: float = setting(
        0.03, "higher: more of the content", "look", number(), float, recommendable=True
    )
    style_weight: float = setting(
        1.0, "higher: more of the style", "look", number(), float, recommendable=True
    )
    tv_weight: float = setting(0.1, "higher: smoother", "look", number(), float, recommendable=True)
    content_layers: dict[str, float] = setting(
        {"relu4_2": 1.0},
        "deeper: freer",
        "look",
        _LAYERS,
        parse_layers,
        metavar="LAYERS",
        recommendable=True,
    )
    style_layers: dict[str, float] = setting(
        _EACH_BLOCK | {PIXELS: 1.0},
        "pixels: the colours; deeper: larger features; all: every layer of the network, and "
        "geometric: each with half the weight of the one before",
        "look",
        _LAYERS,
        parse_layers,
        metavar="LAYERS",
        recommendable=True,
    )
    style_losses: dict[str, float] = setting(
        {"gram": 1.0},
        f"what of the style is compared, at every style layer: {', '.join(STYLE_LOSSES)}. "
        + words_of_style_losses(),
        "look",
        shares("gram:1,histogram:0.2"),
        parse_layers,
        metavar="LOSSES",
        recommendable=True,
    )
    shift: float = setting(
        -1.0,
        f"what {' and '.join(losses_with('shift'))} add to the activations",
        "look",
        number(negative=True),
        float,
    )
    style_weights: float | list[float] = setting(
        1.0,
        "shares of several styles, as in 0.7,0.3",
        "look",
        numbers(any),
        parse_numbers,
        metavar="NUMBERS",
        default_in_words="all alike",
    )
    style_scale: float | list[float] = setting(
        1.0,
        "long side of the style as a multiple of the size, never enlarged; below 1: its forms come "
        "out smaller. One for all styles, or one for each",
        "look",
        numbers(all),
        parse_numbers,
        metavar="NUMBERS",
        is_basic=True,
    )
    mask_form: str = choice(
        "guided",
        "guided: the masked part is compared with the whole style picture; product: both maps are "
        "multiplied by the mask, and compared as wholes",
        "look",
        MASK_FORMS,
    )
    tv: str = choice(
        "squared",
        "what is smooth: by squared differences; the slope to a power (below 2: edges stay "
        "sharper); smoothed absolute differences (sharpest); nine-point: squared, diagonals too, "
        "of mean size under every normalisation",
        "look",
        TOTAL_VARIATIONS,
        recommendable=True,
    )
    tv_power: float = setting(1.5, "of tv power; 1 or more", "look", number(), float)
    tv_smoothing: float = setting(
        1 / 255,
        "of tv smoothed: differences below this count little",
        "look",
        number(),
        float,
        default_in_words="1/255",
    )
    colours: str = choice(
        "style",
        "whose colours: the style's; the content's, by painting luminance only; or match-…: the "
        "style's, brought to the content's beforehand, by mean and covariance (three ways; "
        "match-symmetric changes least) or by the histogram of each channel",
        "look",
        COLOURS,
        is_basic=True,
        also=("colors",),
    )
    normalisation: str = choice(
        RELATIVE,
        "constants of the losses; relative: shares, independent of size and network",
        "look",
        NORMALISATIONS,
    )
    pool: str = choice("average", "kind of pooling", "network", POOLINGS)
    margin: int = setting(
        UNIT,
        "pixels by which the network sees every picture go on beyond its borders, mirrored: a "
        f"multiple of {UNIT}, less where a picture is smaller; the losses do not see them; "
        "0: one colour from the border on, which leaves a frame in the painting",
        "network",
        integer(0),
        int,
    )
    tile: str | int = setting(
        AUTO,
        f"{AUTO}: a picture that does not fit into memory is computed in tiles, with the same loss "
        f"and gradient, in 1.7 times the time and more; {OFF}: never; a number: in tiles of "
        "about so many pixels each way",
        "network",
        tile_size,
        parse_tile,
        metavar="PIXELS",
    )
    memory: int | None = setting(
        None,
        "bytes that the run may take, as 4G",
        "network",
        byte_count,
        parse_bytes,
        metavar="BYTES",
        default_in_words="as much as is free",
    )
    init: str = setting(
        "content",
        f"start from {', '.join(INITS)} or a picture FILE",
        "look",
        text,
        parse_path,
        metavar="START",
    )
    seed: int = setting(0, "seed of the noise start", "look", integer(0), int)
    optimizer: str = choice("lbfgs", "how to get from step to step", "optimiser", OPTIMIZERS)
    rate: float | None = setting(
        None,
        "step length of adam and momentum",
        "optimiser",
        number(),
        float,
        default_in_words=_RATES,
    )
    beta1: float = setting(
        0.9, "of adam: how slowly it forgets gradients", "optimiser", number(below=1), float
    )
    beta2: float = setting(
        0.999, "of adam: how slowly it forgets their squares", "optimiser", number(below=1), float
    )
    average: float = setting(
        0.0,
        "of adam and momentum: the result is an average of the pictures, which forgets this "
        "slowly, as 0.99; 0: the best of them",
        "optimiser",
        number(below=1),
        float,
    )
    averages: str = choice(
        "anew",
        "of adam's and momentum's gradients: begun anew at each size, or kept and enlarged",
        "optimiser",
        ("anew", "kept"),
    )
    weights: str | None = setting(
        None,
        "builtin, a name of `manualnst weights list`, or a FILE",
        "network",
        text,
        parse_path,
        metavar="NAME",
        default_in_words="vgg19 if it has been fetched, else builtin",
        is_basic=True,
    )
    backend: str = choice(
        "numpy",
        "who computes: numpy; cuda, an NVIDIA card; auto, the card if there is one; naive, for "
        "tiny pictures",
        "network",
        backends.CHOICES,
        is_basic=True,
    )
    precision: str | None = choice(
        None,
        "of the card's matrix products",
        "network",
        backends.PRECISIONS,
        default_in_words="tf32; float32 on cards before Ampere",
    )

    def __post_init__(self):
        for each in fields(self):
            declared_of(each).check(each.name, getattr(self, each.name))
        check_together(self)

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
        """The losses of a run without masks."""
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


Settings.__doc__ += f"\n\n{described(fields(Settings))}"
