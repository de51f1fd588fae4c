"""The whole objective: loss and gradient of one and the same function."""

import numpy as np
import pytest
from proofs import assert_close, check_gradient, random_array, small_weights

from manualnst.backends import NAMES, get_backend
from manualnst.errors import InputError
from manualnst.gradcheck.oracles import complex_step, two_point
from manualnst.losses import NORMALISATIONS
from manualnst.network.network import Network
from manualnst.objective.objective import Objective, unit_scale
from manualnst.objective.terms import (
    MASK_FORMS,
    STYLE_LOSSES,
    TOTAL_VARIATIONS,
    LossSettings,
    chain,
)

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


def objective(
    dtype=np.float64,
    backend="numpy",
    pool="average",
    size=(18, 21),
    more_styles=(),
    masks=None,
    **changes,
):
    network = Network(small_weights(), backend=get_backend(backend), pool=pool, dtype=dtype)
    content, style, _ = pictures(*size)
    styles = [style.astype(dtype), *(more.astype(dtype) for more in more_styles)]
    return Objective(network, content.astype(dtype), styles, settings(**changes), masks)


@pytest.mark.parametrize("normalisation", NORMALISATIONS)
@pytest.mark.parametrize("pool", ["average", "max"])
@pytest.mark.parametrize("scale", [1.0, 1e4])
def test_gradient_is_the_derivative_of_the_loss(normalisation, pool, scale, **more):
    options = dict(pool=pool, normalisation=normalisation, **more)
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


@pytest.mark.parametrize("normalisation", ["paper", "relative"])
@pytest.mark.parametrize("tv", TOTAL_VARIATIONS)
def test_the_gradient_of_every_total_variation(tv, normalisation):
    options = dict(tv=tv, tv_power=1.3, tv_smoothing=0.2, style_weight=0.1, content_weight=0.0)
    test_gradient_is_the_derivative_of_the_loss(normalisation, "average", 2.0, **options)


def test_total_variations_differ_and_take_their_settings():
    x, only_tv = pictures()[2], dict(content_weight=0.0, style_weight=0.0)

    def loss_of(**changes):
        return objective(**only_tv, **changes)(x).loss

    values = [loss_of(tv=tv) for tv in TOTAL_VARIATIONS]
    assert len(set(values)) == 4
    assert loss_of(tv="power", tv_power=2.0) == pytest.approx(loss_of())
    assert loss_of(tv="power", tv_power=1.0) != loss_of(tv="power")
    assert loss_of(tv="smoothed", tv_smoothing=0.5) != loss_of(tv="smoothed")
    assert loss_of(tv="nine-point") == loss_of(tv="nine-point", normalisation="paper")


def test_a_term_without_weight_is_left_out():
    terms = objective(tv_weight=0.0, content_weight=0.0)(pictures()[2]).terms
    assert all(name.startswith("style") for name in terms)
    only_tv = objective(content_weight=0.0, style_weight=0.0)(pictures()[2])
    assert list(only_tv.terms) == ["tv"]
    assert only_tv.dL_dx.any()


SHALLOW = {"pixels": 1.0, "conv2_2": 2.0, "relu1_1": 1.0, "relu3_1": 0.5}


def with_losses(losses, **changes):
    """At layers that have room for a patch."""
    return dict(style_layers=SHALLOW, style_losses=losses, shift=-0.7, **changes)


@pytest.mark.parametrize("normalisation", ["paper", "relative"])
@pytest.mark.parametrize("loss", STYLE_LOSSES)
def test_the_gradient_of_every_style_loss(loss, normalisation):
    # α lets no mistake of the style hide behind the content.
    options = with_losses({loss: 1.0}, content_weight=1e-3)
    test_gradient_is_the_derivative_of_the_loss(normalisation, "average", 1.0, **options)


