"""Workers of several kinds, which carry out numbered items and know nothing of blocks.

`find_executor` gives an executor by name; it opens a crew, which takes jobs and gives outcomes.
"""

from scutoid.executors._registry import Executor, find_executor
from scutoid.executors._work import (
    FAILED,
    Crew,
    ItemFailure,
    Job,
    Joined,
    Lost,
    Message,
    Outcome,
    Work,
)

__all__ = [
    "FAILED",
    "Crew",
    "Executor",
    "ItemFailure",
    "Job",
    "Joined",
    "Lost",
    "Message",
    "Outcome",
    "Work",
    "find_executor",
]
