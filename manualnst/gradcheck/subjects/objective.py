"""[E7], the gradient of the whole objective, and the ways to get its reverse walk wrong."""

from functools import partial

import numpy as np

from ...backends import get_backend
from ...network.network import Network
from ...network.vgg import (
    CONVOLUTION,
    POOLING,
    WIDTHS,
    Weights,
    block_of,
    convolution_names,
    kind_of,
    layer_names,
)
from ...network.vgg import PIXELS as PIXELS_TAP
from ...objective.objective import LossSettings, Objective
from .gram import gram
from .objective_mistakes import MISTAKES
from .objective_walk import walk
from .pixels import draw_pixels, preprocessing
from .subject import Problem, Subject

# (height, width, filters of block 1, filters of block 2): as many as there are weights to name.
_SHAPES = (
    (4, 5, 4, 5),
    (5, 4, 5, 4),
    (5, 6, 3, 6),
    (6, 4, 4, 4),
    (4, 4, 5, 7),
    (6, 5, 3, 5),
    (5, 5, 4, 6),
    (4, 6, 6, 5),
)
_LAST = "relu2_1"
# Taps before and after a ReLU, and two losses at one tap, at the deepest layer too.
_CONTENT, _STYLE = ("conv1_2", "relu2_1"), ("relu1_1", "conv1_2", "relu2_1")
_NUMPY = get_backend("numpy")


def random_weights(rng, widths, last: str, pixels, gain: float) -> Weights:
    """VGG-19 to the convolution `last`, with so many filters in each block."""
    layers, channels = {}, 3
    names = convolution_names("vgg19")
    for name in names[: names.index(last) + 1]:
        filters = widths[block_of(name) - 1]
        # Large enough that some responses exceed 6, to tell a ReLU from one that is cut off there.
        w = rng.standard_normal((3, 3, channels, filters)) * np.sqrt(gain / (9 * channels))
        layers[name] = w, 0.1 * rng.standard_normal(filters)
        channels = filters
    return Weights("vgg19", layers, preprocessing(*pixels))


def _draw(
    rng, shape, content=_CONTENT, style=_STYLE, with_tv=True, last=_LAST, gain=8.0
) -> Problem:
    H, W, *widths = shape
    pixels = draw_pixels(rng)
    weights = random_weights(rng, widths, last.replace("relu", "conv"), pixels, gain)
    x, content_picture, style_picture = rng.random((3, H, W, 3))
    network = Network(weights, backend=_NUMPY, dtype=np.float64)
    P, _ = network.forward(content_picture, content)
    S, _ = network.forward(style_picture, style)
    names = layer_names("vgg19")
    arguments = {
        "x": x,
        "pixels": pixels,
        "layers": [(name, weights.layers.get(name, ())) for name in names[: names.index(last) + 1]],
        "content": {layer: (rng.uniform(0.5, 2.0), F) for layer, F in P.items()},
        "style": {layer: (rng.uniform(0.5, 2.0), gram(F)) for layer, F in S.items()},
        "tv_weight": rng.uniform(0.1, 1.0) if with_tv else 0.0,
    }
    return Problem(arguments, _sizes(arguments), {"pictures": (content_picture, style_picture)})


def _sizes(arguments) -> dict[str, float]:
    """The weights, by which a term may be off."""
    losses = ((kind, layer) for kind in ("content", "style") for layer in arguments[kind])
    weights = {f"(weight of {k} {layer})": arguments[k][layer][0] for k, layer in losses}
    return weights | ({"tv_weight": arguments["tv_weight"]} if arguments["tv_weight"] else {})


def _objective(problem: Problem, pool: str, dtype, backend) -> Objective:
    """The package's own, of these layers, targets and weights."""
    arguments = problem.arguments
    layers = {name: parameters for name, parameters in arguments["layers"] if parameters}
    network = Network(
        Weights("vgg19", layers, preprocessing(*arguments["pixels"])),
        backend=backend,
        pool=pool,
        dtype=dtype,
    )
    weights = {
        kind: {layer: weight for layer, (weight, _) in arguments[kind].items()}
        for kind in ("content", "style")
    }
    settings = LossSettings(
        content_layers=weights["content"],
        style_layers=weights["style"],
        content_weight=sum(weights["content"].values()),
        style_weight=sum(weights["style"].values()),
        tv_weight=arguments["tv_weight"],
        normalisation="paper",
    )
    content, style = (picture.astype(dtype) for picture in problem.hidden["pictures"])
    return Objective(network, content, style, settings)


