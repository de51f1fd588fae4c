"""What is foretold of a card's memory, against what is alive at a time."""

import gc
import sys
from dataclasses import replace

import numpy as np
import pytest
from proofs import small_weights
from weightless import Weightless

import manualnst
from manualnst.backends.cuda.backend import CudaBackend
from manualnst.backends.cuda.card import Card
from manualnst.errors import InputError
from manualnst.network.network import Network
from manualnst.network.vgg import WIDTHS
from manualnst.objective.objective import Objective
from manualnst.runs import preflight
from manualnst.runs.settings import Settings


@pytest.mark.parametrize("pool", ["average", "max"])
@pytest.mark.parametrize(("size", "margin"), [((512, 512), 0), ((512, 512), 16), ((1023, 700), 16)])
def test_the_memory_of_an_evaluation(size, margin, pool):
    compared(Settings(pool=pool, margin=margin), size)


def compared(settings, size, masks=None):
    cupy, options = Weightless(), {"pool": settings.pool, "margin": settings.margin}
    losses = replace(settings.losses, mask_form=settings.mask_form if masks else None)
    weights = small_weights(widths=WIDTHS)
    network = Network(weights, backend=CudaBackend(Card(cupy)), **options)
    x = np.zeros((*size, 3), np.float32)
    objective = Objective(network, x, x, losses, masks)
    x = cupy.asarray(x)
    objective._evaluate(x, 1.0)  # filters are laid out
    gc.collect()
    before = cupy.peak = cupy.bytes
    objective._evaluate(x, 1.0)
    foretold = preflight.evaluation_bytes(weights, losses, size, [size], **options, on_card=True)
    assert foretold == pytest.approx(cupy.peak - before, rel=0.1)


@pytest.mark.parametrize(
    "changes",
    [
        dict(style_losses={"shifted": 1.0, "chained": 1.0}),
        dict(style_losses={"patches": 1.0}, style_layers={"relu3_1": 1.0, "relu4_1": 1.0}),
        dict(tv="nine-point", tv_weight=1.0),
    ],
)
def test_the_memory_of_further_losses(changes):
    compared(Settings(**changes), (512, 512))


def test_the_memory_of_masks():
    mask = np.ones((512, 512), np.float32)
    compared(Settings(mask_form="product"), (512, 512), [mask])


def test_a_picture_too_large_for_the_card_is_refused(cupy, monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    monkeypatch.setattr(type(cupy.cuda), "free_bytes", 150 << 20)
    with pytest.raises(InputError, match=r"not enough memory on the card: .* --size \d+ fits"):
        manualnst.stylize(size=512, backend="cuda")
