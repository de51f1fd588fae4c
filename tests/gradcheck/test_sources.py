"""What is taken of a student's file, before any of it is run."""

import json

import pytest

from manualnst.cli import main
from manualnst.errors import InputError
from manualnst.gradcheck.sources import read_source

CODE = ["import numpy as np\n", "def relu_backward(dL_dy, mask):\n", "    return dL_dy * mask"]


def notebook(*cells):
    return json.dumps({"nbformat": 4, "cells": list(cells)})


def code(source):
    return {"cell_type": "code", "source": source, "outputs": []}


def test_a_notebooks_code_cells_in_their_order(tmp_path):
    path = tmp_path / "mine.ipynb"
    words = {"cell_type": "markdown", "source": ["# not Python"]}
    path.write_text(notebook(code("%matplotlib inline\n!ls\nx = 1"), words, code(CODE)))
    source = read_source(path)
    assert "matplotlib" not in source and "not Python" not in source
    names = {}
    exec(source, names)
    assert names["x"] == 1 and callable(names["relu_backward"])


def test_a_notebook_is_judged_as_a_file_is(tmp_path, capsys):
    path = tmp_path / "mine.ipynb"
    path.write_text(notebook(code("def gram_backward(dL_dG, F):\n    return F @ dL_dG")))
    assert main(["check", str(path)]) in (0, 1)
    assert "gram_backward" in capsys.readouterr().out


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"cells": 3}', '{"cells": [{"source": 3}]}'])
def test_what_is_no_notebook_is_told_how_to_be_exported(tmp_path, text):
    path = tmp_path / "mine.ipynb"
    path.write_text(text)
    with pytest.raises(InputError, match="not a notebook .* export it as Python"):
        read_source(path)


def test_a_mistake_in_a_cell_is_told(tmp_path):
    path = tmp_path / "mine.ipynb"
    path.write_text(notebook(code("x = 1"), code("def f(:")))
    with pytest.raises(InputError, match="mine.ipynb, its code cells, line 3"):
        read_source(path)
