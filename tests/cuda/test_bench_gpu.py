"""bench/gpu/measure.py as far as it can be tried without a card: it tells right from wrong."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pairs
import pytest
from proofs import small_weights

from manualnst.backends.cuda.card import Card
from manualnst.backends.cuda_backend import Backend
from manualnst.objective import LossSettings
from manualnst_bench.sides import Problem

PATH = Path(__file__).parents[2] / "bench/gpu/measure.py"


@pytest.fixture
def measure(monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    spec = importlib.util.spec_from_file_location("measure_gpu", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for name in ("CASES", "PRODUCTS"):
        few = {"gram (7, 9, 5)": pairs.PRODUCTS["gram (7, 9, 5)"]}
        monkeypatch.setattr(pairs, name, few)
    return module


def test_kernels_that_are_right_are_found_so(measure, cupy):
    found = measure.kernels_are_right(Card(cupy))
    assert not found["wrong"]
    assert 1e-8 < found["largest error"]["fast float32"] < 1e-5 < found["largest error"]["tf32"]


def test_a_kernel_that_is_wrong_or_fails_is_told(measure, cupy, monkeypatch):
    right = Backend.gram_backward
    monkeypatch.setattr(Backend, "gram_backward", lambda self, *a: 1.001 * right(self, *a))
    wrong = measure.kernels_are_right(Card(cupy))["wrong"]
    assert len(wrong) == 10  # three rungs in two precisions, and four of the matrix units
    monkeypatch.setattr(Backend, "gram_backward", lambda self, *a: 1 / 0)
    wrong = measure.kernels_are_right(Card(cupy))["wrong"]
    assert "ZeroDivisionError" in wrong[0]


LAYERS = dict.fromkeys(("relu1_1", "relu2_1", "relu3_1"), 1.0)


def test_losses_that_are_wrong_or_fail_are_told(measure, cupy, monkeypatch):
    settings = LossSettings({"relu3_2": 1.0}, LAYERS, 1.0, 1.0, 0.0, "relative")
    pictures = np.random.default_rng(5).random((3, 14, 18, 3)).astype(np.float32)
    problem = Problem(small_weights(last="conv3_2", widths=(6, 9, 8)), *pictures, settings)
    few = {name: measure.LOSSES[name] for name in ("chained", "histogram", "nine-point", "product")}
    monkeypatch.setattr(measure, "LOSSES", few)
    found = measure.losses_are_right(Card(cupy), problem)
    assert found.keys() == few.keys()
    assert all(each["right"] for each in found.values()), found
    right = Backend.weighted_gram_backward
    monkeypatch.setattr(Backend, "weighted_gram_backward", lambda self, *a: 2 * right(self, *a))
    monkeypatch.setattr(Backend, "channel_order", lambda self, F: 1 / 0)
    found = measure.losses_are_right(Card(cupy), problem)
    assert [name for name in few if not found[name]["right"]] == ["histogram", "product"]


def test_the_facts_need_no_card(measure):
    assert {"nvidia-smi", "versions"} <= measure.facts().keys()
