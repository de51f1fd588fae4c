"""The losses by array operations, in float32, float64 and complex128."""

import math

import numpy as np

from ...system import threads
from .strips import strips_of, sum_over_strips

_TILE_BYTES = 16 << 20  # of the products of all pairs of positions, in each thread


def squared_error_forward(F, P):
    D = np.subtract(F, P)
    return 0.5 * _sum_of_squares(D), D


def squared_error_backward(dL_dloss, cache):
    return dL_dloss * cache


def gram_forward(F):
    """G as the sum of the Gram matrices of strips."""

    def product(rows: slice):
        strip = F[rows].reshape(-1, F.shape[2])  # (rows · W, N), a view
        return strip.T @ strip

    return sum_over_strips(F, product), F


def gram_backward(dL_dG, cache, onto=None):
    F = cache
    symmetric = dL_dG + dL_dG.T
    dL_dF = np.zeros(F.shape, F.dtype) if onto is None else onto

    def multiply(rows: slice) -> None:
        dL_dF[rows] += F[rows] @ symmetric

    threads.for_each(multiply, strips_of(F))
    return dL_dF


def mean_and_covariance_forward(F):
    positions = F.shape[0] * F.shape[1]
    mean = np.mean(F, axis=(0, 1), dtype=np.result_type(F.dtype, np.float64)).astype(F.dtype)
    centred = F - mean
    covariance, _ = gram_forward(centred)
    return mean, covariance / positions, centred


def mean_and_covariance_backward(dL_dmean, dL_dcovariance, cache):
    centred = cache
    positions = centred.shape[0] * centred.shape[1]
    dL_dF = gram_backward(dL_dcovariance, centred)
    dL_dF += dL_dmean  # what the mean passes on through the covariance adds up to zero
    dL_dF /= positions
    return dL_dF


def total_variation_forward(x):
    return _sum_of_squares(np.diff(x, axis=0)) + _sum_of_squares(np.diff(x, axis=1)), x


def total_variation_backward(dL_dloss, cache):
    x = cache
    dL_dx = np.zeros_like(x)
    down = np.diff(x, axis=0)
    dL_dx[1:] += down
    dL_dx[:-1] -= down
    right = np.diff(x, axis=1)
    dL_dx[:, 1:] += right
    dL_dx[:, :-1] -= right
    return dL_dx * (2 * dL_dloss)


def _sum_of_squares(x):
    """Σ x², accumulated in double precision: a line search compares nearly equal losses."""
    return np.sum(np.square(x), dtype=np.result_type(x.dtype, np.float64)).item()


def power_variation_forward(x, beta):
    down, right = _differences(x)
    return _sum((down**2 + right**2) ** (beta / 2)), (x, beta)


def power_variation_backward(dL_dloss, cache):
    x, beta = cache
    down, right = _differences(x)
    squares = down**2 + right**2
    slope = np.zeros_like(x)  # it stays 0 where all is flat: 0 ** (β/2 − 1) may be infinite
    np.power(squares, beta / 2 - 1, out=slope, where=squares != 0)
    slope *= beta * dL_dloss
    return _to_both_ends(slope * down, slope * right)


def smoothed_variation_forward(x, epsilon):
    loss = 0.0
    for d in _differences(x):
        loss += _sum(d**2 / (np.sqrt(d**2 + epsilon**2) + epsilon))  # √(d² + ε²) − ε
    return loss, (x, epsilon)


def smoothed_variation_backward(dL_dloss, cache):
    x, epsilon = cache
    slopes = (dL_dloss * d / np.sqrt(d**2 + epsilon**2) for d in _differences(x))
    return _to_both_ends(*slopes)


def nine_point_variation_forward(x):
    sides, corners = nine_point_factors(x.shape)
    loss = sides * sum(_sum(d**2) for d in _differences(x))
    return loss + corners * sum(_sum(d**2) for d in _diagonals(x)), x


def nine_point_variation_backward(dL_dloss, cache):
    x = cache
    sides, corners = (2 * dL_dloss * factor for factor in nine_point_factors(x.shape))
    dL_dx = _to_both_ends(*(sides * d for d in _differences(x)))
    e, f = (corners * d for d in _diagonals(x))
    dL_dp = np.zeros_like(x, shape=(x.shape[0] + 2, x.shape[1] + 2, x.shape[2]))
    dL_dp[1:, 1:] += e
    dL_dp[:-1, :-1] -= e
    dL_dp[1:, :-1] += f
    dL_dp[:-1, 1:] -= f
    for border, inner in ((0, 1), (-1, -2)):  # what the copies get belongs to what they are of
        dL_dp[inner] += dL_dp[border]
        dL_dp[:, inner] += dL_dp[:, border]
    return dL_dx + dL_dp[1:-1, 1:-1]


def nine_point_factors(shape) -> tuple[float, float]:
    """The factors of the squares of differences by side, and by corner."""
    H, W, C = shape
    return 2 / (3 * H * W * C), 1 / (6 * (H + 1) * (W + 1) * C)


