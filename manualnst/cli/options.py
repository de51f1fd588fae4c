"""The options that several commands have: one for each field of Settings, and what is told."""

import argparse
import sys
from collections.abc import Callable
from dataclasses import Field, fields
from typing import Any, NoReturn

from ..errors import InputError
from ..runs.declared import declared_of, parse_path
from ..runs.presets import PRESETS
from ..runs.recommended import default_in_words
from ..runs.settings import Settings
from .progress import QuietProgress, choose_progress

LAYERS_HELP = (
    "Layers: reluB_I is the I-th map of block B after its ReLU (the paper's convB_I), "
    "convB_I the same before it. Several with weights: relu1_1:2,relu2_1, and losses "
    "likewise: gram:1,histogram:0.2. The weights of a list are shares: only their ratios count."
)


def add_picture_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "content", nargs="?", metavar="CONTENT", type=parse_path, help="what to paint"
    )
    parser.add_argument(
        "styles",
        nargs="*",
        metavar="STYLE",
        type=parse_path,
        help="how to paint it; several are blended",
    )


def add_mask_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--masks",
        nargs="+",
        metavar="MASK",
        type=parse_path,
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
    add_options(look, "size")
    add_options(look, "look")
    add_options(parser.add_argument_group("the network"), "network")
    add_options(parser.add_argument_group("the optimiser"), "optimiser")


def add_options(where, group: str) -> None:
    """For the settings of this group."""
    for each in fields(Settings):
        if declared_of(each).group == group:
            _add(where, each)


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


def add_report_options(group) -> None:
    group.add_argument("--quiet", action="store_true", help="say nothing unless something is wrong")
    group.add_argument(
        "--json", action="store_true", help="one JSON object a line on standard output"
    )


def chosen_report(args: argparse.Namespace) -> QuietProgress:
    """Who tells of the work, as these options have it."""
    stream = sys.stdout if args.json else sys.stderr
    return choose_progress(stream, quiet=args.quiet, as_json=args.json)


def _add(where, field: Field) -> None:
    """The option of a setting; absent from the namespace unless it is given."""
    declared = declared_of(field)
    given = {
        "dest": field.name,
        "type": _input_errors_as_argparse_errors(declared.parse),
        "default": argparse.SUPPRESS,
        "choices": declared.choices,
        "metavar": declared.metavar or ("NAME" if declared.choices else "N"),
    }
    one_of = f"; one of {', '.join(declared.choices)}" if declared.choices else ""
    words = f"{declared.words}{one_of} (default: {default_in_words(field.name)})"
    option, *others = (f"--{name.replace('_', '-')}" for name in (field.name, *declared.also))
    action = where.add_argument(option, help=words.replace("%", "%%"), **given)
    action.is_basic = declared.is_basic
    for other in others:
        where.add_argument(other, help=argparse.SUPPRESS, **given)


def _input_errors_as_argparse_errors(kind: Callable[[str], Any]) -> Callable[[str], Any]:
    def convert(text: str):
        try:
            return kind(text)
        except InputError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    convert.__name__ = kind.__name__  # argparse: "invalid int value: …"
    return convert
