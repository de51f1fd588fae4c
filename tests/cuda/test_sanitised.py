"""All kernels under the sanitisers: no number is read or written where none is."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from host_card import COMPILER, SANITISERS


def runtime() -> str | None:
    """The sanitiser's own library, which has to be in a process from its beginning."""
    if COMPILER is None or not sys.platform.startswith("linux"):
        return None
    command = [COMPILER, "-print-file-name=libasan.so"]
    path = subprocess.run(command, capture_output=True, text=True).stdout.strip()
    return path if Path(path).is_absolute() else None


def run(command: list[str]) -> subprocess.CompletedProcess:
    environment = os.environ | {
        "LD_PRELOAD": runtime(),
        "ASAN_OPTIONS": "detect_leaks=0:detect_stack_use_after_return=0",
        "UBSAN_OPTIONS": "print_stacktrace=1",
        "OMP_NUM_THREADS": "1",
    }
    return subprocess.run(command, env=environment, capture_output=True, text=True)


@pytest.mark.skipif(runtime() is None, reason="no compiler with an address sanitiser (GCC's)")
def test_kernels_touch_nothing_that_is_not_theirs(tmp_path):
    script = Path(__file__).with_name("sanitised.py")
    done = run([sys.executable, str(script), str(tmp_path)])
    assert done.returncode == 0, done.stderr[-4000:]
    assert done.stdout.strip() == "left out: []"


@pytest.mark.skipif(runtime() is None, reason="no compiler with an address sanitiser (GCC's)")
def test_the_sanitiser_sees_a_kernel_that_does(tmp_path):
    source = tmp_path / "beyond.cpp"
    source.write_text(
        '#include "host_card.h"\n'
        'extern "C" void beyond(int n) { __syncthreads();'
        " static_cast<float*>(shared_memory_of_block())[threadIdx.x + n] = 1; }\n"
        "int main() { int n = 1; void* arguments[] = {&n};"
        " card::run(card::Unpacked<beyond>::run, arguments, 1, 32, 128, false); }\n",
        encoding="utf-8",
    )
    program = str(tmp_path / "beyond")
    include = f"-I{Path(__file__).parent}"
    subprocess.run(
        [COMPILER, "-std=c++17", include, *SANITISERS, "-o", program, str(source)], check=True
    )
    done = run([program])
    assert done.returncode != 0
    assert "heap-buffer-overflow" in done.stderr
