"""`manualnst weights`: the networks' filters — which there are, fetching, converting, checking.

The libraries that read and write weights are imported where they are used: the parser of every
other command is built with this one.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

from ..errors import InputError
from ..files import check_writable_folder

BAD_INPUT = 2
_BAR = 30


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    parser = subparsers.add_parser(
        "weights",
        help="list, fetch, convert and check the networks' weights",
        description="The filters of a trained VGG. A small network is built in; the public ones "
        "are fetched once and kept in a cache.",
    )
    actions = parser.add_subparsers(metavar="ACTION", required=True)

    actions.add_parser("list", help="the known weights").set_defaults(handler=_list)

    get = actions.add_parser("get", help="fetch public weights into the cache")
    get.add_argument("names", nargs="+", metavar="NAME", help="a name of `weights list`")
    get.add_argument("--overwrite", action="store_true", help="fetch again what is there already")
    get.set_defaults(handler=_get)

    convert = actions.add_parser("convert", help="make a Keras, PyTorch or MatConvNet file usable")
    convert.add_argument("file", metavar="FILE")
    _add_output(convert)
    convert.add_argument(
        "--preprocessing",
        metavar="NAME",
        help="how FILE wants its pixels, if it does not tell: imagenet-rgb (assumed for "
        "torchvision's kind), caffe-bgr or caffe-rgb",
    )
    convert.add_argument(
        "--architecture", metavar="NAME", help="vgg16 or vgg19, if both would fit the layers"
    )
    convert.set_defaults(handler=_convert)

    verify = actions.add_parser("verify", help="check weights, and tell what they are")
    verify.add_argument("files", nargs="+", metavar="FILE")
    verify.set_defaults(handler=_verify)

    normalise = actions.add_parser(
        "normalise",
        help="scale filters to a mean activation of 1",
        description="Scale every filter so that its mean activation over the pictures is 1, "
        "as in the paper.",
    )
    normalise.add_argument("weights", metavar="IN", help="a file, or a name of `weights list`")
    normalise.add_argument("pictures", nargs="+", metavar="PICTURE")
    _add_output(normalise)
    normalise.set_defaults(handler=_normalise)


def _add_output(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-o", "--output", required=True, metavar="OUT", help="the .h5 to write")
    parser.add_argument("--overwrite", action="store_true", help="replace OUT if it exists")


def _list(args: argparse.Namespace) -> int:
    from ..weights import BUILTIN
    from ..weights.catalogue import CATALOGUE, cached_path

    rows = [("NAME", "NETWORK", "SIZE", "STATE", "NOTE")]
    size = _megabytes(BUILTIN.stat().st_size)
    rows.append(("builtin", "vgg19", size, "built in", "small; comes with the package"))
    for name, public in CATALOGUE.items():
        state = "cached" if cached_path(name).exists() else "-"
        rows.append((name, public.architecture, _megabytes(public.size), state, public.note))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print("  ".join(cells).rstrip())
    return 0


def _get(args: argparse.Namespace) -> int:
    from ..weights.catalogue import cached_path, public_file
    from ..weights.fetch import fetch_weights

    for name in args.names:  # a misspelt name is told before anything is fetched
        public_file(name)
    for name in args.names:
        if cached_path(name).exists() and not args.overwrite:
            print(f"{name}: in the cache already ({cached_path(name)})")
            continue
        print(f"{name}: fetching {public_file(name).source}", file=sys.stderr)
        report = _download_report(name, sys.stderr)
        try:
            path = fetch_weights(name, report, overwrite=args.overwrite)
        finally:
            if sys.stderr.isatty():
                print(file=sys.stderr)
        print(f"{name}: {path}")
    return 0


def _download_report(name: str, stream: TextIO) -> Callable[[int, int | None], None]:
    """A bar on a terminal; elsewhere a line whenever another tenth is there."""
    shown = -1

    def report(done: int, total: int | None) -> None:
        nonlocal shown
        steps = 100 if stream.isatty() else 10
        step = steps * done // (total or (1 << 30))
        if step == shown:
            return
        shown = step
        text = f"{name}: {_megabytes(done)} of {_megabytes(total)}"
        if stream.isatty():
            filled = "#" * (_BAR * step // steps)
            print(f"\r{text}  [{filled:{_BAR}}]", end="", file=stream, flush=True)
        else:
            print(text, file=stream, flush=True)

    return report


def _convert(args: argparse.Namespace) -> int:
    from ..weights import convert, save_weights

    _check_output(args)
    weights = convert(args.file, architecture=args.architecture, preprocessing=args.preprocessing)
    save_weights(weights, args.output)
    _describe(args.output, weights)
    return 0


def _verify(args: argparse.Namespace) -> int:
    from ..weights import find_weights

    code = 0
    for file in args.files:
        try:
            _describe(file, find_weights(file))
            print("  OK")
        except InputError as error:
            print(f"manualnst: {error}", file=sys.stderr)
            code = BAD_INPUT
    return code


def _normalise(args: argparse.Namespace) -> int:
    from ..images import load_picture
    from ..network import normalise_filters
    from ..weights import find_weights, save_weights

    _check_output(args)
    weights = find_weights(args.weights)
    pictures = (load_picture(path).pixels for path in args.pictures)
    normalised = normalise_filters(weights, pictures)
    save_weights(normalised, args.output)
    _describe(args.output, normalised)
    return 0


def _check_output(args: argparse.Namespace) -> None:
    """Refuse before any work is spent."""
    check_writable_folder(args.output)
    if Path(args.output).exists() and not args.overwrite:
        raise InputError(f"{args.output} exists; --overwrite replaces it")


def _describe(name: str, weights) -> None:
    """What weights are, and where they come from: free text out of a file, so made printable."""
    from ..weights.reading import printable

    prepared = weights.preprocessing
    layers = list(weights.layers)
    print(f"{name}: {weights.architecture}, {layers[0]} to {layers[-1]}")
    print(
        f"  pixels: {prepared.channels} from 0 to {prepared.range:g}, "
        f"mean {_numbers(prepared.mean)}, std {_numbers(prepared.std)}"
    )
    for key, text in weights.provenance.items():
        print(f"  {printable(key)}: {printable(text)}")
    print(f"  fingerprint: {weights.fingerprint()}")


def _numbers(numbers: tuple[float, ...]) -> str:
    return " ".join(f"{number:.7g}" for number in numbers)


def _megabytes(size: int | None) -> str:
    return "?" if size is None else f"{size / 1e6:.0f} MB"
