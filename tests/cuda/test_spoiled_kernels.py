"""The card made of a processor is tested: mistakes as they happen in kernels must show."""

import re

import numpy as np
import pytest
from host_card import COMPILER, HostCupy, Kernels, build
from pairs import TOLERANCES, errors

from manualnst.backends.cuda import sources
from manualnst.backends.cuda.backend import CudaBackend
from manualnst.backends.cuda.card import Card

# Where it is, what stands there and what is planted; and what should notice, in which order of
# threads, on which rung and in which precision.
MISTAKES = {
    "a block does not wait before it reads": (
        (
            "convolution_tiled.cu",
            "Kp + k];\n        }\n        __syncthreads();",
            "Kp + k];\n        }",
        ),
        ("convolution (9, 18, 5, 7)", False, "tiled", "float32"),
    ),
    "a block does not wait before it writes": (
        ("gram.cu", "p = first + row;\n        __syncthreads();", "p = first + row;"),
        ("gram (13, 41, 66)", True, "tiled", "float32"),
    ),
    "filters are used before they have arrived": (
        ("convolution_matrix_unit.cu", "all_but<STAGES - 2>()", "all_but<STAGES - 1>()"),
        ("convolution (9, 18, 5, 7)", False, "fast", "tf32"),
    ),
    "the wrong lane's words are multiplied": (
        ("gram.cu", "of_j[q + t + 4][c]}", "of_j[q + (t + 1) % 4 + 4][c]}"),
        ("gram (7, 9, 5)", False, "fast", "tf32"),
    ),
    "one bit of the mask for another": (
        ("convolution_registers.cu", "bits |= 1u << k;", "bits |= 1u << (k ^ 1);"),
        ("fused (9, 18, 5, 7)", False, "fast", "float32"),
    ),
    "an edge that is not dropped": (
        ("pooling.cu", "return i < H / 2 && j < W / 2 ?", "return i < H / 2 && j <= W / 2 ?"),
        ("avgpool (5, 7, 2)", False, "fast", "float32"),
    ),
    "a channel of one map for that of another": (
        (
            "gram.cu",
            "channels_at(R, first + row, j0 + 4 * column, end, K)",
            "channels_at(F, first + row, j0 + 4 * column, end, N)",
        ),
        ("cross gram (5, 3, 3) 66", False, "fast", "float32"),
    ),
    "the pair at the left pulls upwards": (
        ("variations.cu", "q - 1, H, W, C)).right;", "q - 1, H, W, C)).down;"),
        ("smoothed variation (9, 11, 4)", False, "fast", "float32"),
    ),
    "a pixel's copy beyond the border is forgotten": (
        ("variations.cu", "(j == W - 1 ? W : j)", "j"),
        ("nine-point variation (9, 11, 4)", False, "fast", "float32"),
    ),
    "a channel's weight for a position's": (
        ("weighted.cu", "w[i / N]", "w[i % N]"),
        ("weighted gram (7, 9, 5)", False, "fast", "float32"),
    ),
    "the wrong way round a tap": (
        ("shifted.cu", "i = int(n / row) + down", "i = int(n / row) - down"),
        ("filters' gradient (9, 18, 5, 7)", False, "fast", "float32"),
    ),
    "half a place too far": (
        ("histogram.cu", "(2 * p + 1) * count - M", "(2 * p + 1) * count"),
        ("histogram (5, 7, 3) 35", False, "fast", "float32"),
    ),
    "of equals not the first": (
        ("patches.cu", "other_place < place[threadIdx.x]", "other_place > place[threadIdx.x]"),
        ("patches (5, 9, 3) (7, 6, 3)", False, "fast", "float32"),
    ),
    "the way forth of the two loops is not that of the way back": (
        ("lbfgs.cu", "double(r[i]) + with_factors", "double(r[i]) - with_factors"),
        ("lbfgs (9, 11, 3)", False, "fast", "float32"),
    ),
}


@pytest.fixture(scope="module")
def kernels(tmp_path_factory):
    """All mistakes at once, as no two are in one kernel."""
    if COMPILER is None:
        pytest.skip("no C++ compiler: the kernels cannot be tried on this processor")
    text = sources.text()
    for (file, right, wrong), _ in MISTAKES.values():
        assert right in (sources.FOLDER / file).read_text(encoding="utf-8")
        assert len(re.findall(re.escape(right), text)) == 1
        text = text.replace(right, wrong)
    library = Kernels(build(tmp_path_factory.mktemp("mistakes"), "float32", text=text))
    return {"float32": library}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_is_caught(mistake, kernels):
    case, descending, rung, precision = MISTAKES[mistake][1]
    cupy = HostCupy(kernels)
    cupy.descending = descending
    found = errors(case, CudaBackend(Card(cupy), precision, rung), np.dtype(np.float32))
    assert max(found.values()) > 3 * TOLERANCES[precision]
