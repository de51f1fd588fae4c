"""The options that several commands have: one for each field of Settings, and what is told."""

import argparse
import sys
from dataclasses import fields
from typing import Any, NoReturn

from ..backends import CHOICES as BACKENDS
from ..backends import PRECISIONS
from ..colours import COLOURS
from ..errors import InputError
from ..losses import NORMALISATIONS
from ..network import MARGIN_UNIT, POOLINGS
from ..optimizers import OPTIMIZERS
from ..presets import PRESETS
from ..settings import (
    AVERAGES,
    INITS,
    RECOMMENDABLE,
    Settings,
    in_words,
    parse_layers,
    parse_numbers,
)
from ..terms import MASK_FORMS, STYLE_LOSSES, TOTAL_VARIATIONS, words_of_style_losses
from .progress import QuietProgress, choose_progress

LAYERS_HELP = (
    "Layers: reluB_I is the I-th map of block B after its ReLU (the paper's convB_I), "
    "convB_I the same before it. Several with weights: relu1_1:2,relu2_1, and losses "
    "likewise: gram:1,histogram:0.2. The weights of a list are shares: only their ratios count."
)


def add_picture_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("content", nargs="?", metavar="CONTENT", help="what to paint")
    parser.add_argument(
        "styles", nargs="*", metavar="STYLE", help="how to paint it; several are blended"
    )


def add_mask_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--masks",
        nargs="+",
        metavar="MASK",
        help="pictures of the shape of CONTENT, one for each STYLE in their order, or one for all: "
        "white where it is painted, black where CONTENT stays, grey in between",
    )


_SETTINGS = ("preset", *(f.name for f in fields(Settings)))


def add_settings_options(parser: argparse.ArgumentParser) -> None:
    """Absent from the namespace unless given; `given_settings` collects them."""
    look = parser.add_argument_group("the look")
    look.add_argument(
        "--preset",
        choices=tuple(PRESETS),
        default=argparse.SUPPRESS,
        metavar="NAME",
        help="settings of a well-known system, as far as no option says otherwise: "
        f"{', '.join(PRESETS)} (see `manualnst presets`)",
    )
    _add_size_options(look)
    add_look_options(look)
    add_network_options(parser.add_argument_group("the network"))
    _add_optimizer_options(parser.add_argument_group("the optimiser"))


def given_settings(args: argparse.Namespace) -> dict[str, Any]:
    """What `settings_from` takes, of the options that were given."""
    return {name: getattr(args, name) for name in _SETTINGS if hasattr(args, name)}


def parse_setting(option: str, text: str) -> tuple[str, Any]:
    """The field of Settings, and its value, that `--option text` gives."""
    parser = _RefusingParser(add_help=False, allow_abbrev=False)
    add_settings_options(parser)
    given, unknown = parser.parse_known_args([f"--{option.replace('_', '-')}={text}"])
    if unknown:
        known = ", ".join(name.replace("_", "-") for name in _SETTINGS)
        raise InputError(f"there is no option {option}; choose one of {known}")
    [(field, value)] = vars(given).items()
    return field, value


class _RefusingParser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise InputError(message)


def _add_size_options(group) -> None:
    _add(group, "size", int, "long side of the result; a smaller content keeps its size")
    _add(group, "steps", int, "steps of the optimiser, at all sizes together")
    _add(
        group,
        "first_steps",
        int,
        "of these at the first size",
        default_in_words="as many as at the others",
    )
    _add(
        group,
        "scales",
        int,
        "sizes to go through, from coarse to fine; 1: only the last",
        default_in_words="as many as make each about 1.4 times the one before",
    )
    _add(group, "min_size", int, "long side of the coarsest")


