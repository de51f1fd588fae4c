"""The operations on a card: convolution, ReLU, pooling, pixels, borders."""

import numpy as np

from .launches import THREADS, Launches

PLAIN, TURNED, SYMMETRIC = range(3)  # layouts, see filters.cu
_CHANNELS_PADDED_TO, _FILTERS_PADDED_TO = 32, 128  # see convolution.cuh
FEW = 4  # channels, that kernels of their own are for


class Operations(Launches):
    # Convolution

    def conv3x3_forward(self, x, w, b):
        return self._convolve(x, (*x.shape, w.shape[3]), self._filters(w, PLAIN), b)[0], w

    def conv3x3_backward(self, dL_dy, cache):
        return self._convolve_back(dL_dy, cache, dL_dy.shape)

    def fused_forward(self, x, w, b, pooled: bool):
        shape = (*x.shape, w.shape[3])
        filters = self._filters(w, PLAIN)
        y, mask = self._convolve(x, shape, filters, b, rectify=True, pool=pooled)
        return y, (w, mask, (*shape[:2], shape[3]), pooled)

    def fused_backward(self, dL_dy, cache):
        w, mask, shape, pooled = cache
        return self._convolve_back(dL_dy, w, shape, mask, pooled)

    def _convolve_back(self, dL_dy, w, shape, mask=None, pooled=False):
        arithmetic = "bfloat16" if self.precision == "float16" else self.precision
        filters = self._filters(w, TURNED, arithmetic)
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
            return f"{kind}_naive", -(-numbers // THREADS), THREADS, 0
        if self._rung == "tiled" or dtype == np.float64:
            return f"{kind}_tiled", _tiles(H, W, 4, 8) * -(-K // 32), THREADS, 0
        if arithmetic == "float32":
            if K <= FEW and not rectify:
                return f"{kind}_few", _tiles(H, W, 16, 16), THREADS, 0
            filters = 64 if K <= 64 else 128
            blocks = _tiles(H, W, 8, 16) * -(-K // filters)
            return f"{kind}_registers_{filters}", blocks, 2 * filters, 0
        rows, filters = self._block(taps, shape, rectify)
        blocks = _tiles(H, W, rows, 16) * -(-K // filters)
        name = f"{kind}_{arithmetic}_{rows}_{filters}"
        return name, blocks, THREADS, _matrix_unit_bytes(taps, rows, filters)

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
        C, K = w.shape[-2:] if layout == PLAIN else w.shape[:-3:-1]
        numbers = 2 if arithmetic.endswith("float16") else 1
        kernel = "filters" if arithmetic == "float32" else f"filters_{arithmetic}"
        size = (
            taps,
            padded(C, _CHANNELS_PADDED_TO) // numbers,
            padded(K, _FILTERS_PADDED_TO),
        )
        out = self._empty(size, w.dtype if arithmetic == "float32" else np.uint32)
        self._for_each(kernel, w.dtype, out.size, w, layout, float(factor), out, taps, C, K)
        if id(w) in self._constants:
            self._laid_out[key] = arithmetic, taps, out
        return arithmetic, taps, out

    def _arithmetic(self, dtype, wanted: str | None) -> str:
        """What these products are computed in; all but the fastest rung are in plain numbers."""
        if self._rung != "fast" or dtype == np.float64:
            return "float32"
        return wanted or self.precision

    def conv3x3_backward_params(self, dL_dy, x):
        """Tap by tap, as the products of what that tap sees with what arrives."""
        (H, W, C), K = x.shape, dL_dy.shape[2]
        dL_dw, seen = self._empty((3, 3, C, K), x.dtype), self._empty(x.shape, x.dtype)
        for u, v in np.ndindex(3, 3):
            self._for_each("shifted", x.dtype, x.size, x, seen, H, W, C, u - 1, v - 1)
            dL_dw[u, v] = self._products_over_positions(seen, dL_dy)
        return dL_dw, self._sum_of_channels(dL_dy).astype(x.dtype)

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
                "sum_of_channels_fast", F.dtype, blocks * groups, THREADS,
                F, partial, np.int64(M), N,
            )  # fmt: skip
        return self._sum_of_rows(partial, F.dtype, factor)

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

    def crop_forward(self, y, edges: tuple[int, int, int, int]):
        top, bottom, left, right = edges
        H, W, N = y.shape
        F = self._empty((H - top - bottom, W - left - right, N), y.dtype)
        self._for_each("crop_forward", y.dtype, F.size, y, F, *F.shape, *edges)
        return F, edges

    def crop_backward(self, dL_dF, cache, onto=None):
        (top, bottom, left, right), (H, W, N), adds = cache, dL_dF.shape, onto is not None
        dL_dy = onto
        if not adds:
            dL_dy = self._empty((top + H + bottom, left + W + right, N), dL_dF.dtype)
        self._for_each(
            "crop_backward", dL_dy.dtype, dL_dy.size, dL_dF, dL_dy, adds, H, W, N, *cache
        )
        return dL_dy


def _tiles(H: int, W: int, rows: int, columns: int) -> int:
    return -(-H // rows) * -(-W // columns)


def padded(count: int, multiple: int) -> int:
    return -(-count // multiple) * multiple


def _matrix_unit_bytes(taps: int, rows: int, filters: int) -> int:
    """Shared memory of a block: two patches, and the filters of four steps."""
    border = 2 if taps == 9 else 0
    patch, stage = (rows + border) * (16 + border) * 20, 16 * (filters + 8)
    return 4 * (2 * patch + 4 * stage)
