"""The settings as the page's form has them, made from their declarations; and back."""

from dataclasses import fields
from typing import Any

from ..errors import InputError
from ..pictures import samples
from ..runs.declared import Declared, declared_of, default_of, in_words
from ..runs.inputs import SAMPLE_PREFIX
from ..runs.presets import PRESETS
from ..runs.recommended import default_in_words
from ..runs.settings import Settings
from ..weights import BUILTIN_NAME, default_weights
from ..weights.catalogue import CATALOGUE, is_cached
from . import subject

GROUPS = {"look": "The look", "size": "Size and steps", "network": "The network", "optimiser": ""}
# Of files on the server the page knows nothing; a card is the server's business.
_NOT_OFFERED = {"init", "backend", "precision"}
MAX_STYLES = 8
_TEXTS = ("asker", "sheet", "label", "after")  # after: the job whose result it begins with


def described() -> dict[str, Any]:
    """All that the page offers."""
    names = {name: SAMPLE_PREFIX + name for name in (samples.CONTENT, *samples.STYLES)}
    return {
        "groups": [
            {"name": name, "title": title or name.capitalize(), "settings": list(_offered(name))}
            for name, title in GROUPS.items()
        ],
        "presets": {name: preset.system for name, preset in PRESETS.items()},
        "samples": {"content": [names[samples.CONTENT]], "styles": [*names.values()][1:]},
        "max_styles": MAX_STYLES,
        "finds_subjects": subject.is_there(),
    }


def _offered(group: str):
    for each in fields(Settings):
        declared = declared_of(each)
        if declared.group == group and each.name not in _NOT_OFFERED:
            default = default_of(each)
            yield {
                "name": each.name,
                "words": declared.words,
                "default": None if default is None else in_words(default),
                "default_in_words": default_in_words(each.name),
                "kind": "choice" if each.name == "weights" else _kind(declared),
                "choices": _networks() if each.name == "weights" else declared.choices,
            }


def _networks() -> list[str]:
    """The networks that are here: the page fetches nothing, and takes no file of the server's."""
    return [BUILTIN_NAME, *(name for name in CATALOGUE if is_cached(name))]


def _kind(declared: Declared) -> str:
    """Which field of a form it is."""
    if declared.choices:
        return "choice"
    return {int: "integer", float: "number"}.get(declared.parse, "text")


def asked_from(data: Any) -> dict[str, Any]:
    """What a client asks for, with its settings parsed as the command line parses them."""
    if not isinstance(data, dict):
        raise InputError("expected an object with content, styles and settings")
    known = {"content", "styles", "masks", "settings", "preset", "animate", *_TEXTS}
    if unknown := sorted(set(map(str, data)) - known):
        raise InputError(f"unknown field {unknown[0]!r:.40}; there are {', '.join(sorted(known))}")
    asked = {"content": _text(data, "content"), "styles": _texts(data, "styles")}
    if not asked["styles"]:
        raise InputError("styles is empty; give at least one")
    if masks := _texts(data, "masks"):
        asked["masks"] = masks
    for name in ("preset", *_TEXTS):
        if data.get(name) is not None:
            asked[name] = _text(data, name)[:100]
    if data.get("animate", False) is True:
        asked["animate"] = True
    asked["settings"] = _settings(data.get("settings", {}))
    return asked


def _settings(given: Any) -> dict[str, Any]:
    if not isinstance(given, dict):
        raise InputError("settings: expected an object")
    declared = {f.name: declared_of(f) for f in fields(Settings) if f.name not in _NOT_OFFERED}
    settings = {}
    for name, value in given.items():
        if name not in declared:
            raise InputError(f"unknown setting {name!r:.40}; choose among {', '.join(declared)}")
        settings[name] = _parsed(name, declared[name], value)
    if settings.setdefault("weights", default_weights()[0]) not in _networks():
        known = ", ".join(_networks())
        raise InputError(f"weights is {settings['weights']!r:.40}; here are {known}")
    return settings


def _parsed(name: str, declared: Declared, value: Any) -> Any:
    """A text as typed, or a value as JSON has it."""
    if not isinstance(value, str):
        return value
    try:
        return declared.parse(value.strip())
    except InputError:
        raise
    except ValueError:
        raise InputError(f"{name} is {value!r:.40}; expected a number") from None


def _text(data: dict, name: str) -> str:
    value = data.get(name)
    if not isinstance(value, str) or not value:
        raise InputError(f"{name} is {value!r:.40}; expected a text")
    return value


def _texts(data: dict, name: str) -> list[str]:
    values = data.get(name, [])
    if not isinstance(values, list) or not all(isinstance(each, str) for each in values):
        raise InputError(f"{name} is {values!r:.40}; expected a list of texts")
    if len(values) > MAX_STYLES:
        raise InputError(f"{name} has {len(values)} entries; at most {MAX_STYLES} go together")
    return values