def add_look_options(group) -> None:
    _add(
        group,
        "style_strength",
        float,
        "from 0 (the content alone) to 1 (the style alone): what becomes of the two weights below, "
        "which stay as they are at 0.5; means the same with every network",
    )
    _add(group, "content_weight", float, "higher: more of the content")
    _add(group, "style_weight", float, "higher: more of the style")
    _add(group, "tv_weight", float, "higher: smoother")
    _add(
        group,
        "tv",
        str,
        "what is smooth: by squared differences; the slope to the power --tv-power (below 2: edges "
        "stay sharper); smoothed absolute differences (sharpest); nine-point: squared, diagonals "
        "too, of mean size under every --normalisation",
        choices=TOTAL_VARIATIONS,
    )
    _add(group, "tv_power", float, "of --tv power; 1 or more")
    _add(group, "tv_smoothing", float, "of --tv smoothed: differences below this count little")
    _add(
        group,
        "mask_form",
        str,
        "guided: the masked part is compared with the whole style picture; product: both maps are "
        "multiplied by the mask, and compared as wholes",
        choices=tuple(MASK_FORMS),
    )
    _add(group, "content_layers", parse_layers, "deeper: freer", metavar="LAYERS")
    _add(
        group,
        "style_layers",
        parse_layers,
        "pixels: the colours; deeper: larger features; all: every layer of the network, and "
        "geometric: each with half the weight of the one before",
        metavar="LAYERS",
    )
    _add(
        group,
        "style_losses",
        parse_layers,
        f"what of the style is compared, at every style layer: {', '.join(STYLE_LOSSES)}. "
        + words_of_style_losses(),
        metavar="LOSSES",
    )
    _add(group, "shift", float, "what shifted and chained add to the activations")
    _add(
        group,
        "style_weights",
        parse_numbers,
        "shares of several STYLEs, as in 0.7,0.3",
        metavar="NUMBERS",
        default_in_words="all alike",
    )
    _add(
        group,
        "style_scale",
        parse_numbers,
        "long side of the style as a multiple of --size, never enlarged; below 1: its forms come "
        "out smaller. One for all styles, or one for each",
        metavar="NUMBERS",
    )
    _add(
        group,
        "colours",
        str,
        "whose colours: the style's; the content's, by painting luminance only; or match-…: the "
        "style's, brought to the content's beforehand, by mean and covariance (three ways; "
        "match-symmetric changes least) or by the histogram of each channel",
        choices=COLOURS,
    )
    _add(
        group,
        "normalisation",
        str,
        "constants of the losses: relative (shares, independent of size and network), paper, sum, "
        "mean or mse",
        choices=tuple(NORMALISATIONS),
    )
    _add(group, "init", str, f"start from {', '.join(INITS)} or a picture FILE", metavar="START")
    _add(group, "seed", int, "seed of the noise start")


def add_network_options(group) -> None:
    _add(
        group,
        "weights",
        str,
        "builtin, a name of `manualnst weights list`, or a FILE",
        default_in_words="vgg19 if it has been fetched, else builtin",
    )
    _add(group, "pool", str, "kind of pooling", choices=tuple(POOLINGS))
    _add(
        group,
        "margin",
        int,
        f"pixels by which the network sees every picture go on beyond its borders, mirrored: a "
        f"multiple of {MARGIN_UNIT}, less where a picture is smaller; the losses do not see them; "
        "0: one colour from the border on, which leaves a frame in the painting",
    )
    _add(
        group,
        "backend",
        str,
        "who computes: numpy; cuda, an NVIDIA card; auto, the card if there is one; naive, for "
        "tiny pictures",
        choices=BACKENDS,
    )
    _add(
        group,
        "precision",
        str,
        "of the card's matrix products",
        choices=PRECISIONS,
        default_in_words="tf32; float32 on cards before Ampere",
    )


def _add_optimizer_options(group) -> None:
    _add(group, "optimizer", str, "how to get from step to step", choices=tuple(OPTIMIZERS))
    _add(
        group,
        "rate",
        float,
        "step length of adam and momentum",
        default_in_words=", ".join(
            f"{kind.rate:g} for {name}"
            for name, kind in OPTIMIZERS.items()
            if hasattr(kind, "rate")
        ),
    )
    _add(group, "beta1", float, "of adam: how slowly it forgets gradients")
    _add(group, "beta2", float, "of adam: how slowly it forgets their squares")
    _add(
        group,
        "average",
        float,
        "of adam and momentum: the result is an average of the pictures, which forgets this "
        "slowly, as 0.99; 0: the best of them",
    )
    _add(
        group,
        "averages",
        str,
        "of adam's and momentum's gradients: begun anew at each size, or kept and enlarged",
        choices=AVERAGES,
    )


def add_report_options(group) -> None:
    group.add_argument("--quiet", action="store_true", help="say nothing unless something is wrong")
    group.add_argument(
        "--json", action="store_true", help="one JSON object a line on standard output"
    )


def chosen_report(args: argparse.Namespace) -> QuietProgress:
    """Who tells of the work, as these options have it."""
    stream = sys.stdout if args.json else sys.stderr
    return choose_progress(stream, quiet=args.quiet, as_json=args.json)


def _add(group, field, kind, text, *, default_in_words=None, **options) -> None:
    """An option for a field of Settings; absent from the namespace unless it is given."""
    default = default_in_words or in_words(getattr(Settings(), field))
    if field in RECOMMENDABLE:
        default = f"the network's own; {default} for a VGG"
    option = "--" + field.replace("_", "-")
    group.add_argument(
        option,
        dest=field,
        type=_input_errors_as_argparse_errors(kind),
        default=argparse.SUPPRESS,
        help=f"{text} (default: {default})".replace("%", "%%"),
        **options,
    )


def _input_errors_as_argparse_errors(kind):
    def convert(text: str):
        try:
            return kind(text)
        except InputError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    convert.__name__ = kind.__name__  # argparse: "invalid int value: …"
    return convert
