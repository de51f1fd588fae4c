"""[E7], the gradient of the whole objective, and the ways to get its reverse walk wrong."""

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np

from ...backends import get_backend
from ...network.network import Network
from ...network.vgg import PIXELS as PIXELS_TAP
from ...network.vgg import WIDTHS, Weights, convolution_names, layer_names
from ...objective.objective import LossSettings, Objective
from .content import CONTENT
from .conv3x3 import INPUT
from .conv3x3 import correlate as convolve
from .gram import STYLE, gram
from .pixels import PIXELS, draw_pixels, preprocessing
from .pooling import AVERAGE_POOLING, MAXIMUM_POOLING
from .relu import RELU
from .subject import Mistake, Problem, Subject
from .total_variation import TOTAL_VARIATION

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

_STEPS = {
    subject.name: subject
    for subject in (CONTENT, STYLE, TOTAL_VARIATION, RELU, AVERAGE_POOLING, INPUT, PIXELS)
}
_NUMPY = get_backend("numpy")
_RIGHT: Mapping[str, Callable] = {name: subject.right for name, subject in _STEPS.items()}


def random_weights(rng, widths, last: str, pixels, gain: float) -> Weights:
    """VGG-19 to the convolution `last`, with so many filters in each block."""
    layers, channels = {}, 3
    names = convolution_names("vgg19")
    for name in names[: names.index(last) + 1]:
        filters = widths[int(name[4]) - 1]
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


def _add(gradient, at_tap):
    return at_tap if gradient is None else gradient + at_tap


def walk(
    x,
    pixels,
    layers,
    content,
    style,
    tv_weight,
    *,
    steps=_RIGHT,
    combine=_add,
    forward=None,
    backward=None,
    tapped=lambda name, F: F,
    late=False,
):
    """dL_dx (H, W, 3). What may be varied: the `steps` of the way back, how a tap's gradient is
    combined with what comes from deeper layers, the `forward` and `backward` of a layer, what is
    `tapped` of it, and `late`: a ReLU's tap is added after the ReLU was walked back."""
    forward, backward = forward or _forward, backward or _backward
    scale, shift, order = pixels
    inputs, y = [], scale * x[:, :, list(order)] + shift
    outputs = {}
    for name, parameters in layers:
        inputs.append(y)
        y = outputs[name] = forward(name, parameters, y)
    gradient = None
    for (name, parameters), z in zip(reversed(layers), reversed(inputs), strict=True):
        at_tap = _at_tap(name, tapped(name, outputs[name]), content, style, steps)
        is_late = late and name.startswith("relu")
        if at_tap is not None and not is_late:
            gradient = combine(gradient, at_tap)
        if gradient is not None:
            gradient = backward(name, parameters, gradient, z, steps)
        if at_tap is not None and is_late:
            gradient = combine(gradient, at_tap)
    if gradient is None:
        gradient = np.zeros_like(x)
    from_network = steps["pixels_backward"](gradient, scale, order)
    return from_network + tv_weight * steps["tv_backward"](x)


def _forward(name, parameters, y):
    if name.startswith("conv"):
        w, b = parameters
        return convolve(y, w) + b
    if name.startswith("relu"):
        return np.maximum(y, 0)
    h, w = y.shape[0] // 2, y.shape[1] // 2
    return y[: 2 * h, : 2 * w].reshape(h, 2, w, 2, -1).mean(axis=(1, 3))


def _backward(name, parameters, gradient, z, steps):
    if name.startswith("conv"):
        return steps["conv3x3_backward"](gradient, parameters[0])
    if name.startswith("relu"):
        return steps["relu_backward"](gradient, z)
    return steps["avgpool_backward"](gradient, z.shape)


def _max_pooling_forward(name, parameters, y):
    if not name.startswith("pool"):
        return _forward(name, parameters, y)
    h, w = y.shape[0] // 2, y.shape[1] // 2
    return y[: 2 * h, : 2 * w].reshape(h, 2, w, 2, -1).max(axis=(1, 3))


def _max_pooling_backward(name, parameters, gradient, z, steps):
    if not name.startswith("pool"):
        return _backward(name, parameters, gradient, z, steps)
    return MAXIMUM_POOLING.right(gradient, z)


def _without_bias(name, parameters, y):
    return convolve(y, parameters[0]) if parameters else _forward(name, parameters, y)


def _without_relu(name, parameters, y):
    return y if name.startswith("relu") else _forward(name, parameters, y)


def _with_filters(change):
    """A forward whose filters are changed."""

    def forward(name, parameters, y):
        if not parameters:
            return _forward(name, parameters, y)
        w, b = parameters
        return convolve(y, change(w)) + b

    return forward


