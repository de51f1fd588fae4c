"""The table of all drawings, and how one becomes a PNG file."""

from pathlib import Path

from PIL import Image

from ...system.files import write_atomically
from . import harbour, mosaic, strokes, waves

# Each draws its picture: uint8 (H, W, 3).
DRAWINGS = {
    "harbour": harbour.draw,
    "strokes": strokes.draw,
    "mosaic": mosaic.draw,
    "waves": waves.draw,
}


def save(name: str, folder: Path) -> Path:
    """Draw one picture into `folder` and return the path of its PNG."""
    path = folder / f"{name}.png"
    picture = Image.fromarray(DRAWINGS[name]())
    write_atomically(path, lambda temporary: picture.save(temporary, optimize=True))
    return path
