"""Layer by layer, forward and backward: our operations against the frameworks' own.

Of layers with the same shapes the first stands for all. relu1_1's Gram matrix is called gram1_1.
"""

import statistics
from collections.abc import Iterable
from itertools import product
from typing import NamedTuple

import numpy as np

from manualnst.errors import InputError
from manualnst.network.network import map_shapes
from manualnst.network.vgg import Weights

from . import flops, table
from .children import for_each_picture
from .flops import Shape
from .measure import Tell, compare, in_turns, timed
from .operations import SIDES, Arrays, Ready, make_ready
from .options import Mode, Options
from .sides import STYLE_LAYERS, find_network, in_a_line, why_absent

DIRECTIONS = ("forward", "backward")
LIMITS = {"float32": 1e-3, "float64": 1e-10}  # relative error, in the Euclidean norm


class Layer(NamedTuple):
    name: str
    kind: str  # conv, relu, pool or gram
    shape: Shape  # of the map that goes in
    shape_out: Shape
    gflop: float | None  # one way
    count: int = 1  # of the layers that it stands for


def layers_of(weights: Weights, size: int, chosen: Iterable[str] | None) -> list[Layer]:
    """In the order of evaluation: one of each shape, or the chosen ones."""
    found = []
    for name, before, after in map_shapes(weights, STYLE_LAYERS, size, size):
        kind = name.rstrip("_0123456789")
        gflop = flops.convolution(before, after[2]) if kind == "conv" else None
        found.append(Layer(name, kind, before, after, gflop))
        if name in STYLE_LAYERS:
            gram = name.replace("relu", "gram")
            found.append(Layer(gram, "gram", after, (after[2], after[2]), flops.gram(after)))
    return _one_of_each(found) if chosen is None else _chosen(found, chosen)


def _one_of_each(layers: list[Layer]) -> list[Layer]:
    groups: dict[tuple, list[Layer]] = {}
    for layer in layers:
        groups.setdefault((layer.kind, layer.shape, layer.shape_out), []).append(layer)
    return [group[0]._replace(count=len(group)) for group in groups.values()]


def _chosen(layers: list[Layer], names: Iterable[str]) -> list[Layer]:
    known = {layer.name: layer for layer in layers}
    for name in names:
        if name not in known:
            raise InputError(f"--layers {name}: unknown; there are {', '.join(known)}")
    return [known[name] for name in names]


def measure(options: Options, tell: Tell, say: Tell) -> dict:
    found = []
    for result in for_each_picture(
        "layers:compare_layers", options, tell, others=options.sides, chosen=options.layers
    ):
        found.append(result)
        for line in lines(result):
            say(line)
    return {"sizes": found}


def compare_layers(
    size: int,
    network: str,
    dtype: str,
    backend: str,
    others: list[str],
    chosen: list[str] | None,
    repeats: int,
    tell: Tell,
) -> dict:
    weights = find_network(network)
    left_out = {name: reason for name in others if (reason := why_absent(name))}
    rows = []
    for layer in layers_of(weights, size, chosen):
        tell(f"{layer.name}: preparing")
        arrays = make_arrays(layer, weights, dtype)
        sides = {backend: make_ready(backend, layer.kind, arrays)}
        for name in filter(lambda name: name not in left_out, others):
            try:
                sides[name] = make_ready(name, layer.kind, arrays)
            except Exception as error:
                left_out[name] = f"{layer.name}: {in_a_line(error)}"
        check_agreement(layer.name, sides, backend, LIMITS[dtype])
        rows.append(_time(layer, sides, backend, repeats, tell))
    return {
        "size": size,
        "network": network,
        "dtype": dtype,
        "ours": backend,
        "left out": left_out,
        "layers": rows,
    }


def make_arrays(layer: Layer, weights: Weights, dtype: str) -> Arrays:
    """Read-only, as a network's filters are: a backend may remember what it makes of them."""
    rng = np.random.default_rng(0)
    arrays = {
        "x": rng.standard_normal(layer.shape, np.float32),
        "dL_dy": rng.standard_normal(layer.shape_out, np.float32),
    }
    if layer.kind == "conv":
        arrays["w"], arrays["b"] = weights.layers[layer.name]
    arrays = {name: array.astype(dtype) for name, array in arrays.items()}
    for array in arrays.values():
        array.flags.writeable = False
    return arrays


def check_agreement(layer: str, sides: dict[str, Ready], ours: str, limit: float) -> None:
    """Refuses results that differ from ours."""
    expected = sides[ours].results()
    for name, side in sides.items():
        for direction, theirs, own in zip(DIRECTIONS, side.results(), expected, strict=True):
            error = np.linalg.norm(theirs - own) / np.linalg.norm(own)
            if not error < limit:
                raise InputError(
                    f"{layer} {direction}: {name} and {ours} do not compute the same: they "
                    f"differ by {error:.1e} (allowed: {limit:.0e}); nothing was timed"
                )


def _time(layer: Layer, sides: dict[str, Ready], ours: str, repeats: int, tell: Tell) -> dict:
    row = layer._asdict()
    for direction in DIRECTIONS:
        calls = {name: timed(getattr(side, direction)) for name, side in sides.items()}
        for call in calls.values():
            call()
        seconds = in_turns(calls, repeats, lambda text: tell(f"{layer.name}, {text}"))
        row[direction] = {"seconds": seconds, "comparison": compare(seconds, ours)}
    return row


def lines(result: dict) -> list[str]:
    heading = ["", "map", "", result["ours"], "GFLOP/s", "best other", "", "ratio"]
    rows = [
        _row(layer, direction, result["ours"])
        for layer in result["layers"]
        for direction in DIRECTIONS
    ]
    what = f"{table.square(result['size'])}, {result['network']}, {result['dtype']}: medians"
    found = ["", what, *table.table(heading, rows)]
    return [*found, *table.left_out(result), _sum(result)]


def _row(layer: dict, direction: str, ours: str) -> list[str]:
    seconds, comparison = layer[direction]["seconds"], layer[direction]["comparison"]
    own = statistics.median(seconds[ours])
    other = statistics.median(seconds[comparison["to"]]) if comparison else None
    return [
        layer["name"] + (f" ×{layer['count']}" if layer["count"] > 1 else ""),
        f"{'×'.join(map(str, layer['shape']))} → {layer['shape_out'][-1]}",
        direction,
        table.as_time(own),
        f"{layer['gflop'] / own:.0f}" if layer["gflop"] else "",
        comparison["to"] if comparison else "",
        table.as_time(other) if comparison else "",
        f"{comparison['ratio']:.2f}" if comparison else "",
    ]


def _sum(result: dict) -> str:
    """Of all rows, each as often as it stands for a layer."""
    own = others = 0.0
    for layer, direction in product(result["layers"], DIRECTIONS):
        timing = layer[direction]
        own += layer["count"] * statistics.median(timing["seconds"][result["ours"]])
        if timing["comparison"]:
            best = timing["comparison"]["to"]
            others += layer["count"] * statistics.median(timing["seconds"][best])
    found = f"{table.INDENT}all together: {table.as_time(own)}"
    if not others:
        return found
    return f"{found}; the fastest others, layer by layer: {table.as_time(others)}"


MODE = Mode(
    measure,
    heeds=frozenset({"sizes", "network", "dtype", "backend", "sides", "layers", "repeats"}),
    repeats=5,
    sizes=(256,),
    sides=SIDES,
    all_sides=SIDES,
)
