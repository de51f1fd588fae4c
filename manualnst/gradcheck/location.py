"""Where a gradient is wrong, in words."""

from collections.abc import Iterator, Mapping

import numpy as np


def locate(wrong: np.ndarray, arguments: Mapping, given: np.ndarray | None = None) -> str:
    """The smallest place that holds all entries that are wrong; and whether they were left out."""
    zeros = ""
    if given is not None and not np.any(given[wrong]):
        zeros = "; there yours is zero"
    if np.count_nonzero(wrong) == 1:
        return f"1 of {wrong.size} entries is wrong{zeros}"
    count = f"{np.count_nonzero(wrong)} of {wrong.size} entries are wrong"
    holding = [
        (np.count_nonzero(place), words)
        for words, place in _places(wrong.shape, arguments)
        if np.all(place[wrong]) and not np.all(place)
    ]
    return f"{count}, all of them {min(holding)[1]}{zeros}" if holding else f"{count}{zeros}"


def _places(shape: tuple[int, ...], arguments: Mapping) -> Iterator[tuple[str, np.ndarray]]:
    for axis, name in enumerate(("row", "column", "channel")[: len(shape)]):
        position = np.indices(shape)[axis]
        last = shape[axis] - 1
        yield f"in the last {name}", position == last
        for n in range(last):
            yield f"in {name} {n}", position == n
        if axis < 2:
            yield f"in the first or last {name}", (position == 0) | (position == last)
        if last > 1:
            yield f"in a {name} that is not the first", position > 0
            yield f"in a {name} that is not the last", position < last
    if len(shape) > 1:
        rows, columns = np.indices(shape)[:2]
        yield "in the last row or column", (rows == shape[0] - 1) | (columns == shape[1] - 1)
        yield "in the first row or column", (rows == 0) | (columns == 0)
        inside = np.zeros(shape, bool)
        inside[1:-1, 1:-1] = True
        yield "on the border", ~inside
        yield "off the border", inside
    for name, value in arguments.items():
        if isinstance(value, np.ndarray) and value.shape == shape:
            yield f"where {name} > 0", value > 0
            yield f"where {name} ≤ 0", value <= 0
