"""Prints options.md, from the declarations of the settings.

python docs/options.py > docs/options.md
"""

from dataclasses import fields

from manualnst.runs.declared import declared_of
from manualnst.runs.recommended import default_in_words
from manualnst.runs.settings import Settings

GROUPS = {
    "look": "The look",
    "size": "Size and steps",
    "network": "The network, and who computes",
    "optimiser": "The optimiser",
}
HEAD = """\
# Every option

of `run`, `sweep` and `batch`; in Python they are keyword arguments, with `_` for `-`. A default
that is the network's own is the one that [its file recommends](networks.md). What is written, and
where, is told by `run --help-all`. This page is made by `python docs/options.py > docs/options.md`.
"""


def page() -> str:
    return "\n".join([HEAD, *(section(group) for group in GROUPS)])


def section(group: str) -> str:
    rows = [row(each) for each in fields(Settings) if declared_of(each).group == group]
    table = ["| option | default | |", "| --- | --- | --- |", *rows]
    return "\n".join([f"## {GROUPS[group]}", "", *table, ""])


def row(field) -> str:
    declared = declared_of(field)
    words = declared.words
    if declared.choices:
        words += f": {', '.join(f'`{choice}`' for choice in declared.choices)}"
    option = "--" + field.name.replace("_", "-")
    return f"| `{option}` | {default_in_words(field.name)} | {words} |"


if __name__ == "__main__":
    print(page(), end="")
