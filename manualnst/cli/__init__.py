"""The command line: the only part of the package that prints."""

import argparse
import os
import sys
from collections.abc import Sequence

from ..errors import InputError
from ..runs.inputs import is_picture
from ..version import __version__
from . import bench, check, compare, many, presets, reconstruct, run, serve, weights
from .console import BAD_INPUT, INTERRUPTED, READER_GONE, complain, flush_output
from .parser import Parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the return value is the exit code."""
    try:
        try:
            return _run_command(arguments)
        finally:
            flush_output()
    except InputError as error:
        complain(f"manualnst: {error}")
    except BrokenPipeError:  # as in `… | head -1`
        return READER_GONE
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        complain(f"manualnst: {where}{error.strerror or error}")
    except MemoryError:
        complain("manualnst: out of memory; use a smaller --size")
    except KeyboardInterrupt:
        complain("manualnst: interrupted")
        return INTERRUPTED
    return BAD_INPUT


def _with_command(arguments: list[str]) -> list[str]:
    """A picture in the place of the command asks for it to be painted."""
    if arguments and is_picture(arguments[0]):
        return ["run", *arguments]
    return arguments


def _complete(parser: argparse.ArgumentParser) -> None:
    """Answer a shell that asks what could come next, where argcomplete is installed."""
    if "_ARGCOMPLETE" in os.environ:
        import argcomplete

        argcomplete.autocomplete(parser, print_suppressed=True)


def _run_command(arguments: Sequence[str] | None) -> int:
    parser = _parser()
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    _complete(parser)
    args = parser.read(_with_command(arguments))
    if "handler" not in args:
        parser.print_help()
        return 0
    return args.handler(args)


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="manualnst",
        description="Neural style transfer with every derivative written by hand, and proven.",
        epilog="`manualnst run` without arguments paints the package's own sample pictures.",
    )
    parser.add_argument("--version", action="version", version=f"manualnst {__version__}")
    subparsers = parser.add_subparsers(metavar="COMMAND")
    run.add_parser(subparsers)
    many.add_parsers(subparsers)
    serve.add_parser(subparsers)
    presets.add_parser(subparsers)
    reconstruct.add_parser(subparsers)
    compare.add_parser(subparsers)
    check.add_parser(subparsers)
    weights.add_parser(subparsers)
    bench.add_parser(subparsers)
    return parser
