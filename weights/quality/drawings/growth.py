"""What grows by a rule: coral by reaction and diffusion, leaves by rewriting."""

import re

import numpy as np
from PIL import Image

from .canvas import SIZE, Pen, colour, lit, mixed, ramp, smooth


def coral(random: np.random.RandomState) -> np.ndarray:
    """Gray and Scott's reaction: u is fed, v eats it and decays, and both spread.

    Between the middle and the sides the feed changes, so that worms turn into spots.
    """
    side, steps = 3 * SIZE // 8, 3000
    feed = np.float32(0.038 + 0.008 * np.cos(2 * np.pi * np.arange(side) / side))
    kill = np.float32(0.0615)
    u = np.ones((side, side), np.float32)
    v = np.zeros_like(u)
    for y, x in random.randint(6, side - 6, (36, 2)):
        u[y - 4 : y + 4, x - 4 : x + 4], v[y - 4 : y + 4, x - 4 : x + 4] = 0.5, 0.25
    for _ in range(steps):
        eaten = u * v * v
        u, v = (
            u + np.float32(0.2) * _spread(u) - eaten + feed * (1 - u),
            v + np.float32(0.1) * _spread(v) + eaten - (feed + kill) * v,
        )
    large = Image.fromarray(v).resize((SIZE, SIZE), Image.Resampling.BICUBIC)
    height = np.asarray(large) / v.max()
    body = ramp(np.clip(height, 0, 1), "#0f2f4f", "#14546b", "#e2765a", "#f6b48f", "#fff0dc")
    return body * lit(height + 0.01 * smooth(random, 128), 4.0)[..., None]


def _spread(a: np.ndarray) -> np.ndarray:
    """The sum of the four neighbours' differences; the picture is a torus."""
    neighbours = np.roll(a, 1, 0) + np.roll(a, -1, 0) + np.roll(a, 1, 1) + np.roll(a, -1, 1)
    return neighbours - 4 * a


# Lindenmayer's rewriting: F draws, + and − turn, [ and ] branch and come back.
_PLANTS = (
    ("X", {"X": "F[+X]F[-X]+X", "F": "FF"}, 20, 6),
    ("X", {"X": "F-[[X]+X]+F[+FX]-X", "F": "FF"}, 22.5, 5),
    ("F", {"F": "FF+[+F-F-F]-[-F+F+F]"}, 22.5, 4),
)
_GREENS = ("#24502c", "#3f7a35", "#6c8f2e", "#a39a2f", "#b5642a", "#7d2f2a")


def leaves(random: np.random.RandomState) -> np.ndarray:
    """Ferns and twigs pressed on paper, the early ones paler."""
    paper = ramp(0.5 + 0.12 * smooth(random, 90, 3), "#d8cba8", "#f3ead2")
    pen = Pen(paper)
    for n in range(120):
        axiom, rules, turn, depth = _PLANTS[random.randint(len(_PLANTS))]
        start = complex(*random.uniform(-0.05 * SIZE, 1.05 * SIZE, 2))
        lines = _walk(_rewritten(axiom, rules, depth), turn + random.uniform(-4, 4))
        size = max(abs(end) for _, end, _ in lines)
        pose = random.uniform(100, 230) / size * np.exp(1j * random.uniform(0, 2 * np.pi))
        faded = mixed(colour(_GREENS[random.randint(6)]), colour("#e6dbbd"), 0.45 * (1 - n / 120))
        ink = tuple(np.round(255 * faded).astype(int))
        for begin, end, level in lines:
            begin, end = start + pose * begin, start + pose * end
            pen.line([(begin.real, begin.imag), (end.real, end.imag)], 2.6 / (1 + level), ink)
    return pen.picture()


def _rewritten(text: str, rules: dict[str, str], depth: int) -> str:
    for _ in range(depth):
        text = "".join(rules.get(letter, letter) for letter in text)
    return text


def _walk(text: str, turn: float) -> list[tuple[complex, complex, int]]:
    """The turtle's lines: (begin, end, how many branches deep)."""
    place, heading, stack, lines = 0j, 1 + 0j, [], []
    left = np.exp(1j * np.radians(turn))
    for letters in re.findall(r"F+|.", text):
        letter = letters[0]
        if letter == "F":
            lines.append((place, place + len(letters) * heading, len(stack)))
            place = lines[-1][1]
        elif letter in "+-":
            heading *= left if letter == "+" else left.conjugate()
        elif letter == "[":
            stack.append((place, heading))
        elif letter == "]":
            place, heading = stack.pop()
    return lines
