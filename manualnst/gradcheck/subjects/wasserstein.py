"""[W3] and [W4], and the ways to get them wrong."""

import numpy as np

from ... import losses
from ...backends import get_backend
from .gram import matrix, times
from .moments import centred, covariance_of
from .subject import Mistake, Problem, Subject, numbers


def _sizes(shape):
    H, W, N, _ = shape
    return {"N": N, "H": H, "W": W}


def _of_eigenvalues(A, function):
    values, vectors = np.linalg.eigh(A)
    return (vectors * function(values)) @ vectors.T


def _root(A):
    return _of_eigenvalues(A, np.sqrt)


def _inverse_root(A):
    return _of_eigenvalues(A, lambda values: 1 / np.sqrt(values))


# [W3]


def _draw_bures(rng, shape) -> Problem:
    _, _, N, _ = shape

    def covariance():
        factors = numbers(rng, N + 2, N)
        return factors.T @ factors / (N + 2) + 0.1 * np.eye(N)

    arguments = {"covariance": covariance(), "root": _root(covariance())}
    return Problem(arguments, {"N": N})


def _bures_own(problem, backend):
    covariance, root = problem.arguments.values()
    return backend.bures_backward(1.0, backend.bures_forward(covariance, root, 0.0)[1])


def _transport(covariance, root):
    """T, which moves a Gaussian of the one covariance to that of root²."""
    return root @ _inverse_root(root @ covariance @ root) @ root


def _bures_with(T):
    def gradient(covariance, root):
        return np.eye(len(root)) - T(covariance, root)

    return gradient


def _swapped(covariance, root):
    return np.linalg.inv(_transport(covariance, root))


def _commuting(covariance, root):
    return root @ _inverse_root(covariance)


_BURES_MISTAKES = (
    Mistake(
        "root not inverted",
        "T is S X S: the derivative of a root has the inverse of the root, X⁻¹",
        _bures_with(lambda covariance, root: root @ _root(root @ covariance @ root) @ root),
    ),
    Mistake(
        "inverse of the matrix in the place of that of its root",
        "T is S A⁻¹ S with A = S Σ S: the derivative of a root has the inverse of the root",
        _bures_with(lambda covariance, root: root @ np.linalg.inv(root @ covariance @ root) @ root),
    ),
    Mistake(
        "inner derivative missing",
        "it is I − X⁻¹: A = S Σ S has a factor S on either side, and each comes out",
        _bures_with(lambda covariance, root: _inverse_root(root @ covariance @ root)),
    ),
    Mistake(
        "inner derivative of one side",
        "it is I − X⁻¹ S, symmetrised: A = S Σ S has a factor S on either side",
        _bures_with(
            lambda covariance, root: _symmetric(_inverse_root(root @ covariance @ root) @ root)
        ),
    ),
    Mistake(
        "matrices taken to commute",
        "T is S Σ^{-1/2}, as if S and Σ commuted",
        _bures_with(lambda covariance, root: _symmetric(_commuting(covariance, root))),
    ),
    Mistake(
        "the two Gaussians exchanged",
        "T is its inverse, the plan from the target to the picture",
        _bures_with(_swapped),
    ),
    Mistake(
        "½ forgotten",
        "it is I − 2 T: the derivative of a root is half of its inverse",
        _bures_with(lambda covariance, root: 2 * _transport(covariance, root)),
    ),
    Mistake(
        "2 forgotten",
        "it is I − ½ T: in the distance the root counts twice",
        _bures_with(lambda covariance, root: _transport(covariance, root) / 2),
    ),
    Mistake(
        "diagonal only",
        "only the diagonal is there: the variances alone, without what channels have in common",
        lambda covariance, root: np.diag(1 - np.sqrt(np.diag(root @ root) / np.diag(covariance))),
    ),
    Mistake(
        "square not rooted",
        "it is Σ − S²: the gradient of half the squared difference of the covariances",
        lambda covariance, root: covariance - root @ root,
    ),
)


def _symmetric(A):
    return (A + A.T) / 2


BURES = Subject(
    name="bures_backward",
    identifier="W3",
    formula="dB_dΣ = I − S (S Σ S)^{−1/2} S",
    gives="dB_dcovariance",
    describe="""B = tr Σ + tr(S S) − 2 tr (S Σ S)^{1/2}. covariance (N, N), which is Σ, and
    root (N, N), which is S; both are symmetric and have positive eigenvalues
    → dB_dcovariance (N, N)""",
    draw=_draw_bures,
    variable=lambda problem: problem.arguments["covariance"],
    loss=lambda problem, covariance, backend: backend.bures_forward(
        covariance, problem.arguments["root"], 0.0
    )[0],
    own=_bures_own,
    right=_bures_with(_transport),
    summands=lambda problem: problem.sizes["N"] ** 2,
    parts=lambda covariance, root: {"I": np.eye(len(root)), "−T": -_transport(covariance, root)},
    mistakes=_BURES_MISTAKES,
    hints={"-1": "the sign: it is I − T"},
    is_polynomial=False,
)

# [W4]


def _draw(rng, shape) -> Problem:
    H, W, N, _ = shape
    style = numbers(rng, H + 1, W, N)
    target = losses.wasserstein_target(style, backend=get_backend("numpy"))
    noise = 100 * target.noise  # to be missed if it is forgotten
    arguments = {
        "F": numbers(rng, H, W, N),
        "mean": target.mean,
        "root": _root(covariance_of(style) + noise * np.eye(N)),
        "noise": noise,
    }
    return Problem(arguments, _sizes(shape), {"energy": target.energy})


