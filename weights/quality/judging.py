"""The command `judge`: paint pairs of pictures, or take paintings, and have them judged."""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from manualnst.errors import InputError
from manualnst.pictures.images import load_picture
from manualnst.pictures.resizing import fitted_size, resize
from manualnst.pictures.saving import save_picture
from manualnst.pictures.sheets import Cell, draw_sheet
from manualnst.runs.inputs import load_source
from manualnst.studies.judge import VARIABLE, Judge, chosen_judge
from manualnst.studies.many import Listener, Outcome
from manualnst.system import machine
from manualnst.system.files import make_folder
from manualnst.weights import find_weights

from .grain import relative_grain
from .networks import NAMES, find_networks
from .paintings import Painting, Pair, find_columns, paint
from .report import clocked, judged_means, judged_table, save_json

FORMAT = "manualnst judged 1"
_SIDE = 256  # of a picture on the sheet


def add_parser(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser("judge", help="paint pairs of pictures, and judge the paintings")
    parser.set_defaults(run=_run)
    for role in ("content", "style"):
        parser.add_argument(
            f"--{role}s",
            nargs="+",
            required=True,
            metavar=role.upper(),
            help="picture files, folders of them, or sample:NAME",
        )
    parser.add_argument("--networks", nargs="+", default=["builtin"], metavar="NETWORK", help=NAMES)
    parser.add_argument(
        "--with",
        dest="variants",
        action="append",
        default=[],
        metavar="SETTINGS",
        help="as 'preset=gatys-notebook size=512', of the options of `manualnst run`; given more "
        "than once, each network paints with each",
    )
    parser.add_argument(
        "--paintings",
        nargs="+",
        type=Path,
        metavar="FILE",
        help="judge these, of one content in one style; nothing is painted",
    )
    parser.add_argument(
        "--judge",
        metavar="WEIGHTS",
        help=f"a VGG that has learned from photographs (default: the one that {VARIABLE} names)",
    )
    parser.add_argument("--output", type=Path, default=Path("judged"), metavar="FOLDER")


def _run(options: argparse.Namespace) -> None:
    weights = find_weights(chosen_judge(options.judge))
    judge = Judge(weights)
    say = clocked()
    pairs = _given(options) if options.paintings else _painted(options, say)
    found = {}
    for pair in pairs:
        say(f"judging: {pair.name}")
        found[pair.name] = _verdicts(judge, pair)
    result = {
        "format": FORMAT,
        "versions": machine.versions(),
        "judge": {"fingerprint": weights.fingerprint(), "provenance": weights.provenance},
        "columns": {name: _facts(painting) for name, painting in pairs[0].paintings.items()},
        "pictures": {pair.name: _pictures(pair) for pair in pairs},
        "found": found,
        "means": judged_means(found),
    }
    make_folder(options.output)
    save_json(options.output / "judge.json", result)
    save_picture(options.output / "sheet.png", _sheet(pairs, found))
    print(f"\n{judged_table(found)}\n\nwritten: judge.json and sheet.png, in {options.output}")


def _painted(options: argparse.Namespace, say: Callable[[str], None]) -> list[Pair]:
    columns = find_columns(find_networks(options.networks), options.variants or [""])
    folder = options.output / "paintings"
    return paint(columns, options.contents, options.styles, folder, _Telling(say))


def _given(options: argparse.Namespace) -> list[Pair]:
    if options.variants or len(options.contents) > 1 or len(options.styles) > 1:
        raise InputError("judge: --paintings takes one content, one style, and no --with")
    paintings = {str(path): Painting(path, None) for path in options.paintings}
    return [Pair("paintings", options.contents[0], options.styles[0], paintings)]


class _Telling(Listener):
    def __init__(self, say: Callable[[str], None]):
        self._say = say

    def message(self, text: str) -> None:
        self._say(text)

    def outcome(self, outcome: Outcome, done: int, count: int) -> None:
        self._say(f"{done} of {count}: {outcome.failure or outcome.path.name}")


def _verdicts(judge: Judge, pair: Pair) -> dict[str, dict[str, Any]]:
    """{column: what was found}."""
    content, style = (load_source(source).pixels for source in (pair.content, pair.style))
    found = {}
    for name, (path, record) in pair.paintings.items():
        painting = load_picture(path).pixels
        found[name] = judge.verdict(painting, content, style)._asdict()
        found[name] |= relative_grain(painting, style)
        found[name]["seconds"] = None if record is None else record["seconds"]
    return found


def _facts(painting: Painting) -> dict[str, Any]:
    """How it was painted, if that is known."""
    if painting.record is None:
        return {}
    return {name: painting.record[name] for name in ("settings", "weights")}


def _pictures(pair: Pair) -> dict[str, Any]:
    sources = {"content": pair.content, "style": pair.style}
    sources |= {name: painting.path for name, painting in pair.paintings.items()}
    pictures = {role: load_source(source) for role, source in sources.items()}
    return {
        role: {"name": picture.name, "sha256": picture.sha256} for role, picture in pictures.items()
    }


def _sheet(pairs: Sequence[Pair], found: dict[str, dict[str, dict[str, Any]]]) -> np.ndarray:
    rows = [
        [
            _cell(load_source(pair.content).pixels, ""),
            _cell(load_source(pair.style).pixels, ""),
            *(
                _cell(load_picture(path).pixels, f"{found[pair.name][name]['style']:.3f}")
                for name, (path, _) in pair.paintings.items()
            ),
        ]
        for pair in pairs
    ]
    numbered = (f"{k}: {name}" for k, name in enumerate(pairs[0].paintings, 1))  # as in the table
    columns = ["content", "style", *numbered]
    return draw_sheet(rows, columns=columns, labels=[pair.name for pair in pairs], side=_SIDE)


def _cell(picture: np.ndarray, caption: str) -> Cell:
    return Cell(resize(picture, *fitted_size(*picture.shape[:2], _SIDE)), caption)
