"""The network: forward to the layers that are asked for, and the reverse walk back to the pixels.

The reverse walk is the only place where gradients are added: what arrives from deeper layers
and what a loss adds at a tap.
"""

from collections.abc import Callable, Container, Iterable, Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from .. import ops
from ..backends import Backend, get_backend
from ..errors import InputError
from ..ops.crop import Edges
from .tiles import UNIT, Tile, halo_of, tiles
from .vgg import (
    CONVOLUTION,
    PIXELS,
    POOLING,
    RELU,
    Weights,
    check_tap,
    halvings,
    kind_of,
    layer_names,
    relu_after,
)

POOLINGS = {
    "average": (ops.avgpool_forward, ops.avgpool_backward),
    "max": (ops.maxpool_forward, ops.maxpool_backward),
}


class _Passed(NamedTuple):
    """A step of the forward, and the way back through it."""

    name: str
    backward: Callable
    cache: Any
    crop: Any = None  # what leads back from the part that a tap has shown, if it is not the whole


class Network:
    """A VGG with its weights in one dtype, on one backend, with one kind of pooling.

    With a margin it sees every picture go on that far beyond its borders, as its reflection. The
    maps that it shows have the size that they would have without.
    """

    def __init__(
        self,
        weights: Weights,
        *,
        backend: Backend,
        pool: str = "average",
        margin: int = 0,
        dtype=np.float32,
    ):
        if pool not in POOLINGS:
            raise InputError(f"unknown pooling {pool!r}; choose one of {', '.join(POOLINGS)}")
        self.backend = backend
        self.dtype = np.dtype(dtype)
        self._preprocessing = weights.preprocessing
        self._filters = {
            name: (backend.from_host(_constant(w, dtype)), backend.from_host(_constant(b, dtype)))
            for name, (w, b) in weights.layers.items()
        }
        self._pool = pool
        self._margin = margin
        self._fuses = backend.fused_forward is not None and self.dtype.kind == "f"
        self._order = available_layers(weights)

    def forward(self, x, taps: Iterable[str], *, as_arrays: bool = True, tile: Tile | None = None):
        """x (H, W, 3) in [0, 1] → ({tap: its map (H_l, W_l, N_l)}, tape for `backward`).

        Stops at the deepest tap. The tap "pixels" is x itself, before its normalisation. Without
        `as_arrays` a map may be one that is made when its rows are read. With `tile`, x is what
        that tile sees, margin included, and the maps are of its own positions.
        """
        taps = set(taps)
        for tap in taps:
            check_tap(tap, self._order)
        margin = 0 if tile else self.margin_of(x)
        edges_at = tile.edges if tile else lambda halvings: Edges(*4 * (margin >> halvings,))
        features = {}
        crop = None
        if PIXELS in taps:
            features[PIXELS], crop = self._shown(x, tile.edges(0)) if tile else (x, None)
        y, cache = ops.pixels_forward(x, self._preprocessing, backend=self.backend)
        tape = [
            _Passed(PIXELS, _end_of_the_walk, None, crop),
            _Passed("input", ops.pixels_backward, cache),
        ]
        if margin:
            y, cache = ops.mirror_forward(y, margin, backend=self.backend)
            tape.append(_Passed("mirror", ops.mirror_backward, cache))
        names = self.passed(taps)
        for step in steps(names, taps, self._pool) if self._fuses else [[n] for n in names]:
            y, backward, cache = self._step_forward(step, y)
            crop = None
            if (layer := step[-1]) in taps:
                F, crop = self._shown(y, edges_at(halvings(layer)))
                features[layer] = F[:] if as_arrays else F
            tape.append(_Passed(layer, backward, cache, crop))
        return features, tape

    def cut(self, x, taps: Iterable[str], side: int):
        """x (H, W, 3) → y, x with its margin; the tiles of about `side` rows and columns, of which
        each sees a part of y; and what leads back from y: `ops.mirror_backward`'s cache."""
        margin = self.margin_of(x)
        y, mirrored = ops.mirror_forward(x, margin, backend=self.backend)
        return y, tiles(*x.shape[:2], side, halo_of(self.passed(taps)), margin), mirrored

    def margin_of(self, x) -> int:
        return margin_of(x.shape, self._margin)

    def passed(self, taps: Iterable[str]) -> list[str]:
        """The layers that a forward to these taps passes through."""
        return self._order[: _depth(self._order, taps)]

    def backward(self, dL_dF: dict, tape: list):
        """{tap: dL_dF of its map} and the forward's tape → dL_dx (H, W, 3).

        In the place of an array there may be a function that takes what arrived from deeper
        layers (None at the deepest tap) and returns it with the tap's own added: a large
        gradient then need not exist twice.
        """
        unknown = set(dL_dF) - {passed.name for passed in tape}
        if unknown or not dL_dF:
            raise InputError(
                f"Network.backward: gradients for {sorted(unknown) or 'no layer'}, but the forward "
                f"passed through {', '.join(passed.name for passed in tape)}"
            )
        gradient = None
        for passed in reversed(tape):
            if passed.name in dL_dF:
                gradient = self._added(gradient, dL_dF[passed.name], passed.crop)
            if gradient is not None:
                gradient = passed.backward(gradient, passed.cache, backend=self.backend)
        return gradient

    def _shown(self, y, edges: Edges):
        """The part of a map that a tap shows, and what leads back from it."""
        return ops.crop_forward(y, edges, backend=self.backend) if any(edges) else (y, None)

    def _added(self, gradient, at_tap, crop):
        """What arrived from deeper layers, if anything, with what is given at a tap."""
        if crop is None:
            if callable(at_tap):
                return at_tap(gradient)
            return at_tap if gradient is None else gradient + at_tap
        if callable(at_tap):
            add_in_place = self.backend.crop_backward_in_place
            if gradient is not None and add_in_place is not None:
                return add_in_place(at_tap, crop, gradient)
            at_tap = at_tap(None)
        return ops.crop_backward(at_tap, crop, gradient, backend=self.backend)

    def _step_forward(self, names: list[str], x):
        if len(names) == 1:
            return self._layer_forward(names[0], x)
        w, b = self._filters[names[0]]
        return _with_backward(
            ops.fused_forward(x, w, b, len(names) == 3, backend=self.backend), ops.fused_backward
        )

    def _layer_forward(self, name: str, x):
        """A layer's output, the function that goes back through it, and that one's cache."""
        if kind_of(name) == CONVOLUTION:
            w, b = self._filters[name]
            return _with_backward(
                ops.conv3x3_forward(x, w, b, backend=self.backend), ops.conv3x3_backward
            )
        if kind_of(name) == RELU:
            return _with_backward(ops.relu_forward(x, backend=self.backend), ops.relu_backward)
        pool_forward, pool_backward = POOLINGS[self._pool]
        return _with_backward(pool_forward(x, backend=self.backend), pool_backward)


