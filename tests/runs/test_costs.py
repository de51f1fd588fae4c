"""What a step costs, by count."""

from dataclasses import replace

import pytest
from proofs import small_weights

from manualnst.optimizers import OPTIMIZERS
from manualnst.runs import costs
from manualnst.runs.settings import Settings
from manualnst.weights import find_weights

BUILTIN = find_weights("builtin")
LOSSES = Settings().losses


def losses_at(content, style):
    return replace(LOSSES, content_layers={content: 1.0}, style_layers={style: 1.0})


def evaluation(*size, weights=BUILTIN, losses=LOSSES, margin=0):
    return costs.of_evaluation(weights, losses, size, margin=margin)


def test_counted_by_hand():
    """Two convolutions of few channels, by patches, and the Gram matrix of the second."""
    weights = small_weights()
    losses = losses_at("relu1_1", "relu1_2")
    (_, _, C, K), (_, _, _, N) = (weights.layers[name][0].shape for name in ("conv1_1", "conv1_2"))
    outputs = 10 * 8 * (K + N)
    products = 2 * 10 * 8 * (9 * C * K + 9 * K * N + N**2)
    expected = outputs + 2e-4 * products + 3 * (C * K + K * N)
    assert evaluation(10, 8, weights=weights, losses=losses) == pytest.approx(expected)


def test_what_the_network_sees_beyond_the_borders_counts():
    assert evaluation(128, 96, margin=16) == evaluation(160, 128)


def test_a_pixel_of_a_small_picture_costs_more():
    """The filters are read however small it is."""
    by_pixel = [evaluation(side, side) / side**2 for side in (64, 128, 256, 512)]
    assert by_pixel == sorted(by_pixel, reverse=True)
    assert by_pixel[0] > 1.5 * by_pixel[-1]


def test_layers_beyond_the_deepest_in_use_cost_nothing():
    shallow = losses_at("relu2_1", "relu1_1")
    assert evaluation(64, 64, losses=shallow) < evaluation(64, 64) / 2


def test_the_optimisers_own_work_and_its_evaluations_count():
    steps = [
        costs.of_step(BUILTIN, LOSSES, (512, 512), margin=0, optimizer=name)
        for name in ("momentum", "adam", "lbfgs", "lbfgsb")
    ]
    assert evaluation(512, 512) < steps[0] < steps[1] < steps[2] < steps[3]
    assert set(costs._OPTIMIZER) == set(costs._EVALUATIONS_PER_STEP) == set(OPTIMIZERS)
