"""Checking gradients: the package's own, and those that somebody else wrote.

oracles, ladder     what a slope is, by the complex step and by differences
branches            the kinks of ReLU, maximum, order, search: written down, or held fast
rounding            where tolerances come from
subjects            what is checked, one file a derivative, with the ways to get it wrong
diagnosis           from a wrong gradient to the mistake
proof               the package's own derivatives
pair                any function and its gradient
exam, student       a file with somebody's functions, run in a process of its own
"""

from .pair import check_gradient
from .report import Report, Verdict

__all__ = ["Report", "Verdict", "check_gradient"]
