"""Presets: the settings of well-known systems, as data.

A preset says only what its system does otherwise than a run with a VGG by default. What a network
recommends is not added: a preset means the same with each. Weights are converted to our pixels, x
in [0, 1]: a squared difference of pixels in 0 … 255 is 255² times one of ours, and a step of 1
there is 1/255 here. Feature maps need no conversion: they follow from the preprocessing that
belongs to a network's weights.
"""

from dataclasses import dataclass
from typing import Any

from ..errors import InputError
from ..objective.terms import GEOMETRIC
from .settings import Settings


@dataclass(frozen=True)
class Preset:
    system: str  # what it is, in a line
    differs: str  # what is not as it is there, in a line
    settings: dict[str, Any]  # fields of Settings


_FIRST_LAYERS = tuple(f"relu{block}_1" for block in range(1, 6))
_EACH = dict.fromkeys(_FIRST_LAYERS, 1.0)
_SQUARE = 255.0**2

PRESETS = {
    "paper-2015": Preset(
        "A Neural Algorithm of Artistic Style (Gatys, Ecker, Bethge 2015): α/β = 1e-3, from noise",
        "the public VGG-19 is not normalised as theirs; `weights normalise` makes it so, and "
        "--weights takes it",
        {
            "margin": 0,
            "weights": "vgg19",
            "pool": "average",
            "normalisation": "paper",
            "content_weight": 1e-3,
            "style_weight": 1.0,
            "style_layers": _EACH,
            "tv_weight": 0.0,
            "scales": 1,
            "init": "noise",
            "steps": 500,
        },
    ),
    "gatys-notebook": Preset(
        "the authors' later notebooks: MSE of relu4_2 + 1e3/C² · MSE(G/M) at each layer, two sizes",
        "their filters are normalised; `weights normalise` makes the public ones so, and --weights "
        "takes them",
        {
            "margin": 0,
            "weights": "vgg19",
            "pool": "max",
            "normalisation": "mse",
            "content_weight": 1.0,
            "style_weight": 5 * 1e3,
            "style_layers": _EACH,
            "tv_weight": 0.0,
            "size": 1024,
            "scales": 2,
            "min_size": 512,
            "steps": 700,
            "first_steps": 500,
        },
    ),
    "neural-style": Preset(
        "neural-style (Johnson 2015, Lua): 5 · MSE + 100 · MSE(G/(C M)) at each layer + TV, noise",
        "every pair of neighbours counts in TV: its last row and column do not; the network's "
        "pixels end at 255, its own at 256; its noise is grey",
        {
            "margin": 0,
            "weights": "vgg19",
            "pool": "max",
            "normalisation": "mse",
            "content_weight": 5.0,
            "style_weight": 5 * 100.0,
            "style_layers": _EACH,
            # Its gradient is 1e-3 · d for each difference d, so that the loss is half the squares.
            "tv_weight": 1e-3 * 256**2 / 2,
            "scales": 1,
            "init": "noise",
            "steps": 1000,
        },
    ),
    "crowsonkb": Preset(
        "style-transfer-pytorch (Crowson): Wasserstein distances, nine-point TV, averaged iterates",
        "1000 steps and then 500 a size, as there, are 3000 only at 512 pixels; "
        "covariances get a share of noise for its 1e-4; its first layer continues the border",
        {
            "margin": 0,
            "weights": "vgg19-pytorch",
            "pool": "max",
            "normalisation": "mean",
            "content_weight": 0.015,
            "style_weight": 1.0,
            "style_layers": dict(zip(_FIRST_LAYERS, (256.0, 64.0, 16.0, 4.0, 1.0), strict=True)),
            "style_losses": {"wasserstein": 1.0},
            "tv": "nine-point",
            "tv_weight": 2.0,
            "min_size": 128,
            "optimizer": "adam",
            "rate": 0.02,
            "beta2": 0.99,
            "average": 0.99,
            "averages": "kept",
            "steps": 3000,
            "first_steps": 1000,
        },
    ),
    "keras-adam": Preset(
        "a NumPy and Keras system: w_c Σ (F − P)² + w_s Σ (G − A)² + w_t TV, Adam from the content",
        "it leaves its weights to the user; these are those of Keras' own example at 224 pixels",
        {
            "margin": 0,
            "weights": "vgg19",
            "pool": "average",
            "normalisation": "sum",
            "size": 224,
            "content_weight": 0.025,
            "style_weight": 1 / (4 * 3**2 * (224 * 224) ** 2),
            "style_layers": _EACH,
            "tv_weight": 8.5e-5 * _SQUARE,
            "scales": 1,
            "optimizer": "adam",
            "rate": 0.02,
            "steps": 1000,
        },
    ),
    "lbfgs-tv": Preset(
        "two content layers, G/(C H W) with a weight for each layer, squared TV, L-BFGS, noise",
        "it does not tell its weights; these are neural-style's at 512 × 384, converted",
        {
            "margin": 0,
            "weights": "vgg19",
            "pool": "max",
            "normalisation": "mean",
            "content_layers": {"relu3_2": 1.0, "relu4_2": 1.0},
            "content_weight": 2 * 5.0,
            # Σ (G − A)²/(C M)³ is C/M times MSE(G/(C M)): 100 M/C at each layer, of which the
            # first has M/C = 3072, and the others M/4, and 2 C but for the last.
            "style_layers": dict(
                zip(_FIRST_LAYERS, (1.0, 1 / 8, 1 / 64, 1 / 512, 1 / 2048), strict=True)
            ),
            "style_weight": 100 * 3072 * (1 + 1 / 8 + 1 / 64 + 1 / 512 + 1 / 2048),
            "tv_weight": 1e-3 * _SQUARE / 2,
            "scales": 1,
            "init": "noise",
            "steps": 500,
        },
    ),
    "vgg16-adam": Preset(
        "VGG-16 with the paper's losses, α = 8, β = 70, 300 pixels, 4000 steps of Adam from noise",
        "its mean and deviation of ½ give way to the network's own; its rate of .004 is of pixels "
        "in −1 … 1; it does not name its layers: these are the paper's",
        {
            "margin": 0,
            "weights": "vgg16-pytorch",
            "pool": "max",
            "normalisation": "paper",
            "size": 300,
            "content_weight": 8.0,
            "style_weight": 70.0,
            "style_layers": _EACH,
            "tv_weight": 0.0,
            "scales": 1,
            "init": "noise",
            "optimizer": "adam",
            "rate": 0.004 / 2,
            "steps": 4000,
        },
    ),
    "novak-nikulin": Preset(
        "Improving the Neural Algorithm (Novak, Nikulin 2016): chained, shifted by −1, all layers",
        "smaller maps are not enlarged, the larger ones are pooled; weights are ours, as none are "
        "given; made for a network that `weights normalise` has normalised",
        {
            "margin": 0,
            "weights": "vgg19",
            "pool": "average",
            "normalisation": "paper",
            "content_weight": 1e-3,
            "style_weight": 1.0,
            "style_layers": {GEOMETRIC: 1.0},
            "style_losses": {"chained": 1.0},
            "shift": -1.0,
            "tv_weight": 8.5e-5 * _SQUARE,
            "scales": 1,
            "steps": 500,
        },
    ),
    "momentum-grid": Preset(
        "the paper's losses by gradient descent with momentum, α/β from 1e-9 to 1e-6, from noise",
        "it varies α/β and the layers: this is one of them; its rate and momentum are not told",
        {
            "margin": 0,
            "weights": "vgg19",
            "pool": "average",
            "normalisation": "paper",
            "content_weight": 1e-7,
            "style_weight": 1.0,
            "style_layers": _EACH,
            "tv_weight": 0.0,
            "scales": 1,
            "init": "noise",
            "optimizer": "momentum",
            "steps": 2000,
        },
    ),
}


# What belongs to another setting, and means nothing once that has another value.
_BELONGS_TO = {
    "optimizer": ("rate", "beta1", "beta2", "average", "averages"),
    "steps": ("first_steps",),
    "style_losses": ("shift",),
    "tv": ("tv_power", "tv_smoothing"),
}


def with_preset(name: str, given: dict[str, Any]) -> dict[str, Any]:
    """The fields of a preset, but what is given goes before."""
    if name not in PRESETS:
        raise InputError(f"unknown preset {name!r}; choose one of {', '.join(PRESETS)}")
    return over(PRESETS[name].settings, given)


def over(settings: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """The settings, but what is given goes before, and with it goes what belonged to the old."""
    changed = [name for name, value in given.items() if value != settings.get(name)]
    gone = {other for name in changed for other in _BELONGS_TO.get(name, ())}
    return {name: value for name, value in settings.items() if name not in gone} | given


def described(name: str) -> dict[str, tuple[Any, bool]]:
    """Every setting of a preset: its value, and whether it is the preset's own."""
    own = with_preset(name, {})
    return {field: (value, field in own) for field, value in Settings(**own).to_json().items()}
