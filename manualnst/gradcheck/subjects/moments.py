"""[D2] and [D4], and the ways to get them wrong."""

from functools import partial

import numpy as np

from ... import losses
from .gram import gram, matrix, misread, times
from .subject import Mistake, Problem, Subject, numbers


def centred(F: np.ndarray) -> np.ndarray:
    return F - F.mean(axis=(0, 1))


def covariance_of(F: np.ndarray) -> np.ndarray:
    return gram(centred(F)) / len(matrix(F))


def _backward(dL_dmean, dL_dcovariance, D):
    """[D2] with D in the place of F − μ."""
    return (dL_dmean + times(D, dL_dcovariance + dL_dcovariance.T)) / len(matrix(D))


def _sizes(shape):
    H, W, N, _ = shape
    return {"N": N, "H": H, "W": W}


def _draw_pair(rng, shape) -> Problem:
    H, W, N, _ = shape
    arguments = {
        "dL_dmean": numbers(rng, N),
        "dL_dcovariance": numbers(rng, N, N),
        "F": numbers(rng, H, W, N),
    }
    return Problem(arguments, _sizes(shape))


def _pair_loss(problem, F, backend):
    dL_dmean, dL_dcovariance, _ = problem.arguments.values()
    mean, covariance, _ = backend.mean_and_covariance_forward(F)
    return np.sum(dL_dmean * mean) + np.sum(dL_dcovariance * covariance)


def _pair_own(problem, backend):
    dL_dmean, dL_dcovariance, F = problem.arguments.values()
    *_, cache = backend.mean_and_covariance_forward(F)
    return backend.mean_and_covariance_backward(dL_dmean, dL_dcovariance, cache)


def _with_covariance(change):
    """[D2] with another dL_dcovariance."""

    def wrong(dL_dmean, dL_dcovariance, F):
        return _backward(dL_dmean, change(dL_dcovariance), centred(F))

    return wrong


def _with_centre(centre):
    """[D2] with something else taken from F than the mean of each channel."""

    def wrong(dL_dmean, dL_dcovariance, F):
        return _backward(dL_dmean, dL_dcovariance, F - centre(F))

    return wrong


def _with_divisors(of_mean, of_covariance):
    """[D2] with other numbers than M below its two terms."""

    def wrong(dL_dmean, dL_dcovariance, F):
        M = len(matrix(F))
        from_covariance = times(centred(F), dL_dcovariance + dL_dcovariance.T)
        return dL_dmean / of_mean(M) + from_covariance / of_covariance(M)

    return wrong


def _pair_parts(dL_dmean, dL_dcovariance, F):
    D, M = centred(F), len(matrix(F))
    return {
        "dL_dmean/M": np.broadcast_to(dL_dmean / M, F.shape),
        "(F − μ)·dL_dcovariance/M": times(D, dL_dcovariance) / M,
        "(F − μ)·dL_dcovarianceᵀ/M": times(D, dL_dcovariance.T) / M,
    }


