"""Style: how far the correlations G of the feature maps are from those, A, of the style picture.

[E3] Gram matrix, forward:    G_ij = Σ_k F_ik F_jk              (here G = Fᵀ F with F (M, N))
[G1] Gram matrix, backward:   dL_dF = F (dL_dG + dL_dGᵀ)

     F_ki enters G_ij for every j with the factor F_kj, and G_ji likewise (for i = j twice):
     dL_dF_ki = Σ_j dL_dG_ij F_kj + Σ_j dL_dG_ji F_kj. No symmetry of dL_dG is assumed.

[E4] A layer's loss:          E = 1/(4 N² M²) Σ_ij (G_ij − A_ij)²
     its derivative by G:     dE_dG_ij = 1/(2 N² M²) (G_ij − A_ij)
[E6] [G1] applied to that:    dE_dF = 1/(N² M²) F (G − A)

     as G − A is symmetric, dE_dG + dE_dGᵀ is twice dE_dG. The paper writes its transpose and
     adds the condition F > 0, which is the ReLU's (ops/relu.py).

[E5] The style loss is Σ_l w_l E_l over the layers; the weights are the objective's business.

A style picture of another size has M_s positions, and its G is larger or smaller by M_s / M for
that reason alone. So A is multiplied by M / M_s first; for [E4] that gives
1/(4 N²) Σ (G/M − A/M_s)², which is the paper's where M = M_s.

Other sources' constants: normalisation.py.
"""

from typing import NamedTuple

import numpy as np

from ..errors import InputError
from ..ops import check
from .normalisation import NORMALISATIONS
from .record import Distance, Need, Statistic, StyleLoss


class Gram(NamedTuple):
    """A style target: the Gram matrix of one layer and the positions that it was summed over."""

    A: np.ndarray  # (N, N)
    positions: float  # M_s; of a weighted sum, the sum of the weights


def gram_target(F, *, backend) -> Gram:
    """[E3] of a style picture's map F (H, W, N)."""
    G = measured_gram(F, backend=backend)
    return gram_target_from(G, F.shape[0] * F.shape[1], backend=backend)


def measured_gram(F, *, backend):
    """[E3] of a style picture's map F (H, W, N) → G (N, N)."""
    check.is_map("gram_target", "F", F)
    return backend.gram_forward(F)[0]


def gram_target_from(G, positions: float, *, backend) -> Gram:
    return Gram(G, positions)


def style_forward(F, target: Gram, normalisation: str = "paper", *, backend):
    """[E3] and [E4] of one layer: F (H, W, N) → loss, cache."""
    G, gram_cache = gram_forward(F, target, backend=backend)
    loss, distance_cache = distance_forward(
        G, F.shape[0] * F.shape[1], target, normalisation, backend=backend
    )
    return loss, (distance_cache, gram_cache)


def style_backward(dL_dloss: float, cache, onto=None, *, backend):
    """[E6] → dL_dF (H, W, N), added to `onto` if that is given."""
    distance_cache, gram_cache = cache
    dL_dG = distance_backward(dL_dloss, distance_cache, backend=backend)
    return gram_backward(dL_dG, gram_cache, onto, backend=backend)


def gram_forward(F, target: Gram, *, backend):
    """[E3]: F (H, W, N) → G (N, N), cache."""
    check.is_map("style_forward", "F", F)
    check.same_dtype("style_forward", F=F, A=target.A)
    return backend.gram_forward(F)


def gram_backward(dL_dG, cache, onto=None, *, backend):
    """[G1] → dL_dF (H, W, N), added to `onto` if that is given."""
    return backend.gram_backward(dL_dG, cache, onto)


def distance_forward(G, positions: float, target: Gram, normalisation: str, *, backend):
    """[E4]: G of so many positions → loss, cache."""
    if G.shape != target.A.shape:
        raise InputError(
            f"a style loss got a map of {' and '.join(map(str, dict.fromkeys(G.shape)))} channels, "
            f"but the target is the Gram matrix of "
            f"{' and '.join(map(str, dict.fromkeys(target.A.shape)))}; both must come from the "
            "same layer of the same network"
        )
    A = target.A * (positions / target.positions)
    scale = NORMALISATIONS[normalisation].style(A, positions)
    half, D = backend.squared_error_forward(G, A)  # ½ Σ D², D = G − A
    return 2 * scale * half, (2 * scale, D)


def distance_backward(dL_dloss: float, cache, *, backend):
    """The derivative of [E4] by G → dL_dG."""
    double_scale, D = cache
    return backend.squared_error_backward(dL_dloss * double_scale, D)


def distance_of_gram_forward(G, positions, target, normalisation: str, *, backend):
    """[E4] for a target that has more to it than its Gram matrix."""
    return distance_forward(G, positions, target.gram, normalisation, backend=backend)


LOSS = StyleLoss(
    target_of=gram_target,
    forward=style_forward,
    backward=style_backward,
    statistic=Statistic(gram_forward, gram_backward, measured_gram, gram_target_from),
    distance=Distance(distance_forward, distance_backward),
    need=Need(0, 0, 0, keeps_map=True, whole=False),
    at_pixels="moments",
)
