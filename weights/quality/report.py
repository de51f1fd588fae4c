"""What was found: as a table, as JSON, and as sheets to look at."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from manualnst.images import resize, save_picture

from .distances import STATISTICS
from .synthesis import DEPTHS

ITSELF = "itself"  # the place of a network for a picture's own halves
_MEAN = "mean"
_NUMBER = 8  # characters of a column
_HEADING = 24  # pixels above the columns of a sheet


def means(found: dict[str, dict[str, dict[str, float]]]) -> dict[str, dict[str, float]]:
    """{picture: {network: {statistic: distance}}} → {network: {statistic, "mean", "ratio"}}.

    "mean" is that of all statistics, and "ratio" how that compares with the first network's.
    """
    networks = next(iter(found.values()))
    table = {}
    for network in networks:
        of_network = [distances[network] for distances in found.values()]
        row = {name: float(np.mean([each[name] for each in of_network])) for name in STATISTICS}
        table[network] = row | {_MEAN: float(np.mean(list(row.values())))}
    first = next(name for name in networks if name != ITSELF)
    for row in table.values():
        row["ratio"] = row[_MEAN] / table[first][_MEAN]
    return table


def texture_table(found: dict[str, dict[str, dict[str, float]]]) -> str:
    """Two tables: each picture's mean distance by network, and each network's by statistic."""
    networks = list(next(iter(found.values())))
    labels = [_short(name) for name in networks]
    lines = ["texture: distance in units of the original's spread, 0 is the same", ""]
    lines.append(_line("picture", labels))
    for picture, distances in found.items():
        numbers = [np.mean(list(distances[network].values())) for network in networks]
        lines.append(_line(picture, numbers))
    columns = (*STATISTICS, _MEAN, "ratio")
    lines += ["", _line("mean of all pictures", columns)]
    for network, row in means(found).items():
        lines.append(_line(network, [row[name] for name in columns]))
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


def _line(name: str, cells: Sequence[str | float]) -> str:
    texts = [cell if isinstance(cell, str) else f"{cell:.3f}" for cell in cells]
    return f"{_short(name, 28):28}" + "".join(
        f"{text:>{max(_NUMBER, len(text) + 2)}}" for text in texts
    )


def _short(name: str, limit: int = 16) -> str:
    """The end of it, which tells paths apart."""
    return name if len(name) <= limit else "…" + name[1 - limit :]


def save_sheet(path: Path, headings: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Pictures (H, W, 3) side by side under their headings; all of a row have one size."""
    wide = max(picture.shape[1] for row in rows for picture in row)
    lines = [_headings(headings, wide)]
    for row in rows:
        lines.append(np.concatenate([_widened(picture, wide) for picture in row], axis=1))
    save_picture(path, np.concatenate(lines))


def _widened(picture: np.ndarray, wide: int) -> np.ndarray:
    height, width = picture.shape[:2]
    return resize(picture, max(1, round(height * wide / width)), wide)


def _headings(texts: Sequence[str], wide: int) -> np.ndarray:
    image = Image.new("RGB", (wide * len(texts), _HEADING), "white")
    pen, font = ImageDraw.Draw(image), ImageFont.load_default(size=14)
    for n, text in enumerate(texts):
        pen.text((n * wide + 4, 3), _short(text, wide // 9), "black", font)
    return np.asarray(image, np.float32) / 255


def as_json(
    found: dict[str, Any], rebuilt: dict[str, Any], facts: dict[str, Any]
) -> dict[str, Any]:
    return facts | {"textures": found, "means": means(found), "reconstructions": rebuilt}
