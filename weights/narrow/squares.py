"""A narrow network by least squares: which of the teacher's channels to keep, and their filters.

Layer by layer, from the first: of the teacher's maps those channels are kept from which the others
can best be made, and the new filters are those that come nearest to the teacher's values before
the ReLU from what the narrow network has one layer below.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy.linalg import cho_factor, cho_solve, qr

from manualnst import threads

from . import layers, network
from .network import Parameters

PLACES = 400  # in each crop at which filters are fitted, at most
RIDGE = 1e-4  # of the mean of the diagonal


def pivots(moments: np.ndarray, count: int) -> np.ndarray:
    """The channels to keep, in their order: (count,).

    `moments` (C, C) are the mean products of two channels. Greedy: each next channel is that of
    which most is left when all that the chosen ones can tell of it is taken away. With S = RᵀR
    that is the pivoted QR decomposition of R, whose columns have the lengths and angles of the
    channels.
    """
    values, vectors = np.linalg.eigh(moments)
    R = (vectors * np.sqrt(np.maximum(values, 0))).T
    *_, order = qr(R, mode="economic", pivoting=True)
    return np.sort(order[:count])


def fit(patches: Sequence[np.ndarray], wanted: Sequence[np.ndarray]) -> tuple:
    """Patches (n, 9C) and what to make of them (n, K), both in blocks → w (3, 3, C, K), b (K,).

    With a one for the bias at the end of every patch, P, and what is wanted, Z, the sum
    |P u − Z|² + ρ |u|² is least where (PᵀP + ρ) u = PᵀZ.
    """
    size = patches[0].shape[1] + 1
    PTP, PTZ = np.zeros((size, size)), np.zeros((size, wanted[0].shape[1]))
    for block, z in zip(patches, wanted, strict=True):
        P = np.pad(block, ((0, 0), (0, 1)), constant_values=1)
        PTP += P.T @ P
        PTZ += P.T @ z
    PTP[np.diag_indices(size)] += RIDGE * np.trace(PTP) / size
    u = cho_solve(cho_factor(PTP, lower=True, overwrite_a=True), PTZ).astype(np.float32)
    return u[:-1].reshape(3, 3, -1, u.shape[1]), u[-1]


def narrowed(
    teacher: Parameters,
    widths: dict[str, int],
    x: np.ndarray,
    seed: int,
    tell: Callable[[str], None],
) -> tuple[Parameters, dict[str, np.ndarray]]:
    """x (n, SIDE, SIDE, 3), crops as the preprocessing makes them → parameters, channels kept.

    The first convolution's filters are the teacher's own.
    """
    blocks = np.array_split(x, max(1, len(x) // 4))
    below = theirs = blocks  # the maps that reach a convolution, narrow and the teacher's
    parameters: Parameters = {}
    kept: dict[str, np.ndarray] = {}
    for name in widths:
        if network.starts_block(name):
            below, theirs = (_each(layers.avgpool_forward, maps) for maps in (below, theirs))
        w, b = teacher[f"{name}.w"], teacher[f"{name}.b"]
        theirs = _each(lambda maps, w=w: layers.conv3x3_forward(maps, w), theirs)
        kept[name] = own = pivots(_moments(theirs, b), widths[name])
        if name == "conv1_1":
            narrow = w[..., own], b[own]
        else:
            narrow = _fitted(below, theirs, b, own, np.random.RandomState([seed, 1, len(kept)]))
        parameters[f"{name}.w"], parameters[f"{name}.b"] = narrow
        theirs = _each(lambda maps, b=b: layers.bias_relu_forward(maps, b), theirs)
        one = {key: value for key, value in parameters.items() if key.startswith(name)}
        below = _each(lambda maps, one=one: _through(one, maps), below)
        tell(f"fitting: {name}")
    return parameters, kept


def _through(layer: Parameters, maps):
    w, b = layer.values()
    return layers.bias_relu_forward(layers.conv3x3_forward(maps, w), b)


def _each(function, blocks: Sequence[np.ndarray]) -> list[np.ndarray]:
    results = [None] * len(blocks)

    def work(k: int) -> None:
        results[k] = function(blocks[k])

    threads.for_each(work, range(len(blocks)))
    return results


def _moments(before_relu: Sequence[np.ndarray], b) -> np.ndarray:
    """Mean products of the channels after the ReLU: (C, C)."""

    def products(z):
        y = np.maximum(z + b, 0).reshape(-1, len(b))
        return y.T @ y / len(y)

    return np.mean(_each(products, before_relu), axis=0, dtype=np.float64)


def _fitted(below, theirs, b, own, random: np.random.RandomState) -> tuple:
    """The filters that come nearest at places drawn by lot, in every block of crops."""
    patches, wanted = [], []
    for maps, z in zip(below, theirs, strict=True):
        n, H, W, _ = maps.shape
        each = min(PLACES, H * W)
        crops = np.repeat(np.arange(n), each)
        places = np.concatenate([random.choice(H * W, each, replace=False) for _ in range(n)])
        windows = sliding_window_view(
            np.pad(maps, ((0, 0), (1, 1), (1, 1), (0, 0))), (3, 3), (1, 2)
        )
        found = windows[crops, places // W, places % W]  # (n · each, C, 3, 3)
        patches.append(found.transpose(0, 2, 3, 1).reshape(len(found), -1))
        wanted.append(z.reshape(n, H * W, -1)[crops, places][:, own] + b[own])
    return fit(patches, wanted)
