"""The memory of L-BFGS on a card: see optimizers/lbfgs.py for what it is.

Each of the two loops is made of scalar products, and gives a sum of multiples of pictures (Chen,
Wang and Zhou 2014). So a kernel adds up all products that a loop needs, the host runs it over the
factors alone, and another kernel makes the sum: first the loop back, then, after H of the bands,
the loop forth, and the next picture with it. The host waits twice. All of that is done before it
is known whether the step lowers the loss enough, as it nearly always does; where it does not, the
next attempt takes the same places.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..bands import Bands
from .card import Card

_THREADS = 256
_BLOCKS = 128  # for the sums of a pair; fixed, so that they do not depend on the card
# Those of a pair, see lbfgs.cu.
_F_S, _S_Y, _Y_S, _S_S, _Y_Y, _SLOPE, _NOT_FINITE, _SUMS = range(8)


class _Ahead(NamedTuple):
    """What follows from a picture and its gradient, if the pair that led there is learned."""

    x: Any  # (H, W, 3)
    g: Any
    slope: float
    is_finite: bool
    learned: bool
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
        self._s_y = np.zeros((places, places))  # the products of all s and y by place
        self._bands = Bands(x, card.cupy.asarray)
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
        """−H g, which points downhill, as no pair without curvature is learned; and the largest
        entry of the free g."""
        ahead = self._ahead
        if ahead is None or ahead.x is not x or ahead.g is not g:
            ahead = self._look_ahead(x, x, g, g, learn=False)
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
        blocks, empty = self._blocks * (self._count + 1), self._card.cupy.empty
        results = empty(((self._count + 1) * _SUMS + 1,), np.float64)
        self._card.launch(
            "meet", x.dtype, blocks, _THREADS, x, x_new, g, g_new, self._s, self._y,
            self._partial, self._largest, self._arrived, results, *ring,
        )  # fmt: skip
        found = results.get()
        sums, largest = found[:-1].reshape(-1, _SUMS), found[-1]
        new, newest = sums[-1], self._place(self._count)
        places = [self._place(age) for age in range(self._count + 1)]
        self._s_y[newest, places], self._s_y[places, newest] = sums[:, _S_Y], sums[:, _Y_S]
        # Not from pairs that met no curvature: they would make H indefinite.
        learned = learn and bool(new[_S_Y] > 1e-6 * np.sqrt(new[_S_S] * new[_Y_Y]))
        ages = range(learned and self._count == self._size, self._count + learned)
        used = [places[age] for age in ages]
        s_y = self._s_y[np.ix_(used, used)]
        alphas, of_s = np.zeros((2, len(used)))
        for n in reversed(range(len(used))):
            alphas[n] = (sums[ages[n], _F_S] - s_y[n] @ alphas) / s_y[n, n]
        r = self._empty_like(x)
        self._for_each("back", x, x_new, g_new, self._y, self._by_age(-alphas, ages), r, *ring)
        if used:
            r = self._bands.times(self._bands.multiples(self._s[used[-1]], self._y[used[-1]]), r)
            products = empty((self._count + 1,), np.float64)
            self._card.launch(
                "products", x.dtype, blocks, _THREADS,
                self._y, r, self._partial, self._arrived, products, *ring,
            )  # fmt: skip
            y_r = products.get()
            for n, age in enumerate(ages):
                of_s[n] = alphas[n] - (y_r[age] + of_s @ s_y[:, n]) / s_y[n, n]
        d, next_x, of_s = self._empty_like(x), self._empty_like(x), self._by_age(of_s, ages)
        self._for_each("forth", x, x_new, g_new, r, self._s, of_s, d, next_x, *ring)
        is_finite = new[_NOT_FINITE] == 0
        self._ahead = _Ahead(x_new, g_new, new[_SLOPE], is_finite, learned, largest, d, next_x)
        return self._ahead

    def _by_age(self, factors: np.ndarray, ages: range):
        """On the card, with zeros for the pairs that have no part."""
        by_age = np.zeros(self._count + 1)
        by_age[ages] = factors
        return self._card.cupy.asarray(by_age)

    def _place(self, age: int) -> int:
        """The place of a pair in the ring; the oldest has the age 0."""
        return (self._first + age) % (self._size + 1)

    def _empty_like(self, x):
        return self._card.cupy.empty(x.shape, x.dtype)

    def _for_each(self, name: str, like, *arguments) -> None:
        blocks = min(-(-like.size // _THREADS), 16 * self._card.multiprocessors)
        self._card.launch(name, like.dtype, blocks, _THREADS, *arguments)
