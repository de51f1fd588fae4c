"""The command line: draw test pictures, measure networks on pictures, judge their paintings, sign
a network."""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from manualnst.errors import InputError
from manualnst.network.vgg import Weights
from manualnst.pictures.images import load_picture
from manualnst.pictures.resizing import fitted_size, resize
from manualnst.pictures.saving import save_picture
from manualnst.pictures.sheets import Cell, draw_sheet
from manualnst.pictures.similarity import structural_similarity
from manualnst.system import machine
from manualnst.system.files import make_folder, read_bytes
from manualnst.weights import load_weights, save_weights

from . import __doc__ as summary
from . import judging
from .cells import Cells, Original
from .distances import SMALLEST, own_distances, texture_distances
from .drawings import DRAWINGS, draw
from .networks import NAMES, Named, find_networks
from .report import ITSELF, clocked, in_words, means, reconstruction_table, save_json, texture_table
from .synthesis import DEPTHS, TEXTURE

_FORMAT = "manualnst quality 1"
_LARGEST_RESULT = 10 << 20
_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp")


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\ninterrupted; the same command goes on from here", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m weights.quality",
        description=summary,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="draw | measure | judge | sign")
    drawing = commands.add_parser("draw", help="write the test pictures into a folder")
    drawing.add_argument("folder", type=Path)
    drawing.set_defaults(run=_draw)
    measuring = commands.add_parser("measure", help="measure networks on pictures")
    measuring.set_defaults(run=_measure)
    measuring.add_argument(
        "pictures", type=Path, nargs="+", help="picture files, or folders of them"
    )
    measuring.add_argument(
        "--networks", nargs="+", default=["builtin", "random:0"], metavar="NETWORK", help=NAMES
    )
    measuring.add_argument("--output", type=Path, default=Path("quality"), metavar="FOLDER")
    measuring.add_argument("--size", type=int, default=256, help="long side of the pictures")
    measuring.add_argument("--steps", type=int, default=100, help="at each of three sizes")
    measuring.add_argument("--seed", type=int, default=0, help="of the noise that is started from")
    measuring.add_argument(
        "--rebuilt", type=int, default=3, metavar="N", help="pictures that content is measured on"
    )
    judging.add_parser(commands)
    signing = commands.add_parser("sign", help="write into a weights file how good it was found")
    signing.add_argument("weights", type=Path, metavar="WEIGHTS", help="one of those measured")
    signing.add_argument("result", type=Path, metavar="QUALITY", help="the quality.json")
    signing.set_defaults(run=_sign)
    return parser


def _draw(options: argparse.Namespace) -> None:
    make_folder(options.folder)
    for name in DRAWINGS:
        save_picture(options.folder / f"{name}.png", draw(name))
        print(options.folder / f"{name}.png")


