"""Executors by name: ours, and those of other packages' entry points ``scutoid.executors``."""

from __future__ import annotations

import concurrent.futures
import importlib
import sys
from collections.abc import Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import Protocol, cast

from scutoid.errors import ParameterError
from scutoid.executors._work import Work, WorkerPool

GROUP = "scutoid.executors"

# Named by text, for a run imports only what it uses.
_OURS = {
    "serial": "scutoid.executors._serial:SerialExecutor",
    "threads": "scutoid.executors._threads:ThreadsExecutor",
    "processes": "scutoid.executors._processes:ProcessesExecutor",
    "dask": "scutoid.executors._dask:DaskExecutor",
}


class Executor(Protocol):
    """Opens pools of workers."""

    @property
    def handles_timeout(self) -> bool:
        """Whether it can end an item that takes too long."""
        ...

    @property
    def handles_setup(self) -> bool:
        """Whether its workers keep a set-up from job to job."""
        ...

    def open(self, works: Sequence[Work], workers: int, *, logs: Path | None = None) -> WorkerPool:
        """Start `workers` workers for `works`; their output goes to `logs`, if given."""
        ...


def find_executor(executor: object) -> Executor:
    """Find an executor by name, adapt one of another library, or return an `Executor` as it is.

    Parameters
    ----------
    executor : str, concurrent.futures.Executor, distributed.Client or cluster, or Executor
        A text with ``://`` is the address of a Dask scheduler.

    Raises
    ------
    ParameterError
        If there is no such executor; the message lists the known names.
    """
    if isinstance(executor, concurrent.futures.Executor):
        from scutoid.executors._foreign import ForeignExecutor

        return ForeignExecutor(executor)
    if _is_dask(executor):
        from scutoid.executors._dask import DaskExecutor

        return DaskExecutor(executor)
    if not isinstance(executor, str):
        if all(hasattr(executor, name) for name in ("open", "handles_timeout", "handles_setup")):
            return cast("Executor", executor)
        raise _unknown(executor)
    if executor in _OURS:
        module, _, name = _OURS[executor].partition(":")
        return cast("Executor", getattr(importlib.import_module(module), name)())
    for entry in entry_points(group=GROUP, name=executor):
        return cast("Executor", entry.load()())
    raise _unknown(executor)


def _is_dask(executor: object) -> bool:
    """Whether it is an address, a client or a cluster of Dask's; Dask is not imported for this."""
    if isinstance(executor, str):
        return "://" in executor
    distributed = sys.modules.get("distributed")
    return distributed is not None and isinstance(
        executor, (distributed.Client, distributed.deploy.Cluster)
    )


def _unknown(executor: object) -> ParameterError:
    theirs = {entry.name for entry in entry_points(group=GROUP)}
    return ParameterError(
        "an executor is given by a known name, as a concurrent.futures.Executor, or as a client, "
        "cluster or address of Dask",
        value=executor,
        remedy=f"one of {', '.join(sorted({*_OURS, *theirs}))}",
    )