_PAIR_MISTAKES = (
    Mistake(
        "not centred",
        "F is not centred: what dL_dcovariance is multiplied by is F − μ",
        _with_centre(lambda F: 0.0),
    ),
    Mistake(
        "one mean for all channels",
        "F is centred by one mean of all its numbers: each channel has its own",
        _with_centre(np.mean),
    ),
    Mistake(
        "centred over the channels",
        "F is centred over its channels: μ is the mean over the positions",
        _with_centre(lambda F: F.mean(axis=2, keepdims=True)),
    ),
    Mistake(
        "divided by M − 1",
        "the covariance's share is divided by M − 1: [D1] divides by M",
        _with_divisors(lambda M: M, lambda M: M - 1),
    ),
    Mistake(
        "own position only",
        "the covariance's share is (1 − 1/M) times what it should be: F_ki moves μ, and with it "
        "the F − μ of the other positions",
        _with_divisors(lambda M: M, lambda M: M / (1 - 1 / M)),
    ),
    Mistake(
        "mean's share not divided by M",
        "dL_dmean is not divided by M: each position has the share 1/M in the mean",
        _with_divisors(lambda M: 1, lambda M: M),
    ),
    Mistake(
        "covariance's share not divided by M",
        "the covariance's share is not divided by M: [D1] is a mean over positions",
        _with_divisors(lambda M: M, lambda M: 1),
    ),
    Mistake(
        "symmetry assumed: 2 (F − μ) dL_dcovariance",
        "it is right only for a symmetric dL_dcovariance; in general both it and its transpose "
        "count",
        lambda dL_dmean, dL_dcovariance, F: (
            (dL_dmean + 2 * times(centred(F), dL_dcovariance)) / len(matrix(F))
        ),
    ),
    Mistake(
        "symmetry assumed: 2 (F − μ) dL_dcovarianceᵀ",
        "it is right only for a symmetric dL_dcovariance; in general both it and its transpose "
        "count",
        lambda dL_dmean, dL_dcovariance, F: (
            (dL_dmean + 2 * times(centred(F), dL_dcovariance.T)) / len(matrix(F))
        ),
    ),
    Mistake(
        "diagonal counted once",
        "the diagonal of dL_dcovariance is counted once: S_ii has the derivative 2 (F_ki − μ_i)/M",
        _with_covariance(lambda dL_dS: dL_dS - np.diag(np.diag(dL_dS)) / 2),
    ),
    Mistake(
        "diagonal left out",
        "the diagonal of dL_dcovariance is left out: the variances count too",
        _with_covariance(lambda dL_dS: dL_dS - np.diag(np.diag(dL_dS))),
    ),
    Mistake(
        "diagonal only",
        "only the diagonal of dL_dcovariance is used: channels vary together, too",
        _with_covariance(lambda dL_dS: np.diag(np.diag(dL_dS))),
    ),
    Mistake(
        "upper triangle only",
        "only the upper triangle of dL_dcovariance is used: every S_ij counts, S_ji too",
        _with_covariance(np.triu),
    ),
    Mistake(
        "lower triangle only",
        "only the lower triangle of dL_dcovariance is used: every S_ij counts, S_ji too",
        _with_covariance(np.tril),
    ),
    Mistake(
        "reshaped instead of transposed",
        "F was reshaped to (N, M), which mixes positions and channels: F is (H, W, N), so "
        "reshape it to (M, N), and transpose that",
        lambda dL_dmean, dL_dcovariance, F: (
            (misread(centred(F)) @ (dL_dcovariance + dL_dcovariance.T)).T.reshape(F.shape)
            / len(matrix(F))
            + dL_dmean / len(matrix(F))
        ),
    ),
    Mistake(
        "masked where F > 0",
        "it is zero where F < 0: that is the ReLU's derivative ([R2]), not the moments'",
        lambda dL_dmean, dL_dcovariance, F: (
            _backward(dL_dmean, dL_dcovariance, centred(F)) * (F > 0)
        ),
    ),
    Mistake(
        "height and width exchanged",
        "height and width of the result are exchanged",
        lambda dL_dmean, dL_dcovariance, F: _backward(
            dL_dmean,
            dL_dcovariance,
            centred(F).reshape(F.shape[1], F.shape[0], -1).swapaxes(0, 1),
        ),
    ),
)

MEAN_AND_COVARIANCE = Subject(
    name="mean_and_covariance_backward",
    identifier="D2",
    formula="dL_dF = (dL_dμ + (F − μ)(dL_dS + dL_dSᵀ))/M",
    gives="dL_dF",
    describe="""mean_i = 1/M Σ_k F_ki and covariance_ij = 1/M Σ_k (F_ki − mean_i)(F_kj − mean_j)
    over the M positions k. dL_dmean (N,), dL_dcovariance (N, N), which is any matrix, symmetric
    or not, F (H, W, N) → dL_dF (H, W, N)""",
    draw=_draw_pair,
    variable=lambda problem: problem.arguments["F"],
    loss=_pair_loss,
    own=_pair_own,
    right=lambda dL_dmean, dL_dcovariance, F: _backward(dL_dmean, dL_dcovariance, centred(F)),
    summands=lambda problem: problem.arguments["F"].size,
    parts=_pair_parts,
    mistakes=_PAIR_MISTAKES,
    hints={"M": "the mean and the covariance are means over the M positions: 1/M is missing"},
)


