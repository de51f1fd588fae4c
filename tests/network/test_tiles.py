"""Which rows and columns are a tile's, and what it sees."""

import numpy as np
import pytest
from proofs import assert_close, random_array, small_weights

from manualnst.backends import get_backend
from manualnst.network.network import Network
from manualnst.network.tiles import UNIT, halo_of, tiles
from manualnst.network.vgg import halvings

TAPS = ("pixels", "relu1_1", "conv2_2", "relu4_2", "relu5_1")
SIZES = [(97, 113), (160, 53), (65, 64), (16, 200), (33, 15 + 2 * UNIT)]


@pytest.mark.parametrize("size", [*SIZES, (1, 1), (17, 5)])
@pytest.mark.parametrize("side", [16, 48, 64])
def test_every_position_is_of_one_tile(size, side):
    cut = tiles(*size, side, halo=32, margin=16)
    for depth in range(5):
        counts = np.zeros([length >> depth for length in size], int)
        for tile in cut:
            counts[tile.own(depth)] += 1
            assert tile.positions(depth) == counts[tile.own(depth)].size
        assert (counts == 1).all()
    assert all(start % UNIT == 0 for tile in cut for start in (tile.rows.start, tile.seen[0].start))


@pytest.mark.parametrize("pool", ["average", "max"])
@pytest.mark.parametrize("margin", [0, 16, 32])
@pytest.mark.parametrize("size", SIZES)
def test_the_maps_of_tiles_are_those_of_the_picture(size, margin, pool):
    network = Network(
        small_weights(),
        backend=get_backend("numpy"),
        pool=pool,
        margin=margin,
        dtype=np.float64,
    )
    x = random_array(1, (*size, 3))
    whole, _ = network.forward(x, TAPS)
    y, cut, _ = network.cut(x, TAPS, 32)
    for tile in cut:
        maps, _ = network.forward(y[tile.seen], TAPS, tile=tile)
        for tap in TAPS:
            assert_close(maps[tap], whole[tap][tile.own(halvings(tap))], 1e-12)


def test_the_halo_is_how_far_a_position_sees():
    """The pixels that the gradient of one position reaches, before rounding up."""
    network = Network(small_weights(), backend=get_backend("numpy"), dtype=np.float64)
    x = np.ones((288, 16, 3))
    features, tape = network.forward(x, ["conv5_1"])
    dL_dF = np.zeros_like(features["conv5_1"])
    dL_dF[9] = 1
    rows = np.flatnonzero(network.backward({"conv5_1": dL_dF}, tape).any(axis=(1, 2)))
    reach = max(9 * UNIT - rows[0], rows[-1] - (10 * UNIT - 1))
    halo = halo_of(network.passed(["conv5_1"]))
    assert halo - UNIT < reach <= halo
