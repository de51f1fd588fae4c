"""`check` without a file: everything passes, and what is broken on purpose does not."""

import re
from dataclasses import replace

import numpy as np
import pytest

from manualnst.backends import NAMES, get_backend
from manualnst.gradcheck import proof
from manualnst.gradcheck.proof import DTYPES, provable_by, prove
from manualnst.gradcheck.subjects import EXERCISES, SUBJECTS
from manualnst.gradcheck.subjects.objective import NARROW_VGG
from manualnst.losses import merging
from manualnst.network.network import Network

numpy_backend = get_backend("numpy")
ROWS = [
    (subject, backend, dtype)
    for subject in (*SUBJECTS, NARROW_VGG)
    for backend in NAMES
    for dtype in DTYPES
    if provable_by(subject, backend)
]


@pytest.mark.parametrize(
    ("subject", "backend", "dtype"),
    ROWS,
    ids=[f"{s.identifier}-{s.name}-{n}-{b}-{d}" for n, (s, b, d) in enumerate(ROWS)],
)
def test_the_packages_own_derivatives_pass(subject, backend, dtype):
    row = prove(subject, backend, dtype)
    assert row.verdict == "PASS", [c for c in row.comparisons if c.verdict != "PASS"]


def test_every_oracle_has_its_say():
    oracles = {
        c.oracle for c in prove(EXERCISES["conv3x3_backward"], "numpy", "float64").comparisons
    }
    assert oracles == {
        "complex step",
        "adjoint",
        "naive loops",
        "five points, masks held",
        "two points",
        "Taylor remainder",
    }
    kinks = prove(EXERCISES["relu_backward"], "numpy", "float32").comparisons
    assert "subgradients at exact kinks" in {c.oracle for c in kinks}


def test_the_remainder_is_seen_over_eight_octaves():
    row = prove(EXERCISES["objective_backward"], "numpy", "float64")
    [taylor] = [c for c in row.comparisons if c.oracle == "Taylor remainder"]
    slope, octaves = taylor.note.removeprefix("slope ").split(" over ")
    assert float(slope) == pytest.approx(2, abs=0.1)
    assert int(octaves.split()[0]) >= 8


