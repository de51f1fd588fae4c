"""A narrow network by least squares: which of the teacher's channels to keep, and their filters.

Layer by layer, from the first: of the teacher's maps those channels are kept from which the others
can best be made, and the new filters are those that come nearest to the teacher's values before
the ReLU from what the narrow network has one layer below.
"""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy.linalg import cho_factor, cho_solve, qr

from . import layers, network
from .network import Parameters
from .parallel import mapped

PLACES = 400  # in each crop at which filters are fitted, at most
RIDGE = 1e-4  # of the mean of the diagonal


def pivots(moments: np.ndarray, count: int) -> np.ndarray:
    """The channels to keep, in their order: (count,).

    Greedy: each next channel is that of which most is left when all that the chosen ones can tell
    of it is taken away. Take the channels as columns x_c, with a row for every position. What sums
    of the chosen columns can tell of x_c is its projection on the space that they span, and what is
    left is r_c = x_c − Q Qᵀ x_c, where the columns of Q are an orthonormal basis of that space. The
    next channel is that with the largest |r_c|. Its r_c, brought to length 1, is the next column q
    of Q; from each of the others (qᵀ r_c) q is taken away. That is, step by step, the QR
    decomposition by Gram and Schmidt with column pivoting: its pivots are the choice.

    It asks for nothing but inner products of columns, so any R with the same ones does in the place
    of all those rows. `moments`, S (C, C), are the mean products of two channels, V Λ Vᵀ by its
    eigenvectors: R = √Λ Vᵀ has S = RᵀR.

    Not the best set of all, to find which all would have to be tried.
    """
    values, vectors = np.linalg.eigh(moments)
    R = (vectors * np.sqrt(np.maximum(values, 0))).T
    *_, order = qr(R, mode="economic", pivoting=True)
    return np.sort(order[:count])


def fit(patches: Sequence[np.ndarray], wanted: Sequence[np.ndarray]) -> tuple:
    """Patches (n, 9C) and what to make of them (n, K), both in blocks → w (3, 3, C, K), b (K,).

    With P the patches, each with a one for the bias at its end, and Z what is wanted, the sum of
    squares

        |P u − Z|² + ρ |u|²          has the gradient by u          2 Pᵀ (P u − Z) + 2 ρ u

    and is least where that is 0: (PᵀP + ρ) u = PᵀZ. Both products are sums over rows, so blocks
    of rows can be taken one by one. A small ρ keeps filters small that hardly change P u, as where
    channels nearly are sums of others.
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
            below, theirs = (mapped(layers.avgpool_forward, maps) for maps in (below, theirs))
        w, b = teacher[f"{name}.w"], teacher[f"{name}.b"]
        theirs = mapped(partial(layers.conv3x3_forward, w=w), theirs)
        kept[name] = own = pivots(_moments(theirs, b), widths[name])
        if name == "conv1_1":
            narrow = w[..., own], b[own]
        else:
            narrow = _fitted(below, theirs, b, own, np.random.RandomState([seed, 1, len(kept)]))
        # As a file gives them back: products choose their way by how filters lie, and round by it.
        parameters[f"{name}.w"], parameters[f"{name}.b"] = map(np.ascontiguousarray, narrow)
        theirs = mapped(partial(layers.bias_relu_forward, b=b), theirs)
        below = mapped(partial(_through, *narrow), below)
        tell(f"fitting: {name}")
    return parameters, kept


def _through(w, b, maps):
    return layers.bias_relu_forward(layers.conv3x3_forward(maps, w), b)


def _moments(before_relu: Sequence[np.ndarray], b) -> np.ndarray:
    """Mean products of the channels after the ReLU: (C, C)."""

    def products(z):
        y = np.maximum(z + b, 0).reshape(-1, len(b))
        return y.T @ y / len(y)

    return np.mean(mapped(products, before_relu), axis=0, dtype=np.float64)


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
