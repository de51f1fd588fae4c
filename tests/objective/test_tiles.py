"""Loss and gradient in tiles are those of the whole picture."""

from dataclasses import replace

import numpy as np
import pytest
from proofs import assert_close, small_weights

from manualnst.backends import get_backend
from manualnst.errors import InputError
from manualnst.losses import NORMALISATIONS, STYLE_LOSSES, merging
from manualnst.network import network as network_module
from manualnst.network import tiles as tiles_module
from manualnst.network.network import Network
from manualnst.objective.objective import Objective
from manualnst.objective.terms import MASK_FORMS, TOTAL_VARIATIONS, LossSettings

STYLE_LAYERS = {f"relu{block}_1": 1.0 for block in range(1, 6)} | {"pixels": 1.0, "relu2_1": 2.0}
TILED = [name for name, loss in STYLE_LOSSES.items() if loss.statistic and not loss.mask_form]
CLOSE = {np.float32: 2e-5, np.float64: 1e-12}
SIZE = (97, 81)  # no tile divides it


def both(
    size=SIZE, tile=32, dtype=np.float64, pool="average", margin=16, masks=0, styles=1, **changes
):
    rng = np.random.default_rng(5)
    network = Network(
        small_weights(), backend=get_backend("numpy"), pool=pool, margin=margin, dtype=dtype
    )
    content, x = (rng.random((*size, 3)).astype(dtype) for _ in range(2))
    pictures = [rng.random((60 + 9 * n, 49, 3)).astype(dtype) for n in range(styles)]
    settings = dict(
        content_layers={"relu4_2": 1.0, "conv3_1": 3.0},
        style_layers=STYLE_LAYERS,
        content_weight=0.7,
        style_weight=1.3,
        tv_weight=0.1,
        normalisation="relative",
    )
    settings = LossSettings(**(settings | changes))
    masks = [rng.random(size) for _ in range(masks)]
    return [
        Objective(network, content, pictures, settings, masks, tile=side)(x)
        for side in (None, tile)
    ]


def assert_same(tolerance=1e-12, **options):
    whole, tiled = both(**options)
    assert list(tiled.terms) == list(whole.terms)
    for name, term in whole.terms.items():
        assert tiled.terms[name].value == pytest.approx(term.value, rel=tolerance), name
    assert_close(tiled.dL_dx, whole.dL_dx, tolerance)


@pytest.mark.parametrize("dtype", CLOSE)
@pytest.mark.parametrize("loss", TILED)
def test_every_loss(loss, dtype):
    factor = 1000 if loss == "wasserstein" else 1  # the condition of a covariance's root
    assert_same(factor * CLOSE[dtype], style_losses={loss: 1.0}, dtype=dtype)


@pytest.mark.parametrize("normalisation", NORMALISATIONS)
def test_every_normalisation(normalisation):
    losses = {"gram": 1.0, "moments": 0.5}
    assert_same(normalisation=normalisation, style_losses=losses, styles=2)


@pytest.mark.parametrize("pool", ["average", "max"])
@pytest.mark.parametrize("margin", [0, 32])
def test_every_pooling_and_margin(pool, margin):
    assert_same(pool=pool, margin=margin)


@pytest.mark.parametrize("size", [(33, 32), (16, 150), (113, 31), (31, 31)])
def test_awkward_sizes(size):
    """One pixel more than a tile, a tile smaller than the halo, no tile at all."""
    assert_same(size=size)


@pytest.mark.parametrize("mask_form", MASK_FORMS)
def test_masks(mask_form):
    assert_same(mask_form=mask_form, masks=2, styles=2)


@pytest.mark.parametrize("tv", TOTAL_VARIATIONS)
def test_every_total_variation_and_greys(tv):
    assert_same(tv=tv, in_greys=True)


@pytest.mark.parametrize("loss", ["histogram", "patches"])
def test_what_is_no_sum_over_positions_is_refused(loss):
    with pytest.raises(InputError, match=f"style loss {loss}: .* cannot be computed in tiles"):
        both(style_losses={loss: 1.0}, style_layers={"relu1_1": 1.0})


def test_a_halo_that_is_too_small_would_be_noticed(monkeypatch):
    right = network_module.halo_of
    monkeypatch.setattr(network_module, "halo_of", lambda names: right(names) - tiles_module.UNIT)
    with pytest.raises(AssertionError):
        assert_same()


def test_rows_that_count_twice_would_be_noticed(monkeypatch):
    right = tiles_module._cut

    def overlapping(length, side):
        ends = [(own.start, own.stop + tiles_module.UNIT) for own in right(length, side)]
        return [slice(start, min(stop, length)) for start, stop in ends]

    monkeypatch.setattr(tiles_module, "_cut", overlapping)
    with pytest.raises(AssertionError):
        assert_same()


def test_a_tile_that_begins_at_an_odd_row_would_be_noticed(monkeypatch):
    def shifted(length, side):
        return [slice(0, 127), slice(127, length)] if length > side else [slice(0, length)]

    monkeypatch.setattr(tiles_module, "_cut", shifted)
    with pytest.raises((AssertionError, InputError, ValueError)):
        assert_same(size=(203, 32))


def test_sums_that_are_shared_out_would_be_noticed(monkeypatch):
    gram = STYLE_LOSSES["gram"]
    wrong = merging.SUMS._replace(backward=lambda dL_dS, count: [dL_dS / count] * count)
    spoiled = replace(gram, statistic=gram.statistic._replace(merge=wrong))
    monkeypatch.setitem(STYLE_LOSSES, "gram", spoiled)
    with pytest.raises(AssertionError):
        assert_same()
