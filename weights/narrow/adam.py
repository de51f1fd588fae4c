"""Adam for the filters, and the learning rate's course."""

import numpy as np

from manualnst.optimizers.first_order import adam

BETA1, BETA2 = 0.9, 0.99


def fresh_moments(parameters: dict) -> dict[str, np.ndarray]:
    return {
        f"{kind}.{name}": np.zeros_like(value)
        for kind in ("mean", "square")
        for name, value in parameters.items()
    }


def step(parameters: dict, gradients: dict, moments: dict, number: int, rates: dict) -> None:
    """Step `number` = 1, 2, …: changes parameters and moments in place."""
    for name, theta in parameters.items():
        m, v = moments[f"mean.{name}"], moments[f"square.{name}"]
        move, m[...], v[...] = adam(rates[name], gradients[name], m, v, number, BETA1, BETA2)
        theta -= move


def course(number: int, total: int, warm_up: int, cooling: float) -> float:
    """The share of the full rate at step `number` = 1 … total.

    It rises over `warm_up` steps, stays, and in the last share `cooling` of all steps falls to 0
    as half a cosine. Until it falls it does not depend on `total`: learning can be prolonged or
    cut short up to there, and is what it would have been.
    """
    rising = min(1.0, number / warm_up)
    done = (number - (1 - cooling) * total) / (cooling * total)
    return rising * (0.5 + 0.5 * np.cos(np.pi * min(max(done, 0.0), 1.0)))


def falls(number: int, total: int, cooling: float) -> bool:
    """Does the rate fall at step `number`, so that the step depends on `total`?"""
    return number > (1 - cooling) * total
