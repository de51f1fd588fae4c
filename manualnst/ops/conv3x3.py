r"""3×3 convolution, stride 1, zero padding 1 (as cross-correlation: the filter is not turned).

[C1] Forward, with x zero outside the picture:

    y[i,j,k] = b[k] + Σ_{u,v,c} x[i+u−1, j+v−1, c] · w[u,v,c,k]          u, v ∈ {0, 1, 2}

[C2] Backward to the input. x[p,q,c] enters y[i,j,k] through exactly the tap with
i+u−1 = p and j+v−1 = q, that is i = p−u+1 and j = q−v+1, with the factor w[u,v,c,k]. So

    dL_dx[p,q,c] = Σ_{u,v,k} dL_dy[p−u+1, q−v+1, k] · w[u,v,c,k]

with dL_dy zero outside the picture. Substituting u' = 2−u, v' = 2−v gives the form of [C1],

    dL_dx[p,q,c] = Σ_{u',v',k} dL_dy[p+u'−1, q+v'−1, k] · w[2−u', 2−v', c, k]

so the backward is a convolution too, with each filter turned by 180° and its input and
output channels exchanged. It is linear in dL_dy and needs no x: the cache is w alone.

[C3] Backward to the parameters. w[u,v,c,k] multiplies x[i+u−1, j+v−1, c] in every y[i,j,k],
and b[k] is added to every y[i,j,k]:

    dL_dw[u,v,c,k] = Σ_{i,j} dL_dy[i,j,k] · x[i+u−1, j+v−1, c]
    dL_db[k]       = Σ_{i,j} dL_dy[i,j,k]

Stylising never needs [C3], as the filters stay as they are; learning filters does.
"""

from ..errors import InputError
from . import check


def conv3x3_forward(x, w, b, *, backend):
    """[C1]: x (H, W, C), w (3, 3, C, K), b (K,) → y (H, W, K), cache."""
    check_forward(x, w, b)
    return backend.conv3x3_forward(x, w, b)


def conv3x3_backward(dL_dy, cache, *, backend):
    """[C2]: dL_dy (H, W, K) → dL_dx (H, W, C)."""
    check.is_map("conv3x3_backward", "dL_dy", dL_dy)
    w = cache
    if dL_dy.shape[2] != w.shape[3]:
        raise InputError(
            f"conv3x3_backward: dL_dy has {dL_dy.shape[2]} channels, the filters made "
            f"{w.shape[3]} (dL_dy {dL_dy.shape}, w {w.shape})"
        )
    return backend.conv3x3_backward(dL_dy, cache)


def conv3x3_backward_params(dL_dy, x, *, backend):
    """[C3]: dL_dy (H, W, K), x (H, W, C) → dL_dw (3, 3, C, K), dL_db (K,)."""
    check.is_map("conv3x3_backward_params", "dL_dy", dL_dy)
    check.is_map("conv3x3_backward_params", "x", x)
    check.same_dtype("conv3x3_backward_params", dL_dy=dL_dy, x=x)
    if dL_dy.shape[:2] != x.shape[:2]:
        raise InputError(
            f"conv3x3_backward_params: dL_dy and x must be of one height and width, "
            f"got {dL_dy.shape} and {x.shape}"
        )
    return backend.conv3x3_backward_params(dL_dy, x)


def check_forward(x, w, b):
    check.is_map("conv3x3_forward", "x", x)
    if w.ndim != 4 or w.shape[:2] != (3, 3):
        raise InputError(
            f"conv3x3_forward: w must be (3, 3, channels in, channels out), got shape {w.shape}"
        )
    if x.shape[2] != w.shape[2]:
        raise InputError(
            f"conv3x3_forward: x has {x.shape[2]} channels, w expects {w.shape[2]} "
            f"(x {x.shape}, w {w.shape})"
        )
    if b.shape != w.shape[3:]:
        raise InputError(f"conv3x3_forward: b has shape {b.shape}, w makes {w.shape[3]} channels")
    check.same_dtype("conv3x3_forward", x=x, w=w, b=b)
