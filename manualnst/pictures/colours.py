"""The colours of a picture: matched to those of another beforehand, or kept while it is painted.

After Gatys, Bethge, Hertzmann, Shechtman, *Preserving color in neural artistic style transfer*
(2016). Two ways:

1. Matching. The style picture is given the content's colours before anything is measured of it.
   Its pixels s (vectors of 3) have the mean μ and the covariance Σ, the content's have μ̂ and Σ̂.
   An affine map s ↦ A (s − μ) + μ̂ makes the mean μ̂, whatever A is, and the covariance

       1/M Σ_k A (s_k − μ)(s_k − μ)ᵀ Aᵀ = A Σ Aᵀ       which is to be Σ̂.

   Let R and R̂ be any roots, R Rᵀ = Σ and R̂ R̂ᵀ = Σ̂, and let R have an inverse. Then A = R̂ R⁻¹ does
   it: A Σ Aᵀ = R̂ R⁻¹ R Rᵀ R⁻ᵀ R̂ᵀ = R̂ R̂ᵀ. And every solution is of this form, up to a rotation Q in
   between: if A Σ Aᵀ = Σ̂ and R̂ has an inverse too, then Q = R̂⁻¹ A R has
   Q Qᵀ = R̂⁻¹ A Σ Aᵀ R̂⁻ᵀ = 1, and A = R̂ Q R⁻¹. So the choice of a map is that of a rotation:

       cholesky    R = L, R̂ = L̂, the triangular roots: red is made of red alone, green of red and
                   green; depends on the order of the channels
       pca         R = Σ^½, R̂ = Σ̂^½, the symmetric roots: whitened along the principal axes of the
                   one, coloured along those of the other
       symmetric   A = Aᵀ: the colours move least. Their mean squared way is
                   1/M Σ_k ‖A d_k − d_k‖² = tr Σ̂ + tr Σ − 2 tr(A Σ), d_k = s_k − μ, and with
                   A = Σ̂^½ Q Σ^−½ it is tr(A Σ) = tr(Q Σ^½ Σ̂^½), over rotations Q at most the
                   sum of the singular values of Σ^½ Σ̂^½, that is tr (Σ^½ Σ̂ Σ^½)^½. It is
                   reached by A = Σ^−½ (Σ^½ Σ̂ Σ^½)^½ Σ^−½, the optimal transport of Gaussians.

   A picture of one colour, or a grey one, has no inverse root. The pseudo-inverse then leaves the
   directions in which it does not vary as flat as they are: what is not there cannot be stretched.
   A direction with a standard deviation below half a step of 8 bits is such: all that could be
   stretched there is rounding.

   Instead of the moments, the histogram of each channel can be matched: the value of rank r gets
   the content's value of that rank. Mean and covariance are then equal only as far as that
   implies: those of a channel nearly (exactly where both pictures have the same number of pixels,
   all different), the covariances of two channels not.

   All this is before values outside [0, 1] are clipped, which moves the moments again.

2. Luminance. Content, style and the picture that is painted are greys; the result is given the
   content's chrominance at the end. The luminance of YIQ and of YCbCr is the same,
   Y = .299 R + .587 G + .114 B, and their chrominances are linear in (R − Y, G − Y, B − Y). So
   keeping them is keeping these three differences, and neither needs its matrix here. The style's
   luminance is brought to the mean and standard deviation of the content's before, as the paper
   advises, which is the map above with one channel.

Transparent pixels of the content do not count: its pixels are weighted by their alpha.
"""

from typing import NamedTuple

import numpy as np

from ..errors import InputError

KEEP_STYLE, KEEP_CONTENT = "style", "content"
_MATCH = "match-"
ROOTS = ("cholesky", "pca", "symmetric")
_HISTOGRAM = "histogram"
COLOURS = (KEEP_STYLE, KEEP_CONTENT, *(_MATCH + name for name in (*ROOTS, _HISTOGRAM)))

_FLAT = 0.5 / 255  # a smaller standard deviation is rounding
_LUMINANCE = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601, of YIQ and of YCbCr


class Moments(NamedTuple):
    mean: np.ndarray  # (C,) float64
    covariance: np.ndarray  # (C, C) float64


def moments(pixels: np.ndarray, alpha: np.ndarray | None = None) -> Moments:
    """Mean and covariance of pixels (H, W, C), weighted by alpha (H, W)."""
    values = pixels.reshape(-1, pixels.shape[2]).astype(np.float64)  # (M, C)
    weights = _weights(alpha, len(values))  # (M,)
    mean = weights @ values / weights.sum()  # (C,)
    from_mean = values - mean  # (M, C)
    return Moments(mean, (from_mean * weights[:, None]).T @ from_mean / weights.sum())


