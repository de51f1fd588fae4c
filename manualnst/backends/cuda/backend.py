"""The same functions as the numpy backend, by kernels of our own on an NVIDIA card (*.cu).

Arrays are CuPy's and stay on the card; so do the losses, as arrays without dimensions, until
somebody makes numbers of them. Nothing here waits for the card, but for what CuPy's libraries do
(losses.py).

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

from typing import Any

import numpy as np

from ...errors import InputError
from .. import PRECISIONS
from .card import Card
from .losses import Losses
from .replay import Replayed


class CudaBackend(Losses):
    """The whole backend, of one card and one precision."""

    def __init__(self, card: Card, precision: str | None = None, rung: str = "fast"):
        super().__init__(card, rung)
        self.precision = precision or ("tf32" if card.has_matrix_units else "float32")
        self._constants: dict[int, Any] = {}  # id → an array that never changes
        self._laid_out: dict[tuple, Any] = {}  # filters that never change, as the kernels want them
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

    def from_host(self, array: np.ndarray):
        """A NumPy array on the card. What is made of one that cannot be changed is remembered."""
        if isinstance(array, self.card.cupy.ndarray):
            return array
        on_card = self.card.cupy.asarray(array, order="C")
        if not array.flags.writeable:
            self._constants[id(on_card)] = on_card
        return on_card