@pytest.mark.parametrize("pool", ["average", "max"])
def test_the_gradient_of_all_style_losses_together(pool):
    options = with_losses(dict.fromkeys(STYLE_LOSSES, 1.0), more_styles=other_styles())
    test_gradient_is_the_derivative_of_the_loss("relative", pool, 2.0, **options)


@pytest.mark.parametrize("forgotten", ["deeper", "before"])
def test_a_forgotten_end_of_a_chain_would_be_noticed(monkeypatch, forgotten):
    def forgetting(backward, before, onto):
        dL_dF, dL_dB = backward()
        if forgotten == "deeper":
            before.append(lambda gradient: gradient + dL_dB)
            return 0 * dL_dF if onto is None else onto
        before.append(lambda gradient: gradient)
        return dL_dF if onto is None else dL_dF + onto

    monkeypatch.setattr("manualnst.objective.parts._back_to_two", forgetting)
    with pytest.raises(AssertionError):
        test_the_gradient_of_every_style_loss("chained", "paper")


def test_several_style_losses_are_their_weighted_sum():
    x, only_style = pictures()[2], dict(content_weight=0.0, tv_weight=0.0)
    weights = {"gram": 1.0, "wasserstein": 0.0, "chained": 2.0, "patches": 1.0}
    blend = objective(**with_losses(weights, **only_style))(x)
    alone = {
        loss: objective(**with_losses({loss: 1.0}, **only_style))(x)
        for loss in ("gram", "chained", "patches")
    }
    assert blend.loss == pytest.approx(sum(alone[t].loss * weights[t] / 4 for t in alone))
    expected = sum(evaluation.dL_dx * weights[t] / 4 for t, evaluation in alone.items())
    assert_close(blend.dL_dx, expected, 1e-13)
    assert set(blend.terms) == {name for each in alone.values() for name in each.terms}
    assert {"style relu1_1", "style chained conv2_2", "style patches relu3_1"} <= set(blend.terms)


def test_at_the_pixels_the_colours_stand_in():
    only_style = dict(content_weight=0.0, tv_weight=0.0)
    x = pictures()[2]
    for loss in STYLE_LOSSES:
        terms = objective(**with_losses({loss: 1.0}, **only_style))(x).terms
        name = "style pixels" if loss == "gram" else f"style {loss} pixels"
        colours = objective(**with_losses({"moments": 1.0}, **only_style))(x).terms
        stands_in = terms[name].value == colours["style moments pixels"].value
        assert stands_in == (loss not in ("wasserstein", "histogram"))


def test_a_chain_takes_each_layer_with_the_one_before():
    chained = objective(
        **with_losses({"chained": 1.0}, content_weight=0.0, tv_weight=0.0),
    )(pictures()[2])
    assert chain("chained", SHALLOW) == {
        "pixels": (),
        "conv2_2": ("relu1_1",),
        "relu3_1": ("conv2_2",),
    }
    weights = {name: term.weight for name, term in chained.terms.items()}
    assert weights == pytest.approx(
        {
            "style chained pixels": 1.3 * 1 / 3.5,
            "style chained conv2_2": 1.3 * 2 / 3.5,
            "style chained relu3_1": 1.3 * 0.5 / 3.5,
        }
    )


def test_a_chain_of_one_layer_is_refused():
    for layers in ({"relu1_1": 1.0}, {"pixels": 1.0, "relu1_1": 1.0, "relu2_1": 0.0}):
        with pytest.raises(InputError, match="at least two"):
            chain("chained", layers)


def test_the_shift_is_that_of_the_settings():
    x = pictures()[2]

    def loss_of(name, shift):
        return objective(**with_losses({name: 1.0}) | {"shift": shift})(x).loss

    assert loss_of("gram", -1.0) == loss_of("gram", 0.0) == pytest.approx(loss_of("shifted", 0.0))
    for name in ("shifted", "chained"):
        assert loss_of(name, -1.0) != loss_of(name, 0.0)


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


def other_styles():
    return [random_array(n, shape) ** 2 % 1 for n, shape in ((8, (19, 16, 3)), (9, (33, 18, 3)))]


