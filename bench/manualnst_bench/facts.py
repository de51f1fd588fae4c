"""What a measurement depends on, for its record."""

import importlib.metadata
import importlib.util
import os
import platform
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_info

from manualnst.system import machine

from .measure import Tell

CPU_MODEL = Path("/proc/cpuinfo")


def usable_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def describe(tell: Tell) -> dict[str, Any]:
    """Of this process, which has as many threads as those that measure."""
    tell("describing the machine")
    blas = [info for info in threadpool_info() if info["user_api"] == "blas"]
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "usable cores": usable_cores(),
        "memory": machine.available_memory(),
        "load": _load(),
        "versions": machine.versions() | _framework_versions(),
        "blas": [
            {
                "library": Path(info["filepath"]).name,
                "version": info["version"],
                "kernel": info.get("architecture"),
                "threads": info["num_threads"],
            }
            for info in blas
        ],
        "torch": _torch(),
        "commit": _git("rev-parse", "HEAD"),
        "modified": bool(_git("status", "--porcelain", "--", ":/manualnst", ":/bench/*.py")),
    }


def command() -> str:
    return shlex.join(["python", *sys.orig_argv[1:]])


def _framework_versions() -> dict[str, str]:
    found = {}
    for name in ("torch", "jax", "jaxlib"):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _torch() -> dict[str, Any] | None:
    if importlib.util.find_spec("torch") is None:
        return None
    import torch

    return {
        "cpu capability": torch.backends.cpu.get_cpu_capability(),
        "float32 precision": torch.get_float32_matmul_precision(),
        "threads": torch.get_num_threads(),
    }


def _load() -> float | None:
    """Of the minute before: an idle machine has about 0."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else None


def _processor() -> str:
    if CPU_MODEL.exists():
        for line in CPU_MODEL.read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    if sys.platform == "darwin":
        return _output_of("sysctl", "-n", "machdep.cpu.brand_string") or "unknown"
    return platform.processor() or "unknown"


def _git(*arguments: str) -> str | None:
    """What git says of the repository that this file belongs to; None if it belongs to none."""
    here = ["git", "-C", str(Path(__file__).parent)]
    if _output_of(*here, "ls-files", "--error-unmatch", Path(__file__).name) is None:
        return None
    return _output_of(*here, *arguments)


def _output_of(*command: str) -> str | None:
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except OSError:  # there is no such program
        return None
    return done.stdout.strip() if done.returncode == 0 else None
