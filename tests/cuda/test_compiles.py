"""Every kernel, compiled for the generations of cards from Turing to Blackwell."""

import re

import pytest
from nvrtc import compile_for, find

from manualnst.backends.cuda import sources

NVRTC = find()
pytestmark = pytest.mark.skipif(
    NVRTC is None,
    reason="NVRTC is not installed (python -m pip install nvidia-cuda-nvrtc; no card is needed)",
)
ARCHITECTURES = ("sm_75", "sm_80", "sm_90", "sm_120")
QUICKLY = "--Ofast-compile=max"  # all that can be refused is; a tenth of the time


def functions_in(code: bytes) -> set[str]:
    """By their sections of a cubin, which is an ELF file. Other functions have sections, too."""
    return {name.decode() for name in re.findall(rb"\.text\.(\w+)\0", code)}


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("real", ["float", "double"])
def test_every_kernel_compiles(real, architecture, libraries):
    options = (*sources.options(real), f"--gpu-architecture={architecture}", QUICKLY)
    compiled = functions_in(compile_for(NVRTC, sources.text(), options))
    expected = libraries[{"float": "float32", "double": "float64"}[real]].names
    if architecture == "sm_75":
        expected = {name for name in expected if not re.search("tf32|float16", name)}
    assert expected <= compiled
    if architecture == "sm_75":
        assert not any("float16" in name for name in compiled)


def test_a_mistake_in_a_source_is_told_with_its_place():
    broken = sources.text().replace(
        "G[(long long)j * N + i] = real(sum);", "G[(long long)j * N + i] = sun;"
    )
    with pytest.raises(AssertionError, match=r'gram\.cu\(\d+\).*"sun" is undefined'):
        compile_for(NVRTC, broken, (*sources.options("float"), QUICKLY))