def _diagonals(x):
    """p[i+1, j+1] − p[i, j] and p[i+1, j] − p[i, j+1]; p is x with a copy of its border around."""
    p = np.pad(x, ((1, 1), (1, 1), (0, 0)), "edge")
    return p[1:, 1:] - p[:-1, :-1], p[1:, :-1] - p[:-1, 1:]


def _differences(x):
    """x[i+1] − x[i] and x[:, j+1] − x[:, j], of x's shape: 0 where there is no neighbour."""
    down, right = np.zeros_like(x), np.zeros_like(x)
    np.subtract(x[1:], x[:-1], out=down[:-1])
    np.subtract(x[:, 1:], x[:, :-1], out=right[:, :-1])
    return down, right


def _to_both_ends(dL_ddown, dL_dright):
    """The transpose of `_differences`: added to the far pixel, taken from the near one."""
    dL_dx = np.zeros_like(dL_ddown)
    dL_dx[1:] += dL_ddown[:-1]
    dL_dx[:, 1:] += dL_dright[:, :-1]
    return dL_dx - dL_ddown - dL_dright


def _sum(x):
    """In double precision."""
    return np.sum(x, dtype=np.result_type(x.dtype, np.float64)).item()


def matrix_root(A, noise):
    values, vectors = np.linalg.eigh(_with_noise(A, noise))
    return (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T


def bures_forward(covariance, root, noise):
    noisy = _with_noise(covariance, noise)
    X, inverse = _root_and_inverse(root @ noisy @ root)
    distance = np.trace(noisy) + np.sum(root**2) - 2 * np.trace(X)
    return distance.item(), (root, inverse, covariance.dtype)


def bures_backward(dL_ddistance, cache):
    root, inverse, dtype = cache
    return (dL_ddistance * (_identity_like(root) - root @ inverse @ root)).astype(dtype)


def _with_noise(A, noise):
    """In double precision: roots of small eigenvalues would lose half of the digits."""
    return A + noise * _identity_like(A)


def _identity_like(A):
    """Where A is, be that on a card (np.eye's `like` gives CuPy what its own does not take)."""
    identity = np.zeros_like(A, dtype=np.float64)
    np.fill_diagonal(identity, 1)
    return identity


def _root_and_inverse(A):
    """√A and its inverse, of a symmetric A."""
    if A.dtype.kind == "c":  # of the complex step: not Hermitian, so that eigh knows nothing of it
        return _root_by_iteration(A)
    if not np.all(np.isfinite(A)):  # of a run that diverges: to be told by its loss
        return np.full_like(A, np.nan, shape=(2, *A.shape))
    values, vectors = np.linalg.eigh((A + A.T) / 2)
    values = np.maximum(values, values[-1] * np.finfo(np.float64).eps)  # below is but rounding
    roots = np.sqrt(values)
    return (vectors * roots) @ vectors.T, (vectors / roots) @ vectors.T


def _root_by_iteration(A):
    """Denman's and Beavers', see naive_losses.py."""
    Y, Z = A, np.eye(len(A))
    for _ in range(100):
        before = Y
        Y, Z = (Y + np.linalg.inv(Z)) / 2, (Z + np.linalg.inv(Y)) / 2
        if np.all(np.abs((Y - before).imag) <= 1e-14 * np.max(np.abs(Y.imag))):
            break  # the real part, on which the other depends, settles before it
    return Y, Z


def weighted_gram_forward(F, weights):
    """As the Gram matrix of √w F, for the product to be symmetric."""
    roots = np.sqrt(weights)[:, :, None]

    def product(rows: slice):
        strip = (roots[rows] * F[rows]).reshape(-1, F.shape[2])
        return strip.T @ strip

    return sum_over_strips(F, product), (F, weights)


def weighted_gram_backward(dL_dG, cache):
    F, weights = cache
    symmetric = dL_dG + dL_dG.T
    dL_dF = np.empty(F.shape, F.dtype)

    def multiply(rows: slice) -> None:
        np.matmul(F[rows], symmetric, out=dL_dF[rows])
        dL_dF[rows] *= weights[rows, :, None]

    threads.for_each(multiply, strips_of(F))
    return dL_dF


def cross_gram_forward(F, R):
    def product(rows: slice):
        return F[rows].reshape(-1, F.shape[2]).T @ R[rows].reshape(-1, R.shape[2])

    return sum_over_strips(F, product), (F, R)


def cross_gram_backward(dL_dC, cache):
    F, R = cache
    dL_dF, dL_dR = np.empty_like(F), np.empty_like(R)

    def multiply(rows: slice) -> None:
        dL_dF[rows] = R[rows] @ dL_dC.T
        dL_dR[rows] = F[rows] @ dL_dC

    threads.for_each(multiply, strips_of(F))
    return dL_dF, dL_dR


def channel_order(F):
    matrix = F.real.reshape(-1, F.shape[2])
    order = np.empty((matrix.shape[1], len(matrix)), np.uint32)

    def sort(i: int) -> None:
        order[i] = np.argsort(matrix[:, i].copy(), kind="stable")

    threads.for_each(sort, range(len(order)))
    return order


def sorted_channels(F):
    return np.sort(F.reshape(-1, F.shape[2]).T, axis=1)


def matched_channels(order, values):
    N, M = order.shape
    below, above, share = _quantiles(M, values.shape[1])
    share = share.astype(values.dtype)
    R = np.empty((M, N), values.dtype)

    def match(i: int) -> None:
        R[order[i], i] = (1 - share) * values[i, below] + share * values[i, above]

    threads.for_each(match, range(N))
    return R


def _quantiles(M: int, count: int):
    """Between which two of so many values in order the quantiles (p + ½)/M lie, and where."""
    # In whole numbers as far as they go: with M = count every quantile is a value exactly.
    places = ((2 * np.arange(M) + 1) * count - M) / (2 * M)
    places = np.clip(places, 0, count - 1)
    below = np.minimum(places.astype(np.intp), max(count - 2, 0))
    return below, np.minimum(below + 1, count - 1), places - below


def nearest_patches(F, S):
    """Two patches' product is the sum of nine products of positions, each of which is in the
    products of nine pairs of patches: multiply all pairs of positions once, and add those up along
    the diagonals. That is done for some rows of F and some of S at a time."""
    F, S = F.real, S.real
    h, w, h_s, w_s = F.shape[0] - 2, F.shape[1] - 2, S.shape[0] - 2, S.shape[1] - 2
    rows = _tile_rows(F.shape[1], S.shape[1], F.itemsize)
    weights = _inverse_norms(S)
    nearest = np.empty((h, w), np.uint32)

    def search(top: int) -> None:
        k = min(rows, h - top)
        best, best_likeness = np.zeros(k * w, np.uint32), np.full(k * w, -np.inf, F.dtype)
        for start in range(0, h_s, rows):
            stop = min(start + rows, h_s)
            likeness = _patch_products(F[top : top + k + 2], S[start : stop + 2])
            likeness *= weights[start:stop]
            likeness = likeness.reshape(k * w, -1)
            index = likeness.argmax(axis=1)
            largest = np.take_along_axis(likeness, index[:, None], axis=1)[:, 0]
            better = largest > best_likeness  # of equals, the first
            best[better] = index[better] + start * w_s
            best_likeness[better] = largest[better]
        nearest[top : top + k] = best.reshape(k, w)

    threads.for_each(search, range(0, h, rows))
    return nearest


def _tile_rows(W: int, W_s: int, itemsize: int) -> int:
    """So many rows of patches of either map are multiplied with each other at a time."""
    return max(1, math.isqrt(_TILE_BYTES // (W * W_s * itemsize)) - 2)


def nearest_patches_bytes(shape, style_shape) -> int:
    """What the search needs at its peak, in single precision: in each thread the products of the
    rows of a tile, and two arrays nearly as large of sums of them; and the patches' norms."""
    (H, W, _), (H_s, W_s, _) = shape, style_shape
    rows = _tile_rows(W, W_s, 4)
    tile = 4 * min(rows + 2, H) * W * min(rows + 2, H_s) * W_s
    tiles = min(threads.count(), -(-(H - 2) // rows))
    return 3 * tile * tiles + 4 * math.prod(style_shape)


def _patch_products(F, S):
    """⟨Ψ_p(F), Ψ_q(S)⟩ for every pair: (h, w, h_s, w_s)."""
    N = F.shape[2]
    products = F.reshape(-1, N) @ S.reshape(-1, N).T
    products = products.reshape(*F.shape[:2], *S.shape[:2])
    across = products[:, :-2, :, :-2] + products[:, 1:-1, :, 1:-1]
    across += products[:, 2:, :, 2:]
    both = across[:-2, :, :-2] + across[1:-1, :, 1:-1]
    both += across[2:, :, 2:]
    return both


def _inverse_norms(S):
    """1/‖Ψ_q(S)‖ for every q: (h_s, w_s); 1 for a patch of zeros, whose products are 0."""
    h, w = S.shape[0] - 2, S.shape[1] - 2
    squares = np.sum(np.square(S), axis=2)
    norms = np.sqrt(sum(squares[u : u + h, v : v + w] for u, v in np.ndindex(3, 3)))
    return 1 / np.where(norms > 0, norms, 1).astype(S.dtype)


def patch_distance_forward(F, S, nearest):
    h, w = nearest.shape
    rows, columns = np.divmod(nearest, S.shape[1] - 2)
    distance, differences = 0.0, np.zeros_like(F)
    for u, v in np.ndindex(3, 3):
        D = F[u : u + h, v : v + w] - S[rows + u, columns + v]
        distance += _sum(D**2)
        differences[u : u + h, v : v + w] += D
    return distance, differences


def patch_distance_backward(dL_ddistance, cache):
    differences = cache
    return 2 * dL_ddistance * differences
