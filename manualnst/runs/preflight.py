"""What a run will need, foretold before its first step.

Memory is counted from the network's table, not measured: the peak of one evaluation is the
widest step of the walk, with what is kept meanwhile. The terms name the arrays of the numpy
backend that are alive together, or with `on_card` those of the cuda backend, which needs no strips
and makes no map again.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from ..backends.cuda import losses as losses_on_card
from ..backends.numpy import convolution, fused, winograd
from ..backends.numpy import losses as losses_on_host
from ..errors import InputError
from ..losses import CONTENT_LOSS, STYLE_LOSSES, Need, StyleLoss
from ..network.network import map_shapes, margin_of, steps, with_margin
from ..network.tiles import Tile, halo_of, needs_tiles, tiles
from ..network.vgg import CONVOLUTION, PIXELS, Weights, kind_of
from ..objective.terms import LossSettings, shares, style_terms

# Arrays of the size of the picture: two for each of the ten pairs that L-BFGS remembers, 8-byte
# ones in scipy, and 4-byte ones for the others (moments, move, new and old picture).
_OPTIMIZER_BYTES_PER_NUMBER = {"lbfgs": 4 * 29, "lbfgsb": 8 * 31, "adam": 4 * 9, "momentum": 4 * 6}
_PICTURES_KEPT = 6  # content, style, best, current, gradient, checkpoint copy
_BLAS_BYTES = 32 << 20  # OpenBLAS' work buffers
_CARD_BYTES = 64 << 20  # kernels, sums of blocks, and what is lost between arrays
_ITEMSIZE = 4


Size = tuple[int, int]  # (height, width)


def peak_bytes(
    weights: Weights,
    losses: LossSettings,
    sizes: Iterable[Size],
    optimizer: str,
    pool: str = "average",
    *,
    margin: int,
    on_card: bool = False,
    tile: int | None = None,
) -> int:
    """The peak above what the process already holds, for pictures of these sizes.

    `sizes` are the result's and the style pictures'; the first is also the optimiser's.
    """
    result, *styles = sizes
    taps = taps_of(losses)
    evaluation = max(
        tiled_bytes(weights, losses, size, styles, pool, tile, margin=margin, on_card=on_card)
        if needs_tiles(size, tile)
        else evaluation_bytes(weights, losses, size, styles, pool, margin=margin, on_card=on_card)
        for size in (result, *styles)
    )
    targets = sum(_target_bytes(weights, losses, size) for size in styles)
    targets += _content_bytes(weights, losses, result)
    more_styles = sum(_style_bytes(weights, taps, size) for size in styles[1:])
    numbers = 3 * math.prod(result)
    optimiser = numbers * (_OPTIMIZER_BYTES_PER_NUMBER[optimizer] + _PICTURES_KEPT * _ITEMSIZE)
    needed = evaluation + optimiser + targets + more_styles
    if on_card:
        return int(needed + _filter_bytes(weights) + _CARD_BYTES)
    transformed = transformed_numbers(weights, taps, *with_margin(*result, margin))
    return int(needed + transformed * _ITEMSIZE + _BLAS_BYTES)


def tiled_bytes(
    weights: Weights,
    losses: LossSettings,
    size: Size,
    styles: Sequence[Size],
    pool: str,
    tile: int,
    *,
    margin: int,
    on_card: bool = False,
) -> int:
    """The peak of an evaluation in tiles: that of the tile which sees most, which has no margin of
    its own, beside the picture with its margin, its gradient, and that without the margin."""
    cut = cut_at(weights, losses, size, tile, margin)
    seen = max((each.size_seen for each in cut), key=math.prod)
    around = 3 * 3 * math.prod(with_margin(*size, margin)) * _ITEMSIZE
    of_tile = evaluation_bytes(weights, losses, seen, styles, pool, on_card=on_card)
    return around + of_tile


def cut_at(
    weights: Weights, losses: LossSettings, size: Size, tile: int, margin: int
) -> list[Tile]:
    names = [name for name, _, _ in map_shapes(weights, taps_of(losses), *size)]
    return tiles(*size, tile, halo_of(names), margin_of(size, margin))


def taps_of(losses: LossSettings) -> set[str]:
    return {*losses.content_layers, *losses.style_layers}


def check_size(weights: Weights, losses: LossSettings, size: Size) -> None:
    """Refuse a picture that is too small for the network, or for one of the losses."""
    shapes = _shapes(weights, losses, size)
    for _, loss, layers, _ in style_terms(losses):
        height, width, _ = shapes[layers[0]]
        least = STYLE_LOSSES[loss].smallest
        if min(height, width) < least:
            raise InputError(
                f"style loss {loss}: a picture of {size[1]} × {size[0]} is only {width} × "
                f"{height} at {layers[0]}, and it needs {least} × {least}; use a larger one or "
                "shallower layers"
            )


def _shapes(weights: Weights, losses: LossSettings, size: Size) -> dict[str, tuple[int, int, int]]:
    """The shapes of the maps of every layer on the way, and of the picture."""
    shapes = {name: after for name, _, after in map_shapes(weights, taps_of(losses), *size)}
    return {PIXELS: (*size, 3)} | shapes


class _Need(NamedTuple):
    """What a loss needs at one layer, in bytes; and what of one layer's waits at another."""

    own: Need
    leaves: float = 0  # after its backward, for a layer before
    takes: float = 0  # of what was left so


