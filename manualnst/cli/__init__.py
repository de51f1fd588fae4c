"""The command line: the only part of the package that prints."""

import argparse
import sys
from collections.abc import Sequence
from typing import NoReturn

from ..errors import InputError
from ..version import __version__
from . import run, weights

BAD_INPUT = 2
INTERRUPTED = 130


class _Parser(argparse.ArgumentParser):
    """Tells what is wrong in one line, without the whole usage before it."""

    def error(self, message: str) -> NoReturn:
        self.exit(BAD_INPUT, f"{self.prog}: {message}; see {self.prog} --help\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the return value is the exit code."""
    parser = _parser()
    args = parser.parse_args(arguments)
    if "handler" not in args:
        parser.print_help()
        return 0
    try:
        return args.handler(args)
    except InputError as error:
        print(f"manualnst: {error}", file=sys.stderr)
        return BAD_INPUT
    except KeyboardInterrupt:
        print("manualnst: interrupted", file=sys.stderr)
        return INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="manualnst",
        description="Neural style transfer with every derivative written by hand, and proven.",
        epilog="`manualnst run` without arguments paints the package's own sample pictures.",
    )
    parser.add_argument("--version", action="version", version=f"manualnst {__version__}")
    subparsers = parser.add_subparsers(metavar="COMMAND")
    run.add_parser(subparsers)
    weights.add_parser(subparsers)
    return parser
