"""Neighbours, their differences, and who gets them back: what the total variations share."""

from collections.abc import Callable

import numpy as np

from .subject import Problem, Subject, numbers


def differences(x, beyond: str = "edge"):
    """To the pixel below and to the one on the right; `beyond` says what lies outside."""
    padded = np.pad(x, ((0, 1), (0, 1), (0, 0)), beyond)
    return padded[1:, :-1] - x, padded[:-1, 1:] - x


def to_both_ends(down, right):
    """Each slope added to the far pixel of its pair, taken from the near one."""
    return to_far(down, right) - down - right


def to_far(down, right):
    shares = np.zeros_like(down)
    shares[1:] += down[:-1]
    shares[:, 1:] += right[:, :-1]
    return shares


def draw_with(name: str, values: tuple[float, ...]):
    """x, and a parameter of this name that is one of these values."""

    def draw(rng, shape) -> Problem:
        H, W, C, _ = shape
        parameter = float(rng.choice(values))
        sizes = {"C": C, "H": H, "W": W, name: parameter}
        return Problem({"x": numbers(rng, H, W, C), name: parameter}, sizes)

    return draw


def variation(name: str, forward: Callable, backward: Callable, normalisation="paper", **known):
    def forward_at(problem, x, backend):
        _, parameter = problem.arguments.values()
        return forward(x, parameter, normalisation, backend=backend)

    def own(problem, backend):
        _, cache = forward_at(problem, problem.arguments["x"], backend)
        return backward(1.0, cache, backend=backend)

    return Subject(
        name=name,
        gives="dL_dx",
        variable=lambda problem: problem.arguments["x"],
        loss=lambda problem, x, backend: forward_at(problem, x, backend)[0],
        own=own,
        summands=lambda problem: 8,
        is_polynomial=False,
        **known,
    )
