"""Runs that show how far they are."""

import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

import manualnst
from manualnst.runs import bar

SMALL = dict(size=40, steps=4, scales=1)


@pytest.fixture
def pictures():
    rng = np.random.default_rng(0)
    return rng.random((40, 33, 3)), rng.random((28, 36, 3))


@pytest.fixture
def without_tqdm(monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm", None)
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)


@pytest.fixture
def with_tqdm(monkeypatch):
    """A library of its interface that remembers what it was told."""
    told = SimpleNamespace(lines=[], closed=False)

    class Tqdm:
        def __init__(self, total, initial, unit):
            told.total, self.n = total, initial

        def update(self, count):
            self.n += count
            told.n = self.n

        def set_postfix_str(self, text, refresh):
            told.words = text

        def write(self, text, file):
            told.lines.append(text)

        def close(self):
            told.closed = True

    auto = ModuleType("tqdm.auto")
    auto.tqdm = Tqdm
    monkeypatch.setitem(sys.modules, "tqdm", ModuleType("tqdm"))
    monkeypatch.setitem(sys.modules, "tqdm.auto", auto)
    return told


def test_nothing_is_shown_unless_it_is_asked_for(pictures, capsys):
    manualnst.stylize(*pictures, **SMALL)
    assert capsys.readouterr() == ("", "")


def test_lines_where_there_is_no_tqdm(pictures, capsys, without_tqdm):
    seen = []
    manualnst.stylize(*pictures, **SMALL, progress=True, callback=seen.append)
    out, err = capsys.readouterr()
    assert out == "" and len(seen) == 4
    assert "content: array" in err and "time: about" in err
    assert "step 4: loss" in err and "40 × 33" not in err and "33 × 40" in err


def test_a_bar_where_there_is_one(pictures, with_tqdm):
    manualnst.stylize(*pictures, **SMALL, progress=True)
    assert (with_tqdm.total, with_tqdm.n, with_tqdm.closed) == (4, 4, True)
    assert with_tqdm.words.startswith("loss ")
    assert any(line.startswith("time: about") for line in with_tqdm.lines)


def test_a_callback_stops_it_as_ever_and_the_bar_is_closed(pictures, with_tqdm):
    result = manualnst.stylize(*pictures, **SMALL, progress=True, callback=lambda p: manualnst.STOP)
    assert result.record["steps"] == 1 and with_tqdm.closed


def test_in_a_notebook_it_is_the_default(pictures, capsys, monkeypatch, without_tqdm):
    ipython = ModuleType("IPython")
    ipython.get_ipython = type("ZMQInteractiveShell", (), {})
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    assert bar.in_notebook()
    manualnst.stylize(*pictures, **SMALL)
    assert "step 4" in capsys.readouterr().err
    manualnst.stylize(*pictures, **SMALL, progress=False)
    assert capsys.readouterr().err == ""
