"""What is told of a run on its way, and how it is stopped."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Progress:
    """What a callback learns after each step."""

    step: int
    evaluations: int
    loss: float  # of this step's picture
    terms: dict[str, float]  # weighted; they add up to `loss`
    seconds: float  # since the run was started or resumed
    seconds_left: float  # of all scales
    share: float  # of the whole work that is done, from 0 to 1
    size: tuple[int, int]  # (width, height) of this scale
    painted: Callable[[int, int], np.ndarray]  # at any size
    last_size: tuple[int, int]  # (width, height) of the last scale

    @cached_property
    def picture(self) -> np.ndarray:
        """(H, W, 3), this step's, of that size; not to be changed. It may have to be fetched."""
        return self.painted(*self.size)

    @cached_property
    def enlarged(self) -> np.ndarray:
        """The same as the result would be, if the run ended here."""
        return self.painted(*self.last_size)


STOPPED = "stopped by the callback"


class Stop(Enum):
    """What a callback returns to end the run with the best picture so far. Nothing else does:
    many functions return something."""

    STOP = "stop"


STOP = Stop.STOP
Callback = Callable[[Progress], Any]  # called after each step
