"""A small renderer: polygons and balls, seen through a camera or from a lamp.

Space is measured in metres: x to the right, y up, z away from the viewer; the sea is y = 0.
Points and directions are arrays (…, 3). A view, that is a `Camera` or a `Lamp`, knows which ray
belongs to which pixel; a `Film` keeps, for every pixel, the nearest surface found so far. What a
lamp does not see lies in its shadow.
"""

from collections.abc import Callable

import numpy as np

from .noise import FINE

# Gives the colour, (N, 3), at points of a surface; u, v (N,) are metres along it from a corner.
Material = Callable[[np.ndarray, np.ndarray], np.ndarray]


def unit(vector) -> np.ndarray:
    vector = np.asarray(vector, float)
    return vector / np.linalg.norm(vector, axis=-1, keepdims=True)


class Place:
    """A spot with a direction: turns local (right, up, away) into space."""

    def __init__(self, x: float, y: float, z: float, turn: float = 0.0):
        self.spot, self.turn = np.array([x, y, z]), turn
        self.right = np.array([np.cos(turn), 0, np.sin(turn)])
        self.away = np.array([-np.sin(turn), 0, np.cos(turn)])

    def __call__(self, points) -> np.ndarray:
        right, up, away = np.asarray(points, float).T[..., None]
        return self.spot + right * self.right + up * [0.0, 1.0, 0.0] + away * self.away

    def moved(self, right: float, away: float) -> "Place":
        return Place(*self([(right, 0, away)])[0], self.turn)

    def turned(self) -> "Place":
        """By a right angle: its right is this one's away."""
        return Place(*self.spot, self.turn + np.pi / 2)


class Model:
    """All that is to be drawn: polygons and balls of leaves."""

    def __init__(self):
        self.polygons: list[tuple[np.ndarray, Material]] = []
        self.balls: list[tuple] = []  # centre, radius, tint

    def add(self, place: Place, material: Material, *points) -> None:
        """A flat convex polygon with the given corners."""
        self.polygons.append((place(points), material))

    def leaves(self, centre, radius: float, tint) -> None:
        self.balls.append((np.asarray(centre), radius, tint))

    def box(self, place, xs, ys, zs, front: Material, side: Material, top=None) -> None:
        """Its walls, and its top if that has a material."""
        (x0, x1), (y0, y1), (z0, z1) = xs, ys, zs
        for z in zs:
            self.add(place, front, (x0, y0, z), (x1, y0, z), (x1, y1, z), (x0, y1, z))
        for x in xs:
            self.add(place, side, (x, y0, z0), (x, y0, z1), (x, y1, z1), (x, y1, z0))
        if top is not None:
            self.add(place, top, (x0, y1, z0), (x1, y1, z0), (x1, y1, z1), (x0, y1, z1))

    def tube(self, place, radii, ys, material: Material, sides: int = 20) -> None:
        """An upright cylinder or cone, as a prism of many sides; radii below and above."""
        turns = np.linspace(0, 2 * np.pi, sides + 1)
        low, high = (
            [(r * np.cos(t), y, r * np.sin(t)) for t in turns]
            for r, y in zip(radii, ys, strict=True)
        )
        for k in range(sides):
            corners = low[k], low[k + 1], high[k + 1], high[k]
            self.add(place, material, *(corners if radii[1] > 0 else corners[:3]))

    def draw(self, film: "Film") -> None:
        for corners, material in self.polygons:
            film.polygon(corners, material)
        for centre, radius, tint in self.balls:
            film.leaves(centre, radius, tint)


class Camera:
    """Stands at `eye` and looks along +z; `focal` is the focal length in pixels."""

    def __init__(self, eye, focal: float, shape: tuple[int, int], horizon: float):
        self.eye, self.focal, self.shape = np.asarray(eye, float), focal, shape
        self.middle, self.horizon = shape[1] / 2, horizon * shape[0]

    def slopes(self, columns, rows):
        """The direction of the ray through each pixel: u = x/z and v = y/z."""
        u = (columns + 0.5 - self.middle) / self.focal
        return u, (self.horizon - rows - 0.5) / self.focal

    def pixels(self, u, v):
        """The inverse of `slopes`."""
        return self.middle + self.focal * u - 0.5, self.horizon - self.focal * v - 0.5

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
        u, v = self.slopes(columns, rows)
        return self.eye, np.stack([u, v, np.ones_like(u)], axis=-1)


