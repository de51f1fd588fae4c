"""Strips: rows cut into pieces that stay in a cache, for threads to share."""


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
