"""bench/gpu/measure.py as far as it can be tried without a card: it tells right from wrong."""

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pairs
import pytest
from proofs import small_weights

from manualnst.backends.cuda.backend import CudaBackend
from manualnst.backends.cuda.card import Card
from manualnst.objective.objective import LossSettings
from manualnst_bench.sides import Problem

PATH = Path(__file__).parents[2] / "bench/gpu/measure.py"


@pytest.fixture
def measure(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "path", list(sys.path))
    spec = importlib.util.spec_from_file_location("measure_gpu", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.FOUND = tmp_path / "found.json"
    for name in ("CASES", "PRODUCTS"):
        few = {"gram (7, 9, 5)": pairs.PRODUCTS["gram (7, 9, 5)"]}
        monkeypatch.setattr(pairs, name, few)
    return module


def test_kernels_that_are_right_are_found_so(measure, cupy):
    found = measure.kernels_are_right(Card(cupy))
    assert not found["wrong"]
    assert 1e-8 < found["largest error"]["fast float32"] < 1e-5 < found["largest error"]["tf32"]


def test_a_kernel_that_is_wrong_or_fails_is_told(measure, cupy, monkeypatch):
    right = CudaBackend.gram_backward
    monkeypatch.setattr(CudaBackend, "gram_backward", lambda self, *a: 1.001 * right(self, *a))
    wrong = measure.kernels_are_right(Card(cupy))["wrong"]
    assert len(wrong) == 10  # three rungs in two precisions, and four of the matrix units
    monkeypatch.setattr(CudaBackend, "gram_backward", lambda self, *a: 1 / 0)
    wrong = measure.kernels_are_right(Card(cupy))["wrong"]
    assert "ZeroDivisionError" in wrong[0]


LAYERS = dict.fromkeys(("relu1_1", "relu2_1", "relu3_1"), 1.0)


def test_losses_that_are_wrong_or_fail_are_told(measure, cupy, monkeypatch):
    settings = LossSettings({"relu3_2": 1.0}, LAYERS, 1.0, 1.0, 0.0, "relative")
    pictures = np.random.default_rng(5).random((3, 14, 18, 3)).astype(np.float32)
    problem = Problem(small_weights(last="conv3_2", widths=(6, 9, 8)), *pictures, settings)
    few = {name: measure.LOSSES[name] for name in ("chained", "histogram", "nine-point", "product")}
    monkeypatch.setattr(measure, "LOSSES", few)
    found = looked_at(measure, Card(cupy), problem)
    assert found.keys() == few.keys()
    assert all(each["right"] for each in found.values()), found
    right = CudaBackend.weighted_gram_backward
    monkeypatch.setattr(CudaBackend, "weighted_gram_backward", lambda self, *a: 2 * right(self, *a))
    monkeypatch.setattr(CudaBackend, "channel_order", lambda self, F: 1 / 0)
    found = looked_at(measure, Card(cupy), problem)
    assert "ZeroDivisionError" in found["histogram"]["failed"]
    assert not found["product"]["right"] and found["chained"]["right"]


def looked_at(measure, card, problem):
    """What the part `losses are right` writes, of this problem."""
    measure.PARTS["tried"] = lambda card: measure.losses_are_right(card, problem)
    measure.open_card = lambda: card
    measure.find("tried", measure.FOUND)
    return json.loads(measure.FOUND.read_text())


def test_a_part_that_dies_costs_itself_alone(measure, tmp_path, monkeypatch):
    """As a wrong kernel would end it: what it had found before is kept."""
    script = tmp_path / "part.py"
    script.write_text(
        "import os, pathlib, sys\n"
        "pathlib.Path(sys.argv[1]).write_text('{\"before\": 1}')\n"
        "os.abort() if sys.argv[3] == 'dies' else __import__('time').sleep(60)\n"
    )
    monkeypatch.setattr(measure, "HERE", script)
    assert measure.found_apart("dies", 60) == {"before": 1, "ended": "with exit code -6"}
    assert measure.found_apart("hangs", 2) == {"before": 1, "ended": "cut off after 2 s"}


def test_the_facts_need_no_card(measure):
    assert {"nvidia-smi", "versions"} <= measure.facts().keys()