class Lamp:
    """Very far away in the direction `towards`; its view is a square around CENTRE.

    `width` is that of the square and `blur` that of the edges of shadows, both in metres.
    """

    CENTRE = np.array([40.0, 20.0, 190.0])
    DISTANCE = 1000.0

    def __init__(self, towards, width: float, pixels: int, blur: float):
        self.towards = unit(towards)
        self.right = unit(np.cross([0.0, 1.0, 0.01], self.towards))
        self.up = np.cross(self.towards, self.right)
        self.scale, self.shape, self.blur = pixels / width, (pixels, pixels), blur
        self.middle = pixels / 2
        self.start = self.CENTRE + self.DISTANCE * self.towards

    def project(self, points):
        p = points - self.CENTRE
        return (
            self.middle + self.scale * (p @ self.right),
            self.middle - self.scale * (p @ self.up),
        )

    def rays(self, columns, rows):
        right = (columns + 0.5 - self.middle)[..., None] / self.scale
        up = (self.middle - rows - 0.5)[..., None] / self.scale
        start = self.start + right * self.right + up * self.up
        return start, np.broadcast_to(-self.towards, start.shape)

    def lit(self, film: "Film", points, rng: np.random.RandomState) -> np.ndarray:
        """The share of this lamp, in [0, 1], that reaches points (N, 3)."""
        columns, rows = self.project(points)
        depth = (self.start - points) @ self.towards
        samples = 4
        share = np.zeros(len(points))
        for _ in range(samples):
            jitter = rng.uniform(-0.5, 0.5, (2, len(points))) * self.blur * self.scale
            c = np.clip(columns + jitter[0], 0, self.shape[1] - 1).astype(int)
            r = np.clip(rows + jitter[1], 0, self.shape[0] - 1).astype(int)
            share += depth < film.depth[r, c] + 0.35 + self.blur
        return share / samples


class Film:
    """The nearest surface at each pixel of a view: depth, normal and colour."""

    def __init__(self, view, only_depth: bool = False):
        self.view, self.only_depth = view, only_depth
        self.depth = np.full(view.shape, np.inf)
        if not only_depth:
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

    def polygon(self, corners: np.ndarray, material: Material) -> None:
        """A flat convex polygon; u runs from the first corner to the second, v towards the last."""
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
        self.depth[window][seen] = t[seen]
        if not self.only_depth:
            self.normal[window][seen] = np.where(facing[seen, None] > 0, -normal, normal)
            self.colour[window][seen] = material(u[seen], v[seen])

    def leaves(self, centre: np.ndarray, radius: float, tint: np.ndarray) -> None:
        """A ball of leaves, which noise turns this way and that."""
        corners = np.array(np.meshgrid([-1, 1], [-1, 1], [-1, 1])).reshape(3, 8).T
        found = self._window(centre + radius * corners)
        if found is None:
            return
        window, origin, ray = found
        offset = origin - centre
        a = (ray * ray).sum(-1)
        b = (offset * ray).sum(-1)
        root = b * b - a * ((offset * offset).sum(-1) - radius**2)
        t = (-b - np.sqrt(np.maximum(root, 0))) / a
        rows, columns = np.nonzero((root > 0) & (t > 0) & (t < self.depth[window]))
        t, ray = t[rows, columns], ray[rows, columns]
        hit = np.broadcast_to(origin, (*root.shape, 3))[rows, columns] + t[:, None] * ray
        normal = (hit - centre) / radius
        u, v = (hit[:, 0] + 0.7 * hit[:, 2]) / 16, hit[:, 1] / 16
        noise = np.stack([FINE(u + k, v + 0.3 * k) for k in (0.1, 0.4, 0.7)], axis=-1)
        # Where the ball turns away from the viewer, gaps open between the leaves.
        kept = -(normal * unit(ray)).sum(-1) > 0.28 + 0.22 * noise[:, 0]
        rows, columns, noise = rows[kept], columns[kept], noise[kept]
        self.depth[window][rows, columns] = t[kept]
        if not self.only_depth:
            self.normal[window][rows, columns] = unit(normal[kept] + 0.6 * noise)
            self.colour[window][rows, columns] = tint * np.clip(1 + 0.35 * noise[:, 1:2], 0.2, 2)

    def positions(self):
        """Where the surfaces are, (H, W, 3); infinite where there are none."""
        rows, columns = np.mgrid[: self.view.shape[0], : self.view.shape[1]].astype(float)
        origin, ray = self.view.rays(columns, rows)
        return origin + self.depth[..., None] * ray
