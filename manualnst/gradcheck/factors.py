"""Names for numbers: which powers of the sizes is this factor?"""

from collections.abc import Mapping, Sequence
from fractions import Fraction

import numpy as np

_SMALL, _LARGE = 20, 10_000  # denominators beside a numerator that is not 1; all others


def close(a, b, tolerance: float) -> bool:
    """To this share of the larger one's largest entry."""
    scale = max(np.max(np.abs(a), initial=0), np.max(np.abs(b), initial=0))
    return bool(np.max(np.abs(a - b), initial=0) <= tolerance * scale)


def name_factor(
    factors: Sequence[float], sizes: Sequence[Mapping[str, float]], tolerance: float
) -> str | None:
    """A number times powers of the sizes, as "4·M^2·N^2"; None if it is no such thing.

    `factors` are those found for problems of these `sizes`. With M = H·W.
    """
    factors = np.asarray(factors)
    if not np.any(factors):
        return "0"
    if np.any(factors == 0) or len(set(np.sign(factors))) > 1:
        return None
    if close(factors, factors[0], tolerance):
        return number(factors[0])
    names = list(sizes[0])
    if len(factors) <= len(names):
        return None
    logs = np.log([[size[name] for name in names] for size in sizes])
    target = np.log(np.abs(factors))
    design = np.column_stack([logs, np.ones(len(logs))])
    exponents = np.round(np.linalg.lstsq(design, target, rcond=None)[0][:-1])
    constants = np.exp(target - logs @ exponents)
    if not np.any(exponents) or not close(constants, constants[0], tolerance):
        return None
    powers = dict(zip(names, map(int, exponents), strict=True))
    return _monomial(float(np.sign(factors[0]) * constants[0]), powers)


def _monomial(constant: float, powers: dict[str, int]) -> str:
    if powers.get("H") == powers.get("W"):
        powers["M"] = powers.pop("H", 0)
        powers.pop("W", None)
    fraction = _fraction(constant)
    if fraction is None:
        above, below = [f"{abs(constant):.6g}"], []
    else:
        above = [str(abs(fraction.numerator))] * (abs(fraction.numerator) != 1)
        below = [str(fraction.denominator)] * (fraction.denominator != 1)
    for name, power in sorted(powers.items()):
        text = name if abs(power) == 1 else f"{name}^{abs(power)}"
        (above if power > 0 else below).extend([text] * (power != 0))
    sign = "-" if constant < 0 else ""
    numerator = "·".join(above) or "1"
    denominator = "·".join(below) if len(below) < 2 else f"({'·'.join(below)})"
    return f"{sign}{numerator}/{denominator}" if below else f"{sign}{numerator}"


def number(value: float) -> str:
    """As a whole number, one over one, or a fraction of small numbers, where it is that."""
    return str(_fraction(value) or f"{value:.6g}")


def is_plain(value: float) -> bool:
    return _fraction(value) is not None


def _fraction(value: float) -> Fraction | None:
    if not value or not np.isfinite(value):
        return None
    candidates = [Fraction(value).limit_denominator(_SMALL)]
    if abs(value) < 1:
        candidates.append(Fraction(1, round(1 / value)))
    return next(
        (
            f
            for f in candidates
            if f and max(abs(f.numerator), f.denominator) <= _LARGE and close(float(f), value, 1e-7)
        ),
        None,
    )
