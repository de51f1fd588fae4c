"""What was found, in tables and JSON, and what is told on the way."""

import json
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from manualnst.errors import InputError
from manualnst.system.files import write_atomically

from .distances import STATISTICS
from .synthesis import DEPTHS

ITSELF = "itself"  # the place of a network for a picture's own halves
_MEAN, _RATIO = "mean", "ratio"
_COLOUR = STATISTICS[-1]
_LEAST = 1e-6  # a mean distance that is none
_NAME, _COLUMN = 28, 12  # characters of a table's first column, and of the others


def means(found: dict[str, dict[str, dict[str, float]]]) -> dict[str, dict[str, float]]:
    """{picture: {network: {statistic: distance}}} → {network: {statistic, "mean", "ratio"}}.

    "mean" is that of all statistics. "ratio" compares it with the first network's, picture by
    picture: their geometric mean, so that every picture counts alike.
    """
    networks = list(next(iter(found.values())))
    first = next(name for name in networks if name != ITSELF)
    of_first = _picture_means(found, first)
    table = {}
    for network in networks:
        of_network = [distances[network] for distances in found.values()]
        row = {name: float(np.mean([each[name] for each in of_network])) for name in STATISTICS}
        ratios = np.log(_picture_means(found, network) / of_first)
        table[network] = row | {
            _MEAN: float(np.mean(list(row.values()))),
            _RATIO: float(np.exp(np.mean(ratios))),
        }
    return table


def _picture_means(found: dict[str, dict[str, dict[str, float]]], network: str) -> np.ndarray:
    means = [np.mean(list(distances[network].values())) for distances in found.values()]
    return np.maximum(means, _LEAST)  # a logarithm is taken of them


def in_words(result: dict[str, Any], fingerprint: str) -> str:
    """How far the network of this fingerprint was from the pictures, and how far the others."""
    try:
        return _in_words(result, fingerprint)
    except (LookupError, TypeError, AttributeError, ValueError) as error:
        raise InputError(f"the result of `measure` is inconsistent: {error!r}") from error


def _in_words(result: dict[str, Any], fingerprint: str) -> str:
    names = [n for n, facts in result["networks"].items() if facts["fingerprint"] == fingerprint]
    if not names:
        raise InputError(
            f"the network of fingerprint {fingerprint[:12]}… is not among those measured"
        )
    distances = {name: row[_MEAN] for name, row in result["means"].items()}
    pictures = result["pictures"]
    longest = max(max(facts["size"]) for facts in pictures.values())
    others = (f"{n} {d:.3f}" for n, d in distances.items() if n != names[0])
    return (
        f"texture distance {distances[names[0]]:.3f} ({', '.join(others)}), mean of "
        f"{len(pictures)} at {longest} pixels, {result['steps']} steps a size: "
        f"{', '.join(pictures)}"
    )


def texture_table(
    found: dict[str, dict[str, dict[str, float]]], copied: dict[str, dict[str, float]]
) -> str:
    """Three tables: each picture's mean distance by network, and that of its colours alone; and
    each network's by statistic.

    `copied` {picture: {network: similarity}} tells a texture from a copy: where a layer has more
    channels than positions, its Gram matrix knows the places too.
    """
    networks = list(next(iter(found.values())))
    lines = ["texture: distance in units of the original's spread, 0 is the same;"]
    lines += ["copied: its structural similarity to the original, place by place", ""]
    lines.append(_line("picture", networks))
    by_network = np.transpose([_picture_means(found, network) for network in networks])
    lines += [_line(picture, row) for picture, row in zip(found, by_network, strict=True)]
    lines += ["", _line("its colours", networks)]
    lines += [
        _line(picture, [by_name[network][_COLOUR] for network in networks])
        for picture, by_name in found.items()
    ]
    columns = (*STATISTICS, _MEAN, _RATIO)
    lines += ["", _line("mean of all pictures", [*columns, "copied"])]
    for network, row in means(found).items():
        likeness = [of[network] for of in copied.values() if network in of]
        mean_likeness = [np.mean(likeness)] if likeness else []
        lines.append(_line(network, [row[name] for name in columns] + mean_likeness))
    return "\n".join(lines)


