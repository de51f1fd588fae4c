"""The constants by which the sources scale the losses, by name.

The derivations use the paper's losses; each source multiplies them, and so their gradients, by
a constant of its own. N channels, M positions; A is the style's Gram matrix for M positions.

    name            content              style                 total variation
    paper           [E1] ½ Σ (F − P)²    [E4] /(4 N² M²)       [T1]
    sum      [V1]   Σ (F − P)²           Σ (G − A)²            [T1]
    mean     [V2]   Σ (F − P)² / (N M)   Σ (G − A)² / (N M)³   [T1]
    mse      [V4]   Σ (F − P)² / (N M)   Σ (G − A)² / (N⁴ M²)  [T1]
    relative [V3]   Σ (F − P)² / Σ P²    Σ (G − A)² / Σ A²     [T1] / (3 H W)

The moments ([D3]) are none of these sources'. M μ and M S are sums over positions as G is, and get
the constants that G gets; `relative` adds up two shares, Σ (μ − μ̂)² / Σ μ̂² and the same of S.

`sum` is common in Keras tutorials; `mean` divides each Gram matrix by N M and its squared
distance by N M once more. `mse` is the mean squared error of the maps, and that of the Gram
matrices divided by N M: neural-style's, and the authors' own in their later programs, where
MSE(G/M)/N² is the same. `relative` measures shares of the target's energy: its values depend
neither on the size of the picture nor on the network, so that one weight serves all. It is the
default of a run.

The other total variations, [T3] and [T5], have the factors of [T1], but [T7] has none; the other
comparisons of Gram matrices, [S1], those of [E4]. A style loss that is a squared distance of
activations rather than of Gram matrices has the factor 1 (paper, sum), one over the number of what
is summed (mean, mse), or one over the distance of the target from nothing at all, activations that
are 0 throughout (relative).
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np


class Normalisation(NamedTuple):
    content: Callable[[np.ndarray], float]  # P (H, W, N) → the factor on ½ Σ (F − P)²
    style: Callable[[np.ndarray, float], float]  # A (N, N), M → the factor on Σ (G − A)²
    # μ̂ (N,), Ŝ (N, N), M → the factors on Σ (μ − μ̂)² and on Σ (S − Ŝ)²
    moments: Callable[[np.ndarray, np.ndarray, int], tuple[float, float]]
    total_variation: Callable[[int], float]  # number of entries of x → the factor on [T1]
    distance: Callable[[float, int], float]  # Σ t² of a target, its entries → that on Σ (…)²


def _energy(target):
    """Σ t², or 1 for a target that is zero throughout (a black picture has nothing to miss)."""
    energy = _sum_of_squares(target)
    return energy + (energy == 0)


def _sum_of_squares(target):
    """A plain number, lest single precision become double; of a card's array one on the card, for
    which nobody waits here."""
    total = np.sum(np.square(target.real), dtype=np.float64)
    return float(total) if isinstance(total, np.generic) else total


# Of a style without contrast everything else would be a multiple beyond measure. So the covariance
# counts for at least that of a picture whose contrast is a tenth of its mean.
_LEAST_CONTRAST = 0.1


def _shares(mean, covariance, M: int) -> tuple[float, float]:
    least = (_LEAST_CONTRAST**2 * _energy(mean)) ** 2
    energy = _sum_of_squares(covariance)
    largest = max(energy, least) if isinstance(energy, float) else np.maximum(energy, least)
    return 1.0 / _energy(mean), 1.0 / largest


RELATIVE = "relative"
NORMALISATIONS = {
    RELATIVE: Normalisation(
        content=lambda P: 2.0 / _energy(P),
        style=lambda A, M: 1.0 / _energy(A),
        moments=_shares,
        total_variation=lambda entries: 1.0 / entries,
        distance=lambda energy, entries: 1.0 / (energy or 1.0),
    ),
    "paper": Normalisation(
        content=lambda P: 1.0,
        style=lambda A, M: 1.0 / (4.0 * len(A) * A.shape[-1] * M**2),
        moments=lambda mean, covariance, M: 2 * (1.0 / (4.0 * len(mean) ** 2),),
        total_variation=lambda entries: 1.0,
        distance=lambda energy, entries: 1.0,
    ),
    "sum": Normalisation(
        content=lambda P: 2.0,
        style=lambda A, M: 1.0,
        moments=lambda mean, covariance, M: 2 * (float(M) ** 2,),
        total_variation=lambda entries: 1.0,
        distance=lambda energy, entries: 1.0,
    ),
    "mean": Normalisation(
        content=lambda P: 2.0 / P.size,
        style=lambda A, M: 1.0 / (math.sqrt(len(A) * A.shape[-1]) * M) ** 3,
        moments=lambda mean, covariance, M: 2 * (1.0 / (float(len(mean)) ** 3 * M),),
        total_variation=lambda entries: 1.0,
        distance=lambda energy, entries: 1.0 / entries,
    ),
    "mse": Normalisation(
        content=lambda P: 2.0 / P.size,
        style=lambda A, M: 1.0 / (float(len(A) * A.shape[-1]) * M) ** 2,
        moments=lambda mean, covariance, M: 2 * (1.0 / float(len(mean)) ** 4,),
        total_variation=lambda entries: 1.0,
        distance=lambda energy, entries: 1.0 / entries,
    ),
}