def _end_of_the_walk(dL_dx, _cache, *, backend):
    """Nothing lies before the pixels."""
    return dL_dx


def _constant(parameters: np.ndarray, dtype) -> np.ndarray:
    """A copy that cannot be changed, so that a backend may remember what it makes of it."""
    copied = np.array(parameters, dtype, order="C")
    copied.flags.writeable = False
    return copied


def _with_backward(output_and_cache, backward):
    y, cache = output_and_cache
    return y, backward, cache


def available_layers(weights: Weights) -> list[str]:
    """The layers that these weights reach: to the ReLU of their last convolution."""
    order = layer_names(weights.architecture)
    last = relu_after(list(weights.layers)[-1])
    return order[: order.index(last) + 1]


def steps(names: Iterable[str], taps: Container[str], pool: str) -> Iterator[list[str]]:
    """These layers, those together that can be done in one pass: what no tap wants to see between
    a convolution, its ReLU and the average pooling after it."""
    names = list(names)
    while names:
        kinds = [kind_of(name) for name in names[:3]]
        length = 1
        if kinds[:2] == [CONVOLUTION, RELU] and names[0] not in taps:
            pooled = kinds[2:] == [POOLING] and pool == "average" and names[1] not in taps
            length = 3 if pooled else 2
        yield names[:length]
        names = names[length:]


