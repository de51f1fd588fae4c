"""The losses on a card.

Bringing values in order, and the roots of small matrices, are left to CuPy's own libraries. They
wait for the card, which no recording can hold; replay.py tells what becomes of that.
"""

import math

import numpy as np

from ..numpy import losses as of_numpy
from .launches import THREADS
from .ops import FEW, PLAIN, SYMMETRIC, TURNED, Operations, padded

_GRAM_SIDE = 64  # of a tile, see gram.cu
_GRAM_POSITIONS = 256  # at least these are worth a block
_PRODUCTS_BYTES = 64 << 20  # of all pairs of some rows of two maps, at a time
_THREADS_OF_PATCHES = 256  # see patches.cu


class Losses(Operations):
    def squared_error_forward(self, F, P):
        D = self._empty(F.shape, F.dtype)
        name = self._named("squared_error_forward", "naive", "tiled", "fast")
        loss = self._summed(name, F.dtype, F.size, (F, P, D), (np.int64(F.size),))
        return loss.reshape(()), D

    def squared_error_backward(self, dL_dloss, cache):
        D, factor = cache, self._number(dL_dloss)
        dL_dF, count = self._empty(D.shape, D.dtype), np.int64(D.size)
        self._for_each("squared_error_backward", D.dtype, D.size, D, factor, dL_dF, count)
        return dL_dF

    def total_variation_forward(self, x):
        name = self._named("total_variation_forward", "naive", "fast")
        return self._summed(name, x.dtype, x.size, (x,), x.shape).reshape(()), x

    def total_variation_backward(self, dL_dloss, cache):
        x, factor = cache, self._number(dL_dloss)
        dL_dx = self._empty(x.shape, x.dtype)
        self._for_each("total_variation_backward", x.dtype, x.size, x, factor, dL_dx, *x.shape)
        return dL_dx

    def gram_forward(self, F):
        N = F.shape[-1]
        M = F.size // N
        if self._rung == "fast" and N <= FEW:
            sums = self._summed("gram_few", F.dtype, M, (F,), (np.int64(M), N), columns=N * N)
            return sums.reshape(N, N).astype(F.dtype), F
        return self._products_over_positions(F, F), F

    def _products_over_positions(self, F, R):
        """Fᵀ R of maps (…, N) and (…, K) → (N, K); if R is F, only half of it is computed."""
        N, K = F.shape[-1], R.shape[-1]
        M, G = F.size // N, self._empty((N, K), F.dtype)
        if self._rung == "naive":
            self._one_each("gram_naive", F.dtype, N * K, F, R, G, np.int64(M), N, K)
        elif self._rung == "tiled":
            blocks = -(-N // 16) * -(-K // 16)
            self.card.launch("gram_tiled", F.dtype, blocks, THREADS, F, R, G, np.int64(M), N, K)
        else:
            self._products_by_tiles(F, R, G, M, N, K)
        return G

    def _products_by_tiles(self, F, R, G, M: int, N: int, K: int) -> None:
        down, across, symmetric = -(-N // _GRAM_SIDE), -(-K // _GRAM_SIDE), F is R
        tiles = down * (down + 1) // 2 if symmetric else down * across
        parts = min(-(-M // _GRAM_POSITIONS), -(-4 * self.card.multiprocessors // tiles))
        positions = padded(-(-M // parts), 32)
        parts = -(-M // positions)
        partial = self._empty((parts, tiles, _GRAM_SIDE, _GRAM_SIDE), F.dtype)
        kernel = "gram_registers" if self._gram_arithmetic(F) == "float32" else "gram_tf32"
        self.card.launch(
            kernel, F.dtype, parts * tiles, THREADS,
            F, R, partial, np.int64(M), N, K, symmetric, tiles, np.int64(positions),
        )  # fmt: skip
        self.card.launch(
            "gram_of_parts", F.dtype, tiles, THREADS, partial, G, N, K, symmetric, tiles, parts
        )

    def _gram_arithmetic(self, F) -> str:
        exact = self.precision in ("float32", "tf32x3") or F.shape[-1] <= FEW  # the picture
        return self._arithmetic(F.dtype, "float32" if exact else "tf32")

    def gram_backward(self, dL_dG, cache, onto=None):
        F = cache
        return self._times_symmetric(F, dL_dG, 1.0, None, onto)

    def _times_symmetric(self, F, S, factor: float, b, onto=None):
        """b + factor · F (S + Sᵀ), for every position of F (H, W, N); added to `onto`."""
        filters = self._filters(S, SYMMETRIC, self._gram_arithmetic(F), taps=1, factor=factor)
        return self._convolve(F, (*F.shape, F.shape[2]), filters, b, onto=onto)[0]

    def _times_matrix(self, F, S, turned: bool = False):
        """F (H, W, C) times S (C, K), or times the transpose of S (K, C), for every position."""
        layout = TURNED if turned else PLAIN
        filters = self._filters(S, layout, self._gram_arithmetic(F), taps=1)
        return self._convolve(F, (*F.shape, S.shape[0] if turned else S.shape[1]), filters, None)[0]

    def mean_and_covariance_forward(self, F):
        N = F.shape[2]
        M = F.size // N
        mean = self._sum_of_channels(F, 1 / M)
        centred, count = self._empty(F.shape, F.dtype), np.int64(F.size)
        self._for_each("centred", F.dtype, F.size, F, mean, centred, count, N)
        covariance = self.gram_forward(centred)[0] / M
        return mean.astype(F.dtype), covariance, centred

    def mean_and_covariance_backward(self, dL_dmean, dL_dcovariance, cache):
        centred = cache
        M = math.prod(centred.shape[:2])
        # What the mean passes on through the covariance adds up to zero.
        return self._times_symmetric(centred, dL_dcovariance, 1 / M, dL_dmean / M)

    # Total variations

    def power_variation_forward(self, x, beta):
        return self._variation("power", x, float(beta)), (x, beta)

    def power_variation_backward(self, dL_dloss, cache):
        x, beta = cache
        return self._variation_back("power", dL_dloss, x, float(beta))

    def smoothed_variation_forward(self, x, epsilon):
        return self._variation("smoothed", x, float(epsilon)), (x, epsilon)

    def smoothed_variation_backward(self, dL_dloss, cache):
        x, epsilon = cache
        return self._variation_back("smoothed", dL_dloss, x, float(epsilon))

    def nine_point_variation_forward(self, x):
        return self._variation("nine_point", x, *of_numpy.nine_point_factors(x.shape)), x

    def nine_point_variation_backward(self, dL_dloss, cache):
        x = cache
        factors = of_numpy.nine_point_factors(x.shape)
        return self._variation_back("nine_point", dL_dloss, x, *factors)

    def _variation(self, kind: str, x, *parameters: float):
        name = self._named(f"{kind}_variation_forward", "naive", "fast")
        return self._summed(name, x.dtype, x.size, (x,), (*x.shape, *parameters)).reshape(())

    def _variation_back(self, kind: str, dL_dloss, x, *parameters: float):
        dL_dx, factor = self._empty(x.shape, x.dtype), self._number(dL_dloss)
        name = f"{kind}_variation_backward"
        self._for_each(name, x.dtype, x.size, x, factor, dL_dx, *x.shape, *parameters)
        return dL_dx

    # Products of all channels with each other

    def weighted_gram_forward(self, F, weights):
        """As the Gram matrix of √w F, for the product to be symmetric."""
        return self.gram_forward(self._weighted(F, weights, by_root=True))[0], (F, weights)

    def weighted_gram_backward(self, dL_dG, cache):
        F, weights = cache
        product = self.gram_backward(dL_dG, F)
        return self._weighted(product, weights, by_root=False, out=product)

    def _weighted(self, F, weights, by_root: bool, out=None):
        out = self._empty(F.shape, F.dtype) if out is None else out
        M, N = np.int64(weights.size), F.shape[2]
        self._for_each("weighted", F.dtype, F.size, F, weights, by_root, out, M, N)
        return out

    def cross_gram_forward(self, F, R):
        return self._products_over_positions(F, R), (F, R)

    def cross_gram_backward(self, dL_dC, cache):
        F, R = cache
        return self._times_matrix(R, dL_dC, turned=True), self._times_matrix(F, dL_dC)

    # Gaussians: array operations on N × N matrices in double precision, as numpy's are

    def matrix_root(self, A, noise):
        with self.card.libraries():
            return of_numpy.matrix_root(A, noise)

    def bures_forward(self, covariance, root, noise):
        with self.card.libraries():
            return of_numpy.bures_forward(covariance, root, noise)

    def bures_backward(self, dL_ddistance, cache):
        with self.card.libraries():
            return of_numpy.bures_backward(dL_ddistance, cache)

    # Histograms

    def channel_order(self, F):
        with self.card.libraries():
            return np.argsort(_by_channel(F), axis=1, kind="stable").astype(np.uint32)

    def sorted_channels(self, F):
        with self.card.libraries():
            return np.sort(_by_channel(F), axis=1)

    def matched_channels(self, order, values):
        (N, M), count = order.shape, values.shape[1]
        R = self._empty((M, N), values.dtype)
        self._for_each(
            "matched_channels", values.dtype, M * N,
            order, values, R, np.int64(M), N, np.int64(count),
        )  # fmt: skip
        return R

    # Patches

    def nearest_patches(self, F, S):
        """For how the fast one goes about it see cuda/patches.cu."""
        (H, W, N), (H_s, W_s, _) = F.shape, S.shape
        nearest = self._empty((H - 2, W - 2), np.uint32)
        if self._rung == "naive":
            self._one_each(
                "nearest_patches_naive", F.dtype, nearest.size, F, S, nearest, H, W, H_s, W_s, N
            )
            return nearest
        norms = self._empty((H_s - 2, W_s - 2), F.dtype)
        self._for_each("inverse_norms", F.dtype, 32 * norms.size, S, norms, H_s, W_s, N)
        likeness, rows = self._empty(nearest.shape, F.dtype), _rows_at_a_time(W, W_s)
        for top in range(0, H - 2, rows):
            some = slice(top, min(top + rows, H - 2))
            for top_s in range(0, H_s - 2, rows):
                rows_s = min(rows, H_s - 2 - top_s)
                of_style = S[top_s : top_s + rows_s + 2].reshape(-1, N)
                products = self._times_matrix(F[top : some.stop + 2], of_style, turned=True)
                self.card.launch(
                    "nearest_of_products", F.dtype, nearest[some].size, _THREADS_OF_PATCHES,
                    products, norms, likeness[some], nearest[some], W, W_s, rows_s,
                    top_s * (W_s - 2),
                )  # fmt: skip
                del products  # before the next are there
        return nearest

    def patch_distance_forward(self, F, S, nearest):
        (H, W, N), differences = F.shape, self._empty(F.shape, F.dtype)
        name = self._named("patch_distance_forward", "naive", "fast")
        before, after = (F, S, nearest, differences), (H, W, N, S.shape[1])
        return self._summed(name, F.dtype, F.size, before, after).reshape(()), differences

    def patch_distance_backward(self, dL_ddistance, cache):
        differences = cache
        return self.squared_error_backward(2 * dL_ddistance, differences)


def _by_channel(F):
    """(H, W, N) → (N, M), its rows one after the other in memory."""
    return F.reshape(-1, F.shape[2]).T.copy()


def _rows_at_a_time(W: int, W_s: int) -> int:
    """So many rows of patches of either map are multiplied with each other at a time."""
    return max(1, math.isqrt(_PRODUCTS_BYTES // (4 * W * W_s)) - 2)


def nearest_patches_bytes(shape, style_shape) -> int:
    """What the search needs at its peak, in single precision: the products of some rows, those of
    the style as filters, and for each patch its place and likeness, and the style's norms."""
    (H, W, N), (H_s, W_s, _) = shape, style_shape
    rows = _rows_at_a_time(W, W_s)
    positions_s = min(rows + 2, H_s) * W_s
    return 4 * (min(rows + 2, H) * W * positions_s + N * positions_s + 2 * H * W + H_s * W_s)