def _loss(problem, x, backend, pool):
    return _objective(problem, pool, x.dtype, backend)(x).loss


def _own(problem, backend, pool):
    x = problem.arguments["x"]
    return _objective(problem, pool, x.dtype, backend)(x).dL_dx


# The reverse walk in the student's own words: what the mistakes vary.


def _parts(x, pixels, layers, content, style, tv_weight) -> dict[str, np.ndarray]:
    """The gradient of every term."""
    alone = partial(walk, x, pixels, layers)
    parts = {f"content {name}": alone({name: term}, {}, 0.0) for name, term in content.items()}
    parts |= {f"style {name}": alone({}, {name: term}, 0.0) for name, term in style.items()}
    if tv_weight:
        parts["total variation"] = alone({}, {}, tv_weight)
    return parts


def _isolations(rng) -> list[tuple[str, Problem]]:
    """One term at a time, from the pixels to the deepest layer: the first wrong one tells where."""
    problems = [("the total variation alone", _draw(rng, _SHAPES[0], (), ()))]
    names = layer_names("vgg19")
    for name in names[: names.index(_LAST) + 1]:
        if kind_of(name) != POOLING:
            problem = _draw(rng, _SHAPES[0], (name,), (), with_tv=False)
            problems.append((f"a content loss at {name} alone", problem))
    for name in _STYLE:
        problem = _draw(rng, _SHAPES[0], (), (name,), with_tv=False)
        problems.append((f"a style loss at {name} alone", problem))
    return problems


def _subject(pool: str, **known) -> Subject:
    return Subject(
        name="objective_backward",
        identifier="E7",
        gives="dL_dx",
        variable=lambda problem: problem.arguments["x"],
        loss=partial(_loss, pool=pool),
        own=partial(_own, pool=pool),
        right=walk,
        summands=_longest_sum,
        **known,
    )


def _longest_sum(problem) -> int:
    """The longest sum of all convolutions: 9 C."""
    return max(
        parameters[0][..., 0].size for _, parameters in problem.arguments["layers"] if parameters
    )


def _branches(last: str) -> tuple[str, ...]:
    names = layer_names("vgg19")
    return tuple(name for name in names[: names.index(last) + 1] if kind_of(name) != CONVOLUTION)


OBJECTIVE = _subject(
    "average",
    formula="dL_dx of α content + β style + γ TV",
    describe="""The whole objective, L = Σ weight·content + Σ weight·style + tv_weight·TV, with the
    losses as in content_backward, style_backward and tv_backward.
    x          (H, W, 3), the picture
    pixels     (scale, shift, order) as in pixels_backward: the first layer is given z
    layers     [(name, parameters)] from first to last: "conv1_1" with (w, b), "relu1_1" and
               "pool1" (average pooling) with ()
    content    {layer: (weight, P)}: P is compared with what comes out of that layer
    style      {layer: (weight, A)}: likewise its Gram matrix with A
    tv_weight  the weight of the total variation of x
    → dL_dx (H, W, 3)""",
    draw=_draw,
    shapes=_SHAPES,
    parts=_parts,
    mistakes=MISTAKES,
    isolations=_isolations,
    branches=_branches(_LAST),
)
# Of the style's "pixels" the problem needs the weight alone: the objective measures its colours.
COLOUR_OBJECTIVE = _subject(
    "average",
    formula="the same, with the colours' moments",
    describe="",
    draw=partial(_draw, style=(PIXELS_TAP, *_STYLE)),
    shapes=_SHAPES,
    branches=_branches(_LAST),
)
MAXIMUM_OBJECTIVE = _subject(
    "max",
    formula="the same, with max pooling",
    describe="",
    draw=_draw,
    shapes=_SHAPES,
    branches=_branches(_LAST),
)


def _vgg(formula: str, shape: tuple[int, ...], pool: str) -> Subject:
    style = tuple(f"relu{block}_1" for block in range(1, 6))
    return _subject(
        pool,
        formula=formula,
        describe="",
        draw=partial(_draw, content=("relu4_2",), style=style, last="relu5_1", gain=2.0),
        shapes=(shape,),
        branches=_branches("relu5_1"),
    )


NARROW_VGG = _vgg("the same, VGG-19 with few filters", (18, 21, 4, 5, 6, 7, 8), "average")
# Slow: proven when all is asked for.
FULL_VGG = (
    NARROW_VGG,
    *(
        _vgg(f"the same, full-size VGG-19, {pool} pooling", (24, 35, *WIDTHS), pool)
        for pool in ("average", "max")
    ),
)
