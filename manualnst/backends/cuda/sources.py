"""The kernels' sources as one text, ready for a compiler."""

import re
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent
# Included on the host only, from the tests.
_INCLUDE = re.compile(r'^#include "(\w+\.cuh)"$', re.MULTILINE)


@cache
def text() -> str:
    """All .cu files after each other, with every header in the place where it is first included.

    One text needs no search path, and is all that a compiler's cache has to compare.
    """
    seen: set[str] = set()
    return "".join(_with_headers(path.name, seen) for path in sorted(FOLDER.glob("*.cu")))


def _with_headers(name: str, seen: set[str]) -> str:
    if name in seen:
        return ""
    seen.add(name)
    source = (FOLDER / name).read_text(encoding="utf-8").replace("#pragma once\n", "\n")
    pieces, line = [f'#line 1 "{name}"\n'], 1
    for n, piece in enumerate(_INCLUDE.split(source)):
        if n % 2:
            pieces.append(f'{_with_headers(piece, seen)}#line {line} "{name}"')
        else:
            pieces.append(piece)
            line += piece.count("\n")
    return "".join(pieces)


def options(real: str) -> tuple[str, ...]:
    """For the compiler: `real` is float or double."""
    return ("-std=c++17", *(["-DDOUBLE"] if real == "double" else []))