def affine_map(root: str, given: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """A (C, C) with A Σ Aᵀ = Σ̂, for covariances Σ = `given` and Σ̂ = `wanted`."""
    if root == "cholesky":
        return _triangular_root(wanted) @ _pseudo_inverse(_triangular_root(given))
    R = _symmetric_root(given)
    inverse = _pseudo_inverse(R)
    if root == "pca":
        return _symmetric_root(wanted) @ inverse
    if root == "symmetric":
        return inverse @ _symmetric_root(R @ wanted @ R) @ inverse
    raise InputError(f"unknown root {root!r}; choose one of {', '.join(ROOTS)}")


def match_moments(pixels: np.ndarray, wanted: Moments, root: str) -> np.ndarray:
    """Pixels (H, W, C) with the mean and covariance `wanted`: float64, and not clipped."""
    given = moments(pixels)
    A = affine_map(root, given.covariance, wanted.covariance)
    return (pixels - given.mean) @ A.T + wanted.mean


def match_histogram(
    pixels: np.ndarray, wanted: np.ndarray, alpha: np.ndarray | None = None
) -> np.ndarray:
    """Pixels (H, W, C), each channel with the distribution that it has in `wanted`: float64.

    Equal values stay equal, as they would otherwise break up into noise: all of them get the
    middle of their ranks. `alpha` belongs to `wanted`.
    """
    channels = [
        _match_values(pixels[:, :, c].ravel(), wanted[:, :, c].ravel(), alpha)
        for c in range(pixels.shape[2])
    ]
    return np.stack(channels, axis=1).reshape(pixels.shape)


def flat_directions(covariance: np.ndarray) -> int:
    """In how many directions colours of this covariance (C, C) do not vary."""
    deviations = np.sqrt(np.maximum(np.linalg.eigvalsh(covariance), 0))
    return int(np.sum(deviations <= _FLAT))


def match_style(
    choice: str, style: np.ndarray, content: np.ndarray, alpha: np.ndarray | None
) -> tuple[np.ndarray, list[str]]:
    """The style picture (H, W, 3) as `choice` of COLOURS wants it, and notices about that."""
    if choice == KEEP_STYLE:
        return style, []
    notices = []
    if choice == KEEP_CONTENT:
        wanted = moments(luminance(content)[:, :, :1], alpha)
        matched = match_moments(luminance(style)[:, :, :1], wanted, "symmetric")
        matched = np.repeat(matched, 3, axis=2)
        what = "its luminance has been brought to the content's mean and contrast"
    elif choice == _MATCH + _HISTOGRAM:
        matched = match_histogram(style, content, alpha)
        what = "the histogram of each channel has been matched to the content's"
    else:
        matched = match_moments(style, moments(content, alpha), choice.removeprefix(_MATCH))
        what = "mean and covariance of its colours have been matched to the content's"
        if flat := flat_directions(moments(style).covariance):
            notices.append(f"its colours vary in {3 - flat} of 3 directions: matched in these only")
    clipped = np.mean((matched < 0) | (matched > 1))
    if clipped:
        what += f"; {100 * clipped:.2g} % of the values were outside [0, 1] and were clipped"
    return np.clip(matched, 0, 1).astype(style.dtype), [what, *notices]


def luminance(pixels: np.ndarray) -> np.ndarray:
    """Pixels (H, W, 3) → their luminance Y, as greys (H, W, 3)."""
    Y = np.clip(pixels @ _LUMINANCE, 0, 1).astype(pixels.dtype)  # (H, W)
    return np.repeat(Y[:, :, None], 3, axis=2)


def with_chrominance_of(colours: np.ndarray, greys: np.ndarray) -> np.ndarray:
    """Greys (H, W, 3) as luminance, with the chrominance of `colours` (H, W, 3); clipped."""
    return np.clip(greys + (colours - luminance(colours)), 0, 1)


def mean_of_channels(x: np.ndarray) -> np.ndarray:
    """(H, W, 3) → each pixel's mean, as grey (H, W, 3). Its backward is the function itself.

    y_c = ⅓ Σ_d x_d for every c, so dL_dx_d = Σ_c ⅓ dL_dy_c for every d: the matrix is symmetric.
    """
    return np.repeat(x.mean(axis=2, keepdims=True), 3, axis=2)


def _weights(alpha: np.ndarray | None, count: int) -> np.ndarray:
    """What each of `count` pixels counts; all alike where none can be seen."""
    if alpha is None or not alpha.any():
        return np.ones(count)
    return alpha.ravel().astype(np.float64)


def _symmetric_root(covariance: np.ndarray) -> np.ndarray:
    values, vectors = np.linalg.eigh(covariance)
    return (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T


def _triangular_root(covariance: np.ndarray) -> np.ndarray:
    """Cholesky's L with L Lᵀ = Σ, of a singular Σ too: S = Q R gives Σ = Sᵀ S = Rᵀ R, so L = Rᵀ."""
    L = np.linalg.qr(_symmetric_root(covariance), mode="r").T
    return L * np.where(np.diag(L) < 0, -1, 1)


def _pseudo_inverse(root: np.ndarray) -> np.ndarray:
    """The singular values of a root of Σ are standard deviations: flat ones have no inverse."""
    U, deviations, Vt = np.linalg.svd(root)
    inverse = np.where(deviations > _FLAT, 1 / np.maximum(deviations, _FLAT), 0)
    return (Vt.T * inverse) @ U.T


def _match_values(values: np.ndarray, wanted: np.ndarray, alpha: np.ndarray | None) -> np.ndarray:
    """(M,), (M̂,) → (M,): each value becomes the wanted one below which as much lies."""
    _, which, counts = np.unique(values, return_inverse=True, return_counts=True)
    below = np.cumsum(counts) - 0.5 * counts  # to the middle of each value's ranks
    order = np.argsort(wanted, kind="stable")
    up_to = np.cumsum(_weights(alpha, len(wanted))[order])  # (M̂,), whole numbers without alpha
    ranks = np.searchsorted(up_to, below * up_to[-1] / len(values), side="right")
    return wanted[order][ranks][which].astype(np.float64)