def _draw(rng, shape) -> Problem:
    H, W, N, _ = shape
    style = numbers(rng, H, W, N)
    arguments = {
        "F": numbers(rng, H, W, N),
        "mean": style.mean(axis=(0, 1)),
        "covariance": covariance_of(style),
    }
    return Problem(arguments, _sizes(shape))


def _forward(problem, F, normalisation, backend):
    _, *moments = problem.arguments.values()
    target = losses.Moments(*(moment.astype(F.dtype) for moment in moments))
    return losses.moments_forward(F, target, normalisation, backend=backend)


def _right(F, mean, covariance, *, of_mean=lambda d: d, of_covariance=lambda d: d, D=centred):
    """[D4]; the differences of the means and of the covariances changed, another D for F − μ."""
    from_mean = of_mean(F.mean(axis=(0, 1)) - mean) / 2
    from_covariance = times(D(F), of_covariance(covariance_of(F) - covariance))
    return (from_mean + from_covariance) / (F.shape[2] * F.size)


def _of_other_moments(second_moment, D):
    """[D4] with another matrix for S, and D for F − μ in the product."""

    def wrong(F, mean, covariance):
        from_mean = (F.mean(axis=(0, 1)) - mean) / 2
        product = times(D(F), second_moment(F) - covariance)
        return (from_mean + product) / (F.shape[2] * F.size)

    return wrong


def _raw(F):
    return gram(F) / len(matrix(F))


_MISTAKES = (
    Mistake(
        "not centred in the product",
        "S − Ŝ is multiplied by F where it should be by F − μ",
        partial(_right, D=lambda F: F),
    ),
    Mistake(
        "second moments in the place of the covariance",
        "S is FᵀF/M: the mean is to be taken away first, there and in the product",
        _of_other_moments(_raw, lambda F: F),
    ),
    Mistake(
        "second moments, centred in the product only",
        "S is FᵀF/M: the mean is to be taken away first",
        _of_other_moments(_raw, centred),
    ),
    Mistake(
        "covariance divided by M − 1",
        "S is divided by M − 1 (np.cov's default): [D1] divides by M",
        _of_other_moments(lambda F: gram(centred(F)) / (len(matrix(F)) - 1), centred),
    ),
    Mistake(
        "covariance not divided by M",
        "S is not divided by M: it is a mean over positions",
        _of_other_moments(lambda F: gram(centred(F)), centred),
    ),
    Mistake(
        "own position only",
        "the covariance's share is (1 − 1/M) times what it should be: F_ki moves μ, and with it "
        "the F − μ of the other positions",
        partial(_right, D=lambda F: centred(F) * (1 - 1 / len(matrix(F)))),
    ),
    Mistake(
        "squares not differentiated",
        "the differences are squared: differentiating the squares leaves μ − μ̂ and S − Ŝ",
        partial(_right, of_mean=np.square, of_covariance=np.square),
    ),
    Mistake(
        "absolute differences",
        "it uses |μ − μ̂| and |S − Ŝ|: the signs of the differences are lost",
        partial(_right, of_mean=np.abs, of_covariance=np.abs),
    ),
    Mistake(
        "signs of the differences",
        "it uses the signs of μ − μ̂ and S − Ŝ: the derivative of Σ |…|, not of Σ (…)²",
        partial(_right, of_mean=np.sign, of_covariance=np.sign),
    ),
    Mistake(
        "variances only",
        "only the diagonal of S − Ŝ is used: how channels vary together counts too",
        partial(_right, of_covariance=lambda d: np.diag(np.diag(d))),
    ),
    Mistake(
        "variances left out",
        "the diagonal of S − Ŝ is left out: each channel's own variance counts too",
        partial(_right, of_covariance=lambda d: d - np.diag(np.diag(d))),
    ),
    Mistake(
        "upper triangle only",
        "only one triangle of S − Ŝ is used: every pair of channels counts twice",
        partial(_right, of_covariance=np.triu),
    ),
    Mistake(
        "lower triangle only",
        "only one triangle of S − Ŝ is used: every pair of channels counts twice",
        partial(_right, of_covariance=np.tril),
    ),
    Mistake(
        "one mean for all channels",
        "F is centred by one mean of all its numbers: each channel has its own",
        partial(_right, D=lambda F: F - F.mean()),
    ),
    Mistake(
        "masked where F > 0",
        "it is zero where F < 0: that is the ReLU's derivative ([R2]), not the moments'",
        lambda F, mean, covariance: _right(F, mean, covariance) * (F > 0),
    ),
    Mistake(
        "height and width exchanged",
        "height and width of the result are exchanged",
        partial(_right, D=lambda F: centred(F).reshape(F.shape[1], F.shape[0], -1).swapaxes(0, 1)),
    ),
)


