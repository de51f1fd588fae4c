"""The file that a student starts from."""

import textwrap
from collections.abc import Iterable

import numpy as np

from .subjects import Subject

_HEAD = '''"""Derivatives to be written by hand. Fill in any of the functions, and check them with

    python -m manualnst check {name}

Conventions: one picture, channels last. A feature map F is (H, W, N): N channels at M = H·W
positions, F.reshape(-1, N) is the matrix (M, N). dL_dx is the gradient of the loss L with
respect to x and has x's shape. Arrays are float64, and so should yours be. Leave the arguments
as they are, and return a new array.
"""

import numpy as np
'''


def template(name: str, subjects: Iterable[Subject]) -> str:
    return _HEAD.format(name=name) + "".join(map(_function, subjects))


def _function(subject: Subject) -> str:
    problem = subject.draw(np.random.default_rng(0), subject.shapes[0])
    parameters = ", ".join(problem.arguments)
    lines = textwrap.dedent("    " + subject.describe).splitlines()
    described = "\n    ".join(line.rstrip() for line in lines)
    end = "\n    " if len(lines) > 1 else ""
    return (
        f"\n\ndef {subject.name}({parameters}):\n"
        f'    """[{subject.identifier}] {described}{end}"""\n'
        f'    raise NotImplementedError("{subject.gives}")\n'
    )