# One entry of the package broken at a time: (its function, what it is made to give).
BROKEN = {
    "conv3x3_backward": ("conv3x3_backward", lambda right: right[::-1].copy()),
    "conv3x3_backward_w": ("conv3x3_backward_params", lambda right: (right[0] * 1.0001, right[1])),
    "conv3x3_backward_b": ("conv3x3_backward_params", lambda right: (right[0], right[1] / 2)),
    "relu_backward": ("relu_backward", lambda right: right + 1e-3),
    "avgpool_backward": ("avgpool_backward", lambda right: right * 2),
    "maxpool_backward": ("maxpool_backward", lambda right: np.roll(right, 1, axis=1)),
    "pixels_backward": ("pixels_backward", lambda right: right[:, :, ::-1].copy()),
    "content_backward": ("squared_error_backward", lambda right: -right),
    "gram_backward": ("gram_backward", lambda right: right * np.float32(1.001)),
    "style_backward": ("gram_backward", lambda right: right * (right > 0)),
    "mean_and_covariance_backward": (
        "mean_and_covariance_backward",
        lambda right: right - right.mean(axis=(0, 1)),
    ),
    "moments_backward": ("mean_and_covariance_backward", lambda right: right * np.float32(1.001)),
    "tv_backward": ("total_variation_backward", lambda right: right * 0.999),
    "objective_backward": ("total_variation_backward", lambda right: right * 0.5),
    "power_tv_backward": ("power_variation_backward", lambda right: right * 1.001),
    "smoothed_tv_backward": ("smoothed_variation_backward", lambda right: np.sign(right)),
    "nine_point_tv_backward": ("nine_point_variation_backward", lambda right: right * 1.001),
    "bures_backward": ("bures_backward", lambda right: right - 1e-3),
    "wasserstein_backward": ("bures_backward", lambda right: right * 2),
    "weighted_gram_backward": ("weighted_gram_backward", lambda right: right + 1e-3),
    "guided_style_backward": ("weighted_gram_backward", lambda right: right * 1.001),
    "masked_style_backward": ("weighted_gram_backward", lambda right: right * (right > 0)),
    "cross_gram_backward": ("cross_gram_backward", lambda right: (right[0] * 1.001, right[1])),
    "cross_gram_backward_below": ("cross_gram_backward", lambda right: (right[0], -right[1])),
    "chained_style_backward": ("cross_gram_backward", lambda right: (2 * right[0], right[1])),
    "chained_style_backward_below": ("avgpool_backward", lambda right: 4 * right),
    "histogram_backward": ("squared_error_backward", lambda right: right / 2),
    "patches_backward": ("patch_distance_backward", lambda right: right * 1.001),
    "mirror_backward": ("mirror_backward", lambda right: right * 1.001),
    "crop_backward": ("crop_backward", lambda right: right + 1e-3),
    "shifted_style_backward": ("gram_backward", lambda right: right * (right > 0)),
    "sums_backward": ("sums_backward", lambda right: [2 * part for part in right]),
    "merged_moments_backward": (
        "moments_backward",
        lambda right: [(1.001 * mean, covariance) for mean, covariance in right],
    ),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", EXERCISES)
def test_what_is_broken_is_wrong(name, dtype, monkeypatch):
    function, spoil = BROKEN[name]
    owner = merging if hasattr(merging, function) else numpy_backend
    right = getattr(owner, function)
    monkeypatch.setattr(owner, function, lambda *given: spoil(right(*given)))
    row = prove(EXERCISES[name], "numpy", dtype)
    assert row.verdict == "WRONG"
    verdicts = {c.oracle: c.verdict for c in row.comparisons}
    assert verdicts["complex step"] == "WRONG"
    if dtype == "float64":
        assert verdicts["five points, masks held"] == "WRONG"
        assert verdicts["two points"] == "WRONG"


def test_a_forgotten_tap_of_the_network_is_wrong(monkeypatch):
    whole = Network.backward

    def forgetting(self, dL_dF, tape):
        return whole(self, {k: v for k, v in dL_dF.items() if k != "relu1_1"}, tape)

    monkeypatch.setattr(Network, "backward", forgetting)
    assert prove(EXERCISES["objective_backward"], "numpy", "float64").verdict == "WRONG"


def test_what_vanishes_is_inconclusive():
    content = EXERCISES["content_backward"]

    def at_the_target(rng, shape):
        problem = content.draw(rng, shape)
        F = problem.arguments["F"]
        return replace(problem, arguments={"F": F, "P": F.copy()})

    row = prove(replace(content, draw=at_the_target), "numpy", "float64")
    assert row.verdict == "INCONCLUSIVE"


def test_a_difference_across_a_kink_says_so_and_the_exact_oracles_judge():
    relu = EXERCISES["relu_backward"]

    def beside_the_kink(rng, shape):
        """All entries but one nearer to 0 than the step, which is relative to the largest."""
        problem = relu.draw(rng, shape)
        x = 1e-9 * problem.arguments["x"]
        x[0, 0, 0] = 1.0
        return replace(problem, arguments=problem.arguments | {"x": x})

    row = prove(replace(relu, draw=beside_the_kink), "numpy", "float64")
    verdicts = {c.oracle: c for c in row.comparisons}
    assert "a kink between the points: relu at" in verdicts["two points"].note
    assert verdicts["complex step"].verdict == "PASS"
    assert verdicts["five points, masks held"].verdict == "PASS"
    assert row.verdict == "PASS"


def test_a_kink_of_the_network_is_told_by_its_layer_and_place(monkeypatch):
    monkeypatch.setattr(proof, "_TWO_POINT_STEP", 0.3)  # long enough to meet one
    row = prove(EXERCISES["objective_backward"], "numpy", "float64")
    [two_points] = [c for c in row.comparisons if c.oracle == "two points"]
    assert re.search(r"a kink between the points: relu[12]_[12] at \(\d, \d, \d\)", two_points.note)
    assert row.verdict == "PASS"


def test_the_backends_are_those_of_the_package():
    assert not provable_by(NARROW_VGG, "naive")
    assert provable_by(SUBJECTS[0], "naive")
