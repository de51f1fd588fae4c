"""The benchmark with the frameworks that it compares with: all compute the same, or none is timed."""

import json
import subprocess
import sys

import numpy as np
import pytest
from proofs import assert_close

from manualnst.backends import numpy_backend
from manualnst.cli import main
from manualnst_bench import children, layers, sides

TORCH = ["torch-nchw", "torch-channels-last"]
TINY = ["--sizes", "16", "--network", "builtin", "--threads", "1"]


def silent(text):
    pass


@pytest.fixture(params=[*TORCH, "jax"])
def framework(request):
    library = request.param.partition("-")[0]
    pytest.importorskip(library, reason=f"{library} is not installed; it is only compared with")
    return request.param


@pytest.fixture(autouse=True)
def singles_again():
    """JAX's precision is a setting of the whole process."""
    yield
    if "jax" in sys.modules:
        sys.modules["jax"].config.update("jax_enable_x64", False)
