"""OpenBLAS' kernels against what the processor has."""

import os
import subprocess
import sys

import pytest

import manualnst
from manualnst.system import blas

AVX512 = "fpu avx2 avx512f avx512cd avx512bw avx512dq avx512vl"


@pytest.fixture
def processor(tmp_path, monkeypatch):
    """Makes the machine look like one with such a processor."""

    def pretend(vendor, flags):
        text = f"processor\t: 0\nvendor_id\t: {vendor}\nflags\t\t: {flags}\n\nprocessor\t: 1\n"
        (tmp_path / "cpuinfo").write_text(text)
        monkeypatch.setattr(blas, "PROCESSOR", tmp_path / "cpuinfo")
        blas._processor.cache_clear()

    monkeypatch.delenv(blas.VARIABLE, raising=False)
    yield pretend
    blas._processor.cache_clear()


@pytest.mark.parametrize(
    ("vendor", "flags", "chosen"),
    [
        ("AuthenticAMD", AVX512 + " avx512_bf16", "Cooperlake"),
        ("AuthenticAMD", AVX512, "SkylakeX"),
        ("AuthenticAMD", "fpu avx2 avx512f", None),
        ("GenuineIntel", AVX512, None),  # those it knows
    ],
)
def test_kernels_are_chosen_where_openblas_would_choose_slow_ones(
    vendor, flags, chosen, processor, monkeypatch
):
    processor(vendor, flags)
    blas.choose_kernels()
    assert os.environ.pop(blas.VARIABLE, None) == chosen


def test_somebody_s_own_choice_stays(processor, monkeypatch):
    processor("AuthenticAMD", AVX512)
    monkeypatch.setenv(blas.VARIABLE, "Haswell")
    blas.choose_kernels()
    assert os.environ[blas.VARIABLE] == "Haswell"


@pytest.mark.parametrize(
    ("architecture", "flags", "told"),
    [
        ("Haswell", AVX512, True),
        ("Zen", AVX512, True),
        ("SkylakeX", AVX512, False),
        ("Haswell", "avx2", False),
        (None, AVX512, False),  # not OpenBLAS
    ],
)
def test_a_library_s_user_is_told(architecture, flags, told, processor, monkeypatch):
    processor("AuthenticAMD", flags)
    monkeypatch.setattr(blas, "architecture", lambda: architecture)
    advice = blas.advice()
    assert (advice is not None) == told
    assert not told or f"{blas.VARIABLE}=SkylakeX" in advice.text and "\n" not in advice.text


def test_without_a_list_of_flags_nothing_is_said(processor, monkeypatch, tmp_path):
    monkeypatch.setattr(blas, "PROCESSOR", tmp_path / "missing")
    blas._processor.cache_clear()
    blas.choose_kernels()
    assert blas.VARIABLE not in os.environ and blas.advice() is None


def test_the_command_line_chooses_before_numpy_is_loaded():
    code = (
        "import sys; from manualnst.system import blas;"
        "blas.choose_kernels = lambda: sys.exit('numpy' in sys.modules);"
        "from manualnst.__main__ import main; main(); sys.exit(2)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_names_of_the_package_are_loaded_when_asked_for():
    assert {"stylize", "Settings", "check_gradient"} <= set(dir(manualnst))
    assert callable(manualnst.stylize) and manualnst.InputError("a")
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        manualnst.nonsense  # noqa: B018
