"""How far one picture is from another as a texture.

As a texture: two pictures are alike if their patches are, wherever those lie. The 5 × 5 patches
of a picture, with their three colours, are a cloud of points in 75 dimensions, one cloud for each
level of a Laplacian pyramid; the colours of the pixels are a cloud in 3. Between clouds stands the
Wasserstein distance, how far their points have to be carried at least; in one dimension that is
the mean distance of the sorted values. Sliced: the mean over many random directions onto which
both clouds are projected (Rabin et al. 2011).

Each distance is divided by the spread of the original's own cloud along the same directions, its
mean standard deviation: errors of every scale count alike. So 0 is the same texture, and 0.8 is a
grey plane of the right mean (of normal numbers, whose mean distance from their mean is √(2/π)
deviations). A level that is all but empty counts as if it had a tenth of the colours' spread, or
the least grain in a smooth picture would be beyond all measure.
"""

from collections.abc import Iterator

import numpy as np

# What is compared: patches at each level of the pyramid (`low` is what is left at the end), and
# colours.
STATISTICS = ("fine", "mid", "coarse", "low", "colour")

# A picture's side: at the last level it is still two patches.
SMALLEST = 72
_PATCH, _PIXEL = 5, 1
_DIRECTIONS = 128
_POSITIONS = 16384  # at most, drawn at random, the same in both pictures
_FIELDS = 8  # of a chess board, each way
_SEED = 0
_LEAST_SHARE = 0.1  # of the colours' spread, for a level to be no emptier
_LEAST_SPREAD = 1 / 255  # in a picture of one colour
# Burt and Adelson's, 1983
_KERNEL = np.array([1, 4, 6, 4, 1]) / 16


def texture_distances(picture: np.ndarray, original: np.ndarray) -> dict[str, float]:
    """Of every statistic; both (H, W, 3) in [0, 1], of one size, at least SMALLEST a side."""
    ours, theirs = ([points for points, _ in _clouds(each)] for each in (picture, original))
    return _in_spreads(ours, theirs, theirs)


def own_distances(original: np.ndarray) -> dict[str, float]:
    """Patches on the white fields of a chess board against those on the black ones: the distance
    that two pieces of one and the same picture have, because pieces are finite. A rough yardstick:
    a patch counts where its corner lies, so that at the coarse levels those of either colour
    overlap, and each cloud has half as many points as a whole picture's."""
    white, black, all_points = [], [], []
    for points, is_white in _clouds(original):
        count = min(np.count_nonzero(is_white), np.count_nonzero(~is_white))
        white.append(points[is_white][:count])
        black.append(points[~is_white][:count])
        all_points.append(points)
    return _in_spreads(white, black, all_points)


def _in_spreads(ours, theirs, originals) -> dict[str, float]:
    """The distances of pairs of clouds, one for each statistic, in units of the originals'."""
    least = max(_LEAST_SHARE * spread(originals[-1]), _LEAST_SPREAD)
    distances = [
        sliced_wasserstein(a, b) / max(spread(original), least)
        for a, b, original in zip(ours, theirs, originals, strict=True)
    ]
    return dict(zip(STATISTICS, distances, strict=True))


def sliced_wasserstein(points: np.ndarray, others: np.ndarray) -> float:
    """Of two clouds (count, dimensions), as many points in each."""
    ours, theirs = (np.sort(_projected(cloud), axis=0) for cloud in (points, others))
    return float(np.mean(np.abs(ours - theirs)))


def spread(points: np.ndarray) -> float:
    """The mean standard deviation along the directions of `sliced_wasserstein`."""
    return float(np.mean(np.std(_projected(points), axis=0)))


def _projected(points: np.ndarray) -> np.ndarray:
    """(count, dimensions) → (count, directions), onto random directions of length 1."""
    directions = np.random.RandomState(_SEED).standard_normal((points.shape[1], _DIRECTIONS))
    return points @ (directions / np.linalg.norm(directions, axis=0))


def _clouds(picture: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """For each statistic the points (count, dimensions), and which lie on white fields (count,)."""
    picture = picture.astype(np.float64)
    for level in laplacian_pyramid(picture, len(STATISTICS) - 1):
        yield _patches(level, _PATCH)
    yield _patches(picture, _PIXEL)


def _patches(level: np.ndarray, side: int) -> tuple[np.ndarray, np.ndarray]:
    """The patches of a level (H, W, 3), all or so many at random: at the same places in every
    picture of a size."""
    windows = np.lib.stride_tricks.sliding_window_view(level, (side, side), axis=(0, 1))
    rows, columns = windows.shape[:2]
    places = np.random.RandomState(_SEED).permutation(rows * columns)[:_POSITIONS]
    row, column = places // columns, places % columns
    is_white = (row * _FIELDS // rows + column * _FIELDS // columns) % 2 == 0
    return windows[row, column].reshape(len(places), -1), is_white


def laplacian_pyramid(picture: np.ndarray, count: int) -> list[np.ndarray]:
    """(H, W, 3) → what each halving of the size loses, and at last what is left."""
    levels = []
    for _ in range(count - 1):
        small = _halved(picture)
        levels.append(picture - _doubled(small, picture.shape))
        picture = small
    return [*levels, picture]


def _halved(a: np.ndarray) -> np.ndarray:
    for axis in (0, 1):
        a = _filtered(a, axis).swapaxes(0, axis)[::2].swapaxes(0, axis)
    return a


def _doubled(a: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """To the shape that was halved: linear along both axes."""
    for axis in (0, 1):
        rows = a.swapaxes(0, axis)
        between = (rows + np.concatenate([rows[1:], rows[-1:]])) / 2
        doubled = np.stack([rows, between], axis=1).reshape(-1, *rows.shape[1:])
        a = doubled[: shape[axis]].swapaxes(0, axis)
    return a


def _filtered(a: np.ndarray, axis: int) -> np.ndarray:
    """Smoothed along one axis; the border is mirrored."""
    rows = np.moveaxis(a, axis, 0)
    padded = np.pad(rows, ((2, 2), *[(0, 0)] * (a.ndim - 1)), "reflect")
    total = sum(w * padded[n : n + len(rows)] for n, w in enumerate(_KERNEL))
    return np.moveaxis(total, 0, axis)