def _forward(problem, F, normalisation, backend):
    _, mean, root, noise = problem.arguments.values()
    target = losses.Gaussian(mean.astype(F.dtype), root, noise, problem.hidden["energy"])
    return losses.wasserstein_forward(F, target, normalisation, backend=backend)


def _noisy(F, noise):
    return covariance_of(F) + noise * np.eye(F.shape[2])


def _pulled(F, towards):
    return 2 * (F - towards) / (F.shape[0] * F.shape[1])


def _with(T, centre=lambda F: F.mean(axis=(0, 1))):
    """Each position pulled to μ̂ + (F − μ) T."""

    def gradient(F, mean, root, noise):
        return _pulled(F, mean + times(F - centre(F), T(_noisy(F, noise), root)))

    return gradient


def _terms(F, mean, root, noise):
    nothing = np.zeros_like(F)
    moved = times(centred(F), _transport(_noisy(F, noise), root))
    return {
        "F": _pulled(F, nothing),
        "−μ̂": _pulled(nothing, mean),
        "−(F − μ)T": _pulled(nothing, moved),
    }


_MISTAKES = (
    Mistake(
        "root not inverted",
        "T is S X S: the derivative of a root has the inverse of the root, X⁻¹",
        _with(lambda covariance, root: root @ _root(root @ covariance @ root) @ root),
    ),
    Mistake(
        "matrices taken to commute",
        "T is S Σ^{-1/2}, as if S and Σ commuted",
        _with(_commuting),
    ),
    Mistake(
        "the two Gaussians exchanged",
        "T is its inverse, the plan from the target to the picture",
        _with(_swapped),
    ),
    Mistake(
        "F not centred",
        "T is applied to F, not to F − μ: it moves what the mean leaves",
        _with(_transport, centre=lambda F: 0),
    ),
    Mistake(
        "noise forgotten",
        "the noise is missing in the covariance of F: it is added to both",
        lambda F, mean, root, noise: _with(_transport)(F, mean, root, 0),
    ),
    Mistake(
        "covariance divided by M − 1",
        "the covariance is divided by M − 1, as np.cov does: here it is M",
        lambda F, mean, root, noise: _pulled(
            F,
            mean
            + times(
                centred(F),
                _transport(
                    np.cov(matrix(F).T).reshape(root.shape) + noise * np.eye(len(root)), root
                ),
            ),
        ),
    ),
    Mistake(
        "second moments in the place of the covariance",
        "Σ is the Gram matrix over M: the mean is not taken from F",
        lambda F, mean, root, noise: _pulled(
            F,
            mean
            + times(
                centred(F),
                _transport(
                    matrix(F).T @ matrix(F) / len(matrix(F)) + noise * np.eye(len(root)), root
                ),
            ),
        ),
    ),
    Mistake(
        "variances alone",
        "T has the ratios of the standard deviations only: channels vary together, too",
        _with(
            lambda covariance, root: np.diag(np.sqrt(np.diag(root @ root) / np.diag(covariance)))
        ),
    ),
    Mistake(
        "masked where F > 0",
        "it is zero where F < 0: that is the derivative of the ReLU that made F, applied there "
        "([R2]), not in the loss",
        lambda F, mean, root, noise: _with(_transport)(F, mean, root, noise) * (F > 0),
    ),
)


def _subject(normalisation: str, identifier: str, formula: str, **known) -> Subject:
    def own(problem, backend):
        _, cache = _forward(problem, problem.arguments["F"], normalisation, backend)
        return losses.wasserstein_backward(1.0, cache, backend=backend)

    return Subject(
        name="wasserstein_backward",
        identifier=identifier,
        formula=formula,
        gives="dL_dF",
        describe="""L = Σ (μ − μ̂)² + tr Σ + tr(S S) − 2 tr (S Σ S)^{1/2}, with μ the mean of F over
    the positions and Σ its covariance plus noise times the unit matrix. F (H, W, N), mean (N,),
    which is μ̂, root (N, N), which is S, noise, a number → dL_dF (H, W, N)""",
        draw=_draw,
        variable=lambda problem: problem.arguments["F"],
        loss=lambda problem, F, backend: _forward(problem, F, normalisation, backend)[0],
        own=own,
        right=_with(_transport),
        summands=lambda problem: problem.arguments["F"].size,
        is_polynomial=False,
        **known,
    )


WASSERSTEIN = _subject(
    "paper",
    "W4",
    "dL_dF = 2 (F − μ̂ − (F − μ) T)/M",
    parts=_terms,
    mistakes=_MISTAKES,
    hints={
        "M": "the 1/M of the mean and of the covariance is missing",
        "1/2": "both squares bring a 2",
        "1/N": "the distance is a sum over the channels, not their mean",
    },
)
NORMALISED_WASSERSTEIN = (
    _subject("mean", "V2", "dL_dF = 2 (F − μ̂ − (F − μ) T)/(MN)"),
    _subject("relative", "V3", "dL_dF = 2 (F − μ̂ − (F − μ) T)/(M (Σμ̂² + tr Σ̂))"),
)
