"""Which way every ReLU, maximum, order and search went: written down, or held fast.

Between kinks a network of convolutions, ReLUs and poolings is linear, so its losses are
polynomials. A difference whose points lie on both sides of a kink mixes two polynomials and is
no oracle. With the branches held fast there is only one; and by comparing the branches of two
points one knows which kink lies between them.
"""

import numpy as np

from ..backends import Backend


class Branches:
    """A backend that computes as `inner` does, and writes down the branches in `taken`; or, with
    `held`, takes those again, in the same order."""

    fused_forward = None  # a ReLU inside would go unseen

    def __init__(self, inner: Backend, held: list[np.ndarray] | None = None):
        self.taken: list[np.ndarray] = []
        self._inner = inner
        self._held = held

    def __getattr__(self, name: str):
        return getattr(self._inner, name)

    def relu_forward(self, x):
        mask = self._branch(x.real > 0)
        return np.where(mask, x, 0), mask

    def relu_backward(self, dL_dy, cache):
        return np.where(cache, dL_dy, 0)

    def maxpool_forward(self, x):
        _, (winner, shape) = self._inner.maxpool_forward(x)
        winner = self._branch(winner)
        h, w = winner.shape[:2]
        windows = x[: 2 * h, : 2 * w].reshape(h, 2, w, 2, -1).swapaxes(1, 2)
        windows = windows.reshape(h, w, 4, -1)  # in reading order, as the winners are numbered
        y = np.take_along_axis(windows, winner[:, :, None].astype(int), axis=2)[:, :, 0]
        return y, (winner, shape)

    def channel_order(self, F):
        return self._branch(self._inner.channel_order(F))

    def nearest_patches(self, F, S):
        return self._branch(self._inner.nearest_patches(F, S))

    def _branch(self, own: np.ndarray) -> np.ndarray:
        branch = own if self._held is None else self._held[len(self.taken)]
        self.taken.append(branch)
        return branch


def crossed(names: tuple[str, ...], here: list, there: list) -> str:
    """The first kink between two points, and how many there are; "" if there is none."""
    flips = [
        (name, tuple(map(int, index)))
        for name, a, b in zip(names, here[-len(names) :], there[-len(names) :], strict=True)
        for index in np.argwhere(a != b)
    ]
    if not flips:
        return ""
    (name, index), more = flips[0], len(flips) - 1
    return f"{name} at {index}" + (f" and {more} more" if more else "")
