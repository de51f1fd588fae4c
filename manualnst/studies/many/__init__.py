"""Many pictures by one call: a sweep over settings, or every content in every style.

Both only list their jobs; what is listed goes the same way: looked over before anything begins,
painted in one process or in several, and shown on a sheet and in a table. What is finished is
known by its record, so that the same call again goes on where it was cut off.
"""

from .jobs import Job, batch_jobs, check_apart, sweep_jobs
from .series import Outcome, Series
from .work import Listener, Moment, batch, carry_out, sweep

__all__ = [
    "Job",
    "Listener",
    "Moment",
    "Outcome",
    "Series",
    "batch",
    "batch_jobs",
    "carry_out",
    "check_apart",
    "sweep",
    "sweep_jobs",
]
