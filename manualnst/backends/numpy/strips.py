"""Strips: rows cut into pieces that stay in a cache, for threads to share."""

from collections.abc import Callable

from ...system import threads

_STRIP_BYTES = 1 << 20
_AT_LEAST = 4  # not the number of threads: sums of strips then have the same bits on any machine


def strips_of(F) -> list[slice]:
    """The rows of F (H, W, N) in strips that stay in a cache, and some for several threads; each
    larger than a few (N, N), as there may be a product of this size for each."""
    largest = max(_STRIP_BYTES, 4 * F.shape[2] ** 2 * F.dtype.itemsize)
    strips = split(len(F), max(F.nbytes // largest, _AT_LEAST))
    return [slice(rows.start, rows.stop) for rows in strips]


def sum_over_strips(F, function: Callable):
    """Σ function(rows), over strips of F."""
    partial = {}

    def add_up(rows: slice) -> None:
        partial[rows.start] = function(rows)

    strips = strips_of(F)
    threads.for_each(add_up, strips)
    return sum(partial[rows.start] for rows in strips)  # in one order, for the same bits


def split(rows: int, count: int) -> list[range]:
    """The rows in so many pieces, or fewer if there are no more rows; as equal as can be."""
    count = min(count, rows)
    ends = [rows * i // count for i in range(count + 1)]
    return [range(top, bottom) for top, bottom in zip(ends, ends[1:], strict=False)]


def add_rows(y, top: int, rows) -> None:
    """Add these rows to those of y from `top` on, as far as y reaches."""
    first, last = max(-top, 0), min(len(rows), len(y) - top)
    if first < last:
        y[top + first : top + last] += rows[first:last]
