"""Where a gradient is wrong, in words."""

from collections.abc import Iterator, Mapping

import numpy as np


def locate(wrong: np.ndarray, arguments: Mapping) -> str:
    """The smallest place that holds all entries that are wrong."""
    if np.count_nonzero(wrong) == 1:
        return f"1 of {wrong.size} entries is wrong"
    count = f"{np.count_nonzero(wrong)} of {wrong.size} entries are wrong"
    holding = [
        (np.count_nonzero(place), words)
        for words, place in _places(wrong.shape, arguments)
        if np.all(place[wrong]) and not np.all(place)
    ]
    return f"{count}, all of them {min(holding)[1]}" if holding else count


def _places(shape: tuple[int, ...], arguments: Mapping) -> Iterator[tuple[str, np.ndarray]]:
    for axis, name in enumerate(("row", "column", "channel")[: len(shape)]):
        position = np.indices(shape)[axis]
        last = shape[axis] - 1
        yield f"in the last {name}", position == last
        for n in range(last):
            yield f"in {name} {n}", position == n
        if axis < 2:
            yield f"in the first or last {name}", (position == 0) | (position == last)
    if len(shape) > 1:
        inside = np.zeros(shape, bool)
        inside[1:-1, 1:-1] = True
        yield "on the border", ~inside
        yield "off the border", inside
    for name, value in arguments.items():
        if isinstance(value, np.ndarray) and value.shape == shape:
            yield f"where {name} > 0", value > 0
            yield f"where {name} ≤ 0", value <= 0
