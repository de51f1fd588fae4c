"""The parser of the command line: short help first, and kind words for what it does not know."""

import argparse
from collections.abc import Sequence
from difflib import get_close_matches
from typing import NoReturn

from .console import BAD_INPUT, complain

# What people type who know other programs, and what to say to them.
_ELSEWHERE = {
    "--content": "pictures have no option: they follow the command, as in `run CONTENT STYLE`",
    "--style": "pictures have no option: they follow the command, as in `run CONTENT STYLE`",
    "--out": "the result is given by -o FILE",
    "--gpu": "a card is asked for by --backend cuda",
    "--device": "a card is asked for by --backend cuda",
    "--cuda": "a card is asked for by --backend cuda",
    "--lr": "the step length of adam and momentum is --rate",
    "--learning-rate": "the step length of adam and momentum is --rate",
    "--iter": "that is --steps",
    "--epochs": "that is --steps",
    "--image-size": "that is --size",
    "--model": "a network is given by --weights",
    "--alpha": "that is --content-weight",
    "--beta": "that is --style-weight",
    "--color": "that is --colours",
    "--preserve-color": "that is --colours content",
    "--original-colors": "that is --colours content",
}


class Parser(argparse.ArgumentParser):
    """Tells what is wrong in one line, without the whole usage before it."""

    def __init__(self, **options):
        super().__init__(allow_abbrev=False, **options)  # a part of a name is told its whole

    def error(self, message: str) -> NoReturn:
        complain(f"{self.prog}: {message}; see {self.prog} --help")
        self.exit(BAD_INPUT)

    def _check_value(self, action: argparse.Action, value: object) -> None:
        if isinstance(action, argparse._SubParsersAction) and value not in action.choices:
            likely = get_close_matches(str(value), action.choices, n=1, cutoff=0.6)
            meant = f"did you mean {likely[0]}" if likely else "there are"
            known = "" if likely else f" {', '.join(action.choices)}"
            self.error(f"there is no command {value}; {meant}{known}")
        super()._check_value(action, value)

    def read(self, arguments: Sequence[str]) -> argparse.Namespace:
        """What `parse_args` does; of what is unknown the command's own parser tells."""
        args, unknown = self.parse_known_args(arguments)
        if unknown:
            _command(self, arguments).refuse(unknown)
        return args

    def refuse(self, unknown: list[str]) -> NoReturn:
        option = next((each for each in unknown if each.startswith("-")), unknown[0])
        name = option.split("=")[0]
        known = [each for action in self._actions for each in action.option_strings]
        elsewhere = get_close_matches(name, _ELSEWHERE, n=1, cutoff=0.85)
        if elsewhere:
            self.error(f"there is no option {name}; {_ELSEWHERE[elsewhere[0]]}")
        likely = [each for each in known if each.startswith(name)]
        likely += get_close_matches(name, known, n=1, cutoff=0.6)
        if likely and name.startswith("-"):
            self.error(f"there is no option {name}; did you mean {likely[0]}")
        self.error(f"unrecognized arguments: {' '.join(unknown)}")


def _command(parser: Parser, arguments: Sequence[str]) -> Parser:
    """The parser of the command, or of its action, that these arguments are for."""
    for word in arguments:
        subparsers = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
        if not subparsers:
            break
        parser = subparsers[0].choices.get(word, parser)
    return parser


class _HelpAll(argparse.Action):
    """Shows the help of all options, which the short one hides."""

    def __call__(self, parser, namespace, values, option_string=None) -> NoReturn:
        for action in parser._actions:
            action.help = action.whole_help
        parser.epilog = parser.whole_epilog
        parser.print_help()
        parser.exit()


# Shown by the short help beside the settings that are declared so.
_BASIC = {"-h", "-o", "--preset", "--masks", "--resume", "--overwrite", "--help-all"}


def shorten_help(parser: Parser, examples: str) -> None:
    """--help shows what most people want, with examples; --help-all all."""
    parser.whole_epilog = parser.epilog
    parser.add_argument("--help-all", action=_HelpAll, nargs=0, help="show all options, and exit")
    for action in parser._actions:
        action.whole_help = action.help
        is_basic = getattr(action, "is_basic", False) or _BASIC & {*action.option_strings}
        if action.option_strings and not is_basic:
            action.help = argparse.SUPPRESS
    parser.usage = "%(prog)s [CONTENT [STYLE ...]] [options]"
    parser.epilog = f"{examples}\n\nAll options: {parser.prog} --help-all"
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
