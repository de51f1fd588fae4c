"""The same functions as the numpy backend, by kernels of our own on an NVIDIA card (cuda/*.cu).

Arrays are CuPy's and stay on the card; so do the losses, as arrays without dimensions, until
somebody makes numbers of them. Nothing here waits for the card, but for what CuPy's libraries do
(cuda_losses.py).

All that is kept is float32. The precision is that of the matrix products: numbers are rounded on
their way into them. Sums are numbers in float32 throughout; but where other additions round,
matrix units cut off, so that their sums are not as exact as float32's are elsewhere.

    float32    no rounding, and no matrix units
    tf32x3     21 bits of fraction of what is multiplied, by three products of tf32
    tf32       10 bits of fraction (the default)
    float16    the same 10 bits at twice the speed. Only numbers from 6e-5 to 65504 keep all of
               them, which a gradient does not heed: the way back is bfloat16's
    bfloat16   7 bits, and the exponents of float32

The products of channels (Gram matrices) and of patches are in float32, or in TF32 where the others
have no more bits: of two patches that are alike within that, either may be the nearest.
Double precision, for gradient checks, is computed by the tiled kernels.
"""

import math
from typing import Any

import numpy as np

from ..errors import InputError
from . import PRECISIONS
from .cuda.card import Card
from .cuda.replay import Replayed
from .cuda_losses import FurtherLosses

RUNGS = ("naive", "tiled", "fast")  # of the ladder, see cuda/__init__.py

_THREADS = 256
_PLAIN, _TURNED, _SYMMETRIC = range(3)  # layouts, see cuda/filters.cu
_CHANNELS_PADDED_TO, _FILTERS_PADDED_TO = 32, 128  # see cuda/convolution.cuh
_FEW = 4  # channels, that kernels of their own are for
_GRAM_SIDE = 64  # of a tile, see cuda/gram.cu
_GRAM_POSITIONS = 256  # at least these are worth a block


