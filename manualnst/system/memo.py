"""What has been made already, kept for the next who asks for the same, within a limit of memory."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import fields, is_dataclass
from typing import Any


class Memo:
    """Values by key; when their arrays exceed `limit` bytes, those go that were used longest ago.

    What is kept is shared by all who ask, and must not be changed.
    """

    def __init__(self, limit: int):
        self._limit = limit
        self._kept: OrderedDict[Hashable, Any] = OrderedDict()
        self._bytes = 0

    def __contains__(self, key: Hashable) -> bool:
        return key in self._kept

    def get(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """What is kept under this key, or else what `make` gives, which is then kept."""
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        value = make()
        if bytes_of(value) < self._limit:
            self._kept[key] = value
            self._bytes += bytes_of(value)
        while self._bytes > self._limit:
            self._bytes -= bytes_of(self._kept.popitem(last=False)[1])
        return value


NOTHING_KEPT = Memo(0)


def bytes_of(value: Any) -> int:
    """The bytes of all the arrays in it."""
    if hasattr(value, "nbytes"):  # of a card's arrays too
        return value.nbytes
    if isinstance(value, list | tuple):
        return sum(map(bytes_of, value))
    if is_dataclass(value):
        return sum(bytes_of(getattr(value, field.name)) for field in fields(value))
    return 0
