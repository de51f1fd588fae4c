"""The whole objective: loss and gradient of one and the same function."""

import numpy as np
import pytest
from proofs import assert_close, check_gradient, random_array, small_weights

from manualnst.backends import NAMES, get_backend
from manualnst.errors import InputError
from manualnst.gradcheck.oracles import complex_step, two_point
from manualnst.losses import NORMALISATIONS
from manualnst.network import Network
from manualnst.objective import LossSettings, Objective, unit_scale

STYLE_LAYERS = {f"relu{block}_1": 1.0 for block in range(1, 6)}


def settings(**changes):
    defaults = dict(
        content_layers={"relu4_2": 1.0, "conv3_1": 3.0},
        style_layers=STYLE_LAYERS | {"relu2_1": 2.0, "relu4_2": 1.0, "pixels": 1.0},
        content_weight=0.7,
        style_weight=1.3,
        tv_weight=0.1,
        normalisation="relative",
    )
    return LossSettings(**(defaults | changes))


def pictures(height=18, width=21):
    rng = np.random.default_rng(5)
    return [rng.random(shape) for shape in ((height, width, 3), (17, 26, 3), (height, width, 3))]


def objective(dtype=np.float64, backend="numpy", pool="average", size=(18, 21), **changes):
    network = Network(small_weights(), backend=get_backend(backend), pool=pool, dtype=dtype)
    content, style, _ = pictures(*size)
    return Objective(network, content.astype(dtype), style.astype(dtype), settings(**changes))


@pytest.mark.parametrize("normalisation", NORMALISATIONS)
@pytest.mark.parametrize("pool", ["average", "max"])
@pytest.mark.parametrize("scale", [1.0, 1e4])
def test_gradient_is_the_derivative_of_the_loss(normalisation, pool, scale):
    options = dict(pool=pool, normalisation=normalisation)
    real, complex_ = objective(**options), objective(np.complex128, **options)
    real.scale = complex_.scale = scale
    x = pictures()[2]
    dL_dx = real(x).dL_dx
    for seed in range(3):
        direction = random_array(seed, x.shape)
        slope = complex_step(lambda x: complex_(x).loss, x, direction)
        assert np.sum(dL_dx * direction) == pytest.approx(slope, rel=1e-11)


def test_gradient_agrees_entry_by_entry_on_a_tiny_picture():
    shallow = dict(
        content_layers={"conv1_2": 1.0}, style_layers={"relu2_1": 1.0, "pixels": 1.0}, size=(4, 5)
    )
    x = pictures(4, 5)[2]
    real, complex_ = objective(**shallow), objective(np.complex128, **shallow)
    check_gradient(lambda x: (complex_ if x.dtype == complex else real)(x).loss, real(x).dL_dx, x)


def test_gradient_by_central_difference():
    evaluate = objective()
    x, direction = pictures()[2], random_array(1, (18, 21, 3))
    slope = two_point(lambda x: evaluate(x).loss, x, direction, 1e-7)
    assert np.sum(evaluate(x).dL_dx * direction) == pytest.approx(slope, rel=1e-5)


def test_a_forgotten_tap_would_be_noticed(monkeypatch):
    whole = Network.backward

    def forgetting(self, dL_dF, tape):
        return whole(self, {k: v for k, v in dL_dF.items() if k != "relu2_1"}, tape)

    monkeypatch.setattr(Network, "backward", forgetting)
    with pytest.raises(AssertionError):
        test_gradient_is_the_derivative_of_the_loss("paper", "average", 1.0)


def test_backends_agree():
    x = pictures(16, 16)[2]
    naive, fast = (objective(backend=name, size=(16, 16))(x) for name in ("naive", "numpy"))
    assert {"naive", "numpy"} == set(NAMES)
    assert fast.loss == pytest.approx(naive.loss, rel=1e-12)
    assert_close(fast.dL_dx, naive.dL_dx, 1e-12)


def test_single_precision_agrees_with_double():
    x = pictures()[2]
    single, double = objective(np.float32)(x.astype(np.float32)), objective()(x)
    assert single.dL_dx.dtype == np.float32
    assert single.loss == pytest.approx(double.loss, rel=1e-5)
    assert_close(single.dL_dx, double.dL_dx, 1e-4)


def test_terms_add_up_and_the_layer_weights_are_shares():
    evaluate = objective()
    evaluate.scale = 100.0
    evaluation = evaluate(pictures()[2])
    terms = evaluation.terms
    assert evaluation.unscaled_loss == pytest.approx(sum(t.weighted for t in terms.values()))
    assert evaluation.loss == pytest.approx(100 * evaluation.unscaled_loss)
    assert terms["content conv3_1"].weight == pytest.approx(0.7 * 3 / 4)
    assert terms["style relu2_1"].weight == pytest.approx(1.3 * 2 / 8)
    assert terms["tv"].weight == 0.1
    assert {"style relu4_2", "content relu4_2", "style pixels"} <= set(terms)


def test_a_term_without_weight_is_left_out():
    terms = objective(tv_weight=0.0, content_weight=0.0)(pictures()[2]).terms
    assert all(name.startswith("style") for name in terms)
    only_tv = objective(content_weight=0.0, style_weight=0.0)(pictures()[2])
    assert list(only_tv.terms) == ["tv"]
    assert only_tv.dL_dx.any()


def test_a_forgotten_colour_would_be_noticed(monkeypatch):
    whole = Network.backward

    def forgetting(self, dL_dF, tape):
        return whole(self, {k: v for k, v in dL_dF.items() if k != "pixels"}, tape)

    monkeypatch.setattr(Network, "backward", forgetting)
    with pytest.raises(AssertionError):
        test_gradient_is_the_derivative_of_the_loss("paper", "average", 1.0)


def test_the_colours_are_compared_by_their_moments():
    style = pictures()[1]
    shuffled = np.random.default_rng(0).permutation(style.reshape(-1, 3)).reshape(style.shape)
    only_colours = objective(style_layers={"pixels": 1.0}, content_weight=0.0, tv_weight=0.0)
    assert list(only_colours(shuffled).terms) == ["style pixels"]
    assert only_colours(shuffled).loss == pytest.approx(0, abs=1e-25)
    assert only_colours(shuffled**2).loss > 0.01


def test_the_picture_may_be_its_own_content():
    evaluate = objective(content_layers={"pixels": 1.0}, style_weight=0.0, tv_weight=0.0)
    content, _, x = pictures()
    share = np.sum((x - content) ** 2) / np.sum(content**2)
    assert evaluate(x).loss == pytest.approx(0.7 * share)


def test_the_content_picture_has_no_content_loss():
    terms = objective()(pictures()[0]).terms
    assert terms["content relu4_2"].value == 0


def test_unit_scale_makes_the_gradient_one():
    evaluate = objective()
    evaluate.scale = unit_scale(evaluate(pictures()[2]))
    assert np.sqrt(np.mean(evaluate(pictures()[2]).dL_dx ** 2)) == pytest.approx(1)


def test_unit_scale_of_no_gradient_is_one():
    evaluate = objective(style_weight=0.0, tv_weight=0.0)
    assert unit_scale(evaluate(pictures()[0])) == 1


def test_nothing_to_optimise_is_refused():
    with pytest.raises(InputError, match="all weights are zero"):
        objective(content_weight=0.0, style_weight=0.0, tv_weight=0.0)
