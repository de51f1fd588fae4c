"""The source of a student's file, or of a notebook's code cells. Nothing of it is run."""

import json
import re
import warnings
from pathlib import Path

from ..errors import InputError
from ..system.files import read_bytes
from ..system.text import printable

MAX_SOURCE = 10**6  # bytes
_MAX_NOTEBOOK = 64 << 20  # with the pictures that its cells have shown
_MAGIC = re.compile(r"^(\s*)[%!].*$", re.MULTILINE)  # IPython's own


def read_source(path: Path) -> str:
    is_notebook = path.suffix.lower() == ".ipynb"
    name = printable(path.name)
    source = _text(read_bytes(path, _MAX_NOTEBOOK if is_notebook else MAX_SOURCE), name)
    if is_notebook:
        source, name = _code_of(source, name), f"{name}, its code cells"
    _check(source, name)
    return source


def _text(data: bytes, name: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InputError(f"{name}, line {line}: not UTF-8; save the file as UTF-8") from error


def _code_of(text: str, name: str) -> str:
    """The source of all cells, one after the other; a cell's source is a text, or a list of
    lines."""
    try:
        cells = json.loads(text)["cells"]
        code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        raise InputError(
            f"{name}: not a notebook as Jupyter writes them; export it as Python (File, Save and "
            "Export Notebook As, Executable Script)"
        ) from error
    joined = "\n\n".join(_MAGIC.sub(r"\1pass", cell) for cell in code)
    if len(joined) > MAX_SOURCE:
        raise InputError(f"{name}: its code has more than {MAX_SOURCE} characters")
    return joined


def _check(source: str, name: str) -> None:
    """Refuse what does not compile."""
    try:
        with warnings.catch_warnings(action="ignore"):  # the child gives them
            compile(source, name, "exec", dont_inherit=True)
    except SyntaxError as error:
        where = f"{name}, line {error.lineno}" if error.lineno else name
        raise InputError(f"{where}: {one_line(error.msg)}") from error
    except (ValueError, OverflowError, RecursionError, MemoryError) as error:
        raise InputError(f"{name}: Python cannot compile it ({one_line(error)})") from error


def one_line(text: object) -> str:
    line = " ".join(str(text).split())
    return printable(line if len(line) <= 200 else f"{line[:199]}…")