class Backend(FurtherLosses):
    """A backend is usually a module; this one needs to know its card and the precision."""

    def __init__(self, card: Card, precision: str | None = None, rung: str = "fast"):
        self.card = card
        self.precision = precision or ("tf32" if card.has_matrix_units else "float32")
        self._rung = rung
        self._constants: dict[int, Any] = {}  # id → an array that never changes
        self._laid_out: dict[tuple, Any] = {}  # filters that never change, as the kernels want them
        self._small: dict[tuple, Any] = {}  # numbers from the host that are on the card already
        if self.precision not in PRECISIONS:
            raise InputError(
                f"unknown precision {precision!r}; choose one of {', '.join(PRECISIONS)}"
            )
        if self.precision != "float32" and not card.has_matrix_units:
            raise InputError(
                f"precision {self.precision}: this card has compute capability "
                f"{card.capability / 10}, and its matrix units take that since 8.0; use "
                "precision float32"
            )

    @property
    def words(self) -> str:
        return f"cuda, {self.card.name}, matrix products in {self.precision}"

    def replayer(self) -> Replayed:
        """See backends.replayer."""
        return Replayed(self.card)

    # Arrays

    def from_host(self, array: np.ndarray):
        """A NumPy array on the card. What is made of one that cannot be changed is remembered."""
        if isinstance(array, self.card.cupy.ndarray):
            return array
        on_card = self.card.cupy.asarray(array, order="C")
        if not array.flags.writeable:
            self._constants[id(on_card)] = on_card
        return on_card

    def _empty(self, shape, dtype):
        return self.card.cupy.empty(shape, dtype)

    def _from_host_once(self, values: np.ndarray):
        """A few numbers, of which the copy on the card is kept."""
        key = (values.dtype.str, values.shape, values.tobytes())
        if key not in self._small:
            self._small[key] = self.card.cupy.asarray(values)
        return self._small[key]

    def _number(self, value):
        """A number as one on the card, in double precision."""
        if isinstance(value, self.card.cupy.ndarray):
            return value.astype(np.float64, copy=False)
        return self._from_host_once(np.array(value, np.float64))

    # Launches

    def _for_each(self, name: str, real, count: int, *arguments) -> None:
        """A kernel that goes through so many numbers, with as many threads as are useful."""
        blocks = min(-(-count // _THREADS), 16 * self.card.multiprocessors)
        self.card.launch(name, real, blocks, _THREADS, *arguments)

    def _one_each(self, name: str, real, count: int, *arguments) -> None:
        """A kernel of which every thread does one thing."""
        self.card.launch(name, real, -(-count // _THREADS), _THREADS, *arguments)

    def _summed(self, name: str, real, count: int, before: tuple, after: tuple, columns: int = 1):
        """A kernel that leaves sums of its blocks, and the sum of these: (columns,) in double.

        Its arguments are those before the blocks' sums, and those after them.
        """
        if name.endswith("_naive"):
            blocks, threads = 1, 1
        elif name.endswith("_tiled"):
            blocks, threads = -(-count // _THREADS), _THREADS
        else:
            blocks, threads = min(-(-count // _THREADS), 4 * self.card.multiprocessors), _THREADS
        partial = self._empty((blocks, columns), np.float64)
        self.card.launch(name, real, blocks, threads, *before, partial, *after)
        return self._sum_of_rows(partial, real)

    def _sum_of_rows(self, partial, real, factor: float = 1.0):
        rows, columns = partial.shape
        total = self._empty(columns, np.float64)
        self.card.launch(
            "sum_of_rows", real, columns, _THREADS, partial, factor, total, rows, columns
        )
        return total

    def _named(self, operation: str, *rungs: str) -> str:
        """The kernel of this rung, or of the next lower one that there is."""
        wanted = RUNGS[: RUNGS.index(self._rung) + 1]
        return f"{operation}_{[rung for rung in rungs if rung in wanted][-1]}"

    # Convolution

    def conv3x3_forward(self, x, w, b):
        return self._convolve(x, (*x.shape, w.shape[3]), self._filters(w, _PLAIN), b)[0], w

    def conv3x3_backward(self, dL_dy, cache):
        return self._convolve_back(dL_dy, cache, dL_dy.shape)

    def fused_forward(self, x, w, b, pooled: bool):
        shape = (*x.shape, w.shape[3])
        filters = self._filters(w, _PLAIN)
        y, mask = self._convolve(x, shape, filters, b, rectify=True, pool=pooled)
        return y, (w, mask, (*shape[:2], shape[3]), pooled)

    def fused_backward(self, dL_dy, cache):
        w, mask, shape, pooled = cache
        return self._convolve_back(dL_dy, w, shape, mask, pooled)

    def _convolve_back(self, dL_dy, w, shape, mask=None, pooled=False):
        arithmetic = "bfloat16" if self.precision == "float16" else self.precision
        filters = self._filters(w, _TURNED, arithmetic)
        return self._convolve(
            dL_dy, (*shape, w.shape[2]), filters, None, x_mask=mask, x_pooled=pooled
        )[0]

    def _convolve(
        self, x, shape, filters, b, *, x_mask=None, x_pooled=False, rectify=False, pool=False,
        onto=None,
    ):  # fmt: skip
        """What convolution.cuh describes, of these sizes (H, W, C, K) → y, its mask."""
        (H, W, C, K), (arithmetic, taps, w) = shape, filters
        y, mask = onto, None
        if y is None:
            y = self._empty((H // 2, W // 2, K) if pool else (H, W, K), x.dtype)
        if rectify:
            words = (H, W, -(-K // 32))
            make = self.card.cupy.zeros if self._rung == "naive" else self._empty
            mask = make(words, np.uint32)
        name, blocks, threads, shared_bytes = self._choice(
            x.dtype, arithmetic, taps, shape, rectify, y.size
        )
        self.card.launch(
            name, x.dtype, blocks, threads,
            x, x_mask, x_pooled, w, b, y, mask, pool, onto is not None, H, W, C, K,
            shared_bytes=shared_bytes,
        )  # fmt: skip
        return y, mask

    def _choice(self, dtype, arithmetic: str, taps: int, shape, rectify: bool, numbers: int):
        """(kernel, blocks, threads of each, bytes of shared memory)."""
        (H, W, _, K), kind = shape, "convolution" if taps == 9 else "product"
        if self._rung == "naive":
            return f"{kind}_naive", -(-numbers // _THREADS), _THREADS, 0
        if self._rung == "tiled" or dtype == np.float64:
            return f"{kind}_tiled", _tiles(H, W, 4, 8) * -(-K // 32), _THREADS, 0
        if arithmetic == "float32":
            if K <= _FEW and not rectify:
                return f"{kind}_few", _tiles(H, W, 16, 16), _THREADS, 0
            filters = 64 if K <= 64 else 128
            blocks = _tiles(H, W, 8, 16) * -(-K // filters)
            return f"{kind}_registers_{filters}", blocks, 2 * filters, 0
        rows, filters = self._block(taps, shape, rectify)
        blocks = _tiles(H, W, rows, 16) * -(-K // filters)
        name = f"{kind}_{arithmetic}_{rows}_{filters}"
        return name, blocks, _THREADS, _matrix_unit_bytes(taps, rows, filters)

    def _block(self, taps: int, shape, rectify: bool) -> tuple[int, int]:
        """Rows of positions and filters that a block makes: see convolution_matrix_unit.cu."""
        H, W, _, K = shape
        if K <= 8 and taps == 9 and not rectify:
            return 16, 8
        filters = 64 if K <= 64 and taps == 9 else 128
        enough = _tiles(H, W, 16, 16) * -(-K // filters) >= self.card.multiprocessors
        return (16, filters) if enough else (8, 64)

    def _filters(self, w, layout: int, arithmetic: str | None = None, taps=9, factor=1.0):
        """(arithmetic, taps, the filters as its kernels want them)."""
        arithmetic = self._arithmetic(w.dtype, arithmetic)
        key = (id(w), layout, arithmetic)
        if key in self._laid_out:
            return self._laid_out[key]
        C, K = w.shape[-2:] if layout == _PLAIN else w.shape[:-3:-1]
        numbers = 2 if arithmetic.endswith("float16") else 1
        kernel = "filters" if arithmetic == "float32" else f"filters_{arithmetic}"
        padded = (
            taps,
            _padded(C, _CHANNELS_PADDED_TO) // numbers,
            _padded(K, _FILTERS_PADDED_TO),
        )
        out = self._empty(padded, w.dtype if arithmetic == "float32" else np.uint32)
        self._for_each(kernel, w.dtype, out.size, w, layout, float(factor), out, taps, C, K)
        if id(w) in self._constants:
            self._laid_out[key] = arithmetic, taps, out
        return arithmetic, taps, out

    def _arithmetic(self, dtype, wanted: str | None) -> str:
        """What these products are computed in; all but the fastest rung are in plain numbers."""
        if self._rung != "fast" or dtype == np.float64:
            return "float32"
        return wanted or self.precision

    # ReLU, pooling, pixels, borders

    def relu_forward(self, x):
        C = x.shape[-1]
        M, words = x.size // C, -(-C // 32)
        y, mask = self._empty(x.shape, x.dtype), self._empty((M, words), np.uint32)
        name = self._named("relu_forward", "naive", "fast")
        launch = self._one_each if name.endswith("naive") else self._for_each
        lanes = 1 if name.endswith("naive") else 32
        launch(name, x.dtype, M * words * lanes, x, y, mask, np.int64(M), C)
        return y, mask

    def relu_backward(self, dL_dy, cache):
        dL_dx, C = self._empty(dL_dy.shape, dL_dy.dtype), dL_dy.shape[-1]
        M = np.int64(dL_dy.size // C)
        self._for_each("relu_backward", dL_dy.dtype, dL_dy.size, dL_dy, cache, dL_dx, M, C)
        return dL_dx

    def avgpool_forward(self, x):
        H, W, C = x.shape
        y = self._empty((H // 2, W // 2, C), x.dtype)
        if C % 4 or self._rung == "naive":
            self._one_each("avgpool_forward_naive", x.dtype, y.size, x, y, H, W, C)
        else:
            self._for_each("avgpool_forward_fast", x.dtype, y.size // 4, x, y, H, W, C)
        return y, x.shape

    def avgpool_backward(self, dL_dy, cache):
        dL_dx = self._empty(cache, dL_dy.dtype)
        self._for_each("avgpool_backward", dL_dy.dtype, dL_dx.size, dL_dy, dL_dx, *cache)
        return dL_dx

    def maxpool_forward(self, x):
        H, W, C = x.shape
        y = self._empty((H // 2, W // 2, C), x.dtype)
        winner = self._empty(y.shape, np.uint8)
        self._for_each("maxpool_forward", x.dtype, y.size, x, y, winner, H, W, C)
        return y, (winner, x.shape)

    def maxpool_backward(self, dL_dy, cache):
        winner, shape = cache
        dL_dx = self._empty(shape, dL_dy.dtype)
        self._for_each("maxpool_backward", dL_dy.dtype, dL_dx.size, dL_dy, winner, dL_dx, *shape)
        return dL_dx

    def pixels_forward(self, x, scale, shift, order):
        z, turned = self._empty(x.shape, x.dtype), list(order) == [2, 1, 0]
        scale, shift = self._from_host_once(scale), self._from_host_once(shift)
        count = np.int64(x.size)
        self._for_each("pixels_forward", x.dtype, x.size, x, scale, shift, turned, z, count)
        return z, (scale, turned)

    def pixels_backward(self, dL_dz, cache):
        scale, turned = cache
        dL_dx, count = self._empty(dL_dz.shape, dL_dz.dtype), np.int64(dL_dz.size)
        self._for_each(
            "pixels_backward", dL_dz.dtype, dL_dz.size, dL_dz, scale, turned, dL_dx, count
        )
        return dL_dx

    def mirror_forward(self, x, margin: int):
        H, W, C = x.shape
        y = self._empty((H + 2 * margin, W + 2 * margin, C), x.dtype)
        self._for_each("mirror_forward", x.dtype, y.size, x, y, H, W, C, margin)
        return y, margin

    def mirror_backward(self, dL_dy, cache):
        margin, (H, W, C) = cache, dL_dy.shape
        dL_dx = self._empty((H - 2 * margin, W - 2 * margin, C), dL_dy.dtype)
        self._for_each(
            "mirror_backward", dL_dy.dtype, dL_dx.size, dL_dy, dL_dx, *dL_dx.shape, margin
        )
        return dL_dx

    def crop_forward(self, y, margin: int):
        H, W, N = y.shape
        F = self._empty((H - 2 * margin, W - 2 * margin, N), y.dtype)
        self._for_each("crop_forward", y.dtype, F.size, y, F, *F.shape, margin)
        return F, margin

    def crop_backward(self, dL_dF, cache, onto=None):
        margin, (H, W, N), adds = cache, dL_dF.shape, onto is not None
        dL_dy = onto
        if not adds:
            dL_dy = self._empty((H + 2 * margin, W + 2 * margin, N), dL_dF.dtype)
        self._for_each(
            "crop_backward", dL_dy.dtype, dL_dy.size, dL_dF, dL_dy, adds, H, W, N, margin
        )
        return dL_dy

    # Losses

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
        if self._rung == "fast" and N <= _FEW:
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
            self.card.launch("gram_tiled", F.dtype, blocks, _THREADS, F, R, G, np.int64(M), N, K)
        else:
            self._products_by_tiles(F, R, G, M, N, K)
        return G

    def _products_by_tiles(self, F, R, G, M: int, N: int, K: int) -> None:
        down, across, symmetric = -(-N // _GRAM_SIDE), -(-K // _GRAM_SIDE), F is R
        tiles = down * (down + 1) // 2 if symmetric else down * across
        parts = min(-(-M // _GRAM_POSITIONS), -(-4 * self.card.multiprocessors // tiles))
        positions = _padded(-(-M // parts), 32)
        parts = -(-M // positions)
        partial = self._empty((parts, tiles, _GRAM_SIDE, _GRAM_SIDE), F.dtype)
        kernel = "gram_registers" if self._gram_arithmetic(F) == "float32" else "gram_tf32"
        self.card.launch(
            kernel, F.dtype, parts * tiles, _THREADS,
            F, R, partial, np.int64(M), N, K, symmetric, tiles, np.int64(positions),
        )  # fmt: skip
        self.card.launch(
            "gram_of_parts", F.dtype, tiles, _THREADS, partial, G, N, K, symmetric, tiles, parts
        )

    def _gram_arithmetic(self, F) -> str:
        exact = self.precision in ("float32", "tf32x3") or F.shape[-1] <= _FEW  # the picture
        return self._arithmetic(F.dtype, "float32" if exact else "tf32")

    def gram_backward(self, dL_dG, cache, onto=None):
        F = cache
        return self._times_symmetric(F, dL_dG, 1.0, None, onto)

    def _times_symmetric(self, F, S, factor: float, b, onto=None):
        """b + factor · F (S + Sᵀ), for every position of F (H, W, N); added to `onto`."""
        filters = self._filters(S, _SYMMETRIC, self._gram_arithmetic(F), taps=1, factor=factor)
        return self._convolve(F, (*F.shape, F.shape[2]), filters, b, onto=onto)[0]

    def _times_matrix(self, F, S, turned: bool = False):
        """F (H, W, C) times S (C, K), or times the transpose of S (K, C), for every position."""
        layout = _TURNED if turned else _PLAIN
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

    def _sum_of_channels(self, F, factor: float = 1.0):
        N = F.shape[2]
        M, groups = F.size // N, -(-N // 32)
        if self._rung == "naive":
            partial = self._empty((1, N), np.float64)
            self._one_each("sum_of_channels_naive", F.dtype, N, F, partial, np.int64(M), N)
        else:
            blocks = min(-(-M // 64), 4 * self.card.multiprocessors)
            partial = self._empty((blocks, N), np.float64)
            self.card.launch(
                "sum_of_channels_fast", F.dtype, blocks * groups, _THREADS,
                F, partial, np.int64(M), N,
            )  # fmt: skip
        return self._sum_of_rows(partial, F.dtype, factor)

    def mean_and_covariance_backward(self, dL_dmean, dL_dcovariance, cache):
        centred = cache
        M = math.prod(centred.shape[:2])
        # What the mean passes on through the covariance adds up to zero.
        return self._times_symmetric(centred, dL_dcovariance, 1 / M, dL_dmean / M)


def _tiles(H: int, W: int, rows: int, columns: int) -> int:
    return -(-H // rows) * -(-W // columns)


def _padded(count: int, multiple: int) -> int:
    return -(-count // multiple) * multiple


def _matrix_unit_bytes(taps: int, rows: int, filters: int) -> int:
    """Shared memory of a block: two patches, and the filters of four steps."""
    border = 2 if taps == 9 else 0
    patch, stage = (rows + border) * (16 + border) * 20, 16 * (filters + 8)
    return 4 * (2 * patch + 4 * stage)