def _with_pixels(change):
    """The walk with other pixel normalisation, forward and backward."""

    def wrong(x, pixels, layers, content, style, tv_weight):
        return walk(x, change(*pixels), layers, content, style, tv_weight)

    return wrong


def _with_weights(of_losses, of_tv=lambda weight: weight):
    """The walk with other weights: of_losses(weight, number of layers with such a loss)."""

    def wrong(x, pixels, layers, content, style, tv_weight):
        content, style = (
            {
                name: (of_losses(weight, len(terms)), target)
                for name, (weight, target) in terms.items()
            }
            for terms in (content, style)
        )
        return walk(x, pixels, layers, content, style, of_tv(tv_weight))

    return wrong


def _at_tap(name, F, content, style, steps):
    terms = []
    if name in content:
        weight, P = content[name]
        terms.append(weight * steps["content_backward"](F, P))
    if name in style:
        weight, A = style[name]
        terms.append(weight * steps["style_backward"](F, A))
    return sum(terms) if terms else None


def _parts(x, pixels, layers, content, style, tv_weight) -> dict[str, np.ndarray]:
    """The gradient of every term."""
    alone = partial(walk, x, pixels, layers)
    parts = {f"content {name}": alone({name: term}, {}, 0.0) for name, term in content.items()}
    parts |= {f"style {name}": alone({}, {name: term}, 0.0) for name, term in style.items()}
    if tv_weight:
        parts["total variation"] = alone({}, {}, tv_weight)
    return parts


def _within(name: str, mistake: Mistake) -> Mistake:
    """A mistake of one step, made everywhere on the way back."""

    def wrong(**arguments):
        return walk(**arguments, steps={**_RIGHT, name: mistake.wrong})

    return Mistake(f"{name}: {mistake.name}", f"a mistake in its {name}: {mistake.words}", wrong)


def _factor_within(name: str, factor: float, text: str) -> Mistake:
    def scaled(*given):
        return factor * _RIGHT[name](*given)

    hint = _STEPS[name].hints.get(text, "")
    words = f"it gives {text} × what it should" + (f": {hint}" if hint else "")
    return _within(name, Mistake(f"× {text}", words, scaled))


def _tv_of_z(x, pixels, layers, content, style, tv_weight):
    """Total variation of the normalised pixels in the place of x's."""
    scale, shift, order = pixels
    z = scale * x[:, :, list(order)] + shift
    network = walk(x, pixels, layers, content, style, 0.0)
    return network + tv_weight * PIXELS.right(TOTAL_VARIATION.right(z), scale, order)


def _tv_before_pixels(x, pixels, layers, content, style, tv_weight):
    network = walk(x, pixels, layers, content, style, 0.0)
    return network + tv_weight * PIXELS.right(TOTAL_VARIATION.right(x), pixels[0], pixels[2])


def _deepest_only(gradient, at_tap):
    return at_tap if gradient is None else gradient


def _twice_when_met(gradient, at_tap):
    return at_tap if gradient is None else gradient + 2 * at_tap


