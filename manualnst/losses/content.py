"""Content: how far the feature maps F of the picture are from those, P, of the content picture.

[E1] Forward:     L = ½ Σ_ij (F_ij − P_ij)²
[E2] Backward:    ∂L/∂F_ij = F_ij − P_ij

The square gives a factor 2 that cancels the ½. Nothing is said of F < 0 here: that condition of
the paper's is the ReLU's, see ops/relu.py. Other sources' constants: normalisation.py.
"""

from ..errors import InputError
from ..ops import check
from .accumulated import accumulated
from .normalisation import NORMALISATIONS
from .record import Distance, Loss, Need, Statistic


def content_forward(F, P, normalisation: str = "paper", *, backend):
    """[E1]: F, P (H, W, N) → loss, cache."""
    check.is_map("content_forward", "F", F)
    check.same_dtype("content_forward", F=F, P=P)
    if F.shape != P.shape:
        raise InputError(
            f"content_forward: F and P must have one shape, got {F.shape} and {P.shape}; "
            "the content picture must have the size of the result"
        )
    half, D = _half_forward(F, P, backend=backend)
    loss, scale = _distance_forward(half, None, P, normalisation, backend=backend)
    return loss, (scale, D)


def content_backward(dL_dloss: float, cache, onto=None, *, backend):
    """[E2] → dL_dF (H, W, N), added to `onto` if that is given."""
    scale, D = cache
    return _half_backward(dL_dloss * scale, D, onto, backend=backend)


def _half_forward(F, P, *, backend):
    """½ Σ D², D = F − P: a sum over positions."""
    return backend.squared_error_forward(F, P)


def _half_backward(dL_dhalf: float, D, onto=None, *, backend):
    return accumulated(backend.squared_error_backward(dL_dhalf, D), onto)


def _distance_forward(half, _positions, P, normalisation: str, *, backend):
    scale = NORMALISATIONS[normalisation].content(P)
    return scale * half, scale


def _distance_backward(dL_dloss: float, scale, *, backend):
    return dL_dloss * scale


LOSS = Loss(
    forward=content_forward,
    backward=content_backward,
    need=Need(1, 2, 1),  # F − P; its squares
    statistic=Statistic(
        _half_forward, _half_backward, part_of=lambda P, rows, columns: P[rows, columns]
    ),
    distance=Distance(_distance_forward, _distance_backward),
)
