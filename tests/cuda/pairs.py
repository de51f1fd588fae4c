"""Every operation of the cuda backend at awkward shapes, beside what the numpy backend makes of it.

A case is a function: it computes with a backend and returns a dictionary of results. So the same
cases are run with every rung of the ladders, every precision, and under the sanitisers.
"""

from functools import partial

import numpy as np
from proofs import random_array

from manualnst.backends import get_backend, to_host
from manualnst.backends.bands import Bands
from manualnst.backends.cuda.lbfgs import Memory
from manualnst.ops import fused_backward, fused_forward
from manualnst.optimizers import Way

NUMPY = get_backend("numpy")

# (H, W, C, K): a single pixel; odd edges; channels that fill no tile, one, and more than one, and
# that are no multiple of four; more than one block each way
CONVOLUTIONS = [
    (1, 1, 1, 1),
    (1, 5, 3, 4),
    (9, 18, 5, 7),
    (9, 18, 5, 70),
    (6, 4, 33, 34),
    (19, 35, 20, 68),
    (3, 2, 36, 130),
]
MAPS = [(1, 1, 1), (1, 7, 3), (5, 3, 33), (9, 11, 4), (4, 6, 68)]
POOLABLE = [(2, 2, 1), (2, 3, 3), (5, 7, 2), (6, 4, 8)]
GRAMS = [(1, 1, 1), (5, 3, 3), (7, 9, 5), (1, 70, 17), (13, 41, 66), (3, 5, 132)]


def convolution(shape, backend, draw):
    x, w, b, dL_dy = _filters_and_maps(shape, draw)
    y, cache = backend.conv3x3_forward(x, w, b)
    return {"y": y, "dL_dx": backend.conv3x3_backward(dL_dy, cache)}


