"""What a check found, as data."""

from dataclasses import asdict, dataclass, field
from enum import StrEnum

import numpy as np

from . import show


class Verdict(StrEnum):
    PASS = "PASS"
    KINK = "KINK"  # a difference met a kink: it says nothing about the gradient
    INCONCLUSIVE = "INCONCLUSIVE"  # too small to judge
    MISSING = "MISSING"  # not filled in
    ERROR = "ERROR"  # there is no gradient to judge
    WRONG = "WRONG"


_SEVERITY = list(Verdict)


def worst_of(verdicts) -> Verdict:
    return max(verdicts, key=_SEVERITY.index, default=Verdict.INCONCLUSIVE)


@dataclass(frozen=True)
class Entry:
    """One number that was compared."""

    index: tuple[int, ...] | str  # of the gradient's entry, or the name of a direction
    given: float
    expected: float
    tolerance: float

    @property
    def error(self) -> float:
        return abs(self.given - self.expected)

    @property
    def excess(self) -> float:
        """Over 1 where it is wrong."""
        if not self.tolerance or not np.isfinite(self.error):
            return np.inf if self.error != 0 else 0.0
        return self.error / self.tolerance


@dataclass(frozen=True)
class Comparison:
    """A gradient against one oracle."""

    oracle: str
    verdict: Verdict
    worst: Entry | None = None
    tolerance_from: str = ""  # of rounding.TOLERANCES
    note: str = ""

    @property
    def severity(self) -> int:
        return _SEVERITY.index(self.verdict)


@dataclass(frozen=True)
class Row:
    """All that is known of one gradient."""

    name: str
    identifier: str
    formula: str
    computed_by: str  # a backend, or a student's file
    dtype: str
    comparisons: tuple[Comparison, ...]
    words: str = ""  # what is wrong, for the one who made it
    mistake: str = ""  # its name in the catalogue
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)  # of the input it is seen at

    @property
    def verdict(self) -> Verdict:
        verdicts = {c.verdict for c in self.comparisons}
        if Verdict.PASS in verdicts:  # an oracle that met a kink leaves it to the others
            verdicts.discard(Verdict.KINK)
        return worst_of(verdicts)

    def as_json(self) -> dict:
        return {"verdict": self.verdict} | asdict(self)


class Report:
    """What `check_gradient` found: true if the gradient is right."""

    def __init__(self, row: Row, entries: tuple[Entry, ...], shape: tuple[int, ...]):
        self.row = row
        self.entries = entries  # all that were compared, the worst first
        self.shape = shape  # of the gradient

    @property
    def verdict(self) -> Verdict:
        return self.row.verdict

    def __bool__(self) -> bool:
        return self.verdict == Verdict.PASS

    def __str__(self) -> str:
        return show.report_as_text(self)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return show.report_as_html(self)
