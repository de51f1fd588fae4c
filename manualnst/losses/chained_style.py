"""Style as a chain: which filters of one layer respond together with which of the layer before it
(the correlation chain of Novak and Nikulin 2016).

With F (M, N) of a layer, B (M_B, K) of the layer below it, s the activation shift, and R the map B
at F's size:

[J1] Forward:     C_ij = Σ_k (F_ki + s)(R_kj + s)                          (N, K)
[J2] Backward:    dL_dF = (R + s) dL_dCᵀ
[J3]              dL_dR = (F + s) dL_dC
[J4] Loss:        E = 1/(4 N K M²) Σ_ij (C_ij − A_ij)²       A is the style picture's C
[J5] backward:    dE_dF = 1/(2 N K M²) (R + s)(C − A)ᵀ
[J6]              dE_dB = 1/(2 N K M²) (F + s)(C − A), back through the pooling, [A2]

     Half of what [E6] has: each entry of F enters C once, as the rows of C are other filters than
     its columns.

Between two layers there may be a pooling. The literature brings the smaller map up to the larger;
here B is brought down by average pooling. If each value of F is repeated over its 2×2 window, that
is the same matrix but for a factor 4, since Σ over the window of F_ki B_pj is F_ki · 4 R_kj; it
takes a quarter of the products, and does not depend on which pooling the network has. A widely used
program by the name of "chained inference" subtracts the style losses of two layers instead, and has
no correlations between them.

All normalisations are those of [E4], with N K in the place of N².
"""

from typing import NamedTuple

from ..ops import check
from .record import Distance, Need, Statistic, StyleLoss
from .resample import resample_backward, resample_forward
from .style import Gram, distance_backward, distance_of_gram_forward


class ChainedGram(NamedTuple):
    """A style target: C of two layers of the style picture."""

    gram: Gram
    shift: float


def chained_style_target(F, B, shift: float = 0.0, *, backend) -> ChainedGram:
    """[J1] of a style picture's maps F (h, w, N) and B (H, W, K), of the layer below."""
    C = measured_chain(F, B, shift, backend=backend)
    return chained_style_target_from(C, F.shape[0] * F.shape[1], shift, backend=backend)


def measured_chain(F, B, shift: float, *, backend):
    """[J1] of a style picture's maps F (h, w, N) and B (H, W, K) → C (N, K)."""
    return _chain("chained_style_target", F, B, shift, backend)[0]


def chained_style_target_from(C, positions: float, shift: float, *, backend) -> ChainedGram:
    return ChainedGram(Gram(C, positions), shift)


def chained_style_forward(F, B, target: ChainedGram, normalisation: str = "paper", *, backend):
    """[J1] and [J4]: F (h, w, N), B (H, W, K), of the layer below → loss, cache."""
    C, chain_cache = chain_forward(F, B, target, backend=backend)
    positions = F.shape[0] * F.shape[1]
    loss, distance_cache = distance_of_gram_forward(
        C, positions, target, normalisation, backend=backend
    )
    return loss, (distance_cache, chain_cache)


def chained_style_backward(dL_dloss: float, cache, *, backend):
    """[J5] and [J6] → dL_dF (h, w, N), dL_dB (H, W, K)."""
    distance_cache, chain_cache = cache
    dL_dC = distance_backward(dL_dloss, distance_cache, backend=backend)
    return chain_backward(dL_dC, chain_cache, backend=backend)


def chain_forward(F, B, target: ChainedGram, *, backend):
    """[J1]: F (h, w, N), B (H, W, K) → C (N, K), cache."""
    return _chain("chained_style_forward", F, B, target.shift, backend)


def chain_backward(dL_dC, cache, *, backend):
    """[J2] and [J3] → dL_dF (h, w, N), dL_dB (H, W, K)."""
    gram_cache, pool_caches = cache
    dL_dF, dL_dR = backend.cross_gram_backward(dL_dC, gram_cache)
    return dL_dF, resample_backward(dL_dR, pool_caches, backend=backend)


def _chain(function: str, F, B, shift: float, backend):
    check.is_map(function, "F", F)
    check.is_map(function, "B", B)
    check.same_dtype(function, F=F, B=B)
    R, pool_caches = resample_forward(B[:], F.shape[:2], backend=backend)
    C, gram_cache = backend.cross_gram_forward(F[:] + shift, R + shift)
    return C, (gram_cache, pool_caches)


LOSS = StyleLoss(
    target_of=chained_style_target,
    forward=chained_style_forward,
    backward=chained_style_backward,
    statistic=Statistic(chain_forward, chain_backward, measured_chain, chained_style_target_from),
    distance=Distance(distance_of_gram_forward, distance_backward),
    need=Need(1, 1, 1),  # F + s; dL_dF
    of_pairs=True,
    at_pixels="moments",
    settings=("shift",),
    words="takes each layer with the one before it in the list",
)
