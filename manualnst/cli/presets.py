"""`manualnst presets`: the settings of well-known systems, listed and shown."""

import argparse

from ..runs.declared import in_words
from ..runs.presets import PRESETS, described


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    parser = subparsers.add_parser(
        "presets",
        help="list or show the settings of well-known systems",
        description="The settings of well-known systems, for `run --preset NAME`. Any option of "
        "`run` goes before the preset's.",
    )
    parser.set_defaults(handler=list_command)
    commands = parser.add_subparsers(metavar="COMMAND")
    show = commands.add_parser("show", help="all settings of one preset")
    show.add_argument("name", choices=tuple(PRESETS), metavar="NAME", help=", ".join(PRESETS))
    show.set_defaults(handler=show_command)


def list_command(args: argparse.Namespace) -> int:
    for name, preset in PRESETS.items():
        print(f"{name:15} {preset.system}")
    return 0


def show_command(args: argparse.Namespace) -> int:
    preset = PRESETS[args.name]
    print(f"{args.name}: {preset.system}")
    print(f"differs: {preset.differs}")
    print("* the preset's own; the others are the defaults for a VGG")
    for field, (value, own) in described(args.name).items():
        words = "(by itself)" if value is None else in_words(value)
        print(f"{'*' if own else ' '} --{field.replace('_', '-'):16} {words}")
    return 0
