"""How a setting is declared: once, with all that others make of it.

The command line, sweeps, tables of options and `help(Settings)` are made of the declarations; the
checks run whenever settings are made.
"""

import os
from collections.abc import Callable, Iterable
from dataclasses import MISSING, Field, dataclass, field
from typing import Any

from ..errors import InputError

LARGEST_INTEGER = 2**31 - 1
# Beyond these a weight of single precision overflows or vanishes on its way through the network.
SMALLEST_NUMBER, LARGEST_NUMBER = 1e-12, 1e12

AUTO, OFF = "auto", "off"  # of tiles
SMALLEST_TILE = 64

Check = Callable[[str, Any], None]  # of a name and its value; raises InputError


@dataclass(frozen=True)
class Declared:
    """What is known of a setting beside its type and default."""

    words: str
    group: str  # "size", "look", "network" or "optimiser"
    check: Check
    parse: Callable[[str], Any]
    metavar: str | None = None
    choices: tuple[str, ...] | None = None
    default_in_words: str | None = None
    is_basic: bool = False  # shown by the short help
    recommendable: bool = False  # by a network's file: it depends on the network what is good
    also: tuple[str, ...] = ()  # other names of its option


def setting(
    default: Any, words: str, group: str, check: Check, parse: Callable[[str], Any], **more: Any
) -> Any:
    """A field of Settings, or None if it may be left out."""
    if isinstance(default, dict):
        how = {"default_factory": lambda: dict(default)}
    else:
        how = {"default": default}
    if default is None:
        check = _optional(check)
    declared = Declared(words, group, check, parse, **more)
    return field(**how, metadata={"declared": declared})


def choice(default: str, words: str, group: str, choices: Iterable[str], **more: Any) -> Any:
    choices = tuple(choices)

    def check(name: str, value: Any) -> None:
        check_choice(name, value, choices)

    if default is None:
        check = _optional(check)
    declared = Declared(words, group, check, str, choices=choices, **more)
    return field(default=default, metadata={"declared": declared})


def declared_of(field_of_settings: Field) -> Declared:
    return field_of_settings.metadata["declared"]


def default_of(field_of_settings: Field) -> Any:
    if field_of_settings.default is not MISSING:
        return field_of_settings.default
    return field_of_settings.default_factory()


def described(settings: Iterable[Field]) -> str:
    """Every setting in a line or two, as `help` shows them."""
    return "\n".join(
        f"    {each.name} = {in_words(default_of(each))}: {declared_of(each).words}"
        for each in settings
    )


def _optional(check: Check) -> Check:
    def check_if_given(name: str, value: Any) -> None:
        if value is not None:
            check(name, value)

    return check_if_given


# What command lines have


def parse_layers(text: str) -> dict[str, float]:
    """'relu1_1:2,relu2_1' → {'relu1_1': 2.0, 'relu2_1': 1.0}; losses are written likewise."""
    weights = {}
    for part in text.split(","):
        name, colon, weight = part.strip().partition(":")
        if name in weights:
            raise InputError(f"{name} is named twice in {text!r}")
        try:
            weights[name] = float(weight) if colon else 1.0
        except ValueError:
            raise InputError(
                f"{part.strip()!r}: expected NAME or NAME:WEIGHT, as in relu1_1:2"
            ) from None
    return weights


def parse_numbers(text: str) -> list[float]:
    """'0.7,0.3' → [0.7, 0.3]."""
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise InputError(f"{text!r}: expected numbers with commas, as in 0.7,0.3") from None


def in_words(value: Any) -> str:
    """A setting as it is typed: what the parsers above take."""
    if isinstance(value, dict):
        return ",".join(
            name if weight == 1 else f"{name}:{in_words(weight)}" for name, weight in value.items()
        )
    if isinstance(value, list | tuple):
        return ",".join(map(in_words, value))
    if isinstance(value, float):
        return short if float(short := f"{value:g}") == value else repr(value)
    return str(value)


def parse_path(text: str) -> str:
    """A path, of which a ~ was kept from the shell by quotes."""
    return os.path.expanduser(text)


def parse_tile(text: str) -> str | int:
    return int(text) if text.isascii() and text.isdigit() else text


def parse_bytes(text: str) -> int:
    """ "4G", "1.5 GB" or "800M" → bytes."""
    number = text.upper().strip().removesuffix("B").rstrip()
    exponent = "KMGT".find(number[-1:]) + 1 if number else 0
    try:
        return int(float(number[:-1] if exponent else number) * 1000**exponent)
    except (ValueError, OverflowError):
        raise InputError(f"{text!r} is no number of bytes; give one as 4G or 800M") from None


# Checks


def integer(at_least: int) -> Check:
    def check(name: str, value: Any) -> None:
        if not isinstance(value, int) or isinstance(value, bool):
            raise InputError(f"{name} is {value!r:.40}; it must be a whole number")
        if not at_least <= value <= LARGEST_INTEGER:
            raise InputError(f"{name} must be from {at_least} to {LARGEST_INTEGER}")

    return check


def number(*, negative: bool = False, below: float | None = None) -> Check:
    def check(name: str, value: Any) -> None:
        _check_number(name, value, negative)
        if below is not None and value >= below:
            raise InputError(f"{name} must be below {below:g}")

    return check


def numbers(enough: Callable[[list], bool]) -> Check:
    """One number or a list of them; `enough` of these, any or all, must not be 0."""

    def check(name: str, value: Any) -> None:
        listed = value if isinstance(value, list) else [value]
        for each in listed:
            _check_number(name, each)
        if not listed or not enough(listed):
            raise InputError(
                f"{name} is {value!r:.40}; give numbers, {enough.__name__} larger than 0"
            )

    return check


def shares(example: str) -> Check:
    def check(name: str, weights: Any) -> None:
        if not isinstance(weights, dict) or not weights:
            raise InputError(f"{name} is {weights!r}; give names with weights, as {example}")
        for each, weight in weights.items():
            text(f"a name in {name}", each)
            _check_number(f"the weight of {each} in {name}", weight)
        if not any(weights.values()):
            raise InputError(f"{name}: all weights are zero; set the total weight to 0 instead")

    return check


def tile_size(name: str, value: Any) -> None:
    if value not in (AUTO, OFF) and not (type(value) is int and value >= SMALLEST_TILE):
        raise InputError(
            f"{name} is {value!r:.40}; it must be {AUTO}, {OFF} or a number of pixels, at least "
            f"{SMALLEST_TILE}"
        )


def byte_count(name: str, value: Any) -> None:
    if type(value) is not int or value < 1:
        raise InputError(f"{name} is {value!r:.40}; it must be a number of bytes, as 4000000000")


def text(name: str, value: Any) -> None:
    if not isinstance(value, str) or not value:
        raise InputError(f"{name} is {value!r}; it must be a non-empty text")


def check_choice(name: str, value: Any, choices: Iterable[str]) -> None:
    if value not in tuple(choices):
        raise InputError(f"unknown {name} {value!r}; choose one of {', '.join(choices)}")


def _check_number(name: str, value: Any, negative: bool = False) -> None:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise InputError(f"{name} is {value!r:.40}; it must be a number")
    size = abs(value) if negative else value
    if value != 0 and not SMALLEST_NUMBER <= size <= LARGEST_NUMBER:  # NaN is not either
        raise InputError(
            f"{name} must be 0 or a number from {SMALLEST_NUMBER:g} to {LARGEST_NUMBER:g}"
            + (", of either sign" if negative else "")
        )
