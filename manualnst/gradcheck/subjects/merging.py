"""[U2] and [U4]: the derivatives by the statistics of parts."""

import numpy as np

from ...losses import merging
from .subject import Mistake, Problem, Subject, numbers


def _sizes(shape):
    H, W, N, _ = shape
    return {"T": H, "N": N, "W": W}


def _draw_sums(rng, shape) -> Problem:
    H, _, N, _ = shape
    return Problem({"dL_dS": numbers(rng, N, N), "count": H}, _sizes(shape))


def _same_for_all(dL_dS, count):
    return np.array([dL_dS] * count)


def _sum_loss(problem, parts, backend):
    dL_dS, count = problem.arguments.values()
    return np.sum(dL_dS * merging.sums_forward(list(parts), [1] * count)[0])


def _sum_own(problem, backend):
    return np.array(merging.sums_backward(*problem.arguments.values()))


SUMS = Subject(
    name="sums_backward",
    identifier="U2",
    formula="dL_dS_t = dL_dS",
    gives="dL_dparts",
    describe="""S (N, N) is the sum of `count` parts (count, N, N). dL_dS → dL_dparts""",
    draw=_draw_sums,
    variable=lambda problem: _same_for_all(*problem.arguments.values()),
    loss=_sum_loss,
    own=_sum_own,
    right=_same_for_all,
    summands=lambda problem: 1,
    mistakes=(
        Mistake(
            "shared out",
            "dL_dS is divided by the number of parts: each part counts with the factor 1",
            lambda dL_dS, count: np.array([dL_dS / count] * count),
        ),
        Mistake(
            "first part only",
            "all parts but the first get nothing: the sum depends on each of them",
            lambda dL_dS, count: np.array([dL_dS] + [0 * dL_dS] * (count - 1)),
        ),
    ),
    is_linear=True,
)


def _draw(rng, shape) -> Problem:
    H, _, N, _ = shape
    arguments = {
        "dL_dmean": numbers(rng, N),
        "dL_dcovariance": numbers(rng, N, N),
        "means": numbers(rng, H, N),
        "positions": np.arange(1, H + 1),
    }
    return Problem(arguments, _sizes(shape))


def _merged(means, positions):
    covariances = [0 * mean[:, None] * mean for mean in means]
    counts = [int(count) for count in positions.real]
    return merging.moments_forward(list(zip(means, covariances, strict=True)), counts)


def _loss(problem, means, backend):
    dL_dmean, dL_dcovariance, _, positions = problem.arguments.values()
    (mean, covariance), _ = _merged(means, positions)
    return np.sum(dL_dmean * mean) + np.sum(dL_dcovariance * covariance)


def _own(problem, backend):
    dL_dmean, dL_dcovariance, means, positions = problem.arguments.values()
    _, cache = _merged(means, positions)
    back = merging.moments_backward((dL_dmean, dL_dcovariance), cache)
    return np.array([dL_dmean_of_part for dL_dmean_of_part, _ in back])


def _both(dL_dcovariance):
    return dL_dcovariance + dL_dcovariance.T


def _right(dL_dmean, dL_dcovariance, means, positions, *, away=1.0, both=_both, centre=None):
    shares = (positions / positions.sum())[:, None]
    mean = (shares * means).sum(axis=0) if centre is None else centre(means)
    return shares * (dL_dmean + away * (means - mean) @ both(dL_dcovariance))


def _with(**change):
    return lambda **given: _right(**given, **change)


def _unweighted(dL_dmean, dL_dcovariance, means, positions):
    return _right(dL_dmean, dL_dcovariance, means, 0 * positions + 1)


def _not_shared(dL_dmean, dL_dcovariance, means, positions):
    shared = _right(dL_dmean, dL_dcovariance, means, positions)
    return shared / (positions / positions.sum())[:, None]


MERGED = Subject(
    name="merged_moments_backward",
    identifier="U4",
    formula="dL_dμ_t = w_t (dL_dμ + (dL_dS + dL_dSᵀ)(μ_t − μ))",
    gives="dL_dmeans",
    describe="""μ (N,) and S (N, N) are the mean and the covariance of a map in T parts, of
    `positions` (T,) positions and the means `means` (T, N) each: μ = Σ w_t μ_t and
    S = Σ w_t (S_t + (μ_t − μ)(μ_t − μ)ᵀ), w_t = positions_t / Σ positions.
    dL_dmean, dL_dcovariance → dL_dmeans (T, N)""",
    draw=_draw,
    variable=lambda problem: problem.arguments["means"],
    loss=_loss,
    own=_own,
    right=_right,
    summands=lambda problem: 2 * problem.arguments["means"].size,
    mistakes=(
        Mistake(
            "means forgotten",
            "the covariance is taken for the mean of the parts': how their means differ is missing",
            _with(away=0.0),
        ),
        Mistake(
            "no transpose",
            "dL_dcovariance enters once: μ_t − μ stands twice in each product, add its transpose",
            _with(both=lambda dL_dcovariance: dL_dcovariance),
        ),
        Mistake(
            "transpose alone",
            "only the transpose of dL_dcovariance enters: μ_t − μ stands twice in each product",
            _with(both=np.transpose),
        ),
        Mistake(
            "doubled",
            "2 dL_dcovariance stands where its sum with its transpose should: it need not be "
            "symmetric",
            _with(both=lambda dL_dcovariance: 2 * dL_dcovariance),
        ),
        Mistake(
            "unweighted",
            "all parts count alike: a part counts by its share of the positions",
            _unweighted,
        ),
        Mistake(
            "not shared out",
            "the share of the positions is missing: a part has w_t of the whole",
            _not_shared,
        ),
        Mistake(
            "not centred",
            "μ is not subtracted from μ_t",
            _with(centre=lambda means: 0 * means[0]),
        ),
        Mistake(
            "sign of the distance",
            "μ − μ_t stands where μ_t − μ should",
            _with(away=-1.0),
        ),
    ),
)