def _content_bytes(weights: Weights, losses: LossSettings, size: Size) -> int:
    """The bytes of the maps of the content picture."""
    shapes = _shapes(weights, losses, size)
    return sum(_bytes(shapes[layer]) for layer, weight in losses.content_layers.items() if weight)


def _target_bytes(weights: Weights, losses: LossSettings, size: Size) -> int:
    """The bytes of those targets of one style picture that are as large as its maps."""
    shapes = _shapes(weights, losses, size)
    return sum(
        _bytes(shapes[term.layers[0]])
        for term in style_terms(losses)
        if STYLE_LOSSES[term.loss].target_is_map
    )


def _needs(
    weights: Weights, losses: LossSettings, size: Size, styles: Sequence[Size], on_card: bool
) -> dict[str, list[_Need]]:
    """The needs of all losses at every layer, in bytes."""
    shapes = _shapes(weights, losses, size)
    needs = {layer: [] for layer in shapes}
    for layer in shares(losses.content_layers, losses.content_weight):
        needs[layer].append(_Need(CONTENT_LOSS.need.times(_bytes(shapes[layer]))))
    for style in styles:
        style_shapes = _shapes(weights, losses, style)
        for _, loss, (layer, *before), _ in style_terms(losses):
            need = _of_style_loss(STYLE_LOSSES[loss], shapes[layer], style_shapes[layer], on_card)
            leaves = 0
            for other in before:  # brought to the size of this one; its gradient has its own again
                resampled = _bytes((*shapes[layer][:2], shapes[other][2]))
                need = need.more(resampled, 2 * resampled, resampled)
                leaves = _bytes(shapes[other])
                needs[other].append(_Need(Need(0, 0, 0, whole=False), takes=leaves))
            needs[layer].append(_Need(need, leaves))
    return needs


def _of_style_loss(loss: StyleLoss, shape, style_shape, on_card: bool) -> Need:
    """In bytes, at a layer where the maps have these shapes."""
    matrices = loss.matrices.times(8 * shape[2] ** 2)
    need = loss.need_where(on_card).times(_bytes(shape)).more(*matrices[:3])
    if loss.search is None:
        return need
    search_bytes = getattr(losses_on_card if on_card else losses_on_host, loss.search)
    return need._replace(forward=max(need.forward, search_bytes(shape, style_shape)))


def _filter_bytes(weights: Weights) -> int:
    """On a card: as they are, and laid out for the way there and the way back."""
    return 3 * sum(w.size for w, _ in weights.layers.values()) * _ITEMSIZE


def transformed_numbers(weights: Weights, taps: Iterable[str], height: int, width: int) -> int:
    """The numbers of the filters that Winograd's algorithm keeps in its own form, 36 in the place
    of 9."""
    shapes = map_shapes(weights, taps, height, width)
    convolutions = ((name, before) for name, before, _ in shapes if kind_of(name) == CONVOLUTION)
    filters = ((weights.layers[name][0].shape, before) for name, before in convolutions)
    return sum(36 * w[2] * w[3] for w, before in filters if winograd.pays(before, w))