@pytest.mark.parametrize("normalisation", NORMALISATIONS)
def test_the_gradient_of_blended_styles(normalisation):
    test_gradient_is_the_derivative_of_the_loss(
        normalisation, "average", 3.0, more_styles=other_styles(), style_weights=[0.5, 0.2, 1.1]
    )


def test_a_forgotten_style_would_be_noticed(monkeypatch):
    monkeypatch.setattr("manualnst.objective.parts._add_all", lambda waiting, g: waiting[0](g))
    blended = dict(more_styles=other_styles(), content_weight=0.0)
    with pytest.raises(AssertionError):
        test_gradient_is_the_derivative_of_the_loss("paper", "average", 1.0, **blended)


def test_blended_styles_are_the_weighted_sum_of_single_ones():
    x, weights = pictures()[2], [0.5, 0.0, 1.5]
    styles = [pictures()[1], *other_styles()]
    only_style = dict(content_weight=0.0, tv_weight=0.0)
    blend = objective(more_styles=styles[1:], style_weights=weights, **only_style)(x)
    network = Network(small_weights(), backend=get_backend("numpy"), dtype=np.float64)
    alone = [Objective(network, x, style, settings(**only_style))(x) for style in styles]
    assert blend.loss == pytest.approx((0.5 * alone[0].loss + 1.5 * alone[2].loss) / 2, rel=1e-13)
    assert_close(blend.dL_dx, (0.5 * alone[0].dL_dx + 1.5 * alone[2].dL_dx) / 2, 1e-13)
    layers = settings().style_layers
    assert list(blend.terms) == [f"{name} {layer}" for layer in order(layers) for name in NAMED]
    for layer in layers:
        for name, one, share in (("style", alone[0], 0.25), ("style 3", alone[2], 0.75)):
            term, single = blend.terms[f"{name} {layer}"], one.terms[f"style {layer}"]
            assert term == pytest.approx((single.value, share * single.weight))


NAMED = ["style", "style 3"]  # the second has no weight


def order(layers):
    return sorted(layers, key=lambda layer: (layer != "pixels", layer[-3:], layer))


def test_one_evaluation_of_the_network_serves_all_styles(monkeypatch):
    blend = objective(more_styles=other_styles())
    passes = []
    whole = Network.forward
    monkeypatch.setattr(Network, "forward", lambda *a, **k: passes.append(1) or whole(*a, **k))
    blend(pictures()[2])
    assert len(passes) == 1


