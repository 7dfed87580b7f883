"""Workers of several kinds, which carry out numbered items, without knowledge of blocks.

`find_executor` gives an executor by name; it opens a pool of workers, which
takes jobs and gives outcomes.  `Workbench` and the functions that pickle are for executors of other
packages.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from scutoid.executors._environment import CONNECTION_VARIABLE, LAUNCH_VARIABLE, TASK_VARIABLE
from scutoid.executors._pickling import dump_value, dumps, loads
from scutoid.executors._registry import Executor, find_executor
from scutoid.executors._work import (
    FAILED,
    MOST_ITEMS,
    ItemFailure,
    Job,
    Joined,
    Lost,
    Message,
    NoHeartbeat,
    Outcome,
    Work,
    Workbench,
    WorkerPool,
)

if TYPE_CHECKING:
    from scutoid.executors._connect import ConnectExecutor
    from scutoid.executors._launch import Launch
    from scutoid.executors._rendezvous import meet

# Names that only some runs need are imported on first use.
_LATER = {"ConnectExecutor": "_connect", "Launch": "_launch", "meet": "_rendezvous"}

__all__ = [
    "CONNECTION_VARIABLE",
    "FAILED",
    "LAUNCH_VARIABLE",
    "MOST_ITEMS",
    "TASK_VARIABLE",
    "ConnectExecutor",
    "Executor",
    "ItemFailure",
    "Job",
    "Joined",
    "Launch",
    "Lost",
    "Message",
    "NoHeartbeat",
    "Outcome",
    "Work",
    "Workbench",
    "WorkerPool",
    "dump_value",
    "dumps",
    "find_executor",
    "loads",
    "meet",
]


def __getattr__(name: str) -> object:
    if name in _LATER:
        from importlib import import_module

        return getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
