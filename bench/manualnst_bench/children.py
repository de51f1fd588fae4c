"""Measuring in processes of their own.

The libraries read how many threads they may use once, when they are first imported; and memory
can only be told of a whole process.
"""

import json
import os
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

import manualnst
from manualnst.errors import InputError

from .measure import Tell

# Of OpenBLAS and other BLAS', of OpenMP as in PyTorch, and of XLA in JAX.
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NPROC",
)


class ChildFailed(Exception):
    """In one line: how."""


def environment(threads: int) -> dict[str, str]:
    """For a process that imports the very packages that this one does, installed or not."""
    folders = [str(Path(package).parent.parent) for package in (manualnst.__file__, __file__)]
    found_anyway = sysconfig.get_paths().values()
    paths = [folder for folder in dict.fromkeys(folders) if folder not in found_anyway]
    paths += filter(None, [os.environ.get("PYTHONPATH")])
    return (
        os.environ
        | dict.fromkeys(THREAD_VARIABLES, str(threads))
        | {"PYTHONPATH": os.pathsep.join(paths), "JAX_PLATFORMS": "cpu"}
    )


def run_child(target: str, threads: int, tell: Tell, **arguments: Any) -> Any:
    """Call `target`, as "whole:compare", with these arguments in a fresh process; its result.

    What it tells is passed on. An InputError is one here, too; whatever else ends it is a
    ChildFailed.
    """
    command = [sys.executable, "-m", f"{__package__}.child", target, json.dumps(arguments)]
    with tempfile.TemporaryFile() as stderr:
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=stderr, env=environment(threads), text=True
        ) as process:
            try:
                for line in process.stdout:
                    kind, value = json.loads(line)
                    if kind == "result":
                        return value
                    if kind == "refused":
                        raise InputError(value)
                    if kind == "failed":
                        raise ChildFailed(value)
                    tell(value)
            except BaseException:
                process.kill()
                raise
        stderr.seek(0)
        last_words = stderr.read().decode(errors="replace").strip().splitlines()[-1:]
    raise ChildFailed(" ".join([_ending(process.returncode), *last_words]))


def _ending(returncode: int) -> str:
    if returncode >= 0:
        return f"ended with exit code {returncode}:"
    return f"ended by signal {-returncode}" + (
        ", as where memory runs out:" if returncode == -9 else ":"
    )