def _style_bytes(weights: Weights, taps: set[str], size: Size) -> int:
    """The bytes of every style after the first: its picture and targets, and the distance from
    each."""
    shapes = map_shapes(weights, taps, *size)
    targets = sum(after[2] ** 2 for name, _, after in shapes if name in taps)
    return (3 * math.prod(size) + 2 * targets) * _ITEMSIZE


class _Step(NamedTuple):
    """What one step of the walk needs, in bytes."""

    name: str
    before: int  # the map that it reads
    after: int  # the map that it makes
    working: int  # strips and temporary arrays
    mask: int  # kept for the way back
    tapped: bool  # then the map is kept too
    remade: bool  # then the map is never there as a whole


def evaluation_bytes(
    weights: Weights,
    losses: LossSettings,
    size: Size,
    styles: Sequence[Size],
    pool: str = "average",
    *,
    margin: int = 0,
    on_card: bool = False,
) -> int:
    """The peak of forward, losses and backward: the step at which most is alive together."""
    taps, seen = taps_of(losses), with_margin(*size, margin)
    picture = 3 * math.prod(seen) * _ITEMSIZE
    pixels = _Step(PIXELS, 0, picture, 0, 0, tapped=False, remade=False)  # x is there anyway
    walk = [pixels, *_walk(weights, taps, *seen, pool)]
    if on_card:
        walk = [step._replace(working=0, remade=False) for step in walk]
    copied = on_card and seen != size  # the inside of a map is a copy there, and no view
    shown = _shapes(weights, losses, size)
    held = peak = picture
    passing = 0  # the map that the next step reads, if it is not held anyway
    for step in walk[1:]:
        stored = 0 if step.remade else step.after
        peak = max(peak, held + passing + stored + step.working)
        held += step.mask + stored * step.tapped
        passing = stored * (copied or not step.tapped)
    needs = _needs(weights, losses, size, styles, on_card)
    kept = {}  # at every layer, by its losses
    for step in walk:
        here, kept[step.name] = needs.get(step.name, []), 0
        stored = step.after * (step.tapped and not step.remade)
        for need in here:
            made = step.after * (step.remade and need.own.whole)
            peak = max(peak, held + made + need.own.forward)
            held += need.own.kept
            kept[step.name] += need.own.kept
        if any(need.own.keeps_map for need in here):
            kept[step.name] += stored
        else:
            held -= stored
    for step in reversed(walk):  # `before` and `after` are the gradients now
        here = needs.get(step.name, [])
        own = max((need.own.backward + need.leaves for need in here), default=0)
        if copied and here:  # what is added to the inside is there by itself first
            own = max(own, _bytes(shown[step.name]))
        peak = max(peak, held + step.after + own)
        held += sum(need.leaves for need in here) - sum(need.takes for need in here)
        held -= kept[step.name]
        peak = max(peak, held + step.after + step.before + step.working)
        held -= step.mask
    return int(peak)


def _walk(weights: Weights, taps: set[str], height: int, width: int, pool: str) -> Iterator[_Step]:
    shapes = {name: around for name, *around in map_shapes(weights, taps, height, width)}
    for names in steps(shapes, taps, pool):
        (shape, inner), after = shapes[names[0]], _bytes(shapes[names[-1]][1])
        working = mask = after // 4  # a ReLU or a pooling alone: comparisons, and what they found
        if kind_of(names[0]) == CONVOLUTION:
            working = convolution.strip_bytes(shape, weights.layers[names[0]][0].shape)
            mask = _bytes(inner) // 32 if len(names) > 1 else 0
        remade = len(names) == 2 and fused.is_remade(shape[2], inner[2])
        tapped = names[-1] in taps
        yield _Step(names[-1], _bytes(shape), after, working, mask, tapped, remade)


def _bytes(shape: tuple[int, ...]) -> int:
    return math.prod(shape) * _ITEMSIZE


def largest(fits: Callable[[int], bool], limit: int) -> int | None:
    """The largest size up to `limit` that fits, by bisection; None if none does."""
    low, high = 0, limit
    while low < high:
        middle = (low + high + 1) // 2
        if fits(middle):
            low = middle
        else:
            high = middle - 1
    return low or None