def soft_masks(count, size=(18, 21)):
    masks = [np.random.default_rng(n).random(size) for n in range(count)]
    for mask in masks:
        mask[: size[0] // 3] = 0.0
    masks[0][-4:] = 1.0
    return masks


@pytest.mark.parametrize("mask_form", MASK_FORMS)
@pytest.mark.parametrize("changes", [{}, {"normalisation": "paper"}, {"in_greys": True}], ids=str)
def test_the_gradient_with_masks(mask_form, changes):
    masks = soft_masks(3)
    options = dict(mask_form=mask_form, masks=masks, more_styles=other_styles()) | changes
    normalisation = options.pop("normalisation", "relative")
    test_gradient_is_the_derivative_of_the_loss(normalisation, "average", 2.0, **options)


def test_a_gradient_beyond_the_mask_would_be_noticed(monkeypatch):
    monkeypatch.setattr("manualnst.objective.objective.mixed", lambda x, content, u: x)
    with pytest.raises(AssertionError):
        test_the_gradient_with_masks("guided", {})


@pytest.mark.parametrize("mask_form", MASK_FORMS)
def test_where_all_masks_are_black_nothing_moves_nor_counts(mask_form):
    masks = soft_masks(2)
    evaluate = objective(more_styles=other_styles()[:1], masks=masks, mask_form=mask_form)
    x = pictures()[2]
    evaluation = evaluate(x)
    assert not evaluation.dL_dx[:6].any() and evaluation.dL_dx[6:].all()
    other = x.copy()
    other[:6] = random_array(1, other[:6].shape)
    assert evaluate(other).loss == evaluation.loss


def test_a_white_mask_is_none():
    """But at the pixels, where masks have the Gram matrix of the colours."""
    x, white = pictures()[2], [np.ones((18, 21))]
    plain = objective(style_layers=STYLE_LAYERS)(x)
    for mask_form in MASK_FORMS:
        masked = objective(masks=white, mask_form=mask_form, style_layers=STYLE_LAYERS)(x)
        assert masked.loss == pytest.approx(plain.loss, rel=1e-12)
        assert_close(masked.dL_dx, plain.dL_dx, 1e-12)
        assert f"style {mask_form} relu1_1" in masked.terms


def test_the_product_multiplies_the_style_as_well():
    x = pictures()[0]
    half = np.zeros(x.shape[:2])
    half[:9] = 1.0
    network = Network(small_weights(), backend=get_backend("numpy"), dtype=np.float64)
    terms = {
        form: Objective(network, x, x, settings(mask_form=form), [half])(x).terms
        for form in MASK_FORMS
    }
    assert terms["product"]["style product relu1_1"].value == pytest.approx(0, abs=1e-20)
    assert terms["guided"]["style guided relu1_1"].value > 1e-6


def test_each_style_has_its_own_part():
    """A half for each of two styles, at the pixels: there both terms vanish, or neither."""
    left = np.zeros((18, 21))
    left[:, :10] = 1.0
    red, blue = np.zeros((2, 17, 26, 3))
    red[..., 0] = blue[..., 2] = 0.8
    x = np.zeros((18, 21, 3))
    x[:, :10, 0] = x[:, 10:, 2] = 0.8
    network = Network(small_weights(), backend=get_backend("numpy"), dtype=np.float64)
    asked = settings(style_layers={"pixels": 1.0}, mask_form="guided")
    right_way, wrong_way = (
        Objective(network, x, styles, asked, [left, 1 - left])(x).terms
        for styles in ([red, blue], [blue, red])
    )
    for name in ("style guided pixels", "style 2 guided pixels"):
        assert right_way[name].value == pytest.approx(0, abs=1e-20)
        assert wrong_way[name].value > 0.5


def test_masks_are_refused_with_other_losses_and_in_other_numbers():
    with pytest.raises(InputError, match="masks are for the style loss gram, not for histogram"):
        objective(style_losses={"histogram": 1.0}, masks=soft_masks(1), mask_form="guided")
    with pytest.raises(InputError, match="2 masks for 1 style"):
        objective(masks=soft_masks(2), mask_form="guided")


def test_alike_styles_are_one():
    x, style = pictures()[2], pictures()[1]
    one, two = objective()(x), objective(more_styles=[style])(x)
    assert two.loss == pytest.approx(one.loss, rel=1e-13)
    assert_close(two.dL_dx, one.dL_dx, 1e-13)


def test_weights_for_another_number_of_styles_are_refused():
    with pytest.raises(InputError, match="style_weights has 3 numbers for 2 style pictures"):
        objective(more_styles=other_styles()[:1], style_weights=[1.0, 2.0, 3.0])


def test_the_gradient_in_greys():
    # Exact for any x, and grey: from a grey start every step stays grey.
    test_gradient_is_the_derivative_of_the_loss("relative", "average", 1.0, in_greys=True)
    x, evaluate = pictures()[2], objective(in_greys=True)
    greys = np.repeat(x.mean(axis=2, keepdims=True), 3, axis=2)
    assert evaluate(x).loss == pytest.approx(evaluate(greys).loss, rel=1e-13)
    dL_dx = evaluate(x).dL_dx
    assert np.array_equal(dL_dx, np.repeat(dL_dx[:, :, :1], 3, axis=2))
    assert_close(dL_dx.sum(axis=2), objective()(greys).dL_dx.sum(axis=2), 1e-13)


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
