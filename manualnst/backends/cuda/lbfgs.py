"""The memory of L-BFGS on a card: see optimizers.py for what it is.

The two loops are made of scalar products of g, of the s and of the y, and the result is a sum of
multiples of these. So the products are computed first, those that are new; the loops run over the
factors alone, on the host; and a second pass over the pictures makes the sum (Chen, Wang and Zhou
2014). The host waits three times in a step here, not at each of its forty products.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from .card import Card

_THREADS = 256
_BLOCKS = 128  # for a group of vectors; fixed, so that sums do not depend on the card


class _Pair(NamedTuple):
    s: Any  # (H, W, 3)
    y: Any  # (H, W, 3)
    # ⟨y, ·⟩ with itself and the s and y of the pairs before it, and ⟨s, ·⟩ with their y.
    y_y: dict[int, float]  # by the number of the other pair
    y_s: dict[int, float]
    s_y: dict[int, float]


class Memory:
    def __init__(self, card: Card, size: int, arrays: dict[str, Any], way: Callable):
        self._card, self._size, self._way = card, size, way
        self._pairs: dict[int, _Pair] = {}  # by number, the newest last
        self._next = 0
        for n in range(size):
            if f"s{n}" in arrays and f"y{n}" in arrays:
                self._take(arrays[f"s{n}"], arrays[f"y{n}"])

    def __bool__(self) -> bool:
        return bool(self._pairs)

    def arrays(self) -> dict[str, Any]:
        pairs = enumerate(self._pairs.values())
        return {f"{k}{n}": getattr(pair, k) for n, pair in pairs for k in "sy"}

    def forget(self) -> None:
        self._pairs = {}

    def direction(self, x, g) -> tuple[Any, float]:
        """−H g, downhill without H if it points uphill; and the largest entry of the free g."""
        free = self._card.cupy.empty(g.shape, g.dtype)
        self._for_each("free_gradient", g, x, g, free, np.int64(g.size))
        vectors = [array for pair in self._pairs.values() for array in (pair.s, pair.y)]
        largest = np.max(np.abs(free)).astype(np.float64).reshape(1)
        largest, *products = _fetched(largest, self._products(free, [free, *vectors]))
        factors = self._factors(products[1::2], products[2::2])
        if np.dot(factors, products) <= 0:  # ⟨g, H g⟩
            self.forget()
            vectors, factors = [], [1.0]
        return self._sum(x, g, [free, *vectors], factors), largest

    def moved(self, x, t: float, d):
        x_new = self._card.cupy.empty(x.shape, x.dtype)
        self._for_each("moved", x, x, float(t), d, x_new, np.int64(x.size))
        return x_new

    def way(self, x, x_new, g, g_new):
        """What optimizers.Way holds."""
        empty = self._card.cupy.empty
        s, y = (empty(x.shape, x.dtype) for _ in range(2))
        blocks = min(-(-x.size // _THREADS), _BLOCKS)
        partial = empty((blocks, 2), np.float64)
        self._card.launch(
            "way", x.dtype, blocks, _THREADS, x, x_new, g, g_new, s, y, partial, np.int64(x.size)
        )
        slope, not_finite = _fetched(self._sum_of_rows(partial, x.dtype))
        return self._way(s, y, slope, not_finite == 0)

    def learn(self, s, y) -> None:
        """Not from pairs that met no curvature: they would make H indefinite."""
        before = self._pairs, self._next
        s_s = self._take(s, y)
        newest = self._next - 1
        pair = self._pairs[newest]
        if pair.s_y[newest] <= 1e-6 * (s_s * pair.y_y[newest]) ** 0.5:
            self._pairs, self._next = before
        elif len(self._pairs) > self._size:
            oldest = next(iter(self._pairs))
            self._pairs = {n: pair for n, pair in self._pairs.items() if n != oldest}

    def _take(self, s, y) -> float:
        """A new pair, with its products; ⟨s, s⟩, which nothing else needs."""
        numbers = [*self._pairs, self._next]
        all_s = [*(pair.s for pair in self._pairs.values()), s]
        all_y = [*(pair.y for pair in self._pairs.values()), y]
        products = _fetched(*(self._products(a, [*all_s, *all_y]) for a in (y, s)))
        count = len(numbers)
        y_s, y_y, s_s, s_y = (products[n * count : (n + 1) * count] for n in range(4))
        by_number = [dict(zip(numbers, each, strict=True)) for each in (y_y, y_s, s_y)]
        self._pairs = self._pairs | {self._next: _Pair(s, y, *by_number)}
        self._next += 1
        return s_s[-1]

    def _factors(self, g_s: list[float], g_y: list[float]) -> list[float]:
        """Of g, s, y, s, y … in H g, by the two loops."""
        numbers = list(self._pairs)
        of_s, of_y = dict.fromkeys(numbers, 0.0), dict.fromkeys(numbers, 0.0)
        of_g = 1.0
        with_s = dict(zip(numbers, g_s, strict=True))
        with_y = dict(zip(numbers, g_y, strict=True))
        for n in reversed(numbers):
            s_q = with_s[n] + sum(of_y[m] * self._s_y(n, m) for m in numbers)
            of_y[n] = -s_q / self._s_y(n, n)
        alphas = {n: -of_y[n] for n in numbers}
        if numbers:
            newest = numbers[-1]
            of_g = self._s_y(newest, newest) / self._y_y(newest, newest)
            of_y = {n: of_g * factor for n, factor in of_y.items()}
        for n in numbers:
            y_q = of_g * with_y[n]
            y_q += sum(of_y[m] * self._y_y(n, m) + of_s[m] * self._s_y(m, n) for m in numbers)
            of_s[n] = alphas[n] - y_q / self._s_y(n, n)
        return [of_g, *(factor for n in numbers for factor in (of_s[n], of_y[n]))]

    def _s_y(self, n: int, m: int) -> float:
        """⟨s of pair n, y of pair m⟩."""
        return self._pairs[n].s_y[m] if n >= m else self._pairs[m].y_s[n]

    def _y_y(self, n: int, m: int) -> float:
        return self._pairs[max(n, m)].y_y[min(n, m)]

    # What the card does

    def _for_each(self, name: str, like, *arguments) -> None:
        blocks = min(-(-like.size // _THREADS), 16 * self._card.multiprocessors)
        self._card.launch(name, like.dtype, blocks, _THREADS, *arguments)

    def _products(self, a, vectors: list):
        """⟨a, ·⟩ with each of them, on the card."""
        count, empty = len(vectors), self._card.cupy.empty
        blocks = min(-(-a.size // _THREADS), _BLOCKS)
        partial = empty((blocks, count), np.float64)
        self._card.launch(
            "products_with", a.dtype, blocks * -(-count // 4), _THREADS,
            a, self._addresses(vectors), partial, np.int64(a.size), count,
        )  # fmt: skip
        return self._sum_of_rows(partial, a.dtype)

    def _sum_of_rows(self, partial, real):
        rows, columns = partial.shape
        total = self._card.cupy.empty(columns, np.float64)
        self._card.launch(
            "sum_of_rows", real, columns, _THREADS, partial, 1.0, total, rows, columns
        )
        return total

    def _sum(self, x, g, vectors: list, factors: list[float]):
        d = self._card.cupy.empty(g.shape, g.dtype)
        self._for_each(
            "direction", g, x, g, self._addresses(vectors),
            self._card.cupy.asarray(np.array(factors)), d, np.int64(g.size), len(vectors),
        )  # fmt: skip
        return d

    def _addresses(self, vectors: list):
        return self._card.cupy.asarray(np.array([v.data.ptr for v in vectors], np.uint64))


def _fetched(*numbers) -> list[float]:
    """Arrays of numbers of the card in one list, for which the host waits once."""
    together = numbers[0] if len(numbers) == 1 else np.concatenate(numbers)
    return together.get().tolist()
