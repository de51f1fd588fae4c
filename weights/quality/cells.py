"""What was synthesised is kept, one file for each network and picture, and never made twice."""

import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from manualnst import __version__
from manualnst.pictures.images import load_picture
from manualnst.pictures.saving import save_picture
from manualnst.system.files import check_writable_folder

from .networks import Named
from .synthesis import asked, synthesise

_LONGEST = 40  # letters of a name in a file's name


class Original(NamedTuple):
    name: str
    pixels: np.ndarray  # (H, W, 3), at the size that is measured

    def digest(self) -> str:
        return hashlib.sha256(np.ascontiguousarray(self.pixels)).hexdigest()


class Cells:
    """Textures and reconstructions, from the folder where they are, else made and put there.

    A file's name has a hash of all that decides what is in it, the version of the package
    included. Whoever changes the package's losses or optimiser gives another folder.
    """

    def __init__(self, folder: Path, steps: int, seed: int, say: Callable[[str], None]):
        check_writable_folder(folder / "cell.png")
        self._folder, self._steps, self._seed = folder, steps, seed
        self._say = say

    def get(self, what: str, network: Named, original: Original) -> np.ndarray:
        """`what` is TEXTURE or a depth. Always as it is in the file, of 8 bits, so that it does not
        matter whether it was there."""
        path = self._path(what, network, original)
        if not path.exists():
            self._say(f"{network.name}: {original.name}, {what}")
            made = synthesise(network.weights, original.pixels, what, self._steps, self._seed)
            save_picture(path, made)
        return load_picture(path).pixels

    def _path(self, what: str, network: Named, original: Original) -> Path:
        decides = (
            __version__,
            network.weights.fingerprint(),
            original.pixels.shape,
            original.digest(),
            asked(what, network.weights),
            self._steps,
            self._seed,
        )
        digest = hashlib.sha256(repr(decides).encode()).hexdigest()[:12]
        names = (plain_name(network.name), plain_name(original.name), what, digest)
        return self._folder / f"{'-'.join(names)}.png"


def plain_name(name: str) -> str:
    """For a file's name: of a path its last part, and no strange letters."""
    return re.sub(r"[^\w.]+", "-", Path(name).stem).strip("-")[:_LONGEST] or "picture"