def margin_of(shape: tuple[int, ...], margin: int) -> int:
    """As much of the margin as a picture of this (height, width, …) can be mirrored."""
    return min(margin, *(side - 1 for side in shape[:2])) // UNIT * UNIT


def with_margin(height: int, width: int, margin: int) -> tuple[int, int]:
    """The size at which the convolutions see a picture of this size."""
    around = 2 * margin_of((height, width), margin)
    return height + around, width + around


def map_shapes(
    weights: Weights, taps: Iterable[str], height: int, width: int
) -> Iterator[tuple[str, tuple[int, int, int], tuple[int, int, int]]]:
    """What a forward to these taps passes through: (layer, shape before, shape after).

    Refuses unknown taps, and a picture that is too small to be pooled so often.
    """
    order = available_layers(weights)
    taps = set(taps)
    for tap in taps:
        check_tap(tap, order)
    passed = order[: _depth(order, taps)]
    need = 2 ** sum(kind_of(name) == POOLING for name in passed)
    if min(height, width) < need:
        raise InputError(
            f"a picture of {width} × {height} is too small for {passed[-1]}: it needs at least "
            f"{need} pixels each way; use a larger one or shallower layers"
        )
    shape = (height, width, 3)
    for name in passed:
        before = shape
        if kind_of(name) == CONVOLUTION:
            shape = (*shape[:2], weights.layers[name][0].shape[3])
        elif kind_of(name) == POOLING:
            shape = (shape[0] // 2, shape[1] // 2, shape[2])
        yield name, before, shape


def _depth(order: list[str], taps: Iterable[str]) -> int:
    """How many layers have to be evaluated to reach the deepest tap."""
    return max((order.index(tap) + 1 for tap in taps if tap != PIXELS), default=0)


def normalise_filters(
    weights: Weights,
    pictures: Iterable[np.ndarray],
    *,
    pool: str = "average",
) -> Weights:
    """The paper's normalised form: every filter's mean activation over the pictures becomes 1.

    With m_l[k] the mean of map k of layer l after its ReLU, the new filters are

        w'_l[u,v,c,k] = w_l[u,v,c,k] · m_{l−1}[c] / m_l[k]      b'_l[k] = b_l[k] / m_l[k]

    As ReLU and pooling commute with a positive factor, each map is the old one divided by its
    m_l[k], and the next layer undoes that: what the network computes stays the same. A filter
    that never responds keeps its scale.
    """
    network = Network(weights, backend=get_backend("numpy"), pool=pool)
    relus = [relu_after(name) for name in weights.layers]
    sums = dict.fromkeys(relus, 0.0)
    positions = dict.fromkeys(relus, 0)
    for picture in pictures:
        for name, F in _maps_one_by_one(network, picture):
            if name in relus:
                sums[name] = sums[name] + F.sum(axis=(0, 1), dtype=np.float64)
                positions[name] += F.shape[0] * F.shape[1]
    if not positions[relus[0]]:
        raise InputError("normalise_filters: no pictures were given to measure activations on")
    layers = {}
    m_before = np.ones(3)
    for (name, (w, b)), relu in zip(weights.layers.items(), relus, strict=True):
        m = sums[relu] / positions[relu]
        m = np.where(m > 0, m, 1.0)
        scaled_w = w * m_before[:, None] / m  # broadcasts over (3, 3, C_in, C_out)
        layers[name] = scaled_w.astype(w.dtype), (b / m).astype(b.dtype)
        m_before = m
    provenance = weights.provenance | {"normalised": "mean activation of every filter is 1"}
    # What is recommended stays, although other shares may be better at other scales of filters.
    return replace(weights, layers=layers, provenance=provenance)


def _maps_one_by_one(network: Network, picture: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """Every layer's map, without the tape, which would keep all of them in memory."""
    y, _ = ops.pixels_forward(picture, network._preprocessing, backend=network.backend)
    for name in network._order:
        y = network._layer_forward(name, y)[0]
        yield name, y
