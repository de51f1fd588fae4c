"""Checks that every operation makes of its arguments before it computes."""

from ..errors import InputError


def is_map(function: str, name: str, array) -> None:
    """Require a non-empty (H, W, C) array."""
    if array.ndim != 3 or 0 in array.shape:
        raise InputError(
            f"{function}: {name} must be a picture or feature map (height, width, channels), "
            f"got shape {array.shape}"
        )


def same_dtype(function: str, **arrays) -> None:
    dtypes = {name: str(array.dtype) for name, array in arrays.items()}
    if len(set(dtypes.values())) > 1:
        given = ", ".join(f"{name} is {dtype}" for name, dtype in dtypes.items())
        raise InputError(f"{function}: {given}; convert them to one dtype first")