def fused(shape, pooled, backend, draw):
    H, W, C, K = shape
    x, w, b, _ = _filters_and_maps(shape, draw)
    dL_dy = draw(4, (H // 2, W // 2, K) if pooled else (H, W, K))
    y, cache = fused_forward(x, w, b, pooled, backend=backend)
    dL_dx = fused_backward(dL_dy, cache, backend=backend)
    return {"y": y[:], "dL_dx": dL_dx}


def _filters_and_maps(shape, draw):
    H, W, C, K = shape
    shapes = [(H, W, C), (3, 3, C, K), (K,), (H, W, K)]
    return [draw(seed, each) for seed, each in enumerate(shapes)]


def relu(shape, backend, draw):
    y, cache = backend.relu_forward(draw(1, shape))
    return {"y": y, "dL_dx": backend.relu_backward(draw(2, shape), cache)}


def pooling(kind, shape, backend, draw):
    y, cache = getattr(backend, f"{kind}_forward")(draw(1, shape))
    dL_dy = draw(2, y.shape)
    return {"y": y, "dL_dx": getattr(backend, f"{kind}_backward")(dL_dy, cache)}


def pixels(order, backend, draw):
    x, dL_dz = (draw(seed, (4, 5, 3)) for seed in (1, 2))
    scale, shift = np.array([2, 3, 4], x.dtype), np.array([0.1, 0.2, 0.3], x.dtype)
    z, cache = backend.pixels_forward(x, scale, shift, order)
    return {"z": z, "dL_dx": backend.pixels_backward(dL_dz, cache)}


def mirror(shape, margin, backend, draw):
    y, cache = backend.mirror_forward(draw(1, shape), margin)
    return {"y": y, "dL_dx": backend.mirror_backward(draw(2, y.shape), cache)}


def crop(shape, edges, backend, draw):
    F, cache = backend.crop_forward(draw(1, shape), edges)
    dL_dF, onto = draw(2, F.shape), draw(3, shape)
    dL_dy = backend.crop_backward(dL_dF, cache)
    return {"F": F, "dL_dy": dL_dy, "onto": backend.crop_backward(dL_dF, cache, onto)}


def squared_error(shape, backend, draw):
    F, P = (draw(seed, shape) for seed in (1, 2))
    loss, cache = backend.squared_error_forward(F, P)
    return {"loss": loss, "dL_dF": backend.squared_error_backward(0.7, cache)}


def total_variation(shape, backend, draw):
    loss, cache = backend.total_variation_forward(draw(1, shape))
    return {"loss": loss, "dL_dx": backend.total_variation_backward(0.7, cache)}


def variation(kind, *parameters):
    def case(shape, backend, draw):
        x = draw(1, shape)
        x[:, ::2] = x[:, :1]  # some slopes are zero
        loss, cache = getattr(backend, f"{kind}_variation_forward")(x, *parameters)
        dL_dx = getattr(backend, f"{kind}_variation_backward")(0.7, cache)
        return {"loss": loss, "dL_dx": dL_dx}

    return case


def weighted_gram(shape, backend, draw):
    H, W, N = shape
    F, dL_dG, weights = (draw(seed, each) for seed, each in enumerate([shape, (N, N), (H, W)]))
    weights = weights**2  # none is negative
    weights[:1] = 0
    G, cache = backend.weighted_gram_forward(F, weights)
    return {"G": G, "dL_dF": backend.weighted_gram_backward(dL_dG, cache)}


def cross_gram(shape, K, backend, draw):
    H, W, N = shape
    F, R, dL_dC = (draw(seed, each) for seed, each in enumerate([shape, (H, W, K), (N, K)]))
    C, cache = backend.cross_gram_forward(F, R)
    dL_dF, dL_dR = backend.cross_gram_backward(dL_dC, cache)
    return {"C": C, "dL_dF": dL_dF, "dL_dR": dL_dR}


def filters_gradient(shape, backend, draw):
    H, W, C, K = shape
    x, dL_dy = draw(1, (H, W, C)), draw(2, (H, W, K))
    dL_dw, dL_db = backend.conv3x3_backward_params(dL_dy, x)
    return {"dL_dw": dL_dw, "dL_db": dL_db}


def histogram(shape, count, backend, draw):
    F, S = draw(1, shape), draw(2, (count, 1, shape[2]))
    F[0] = F[-1]  # some are equal
    order, values = backend.channel_order(F), backend.sorted_channels(S)
    return {"order": order, "values": values, "R": backend.matched_channels(order, values)}


def gaussian(N, backend, draw):
    """The distance of a covariance from another one, of fewer positions than channels."""
    one, other = (backend.gram_forward(draw(seed, (1 + N // 2, 1, N)))[0] for seed in (1, 2))
    root = backend.matrix_root(one, 10.0)
    distance, cache = backend.bures_forward(other, root, 10.0)
    gradient = backend.bures_backward(0.7, cache)
    return {"root": root, "distance": backend.from_host(np.array(distance)), "gradient": gradient}


def patches(shape, style_shape, backend, draw):
    F, S = draw(1, shape), draw(2, style_shape)
    S[-3:, -3:] = 0  # a patch without any length
    S[:3, :3] = S[-3:, :3]  # two that are alike
    F[:3, :3] = S[:3, :3]
    F[-3:, -3:] = 0
    nearest = backend.nearest_patches(F, S)
    distance, cache = backend.patch_distance_forward(F, S, nearest)
    dL_dF = backend.patch_distance_backward(0.7, cache)
    return {"nearest": nearest, "distance": distance, "dL_dF": dL_dF}


def gram(shape, backend, draw):
    N = shape[2]
    F, dL_dG, onto = (draw(seed, each) for seed, each in enumerate([shape, (N, N), shape]))
    G, cache = backend.gram_forward(F)
    dL_dF = backend.gram_backward(dL_dG, cache)
    return {"G": G, "dL_dF": dL_dF, "onto": backend.gram_backward(dL_dG, cache, onto)}


def mean_and_covariance(shape, backend, draw):
    N = shape[2]
    F, dL_dmean, dL_dcovariance = (
        draw(seed, each) for seed, each in enumerate([shape, (N,), (N, N)])
    )
    mean, covariance, cache = backend.mean_and_covariance_forward(F)
    dL_dF = backend.mean_and_covariance_backward(dL_dmean, dL_dcovariance, cache)
    return {"mean": mean, "covariance": covariance, "dL_dF": dL_dF}


def lbfgs(shape, backend, draw):
    """−H g from three pairs; of NumPy by the update of H as the equation has it, as a matrix. And
    a step, and the way there."""
    x, g, *steps = (draw(seed, shape) for seed in range(5))
    changes = [s * (1 + n) + 0.1 * steps[0] for n, s in enumerate(steps)]
    if backend is NUMPY:
        d, slope = _dense_direction(x, g, steps, changes), np.sum(x * (g - x))
        return {"d": d, "x": np.clip(x + 0.5 * g, 0, 1), "s": g - x, "y": g - x, "slope": slope}
    memory = Memory(backend.card, 2, x, {}, Way)
    for s, y in zip(steps, changes, strict=True):
        memory.learn(memory.way(0 * s, s, 0 * y, y))
    assert not memory.way(x, g, x, g / 0).is_finite
    way = memory.way(x, g, x, g)
    found = {"s": way.s.copy(), "y": way.y.copy(), "slope": backend.from_host(np.array(way.slope))}
    return found | {"d": memory.direction(x, g)[0], "x": memory.moved(x, 0.5, g)}


def _dense_direction(x, g, steps, changes):
    s, y = ([each.ravel() for each in arrays[1:]] for arrays in (steps, changes))  # the last two
    identity, free = np.eye(x.size), ~(((x <= 0) & (g > 0)) | ((x >= 1) & (g < 0)))
    bands = Bands(x)
    multiples = bands.multiples(steps[-1], changes[-1])
    units = identity.reshape(-1, *x.shape)
    H = np.array([bands.times(multiples, unit).ravel() for unit in units])
    for s_n, y_n in zip(s, y, strict=True):
        right = identity - np.outer(y_n, s_n) / (s_n @ y_n)
        H = right.T @ H @ right + np.outer(s_n, s_n) / (s_n @ y_n)
    return -(H @ (g * free).ravel()).reshape(x.shape) * free


def whole_numbers(seed: int, shape, dtype) -> np.ndarray:
    """Small ones, of which all arithmetics here make the same products and sums, exactly. Those of
    one dimension, biases, end in a half: no sum is 0, where a ReLU might be decided by rounding."""
    values = np.random.default_rng(seed).integers(-2, 3, shape)
    return (values + 0.5 * (len(shape) == 1)).astype(dtype)


PRODUCTS = {
    **{f"convolution {s}": partial(convolution, s) for s in CONVOLUTIONS},
    **{f"fused {s}": partial(fused, s, False) for s in CONVOLUTIONS},
    **{f"fused and pooled {s}": partial(fused, s, True) for s in CONVOLUTIONS if min(s[:2]) > 1},
    **{f"gram {s}": partial(gram, s) for s in GRAMS},
    **{
        f"cross gram {s} {K}": partial(cross_gram, s, K)
        for s, K in [((1, 1, 1), 2), ((5, 3, 3), 66), ((13, 41, 66), 5), ((3, 5, 20), 132)]
    },
    **{f"filters' gradient {s}": partial(filters_gradient, s) for s in CONVOLUTIONS[1:4]},
}
OTHERS = {
    **{
        f"power variation {s} {b}": partial(variation("power", b), s)
        for b in (1, 2.5)
        for s in MAPS
    },
    **{f"smoothed variation {s}": partial(variation("smoothed", 0.1), s) for s in MAPS},
    **{f"nine-point variation {s}": partial(variation("nine_point"), s) for s in MAPS},
    **{f"weighted gram {s}": partial(weighted_gram, s) for s in GRAMS[1:]},
    **{
        f"histogram {s} {count}": partial(histogram, s, count)
        for s, count in [((2, 1, 1), 1), ((5, 7, 3), 35), ((4, 6, 33), 11), ((1, 3, 5), 90)]
    },
    **{f"gaussian {N}": partial(gaussian, N) for N in (1, 3, 40)},
    **{
        f"patches {s} {t}": partial(patches, s, t)
        for s, t in [
            ((3, 3, 1), (6, 3, 1)),
            ((5, 9, 3), (7, 6, 3)),
            ((11, 6, 36), (6, 13, 36)),
        ]
    },
    **{f"mean and covariance {s}": partial(mean_and_covariance, s) for s in GRAMS[1:4]},
    **{f"relu {s}": partial(relu, s) for s in MAPS},
    **{f"avgpool {s}": partial(pooling, "avgpool", s) for s in POOLABLE},
    **{f"maxpool {s}": partial(pooling, "maxpool", s) for s in POOLABLE},
    **{f"pixels {order}": partial(pixels, order) for order in ([0, 1, 2], [2, 1, 0])},
    **{
        f"mirror {s} {m}": partial(mirror, s, m)
        for *s, m in [(1, 1, 3, 0), (3, 4, 2, 2), (7, 9, 3, 4)]
    },
    **{
        f"crop {s} {edges}": partial(crop, s, edges)
        for *s, edges in [(1, 1, 3, 4 * (0,)), (5, 6, 2, (1, 2, 0, 3)), (9, 7, 34, 4 * (1,))]
    },
    **{f"squared error {s}": partial(squared_error, s) for s in [*MAPS, (3, 3)]},
    **{f"total variation {s}": partial(total_variation, s) for s in MAPS},
    **{f"lbfgs {s}": partial(lbfgs, s) for s in [(2, 3, 3), (9, 11, 3)]},
}
CASES = PRODUCTS | OTHERS

# Of the largest entry. Rounding to so many bits of fraction, and sums of a few hundred products;
# the way back of float16 is bfloat16's.
TOLERANCES = {"float32": 3e-6, "tf32x3": 3e-6, "tf32": 1e-3, "float16": 8e-3, "bfloat16": 8e-3}
TOLERANCES["float64"] = 1e-13


def errors(case: str, backend, dtype, numbers=random_array) -> dict[str, float]:
    """How far each result is from the numpy backend's in float64, relative to its largest entry."""
    expected = CASES[case](NUMPY, lambda *drawn: numbers(*drawn, np.float64))
    found = CASES[case](backend, lambda *drawn: backend.from_host(numbers(*drawn, dtype)))
    return {name: _error(to_host(found[name]), np.asarray(expected[name])) for name in expected}


def _error(found, expected) -> float:
    assert found.shape == expected.shape
    error = np.max(np.abs(found - expected), initial=0) / (np.max(np.abs(expected), initial=0) or 1)
    return float(error) if np.isfinite(error) else np.inf