def _subject(normalisation: str, identifier: str, formula: str, **known) -> Subject:
    def own(problem, backend):
        _, cache = _forward(problem, problem.arguments["F"], normalisation, backend)
        return losses.moments_backward(1.0, cache, backend=backend)

    return Subject(
        name="moments_backward",
        identifier=identifier,
        formula=formula,
        gives="dL_dF",
        describe="""L = 1/(4 N²) (Σ_i (μ_i − mean_i)² + Σ_ij (S_ij − covariance_ij)²), with
    μ_i = 1/M Σ_k F_ki and S_ij = 1/M Σ_k (F_ki − μ_i)(F_kj − μ_j) over the M positions k of F.
    F (H, W, N), mean (N,) and covariance (N, N), those of the style → dL_dF (H, W, N)""",
        draw=_draw,
        variable=lambda problem: problem.arguments["F"],
        loss=lambda problem, F, backend: _forward(problem, F, normalisation, backend)[0],
        own=own,
        right=_right,
        summands=lambda problem: problem.arguments["F"].size,
        **known,
    )


_HINTS = {
    "4": "the 4 of 1/(4 N²) is cancelled by the square's 2 and, for the covariance, F − μ entering "
    "twice",
    "1/2": "the square brings 2, and F − μ enters S twice",
    "-1": "it is μ − μ̂ and S − Ŝ, not the other way round",
    "M": "1/M is missing: both moments are means over the M positions",
    "N^2": "1/N² is missing: N is the number of channels",
}

MOMENTS = _subject(
    "paper",
    "D4",
    "dL_dF = (½ (μ − μ̂) + (F − μ)(S − Ŝ))/(N²M)",
    parts=lambda F, mean, covariance: {
        "the mean's share": _right(F, mean, covariance, of_covariance=lambda d: 0 * d),
        "the covariance's share": _right(F, mean, covariance, of_mean=lambda d: 0 * d),
    },
    mistakes=_MISTAKES,
    hints=_HINTS,
)
NORMALISED_MOMENTS = (
    _subject("sum", "V1", "dL_dF = M (2 (μ − μ̂) + 4 (F − μ)(S − Ŝ))"),
    _subject("mean", "V2", "dL_dF = (2 (μ − μ̂) + 4 (F − μ)(S − Ŝ))/(N³M²)"),
    _subject("mse", "V4", "dL_dF = (2 (μ − μ̂) + 4 (F − μ)(S − Ŝ))/(N⁴M)"),
    _subject("relative", "V3", "dL_dF = 2/M (μ − μ̂)/Σμ̂² + 4/M (F − μ)(S − Ŝ)/ΣŜ²"),
)
