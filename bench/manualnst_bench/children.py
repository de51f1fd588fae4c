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
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import manualnst
from manualnst.errors import InputError

from .measure import Tell
from .options import Options

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
        last_words = last_line(stderr.read().decode(errors="replace"))
    raise ChildFailed(f"{_ending(process.returncode)} {last_words}".strip())


def for_each_picture(
    target: str, options: Options, tell: Tell, **more: Any
) -> Iterator[dict[str, Any]]:
    """`run_child` for every network and size that was asked for, with what all measurements want
    to know, and `more`."""
    for network, size in product(options.network, options.sizes):
        yield run_child(
            target,
            options.threads,
            tell,
            size=size,
            network=network,
            dtype=options.dtype,
            backend=options.backend,
            repeats=options.repeats,
            **more,
        )


def last_line(text: str) -> str:
    """Of what a program wrote to standard error: there Python has the exception itself."""
    return text.strip().rpartition("\n")[2]


def _ending(returncode: int) -> str:
    if returncode >= 0:
        return f"ended with exit code {returncode}:"
    return f"ended by signal {-returncode}" + (
        ", as where memory runs out:" if returncode == -9 else ":"
    )
