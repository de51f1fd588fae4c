"""The memory of L-BFGS on a card: see optimizers.py for what it is.

The two loops are made of scalar products of g, of the s and of the y, and the result is a sum of
multiples of these (Chen, Wang and Zhou 2014). So a step takes two launches, and the host waits
once: the first adds up all products that are new, and its last block runs the loops over the
factors alone; the second makes the sum, and the next picture with it. All of that is done before
the host knows whether the step lowers the loss enough, as it nearly always does; where it does not,
the next attempt takes the same places.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from .card import Card

_THREADS = 256
_BLOCKS = 128  # for the sums of a pair; fixed, so that they do not depend on the card
_SUMS = 9  # of a pair, see lbfgs.cu


class _Ahead(NamedTuple):
    """What follows from a picture and its gradient, if the pair that led there is learned."""

    x: Any  # (H, W, 3)
    g: Any
    slope: float
    is_finite: bool
    learned: bool
    uphill: bool
    largest: float
    d: Any
    next_x: Any  # x + d, in the box


class Memory:
    """The pairs lie in a ring, s and y side by side, with one place more than are remembered: what
    the optimiser's last state refers to is never written to."""

    def __init__(self, card: Card, size: int, x, arrays: dict[str, Any], way: Callable):
        """`x` tells the shape and dtype of all arrays."""
        empty, places = card.cupy.empty, size + 1
        self._card, self._size, self._way = card, size, way
        self._s, self._y = (empty((places, *x.shape), x.dtype) for _ in range(2))
        self._first = self._count = 0
        self._blocks = min(-(-x.size // _THREADS), _BLOCKS)
        self._partial = empty((places, self._blocks, _SUMS), np.float64)
        self._largest = empty((self._blocks,), np.float64)
        self._arrived = card.cupy.zeros((1,), np.uint32)
        self._products = empty((2, places, places), np.float64)
        self._factors = empty((1 + 2 * places,), np.float64)
        self._ahead: _Ahead | None = None
        nothing = card.cupy.zeros(x.shape, x.dtype)
        for n in range(size):
            if f"s{n}" in arrays and f"y{n}" in arrays:
                self.learn(self.way(nothing, arrays[f"s{n}"], nothing, arrays[f"y{n}"]))

    def __bool__(self) -> bool:
        return self._count > 0

    def arrays(self) -> dict[str, Any]:
        rings = {"s": self._s, "y": self._y}
        return {f"{k}{n}": rings[k][self._place(n)] for n in range(self._count) for k in "sy"}

    def forget(self) -> None:
        """The next pair goes where none was, as some state may refer to the others still."""
        self._first, self._count = self._place(self._count), 0

    def direction(self, x, g) -> tuple[Any, float]:
        """−H g, downhill without H if it points uphill; and the largest entry of the free g."""
        ahead = self._ahead
        if ahead is None or ahead.x is not x or ahead.g is not g:
            ahead = self._look_ahead(x, x, g, g, learn=False)
        if ahead.uphill:
            self.forget()
        return ahead.d, ahead.largest

    def moved(self, x, t: float, d):
        ahead = self._ahead
        if t == 1 and ahead is not None and ahead.d is d:
            return ahead.next_x
        x_new = self._empty_like(x)
        self._for_each("moved", x, x, float(t), d, x_new, np.int64(x.size))
        return x_new

    def way(self, x, x_new, g, g_new):
        """What optimizers.Way holds."""
        ahead = self._look_ahead(x, x_new, g, g_new, learn=True)
        newest = self._place(self._count)
        return self._way(self._s[newest], self._y[newest], ahead.slope, ahead.is_finite)

    def learn(self, way) -> None:
        """From the last way that was asked for, unless it met no curvature."""
        if self._ahead.learned and self._count == self._size:
            self._first = self._place(1)
        elif self._ahead.learned:
            self._count += 1

    def _look_ahead(self, x, x_new, g, g_new, learn: bool) -> _Ahead:
        ring = np.int64(x.size), self._size, self._first, self._count
        results = self._card.cupy.empty((5,), np.float64)
        self._card.launch(
            "meet", x.dtype, self._blocks * (self._count + 1), _THREADS,
            x, x_new, g, g_new, self._s, self._y, self._partial, self._largest, self._arrived,
            self._products, self._factors, results, *ring, learn,
        )  # fmt: skip
        d, next_x = self._empty_like(x), self._empty_like(x)
        self._for_each("follow", x, x_new, g_new, self._s, self._y, self._factors, d, next_x, *ring)
        slope, not_finite, learned, uphill, largest = results.get().tolist()
        self._ahead = _Ahead(
            x_new, g_new, slope, not_finite == 0, learned > 0, uphill > 0, largest, d, next_x
        )
        return self._ahead

    def _place(self, age: int) -> int:
        """Of a pair in the ring; the oldest has the age 0."""
        return (self._first + age) % (self._size + 1)

    def _empty_like(self, x):
        return self._card.cupy.empty(x.shape, x.dtype)

    def _for_each(self, name: str, like, *arguments) -> None:
        blocks = min(-(-like.size // _THREADS), 16 * self._card.multiprocessors)
        self._card.launch(name, like.dtype, blocks, _THREADS, *arguments)
