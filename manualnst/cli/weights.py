"""`manualnst weights`: the networks' filters — which there are, fetching, converting, checking.

The libraries that read and write weights are imported where they are used: the parser of every
other command is built with this one.
"""

import argparse
import os
import sys
from collections.abc import Callable
from typing import TextIO

import numpy as np

from ..errors import InputError
from ..network.vgg import Weights
from ..pictures.images import Picture
from ..pictures.resizing import fitted_size, resize
from ..system.files import check_writable_folder
from ..system.machine import format_bytes
from .console import BAD_INPUT, complain, say, show

_BAR = 30
_NORMALISE_SIZE = 512  # long side of the pictures that filters are measured on


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
        f"as in the paper. Pictures are made smaller to {_NORMALISE_SIZE} pixels a side at most.",
    )
    normalise.add_argument("weights", metavar="IN", help="a file, or a name of `weights list`")
    normalise.add_argument("pictures", nargs="+", metavar="PICTURE", help="a file or sample:NAME")
    _add_output(normalise)
    normalise.set_defaults(handler=_normalise)


def _add_output(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-o", "--output", required=True, metavar="OUT", help="the .h5 to write")
    parser.add_argument("--overwrite", action="store_true", help="replace OUT if it exists")


def _list(args: argparse.Namespace) -> int:
    from ..weights import BUILTIN
    from ..weights.catalogue import CATALOGUE, is_cached

    rows = [("NAME", "NETWORK", "SIZE", "STATE", "NOTE")]
    size = format_bytes(BUILTIN.stat().st_size)
    rows.append(("builtin", "vgg19", size, "built in", "small; comes with the package"))
    for name, public in CATALOGUE.items():
        state = "cached" if is_cached(name) else "-"
        rows.append((name, public.architecture, _size(public.size), state, public.note))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        say("  ".join(cells).rstrip())
    return 0


def _get(args: argparse.Namespace) -> int:
    from ..weights.catalogue import public_file
    from ..weights.fetch import fetch_weights

    for name in args.names:  # a misspelt name is told before anything is fetched
        public_file(name)
    for name in args.names:
        if not args.overwrite and _is_whole_in_cache(name):
            continue
        complain(f"{name}: fetching {public_file(name).source}")
        try:
            path = fetch_weights(name, sys.stderr and _download_report(name, sys.stderr))
        finally:
            if sys.stderr and sys.stderr.isatty():
                complain("")
        say(f"{name}: {path}")
    return 0


def _is_whole_in_cache(name: str) -> bool:
    from ..weights import load_weights
    from ..weights.catalogue import cached_path, is_cached

    if not is_cached(name):
        return False
    try:
        load_weights(cached_path(name))
    except InputError as error:
        complain(f"{name}: {error}; fetching it anew")
        return False
    say(f"{name}: in the cache already ({cached_path(name)})")
    return True


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
        text = f"{name}: {format_bytes(done)} of {_size(total)}"
        if stream.isatty():
            filled = "#" * (_BAR * step // steps)
            show(f"\r{text}  [{filled:{_BAR}}]", stream)
        else:
            show(f"{text}\n", stream)

    return report


def _convert(args: argparse.Namespace) -> int:
    from ..weights import convert, save_weights

    _check_output(args)
    weights = convert(args.file, architecture=args.architecture, preprocessing=args.preprocessing)
    save_weights(weights, args.output)
    _describe(args.output, weights)
    return 0


def _verify(args: argparse.Namespace) -> int:
    code = 0
    for file in args.files:
        try:
            _describe(file, _find(file))
            say("  OK")
        except InputError as error:
            complain(f"manualnst: {error}")
            code = BAD_INPUT
    return code


def _normalise(args: argparse.Namespace) -> int:
    from ..network.network import normalise_filters
    from ..runs.inputs import load_source
    from ..weights import save_weights

    _check_output(args)
    weights = _find(args.weights)
    pictures = (_at_most(_NORMALISE_SIZE, load_source(name)) for name in args.pictures)
    normalised = normalise_filters(weights, pictures)
    save_weights(normalised, args.output)
    _describe(args.output, normalised)
    return 0


def _find(name: str) -> Weights:
    """Weights, with what they recommend checked, too."""
    from ..runs.recommended import recommended_settings
    from ..weights import find_weights

    weights = find_weights(name)
    recommended_settings(weights.recommended, name)
    return weights


def _at_most(long_side: int, picture: Picture) -> np.ndarray:
    """The pixels (H, W, 3), made smaller where they are more."""
    height, width = picture.pixels.shape[:2]
    used_height, used_width = fitted_size(height, width, long_side)
    complain(f"{picture.name}: {width} × {height} → {used_width} × {used_height}")
    return resize(picture.pixels, used_height, used_width)


def _check_output(args: argparse.Namespace) -> None:
    """Refuse before any work is spent."""
    check_writable_folder(args.output)
    if os.path.exists(args.output) and not args.overwrite:
        raise InputError(f"{args.output} exists; --overwrite replaces it")


def _describe(name: str, weights: Weights) -> None:
    """What weights are, and where they come from: free text out of a file."""
    from ..runs.recommended import listed

    prepared = weights.preprocessing
    layers = list(weights.layers)
    say(f"{name}: {weights.architecture}, {layers[0]} to {layers[-1]}")
    say(
        f"  pixels: {prepared.channels} from 0 to {prepared.range:g}, "
        f"mean {_numbers(prepared.mean)}, std {_numbers(prepared.std)}"
    )
    for key, text in weights.provenance.items():
        say(f"  {key}: {text}")
    if weights.recommended:
        say(f"  recommended: {listed(weights.recommended)}")
    say(f"  fingerprint: {weights.fingerprint()}")


def _numbers(numbers: tuple[float, ...]) -> str:
    return " ".join(f"{number:.7g}" for number in numbers)


def _size(count: int | None) -> str:
    return "?" if count is None else format_bytes(count)
