"""What a measurement depends on, for its record."""

import ctypes
import os
import platform
import shlex
import subprocess
import sys
from pathlib import Path

import torch

from manualnst import machine

FOLDER = Path(__file__).parent


def facts() -> dict:
    return {
        "command": shlex.join(["python", *sys.orig_argv[1:]]),
        "commit": _git("rev-parse", "HEAD"),
        "modified": bool(_git("status", "--porcelain", "--", ":/manualnst", ":/bench/*.py")),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],  # of the minute before: an idle machine has about 0
        "versions": machine.versions() | {"torch": torch.__version__},
        "openblas kernels": _openblas_kernels(),
        "torch float32 precision": torch.get_float32_matmul_precision(),
        "torch cpu capability": torch.backends.cpu.get_cpu_capability(),
    }


def _git(*arguments: str) -> str | None:
    git = subprocess.run(["git", *arguments], cwd=FOLDER, capture_output=True, text=True)
    return git.stdout.strip() if git.returncode == 0 else None


def _processor() -> str:
    for line in _lines("/proc/cpuinfo"):
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()


def _openblas_kernels() -> dict[str, str]:
    """For each OpenBLAS in this process, the processor whose kernels it chose."""
    paths = {line.split()[-1] for line in _lines("/proc/self/maps") if "openblas" in line}
    kernels = {}
    for path in sorted(paths):
        library = ctypes.CDLL(path)
        for name in ("scipy_openblas_get_corename64_", "scipy_openblas_get_corename"):
            if hasattr(library, name):
                function = getattr(library, name)
                function.restype = ctypes.c_char_p
                kernels[Path(path).name] = function().decode()
    return kernels


def _lines(path: str) -> list[str]:
    """Of a system file; none where there is no such file."""
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []
