"""Executors by name: ours, those of other packages' entry points ``scutoid.executors``, presets."""

from __future__ import annotations

import concurrent.futures
import importlib
import os
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from scutoid.errors import ParameterError
from scutoid.executors._ours import BEGINS_ANYWHERE, OURS
from scutoid.executors._presets import KINDS, Preset, find_preset, own_presets, preset_file

if TYPE_CHECKING:
    from scutoid.executors._work import Work, WorkerPool

GROUP = "scutoid.executors"


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
    executor : str, Preset, concurrent.futures.Executor, Client or cluster of Dask, or Executor
        A text with ``://`` is the address of a Dask scheduler; others are names, also of presets.

    Raises
    ------
    ParameterError
        If there is no such executor; the message lists the known names.  If the user's file of
        presets is wrong, or has the name of another executor.
    """
    if isinstance(executor, concurrent.futures.Executor):
        from scutoid.executors._foreign import ForeignExecutor

        return ForeignExecutor(executor)
    if _is_dask(executor) or isinstance(executor, Preset):
        from scutoid.executors._dask import DaskExecutor

        return DaskExecutor(executor)
    if not isinstance(executor, str):
        if all(hasattr(executor, name) for name in ("open", "handles_timeout", "handles_setup")):
            return cast("Executor", executor)
        raise _unknown(executor)
    if executor in OURS:
        module, _, name = OURS[executor].partition(":")
        return cast("Executor", getattr(importlib.import_module(module), name)())
    from importlib.metadata import entry_points

    preset = find_preset(executor)
    for entry in entry_points(group=GROUP, name=executor):
        if preset is not None and preset.place is not None:
            raise ParameterError(
                "a preset has another name than an executor of an installed package",
                value=executor,
                place=preset.place,
                remedy="rename it",
            )
        return cast("Executor", entry.load()())
    if preset is not None:
        return find_executor(preset)
    raise _unknown(executor)


def is_auto(executor: object) -> bool:
    """Whether it leaves it to a run of steps where it computes."""
    if isinstance(executor, str):
        return executor == "auto"
    return bool(getattr(executor, "leaves_the_choice", False))


def quiet_executor(name: str) -> Executor:
    """Return the executor of this process that "auto" has chosen.

    What the process has set for numbers that are divided by zero, too large or none does not
    count, for the result is not to depend on what was chosen.
    """
    if name == "serial":
        from scutoid.executors._serial import SerialExecutor

        return SerialExecutor(is_quiet=True)
    from scutoid.executors._threads import ThreadsExecutor

    return ThreadsExecutor(is_quiet=True)


def check_executor(executor: object) -> None:
    """Refuse what is no executor, before anything is done for it; ours are not loaded for that.

    Raises
    ------
    ParameterError
        As `find_executor`.
    """
    if not isinstance(executor, str) or executor not in OURS:
        find_executor(executor)


def check_ready(executor: object) -> None:
    """Refuse an executor that cannot begin here, without starting anything.

    Raises
    ------
    ParameterError
        As `find_executor`; if a client is closed, or a preset has wrong options.
    MissingExtra
        If what it needs is not installed.
    WorkerError
        If the commands of its batch system are not there.
    """
    if isinstance(executor, str) and executor in BEGINS_ANYWHERE:
        return
    check = getattr(find_executor(executor), "check_ready", None)
    if check is not None:
        check()


def is_of_dask(executor: object) -> bool:
    """Whether it computes in workers of Dask, whoever starts them; nothing is started for that.

    Raises
    ------
    ParameterError
        As `find_executor`.
    """
    if isinstance(executor, str) and executor in OURS:
        return executor == "dask"
    from scutoid.executors._dask import DaskExecutor

    return isinstance(find_executor(executor), DaskExecutor)


def knows_memory(executor: object) -> bool:
    """Whether workers may be on other machines, and say before they begin what memory they have.

    Raises
    ------
    ParameterError
        As `find_executor`.
    """
    if isinstance(executor, str) and executor in OURS:
        return False
    return bool(getattr(find_executor(executor), "handles_resources", False))


def computing_there(executor: object) -> AbstractContextManager[object]:
    """Have Dask compute in the cluster of a client what this process computes meanwhile.

    Of other executors nothing is changed.
    """
    client = getattr(executor, "client", executor)
    distributed = sys.modules.get("distributed")
    if distributed is None or not isinstance(client, distributed.Client):
        return nullcontext()
    here: AbstractContextManager[object] = client.as_current()
    return here


def default_workers(executor: object) -> int:
    """Return how many workers a run has that does not say it: of a preset, else the cores.

    Raises
    ------
    ParameterError
        If the user's file of presets is wrong.
    """
    if isinstance(executor, str) and executor not in OURS and "://" not in executor:
        executor = find_preset(executor)
    said = executor.workers if isinstance(executor, Preset) else None
    return len(os.sched_getaffinity(0)) if said is None else said


def _is_dask(executor: object) -> bool:
    """Whether it is an address, a client or a cluster of Dask's; Dask is not imported for this."""
    if isinstance(executor, str):
        return "://" in executor
    distributed = sys.modules.get("distributed")
    return distributed is not None and isinstance(
        executor, (distributed.Client, distributed.deploy.Cluster)
    )


def _own() -> str:
    file = preset_file()
    if file.exists():
        return f"presets of your own stand in {file}"
    return f"presets of your own can be described in {file}, which is not there yet"


def _unknown(executor: object) -> ParameterError:
    from importlib.metadata import entry_points

    theirs = {entry.name for entry in entry_points(group=GROUP)}
    return ParameterError(
        "an executor is given by a known name, as a concurrent.futures.Executor, or as a client, "
        "cluster or address of Dask",
        value=executor,
        remedy=f"one of {', '.join(sorted({*OURS, *KINDS, *theirs, *own_presets()}))}; {_own()}",
    )
