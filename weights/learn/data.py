"""Where the crops come from: pictures drawn beforehand into one file, and cut out anew each time.

A batch is a function of the seed and its number alone, so learning can be resumed anywhere.
"""

import hashlib
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path

import numpy as np

from manualnst.errors import InputError
from manualnst.files import write_atomically

from . import pictures
from .canvas import SIDE, Random

SMALLEST, LARGEST = 52, 100  # crops, in pixels of the pictures
USUAL = 76


def drawn(
    folder: Path, seed: int, recipes: int, count: int, tell: Callable[[int], None], workers: int
) -> np.ndarray:
    """(recipes, count, SIDE, SIDE, 3) uint8, mapped from a file in the folder; drawn if missing.

    `tell` is called with the number of recipes drawn so far. The file's name has a hash of the
    code that draws, so that no other pictures than this code's are ever learned from.
    """
    shape = (recipes, count, SIDE, SIDE, 3)
    path = folder / f"pictures-{seed}-{recipes}x{count}-{code_hash()}.npy"
    if not path.exists():
        write_atomically(path, partial(_draw_all, seed, shape, tell, workers))
    try:
        found = np.lib.format.open_memmap(path, mode="r")
        if found.shape != shape or found.dtype != np.uint8:
            raise ValueError("not the array that was drawn")
    except Exception as error:  # numpy's reader fails on damaged headers in a dozen ways
        raise InputError(
            f"cannot read {path}, or it is damaged; remove it, and the pictures are drawn again"
        ) from error
    return found


def _draw_all(seed, shape, tell, workers, path: Path) -> None:
    for left in path.parent.glob(f".{'[0-9a-f]' * 16}.npy"):
        if left != path:
            left.unlink()  # of a process that was killed while it drew: a gigabyte
    recipes, count = shape[:2]
    out = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=shape)
    draw = partial(pictures.draw_recipe, seed, pictures=count)
    # Processes that are started anew, as one with BLAS' threads in it must not be forked.
    # Ctrl-C reaches them too, but it is this process that ends them.
    ignore = {"initializer": signal.signal, "initargs": (signal.SIGINT, signal.SIG_IGN)}
    with multiprocessing.get_context("spawn").Pool(workers, **ignore) as pool:
        for n, recipe in enumerate(pool.imap(draw, range(recipes))):
            out[n] = recipe
            tell(n + 1)
    out.flush()


def code_hash() -> str:
    """Tells pictures apart that other code has drawn."""
    digest = hashlib.sha256()
    for name in ("canvas.py", "families.py", "pictures.py"):
        digest.update(Path(__file__).with_name(name).read_bytes())
    return digest.hexdigest()[:12]


def chosen(seed: int, total: int, batch: int, number: int) -> np.ndarray:
    """Which of `total` pictures batch `number` has: (batch,); in each round all come once."""
    per_round = total // batch
    order = Random([seed, 1, number // per_round]).permutation(total)
    first = number % per_round * batch
    return order[first : first + batch]


def augmented(all_pictures: np.ndarray, indices, side: int, random: Random) -> np.ndarray:
    """A crop (side, side) of each picture, changed by chance: (n, side, side, 3), around 0 … 1.

    Mirrored or not, from half to nearly all of the picture's width; every other one with its
    colours turned in the colour cube, so that filters for all colours are worth having.
    """
    x = np.empty((len(indices), side, side, 3), np.float32)
    for i, picture in enumerate(_picked(all_pictures, indices)):
        width = random.randint(SMALLEST, LARGEST + 1)
        top, left = random.randint(0, SIDE - width + 1, 2)
        x[i] = resampled(picture[top : top + width, left : left + width], side)
        if random.randint(2):
            x[i] = x[i, :, ::-1].copy()
        mixing = np.eye(3) if i % 2 else orthogonal(random)
        mixing = (mixing * random.uniform(0.7, 1.2)).astype(np.float32)
        offset = random.uniform(-0.08, 0.08, 3).astype(np.float32)
        x[i] = (x[i] - np.float32(0.5)) @ mixing + (np.float32(0.5) + offset)
        grain = noise_table()[random.randint(64), :side, :side]
        x[i] += np.float32(0.02 * random.uniform()) * grain
    return x


def plain(all_pictures: np.ndarray, indices, side: int) -> np.ndarray:
    """The middle of each picture, unchanged, to test with: (n, side, side, 3)."""
    inner = slice((SIDE - USUAL) // 2, (SIDE + USUAL) // 2)
    picked = _picked(all_pictures, indices)
    return np.stack([resampled(picture[inner, inner], side) for picture in picked])


def _picked(all_pictures: np.ndarray, indices) -> Iterator[np.ndarray]:
    count = all_pictures.shape[1]
    return (all_pictures[i // count, i % count] for i in indices)


def resampled(crop: np.ndarray, side: int) -> np.ndarray:
    """A square crop, uint8 (w, w, 3), brought to float32 (side, side, 3) in [0, 1]."""
    R = _resampling(len(crop), side)
    rows = np.tensordot(R, crop.astype(np.float32) / np.float32(255), 1)  # (side, w, 3)
    return np.matmul(R, rows)


@cache
def _resampling(width: int, side: int) -> np.ndarray:
    """The matrix (side, width) that interpolates linearly; triangles wide enough to smooth."""
    scale = width / side
    reach = max(1.0, scale)
    centre = (np.arange(side) + 0.5) * scale - 0.5
    weight = np.clip(1 - np.abs(np.arange(width) - centre[:, None]) / reach, 0, None)
    return (weight / weight.sum(axis=1, keepdims=True)).astype(np.float32)


def orthogonal(random: Random) -> np.ndarray:
    """A turn or reflection of the colour cube, all equally likely: (3, 3)."""
    q, r = np.linalg.qr(random.standard_normal((3, 3)))
    return q * np.sign(np.diag(r))


@cache
def noise_table() -> np.ndarray:
    """Grain to be added to crops, drawn once: (64, 128, 128, 3).

    Crops of 64 read a quarter of it; of another size it would be other grain, another network.
    """
    return Random(5).standard_normal((64, 128, 128, 3)).astype(np.float32)


def processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