def reconstruction_table(found: dict[str, dict[str, dict[str, float]]]) -> str:
    """{picture: {network: {depth: similarity}}} → each network's mean by depth."""
    lines = ["content: structural similarity of what each depth rebuilds, 1 is the same", ""]
    lines.append(_line("mean of all pictures", DEPTHS))
    for network in next(iter(found.values())):
        by_depth = [np.mean([found[p][network][depth] for p in found]) for depth in DEPTHS]
        falls = "falls" if all(np.diff(by_depth) < 0) else "does not fall"
        lines.append(f"{_line(network, by_depth)}   {falls} with depth")
    return "\n".join(lines)


# What is told of a column's paintings: heading, and key in a painting's verdict.
_JUDGED = {
    "style": "style",
    "content": "content",
    "grain": "grain_of_luminance",
    "chroma": "grain_of_chroma",
    "seconds": "seconds",
}


def judged_means(found: dict[str, dict[str, dict[str, Any]]]) -> dict[str, dict[str, Any]]:
    """{pair: {column: verdict}} → {column: {…, "ratio", "worst"}}, means over the pairs.

    "ratio" is that of the style's distance to the first column's, "worst" the largest.
    """
    of_first = [max(next(iter(of_pair.values()))["style"], _LEAST) for of_pair in found.values()]
    table = {}
    for column in next(iter(found.values())):
        verdicts = [of_pair[column] for of_pair in found.values()]
        ratios = [v["style"] / first for v, first in zip(verdicts, of_first, strict=True)]
        table[column] = {key: _mean(v[key] for v in verdicts) for key in _JUDGED.values()}
        table[column] |= {"ratio": float(np.mean(ratios)), "worst": max(ratios)}
    return table


def _mean(values: Iterable[float | None]) -> float | None:
    values = list(values)
    return None if None in values else float(np.mean(values))


def judged_table(found: dict[str, dict[str, dict[str, Any]]]) -> str:
    """Two tables: each pair's style distance by column, and the means of each column."""
    table = judged_means(found)
    numbers = [str(k) for k in range(1, len(table) + 1)]
    lines = [f"{number}: {column}" for number, column in zip(numbers, table, strict=True)]
    lines += ["", "distances, 0 is the same: style, of which unpainted is the content's; content"]
    lines += ["grain of luminance and chroma: 1 is the style's; more: specks", ""]
    lines.append(_line("style", ["unpainted", *numbers]))
    for pair, of_pair in found.items():
        verdicts = list(of_pair.values())
        distances = [verdict["style"] for verdict in verdicts]
        lines.append(_line(pair, [verdicts[0]["style_of_content"], *distances]))
    lines += ["", _line("mean of all pairs", [*_JUDGED, "ratio", "worst"])]
    for number, row in zip(numbers, table.values(), strict=True):
        lines.append(_line(number, ["-" if x is None else x for x in row.values()]))
    return "\n".join(lines)


def save_json(path: Path, result: dict[str, Any]) -> None:
    text = json.dumps(result, indent=1, allow_nan=False) + "\n"
    write_atomically(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def clocked() -> Callable[[str], None]:
    """What prints lines, each with the seconds from now."""
    began = time.perf_counter()

    def say(line: str) -> None:
        print(f"{time.perf_counter() - began:7.0f} s  {line}", flush=True)

    return say


def _line(name: str, cells: Sequence[str | float]) -> str:
    texts = [_short(c, _COLUMN - 2) if isinstance(c, str) else f"{c:.3f}" for c in cells]
    return f"{_short(name, _NAME):{_NAME}}" + "".join(f"{text:>{_COLUMN}}" for text in texts)


def _short(name: str, limit: int) -> str:
    """The end of it, which tells paths apart."""
    return name if len(name) <= limit else "…" + name[1 - limit :]
