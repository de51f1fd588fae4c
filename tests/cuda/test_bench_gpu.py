"""bench/gpu/measure.py as far as it can be tried without a card: it tells right from wrong."""

import importlib.util
import sys
from pathlib import Path

import pairs
import pytest

from manualnst.backends.cuda.card import Card
from manualnst.backends.cuda_backend import Backend

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


def test_the_facts_need_no_card(measure):
    assert {"nvidia-smi", "versions"} <= measure.facts().keys()