_MISTAKES = (
    Mistake(
        "overwritten at the taps",
        "at a tap the gradient from deeper layers is overwritten (=) instead of added to (+=)",
        partial(walk, combine=lambda gradient, at_tap: at_tap),
    ),
    Mistake(
        "taps passed by",
        "on the way back the taps are passed by: only the deepest layer's losses and the total "
        "variation are there",
        partial(walk, combine=_deepest_only),
    ),
    Mistake(
        "added twice at the taps",
        "where a tap meets the gradient from deeper layers, its own is added twice",
        partial(walk, combine=_twice_when_met),
    ),
    Mistake(
        "subtracted at the taps",
        "where a tap meets the gradient from deeper layers, its own is subtracted",
        partial(walk, combine=lambda g, at_tap: at_tap if g is None else g - at_tap),
    ),
    Mistake(
        "averaged at the taps",
        "where a tap meets the gradient from deeper layers, the mean of both is taken, not the sum",
        partial(walk, combine=lambda g, at_tap: at_tap if g is None else (g + at_tap) / 2),
    ),
    Mistake(
        "taps added late",
        "at a ReLU the tap's gradient is added after the ReLU was walked back: it is of the ReLU's "
        "output, so its mask applies",
        partial(walk, late=True),
    ),
    Mistake(
        "maps before a ReLU overwritten by it",
        "the maps before a ReLU are those after it: did an in-place ReLU overwrite them?",
        partial(walk, tapped=lambda name, F: np.maximum(F, 0) if name.startswith("conv") else F),
    ),
    Mistake(
        "F > 0 in both losses",
        "both losses are masked where F > 0: that is the ReLU's derivative, applied there; a tap "
        "before a ReLU has no such condition",
        partial(
            walk,
            steps=_RIGHT
            | {
                "content_backward": lambda F, P: (F - P) * (F > 0),
                "style_backward": lambda F, A: STYLE.right(F, A) * (F > 0),
            },
        ),
    ),
    Mistake(
        "max pooling in the place of average pooling",
        "the poolings take the maximum: here they are averages",
        partial(walk, forward=_max_pooling_forward, backward=_max_pooling_backward),
    ),
    Mistake(
        "max pooling forward, average pooling backward",
        "forward the poolings take the maximum, backward the average: here they are averages",
        partial(walk, forward=_max_pooling_forward),
    ),
    Mistake(
        "bias forgotten in the forward",
        "in the forward the biases are missing: no gradient goes through them, but the maps do "
        "depend on them",
        partial(walk, forward=_without_bias),
    ),
    Mistake(
        "ReLU forgotten in the forward",
        "in the forward the ReLUs are missing",
        partial(walk, forward=_without_relu),
    ),
    Mistake(
        "filters turned in the forward",
        "in the forward the filters are turned by 180°: [C1] is a cross-correlation",
        partial(walk, forward=_with_filters(lambda w: w[::-1, ::-1])),
    ),
    Mistake(
        "filters transposed in the forward",
        "in the forward rows and columns of the filters are exchanged",
        partial(walk, forward=_with_filters(lambda w: w.swapaxes(0, 1))),
    ),
    Mistake(
        "scale of the pixels forgotten",
        "the scale of the pixels is missing, forward and backward",
        _with_pixels(lambda scale, shift, order: (np.ones(3), shift, order)),
    ),
    Mistake(
        "shift of the pixels forgotten",
        "the shift of the pixels is missing in the forward",
        _with_pixels(lambda scale, shift, order: (scale, 0 * shift, order)),
    ),
    Mistake(
        "order of the channels forgotten",
        "the channels are never brought into the network's order (RGB/BGR), forward and backward",
        _with_pixels(lambda scale, shift, order: (scale, shift, (0, 1, 2))),
    ),
    Mistake(
        "always BGR",
        "the channels are always brought into the order BGR, whatever `order` says",
        _with_pixels(lambda scale, shift, order: (scale, shift, (2, 1, 0))),
    ),
    Mistake(
        "weights squared",
        "the weights of the losses are squared: applied twice?",
        _with_weights(lambda weight, count: weight**2),
    ),
    Mistake(
        "all weights squared",
        "all weights are squared, that of the total variation too: applied twice?",
        _with_weights(lambda weight, count: weight**2, lambda weight: weight**2),
    ),
    Mistake(
        "weights forgotten",
        "the weights of the losses are missing",
        _with_weights(lambda weight, count: 1.0),
    ),
    Mistake(
        "all weights forgotten",
        "the weights are missing, that of the total variation too",
        _with_weights(lambda weight, count: 1.0, lambda weight: 1.0),
    ),
    Mistake(
        "averaged over the layers",
        "the losses of each kind are averaged over their layers: the weights are as they are",
        _with_weights(lambda weight, count: weight / count),
    ),
    Mistake(
        "total variation of the normalised pixels",
        "the total variation is that of the normalised pixels z, not of x",
        _tv_of_z,
    ),
    Mistake(
        "total variation sent back through the pixels",
        "the gradient of the total variation was sent back through the pixel normalisation: it is "
        "one of x already",
        _tv_before_pixels,
    ),
    *(_within(name, mistake) for name, subject in _STEPS.items() for mistake in subject.mistakes),
    *(
        _factor_within(name, factor, text)
        for name in ("conv3x3_backward", "relu_backward", "avgpool_backward")
        for factor, text in ((-1, "-1"), (0.25, "1/4"), (0.5, "1/2"), (2, "2"), (4, "4"))
    ),
)


def _isolations(rng) -> list[tuple[str, Problem]]:
    """One term at a time, from the pixels to the deepest layer: the first wrong one tells where."""
    problems = [("the total variation alone", _draw(rng, _SHAPES[0], (), ()))]
    names = layer_names("vgg19")
    for name in names[: names.index(_LAST) + 1]:
        if not name.startswith("pool"):
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
    """Of all convolutions: 9 C."""
    return max(
        parameters[0][..., 0].size for _, parameters in problem.arguments["layers"] if parameters
    )


def _branches(last: str) -> tuple[str, ...]:
    names = layer_names("vgg19")
    return tuple(name for name in names[: names.index(last) + 1] if not name.startswith("conv"))


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
    mistakes=_MISTAKES,
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
FULL_VGG = tuple(
    _vgg(f"the same, full-size VGG-19, {pool} pooling", (24, 35, *WIDTHS), pool)
    for pool in ("average", "max")
)
