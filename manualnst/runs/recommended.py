"""What a network's file may recommend of the settings: what is good depends on the network."""

from dataclasses import fields
from typing import Any

from ..errors import InputError
from .declared import declared_of, default_of, in_words
from .settings import Settings

RECOMMENDABLE = tuple(f.name for f in fields(Settings) if declared_of(f).recommendable)


def default_in_words(name: str) -> str:
    """As tables and the help tell it."""
    [own] = (f for f in fields(Settings) if f.name == name)
    told = declared_of(own).default_in_words or in_words(default_of(own))
    return f"the network's own; {told} for a VGG" if name in RECOMMENDABLE else told


def recommended_settings(recommended: dict[str, Any], network: str) -> Settings:
    """The settings that a network recommends, and the defaults: what a stranger's file says is
    checked."""
    where = f"{network}: recommended settings"
    for name in recommended:
        if name not in RECOMMENDABLE:
            allowed = ", ".join(RECOMMENDABLE)
            raise InputError(f"{where}: {name!r:.40} is not one of {allowed}")
    try:
        return Settings(**recommended)
    except InputError as error:
        raise InputError(f"{where}: {error}") from error


def listed(settings: dict[str, Any]) -> str:
    """{"content_weight": 0.2, "steps": 250} → 'content weight 0.2; steps 250'."""
    return "; ".join(
        f"{name.replace('_', ' ')} {in_words(each)}" for name, each in settings.items()
    )
