"""A small renderer: polygons and balls, seen through a camera or from a lamp.

Space is measured in metres: x to the right, y up, z away from the viewer; the sea is y = 0.
Points and directions are arrays (…, 3). A `View` knows which ray belongs to which pixel; a
`Film` keeps, for every pixel, the nearest surface found so far. Lamps are views as well: what a
lamp does not see lies in its shadow.
"""

from collections.abc import Callable

import numpy as np

# Gives the colour, (N, 3), at points of a surface; u, v (N,) are metres along it from a corner.
Material = Callable[[np.ndarray, np.ndarray], np.ndarray]


def unit(vector) -> np.ndarray:
    vector = np.asarray(vector, float)
    return vector / np.linalg.norm(vector, axis=-1, keepdims=True)


class Camera:
    """Stands at `eye` and looks along +z; `focal` is the focal length in pixels."""

    def __init__(self, eye, focal: float, shape: tuple[int, int], horizon: float):
        self.eye, self.focal, self.shape = np.asarray(eye, float), focal, shape
        self.middle, self.horizon = shape[1] / 2, horizon * shape[0]

    def project(self, points):
        """Columns, rows (both real numbers) of points."""
        p = points - self.eye
        z = np.maximum(p[..., 2], 1e-3)
        return (
            self.middle + self.focal * p[..., 0] / z,
            self.horizon - self.focal * p[..., 1] / z,
        )

    def rays(self, columns, rows):
        """Origins and directions of the rays; z of a direction is 1, so that t is the depth."""
        u = (columns + 0.5 - self.middle) / self.focal
        v = (self.horizon - rows - 0.5) / self.focal
        return self.eye, np.stack([u, v, np.ones_like(u)], axis=-1)


class Lamp:
    """Very far away in the direction `towards`; its map covers a square around `centre`."""

    def __init__(self, towards, centre, width: float, pixels: int):
        self.towards, self.centre = unit(towards), np.asarray(centre, float)
        self.right = unit(np.cross([0.0, 1.0, 0.01], self.towards))
        self.up = np.cross(self.towards, self.right)
        self.scale, self.shape = pixels / width, (pixels, pixels)

    def project(self, points):
        p = points - self.centre
        middle = self.shape[0] / 2
        return middle + self.scale * (p @ self.right), middle - self.scale * (p @ self.up)

    def rays(self, columns, rows):
        middle = self.shape[0] / 2
        a = (columns + 0.5 - middle)[..., None] / self.scale
        b = (middle - rows - 0.5)[..., None] / self.scale
        start = self.centre + a * self.right + b * self.up + 1000 * self.towards
        return start, np.broadcast_to(-self.towards, start.shape)

    def lit(self, film: "Film", points, blur: float, rng, samples: int = 6):
        """The share of the lamp, in [0, 1], that reaches points (N, 3); shadows are `blur` wide."""
        columns, rows = self.project(points)
        depth = (self.centre + 1000 * self.towards - points) @ self.towards
        share = np.zeros(len(points))
        for _ in range(samples):
            jitter = rng.uniform(-0.5, 0.5, (2, len(points))) * blur * self.scale
            c = np.clip(columns + jitter[0], 0, self.shape[1] - 1).astype(int)
            r = np.clip(rows + jitter[1], 0, self.shape[0] - 1).astype(int)
            share += depth < film.depth[r, c] + 0.35 + blur
        return share / samples


class Film:
    """The nearest surface at each pixel of a view: depth, normal and colour."""

    def __init__(self, view):
        self.view = view
        self.depth = np.full(view.shape, np.inf)
        self.normal = np.zeros((*view.shape, 3), np.float32)
        self.colour = np.zeros((*view.shape, 3), np.float32)

    def _window(self, points):
        """The pixels (rows, columns, as slices) that surround all the points, and their rays."""
        c, r = self.view.project(points)
        rows = slice(max(int(r.min()) - 1, 0), min(int(r.max()) + 2, self.view.shape[0]))
        columns = slice(max(int(c.min()) - 1, 0), min(int(c.max()) + 2, self.view.shape[1]))
        if rows.start >= rows.stop or columns.start >= columns.stop:
            return None
        grid = np.mgrid[rows, columns].astype(float)
        return (rows, columns), *self.view.rays(grid[1], grid[0])

    def _write(self, window, seen, depth, normal, tint) -> None:
        self.depth[window][seen] = depth
        self.normal[window][seen] = normal
        self.colour[window][seen] = tint

    def polygon(self, corners, material: Material) -> None:
        """A flat convex polygon; u runs from the first corner to the second, v towards the last."""
        corners = np.asarray(corners, float)
        found = self._window(corners)
        if found is None:
            return
        window, origin, ray = found
        first = corners[0]
        along = unit(corners[1] - first)
        normal = unit(np.cross(along, corners[-1] - first))
        aside = np.cross(normal, along)
        facing = ray @ normal
        facing = np.where(np.abs(facing) < 1e-9, 1e-9, facing)
        t = ((first - origin) @ normal) / facing
        hit = origin + t[..., None] * ray - first
        u, v = hit @ along, hit @ aside
        seen = (t > 0) & (t < self.depth[window])
        flat = np.stack([(corners - first) @ along, (corners - first) @ aside], axis=-1)
        for (au, av), (bu, bv) in zip(flat, np.roll(flat, -1, axis=0), strict=True):
            seen &= (bu - au) * (v - av) - (bv - av) * (u - au) >= 0
        towards = np.where(facing[seen, None] > 0, -normal, normal)
        self._write(window, seen, t[seen], towards, material(u[seen], v[seen]))

    def ball(self, centre, radius: float, material: Material, fuzz=None) -> None:
        """A ball; `fuzz` (u, v) → (N, 3) roughens it, as leaves do: it moves the normals."""
        centre = np.asarray(centre, float)
        box = centre + radius * np.array(np.meshgrid([-1, 1], [-1, 1], [-1, 1])).reshape(3, 8).T
        found = self._window(box)
        if found is None:
            return
        window, origin, ray = found
        offset = origin - centre
        a = (ray * ray).sum(-1)
        b = (offset * ray).sum(-1)
        root = b * b - a * ((offset * offset).sum(-1) - radius**2)
        t = (-b - np.sqrt(np.maximum(root, 0))) / a
        hit = origin + t[..., None] * ray
        normal = (hit - centre) / radius
        seen = (root > 0) & (t > 0) & (t < self.depth[window])
        if fuzz is not None:
            rough = fuzz(hit[..., 0] + 0.7 * hit[..., 2], hit[..., 1])
            # Where the surface turns away from the viewer, gaps open between the leaves.
            edge = -(normal * unit(ray)).sum(-1)
            seen &= edge > 0.28 + 0.22 * rough[..., 0]
            normal = unit(normal + 0.55 * rough)
        hit = hit[seen]
        tint = material(hit[:, 0] + 0.7 * hit[:, 2], hit[:, 1])
        self._write(window, seen, t[seen], normal[seen], tint)

    def positions(self):
        """Where the surfaces are, (H, W, 3); infinite where there are none."""
        rows, columns = np.mgrid[: self.view.shape[0], : self.view.shape[1]].astype(float)
        origin, ray = self.view.rays(columns, rows)
        return origin + self.depth[..., None] * ray
