"""Sample pictures: one content, three styles, each drawn by code that lies beside it.

`python -m manualnst.pictures.samples FOLDER` draws them anew. Importing this package only knows
their names; the drawing code, in `draw`, is imported by whoever draws.
"""

from importlib.resources import files
from pathlib import Path

from ...errors import InputError

CONTENT = "harbour"
STYLES = ("mosaic", "strokes", "waves")  # the first is the default style


def sample_path(name: str) -> Path:
    """Where the PNG of one of the samples lies."""
    known = (CONTENT, *STYLES)
    if name not in known:
        raise InputError(f"unknown sample {name!r}; choose one of {', '.join(known)}")
    return Path(str(files(__package__) / f"{name}.png"))
