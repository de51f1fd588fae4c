"""A line that a person should see, and what it is about."""

from typing import NamedTuple


class Notice(NamedTuple):
    topic: str  # "content", "memory", …: who shows notices may choose by it
    text: str

    def __str__(self) -> str:
        return f"{self.topic}: {self.text}"