def _measure(options: argparse.Namespace) -> None:
    if options.steps < 1 or options.seed not in range(2**32) or options.rebuilt < 0:
        raise InputError("measure: give --steps of at least 1, --seed and --rebuilt from 0")
    originals = _open(options.pictures, options.size)
    networks = find_networks(options.networks)
    cell_folder = make_folder(options.output / "cells")
    cells = Cells(cell_folder, options.steps, options.seed, clocked())
    found, copied = _textures(cells, networks, originals, options.output / "textures.png")
    result = _facts(options, networks, originals) | {
        "textures": found,
        "copied": copied,
        "means": means(found),
    }
    save_json(options.output / "quality.json", result)
    print(f"\n{texture_table(found, copied)}")
    if options.rebuilt:
        count = min(options.rebuilt, len(originals))
        some = [originals[n * len(originals) // count] for n in range(count)]
        rebuilt = _reconstructions(cells, networks, some, options.output / "reconstructions.png")
        save_json(options.output / "quality.json", result | {"reconstructions": rebuilt})
        print(f"\n{reconstruction_table(rebuilt)}")
    print(f"\nwritten: quality.json and sheets to look at, in {options.output}")


def _open(paths: Sequence[Path], size: int) -> list[Original]:
    files = [file for path in paths for file in (_pictures_in(path) if path.is_dir() else [path])]
    if not files:
        raise InputError(f"no pictures ({', '.join(_SUFFIXES)}) in {', '.join(map(str, paths))}")
    originals: dict[str, Original] = {}
    for file in files:
        if file.stem in originals:
            raise InputError(f"two pictures are called {file.stem}; rename {file}")
        pixels = load_picture(file).pixels
        height, width = fitted_size(*pixels.shape[:2], size)
        if min(height, width) < SMALLEST:
            raise InputError(
                f"{file} at --size {size} is {width} × {height}; at least {SMALLEST} each way are "
                "needed"
            )
        originals[file.stem] = Original(file.stem, resize(pixels, height, width))
    return list(originals.values())


def _pictures_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in _SUFFIXES)


def _textures(
    cells: Cells, networks: Sequence[Named], originals: Sequence[Original], sheet: Path
) -> tuple[dict[str, dict[str, dict[str, float]]], dict[str, dict[str, float]]]:
    """{picture: {network: {statistic: distance}}} and {picture: {network: similarity}}."""
    found, copied, rows = {}, {}, {}
    for original in originals:
        made = {network.name: cells.get(TEXTURE, network, original) for network in networks}
        found[original.name] = {ITSELF: own_distances(original.pixels)} | {
            name: texture_distances(picture, original.pixels) for name, picture in made.items()
        }
        copied[original.name] = {
            name: structural_similarity(picture, original.pixels) for name, picture in made.items()
        }
        rows[original.name] = _side_by_side(original, made)
        _save_sheet(sheet, ["original", *made], rows)  # so far
    return found, copied


def _reconstructions(
    cells: Cells, networks: Sequence[Named], originals: Sequence[Original], sheet: Path
) -> dict[str, dict[str, dict[str, float]]]:
    found: dict[str, dict[str, dict[str, float]]] = {}
    rows = {}
    for original in originals:
        found[original.name] = {}
        for network in networks:
            made = {depth: cells.get(depth, network, original) for depth in DEPTHS}
            found[original.name][network.name] = {
                depth: structural_similarity(picture, original.pixels)
                for depth, picture in made.items()
            }
            rows[f"{original.name} {network.name}"] = _side_by_side(original, made)
    _save_sheet(sheet, ["original", *DEPTHS], rows)
    return found


def _side_by_side(original: Original, made: dict[str, np.ndarray]) -> list[Cell]:
    return [Cell(picture) for picture in (original.pixels, *made.values())]


def _save_sheet(path: Path, columns: Sequence[str], rows: dict[str, list[Cell]]) -> None:
    sheet = draw_sheet(list(rows.values()), columns=columns, labels=list(rows))
    save_picture(path, sheet)


def _sign(options: argparse.Namespace) -> None:
    weights = load_weights(options.weights)
    quality = in_words(_loaded(options.result), weights.fingerprint())
    half = all(np.array_equal(a, a.astype(np.float16)) for a in _arrays(weights))
    signed = replace(weights, provenance=weights.provenance | {"quality": quality})
    save_weights(signed, options.weights, dtype=np.float16 if half else np.float32)
    print(f"{options.weights}: quality: {quality}")


def _arrays(weights: Weights) -> Iterator[np.ndarray]:
    return (array for layer in weights.layers.values() for array in layer)


def _loaded(path: Path) -> dict[str, Any]:
    try:
        result = json.loads(read_bytes(path, _LARGEST_RESULT))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is no result of `measure`: {error}") from error
    if not isinstance(result, dict) or result.get("format") != _FORMAT:
        raise InputError(f"{path} is no result of `measure` ({_FORMAT!r})")
    return result


def _facts(
    options: argparse.Namespace, networks: Sequence[Named], originals: Sequence[Original]
) -> dict[str, Any]:
    return {
        "format": _FORMAT,
        "versions": machine.versions(),
        "pictures": {
            original.name: {"size": original.pixels.shape[1::-1], "sha256": original.digest()}
            for original in originals
        },
        "steps": options.steps,
        "seed": options.seed,
        "networks": {
            name: {"fingerprint": weights.fingerprint(), "provenance": weights.provenance}
            for name, weights in networks
        },
    }


if __name__ == "__main__":
    sys.exit(main())
