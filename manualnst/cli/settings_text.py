"""A setting as one writes it on the command line."""

from typing import Any


def in_words(value: Any) -> str:
    if isinstance(value, dict):
        return ",".join(
            name if weight == 1 else f"{name}:{weight:g}" for name, weight in value.items()
        )
    return f"{value:g}" if isinstance(value, float) else str(value)
