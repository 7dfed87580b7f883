"""`run_share`: what an element of a job array calls."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

from scutoid.blocks import EventLog, parse_bytes
from scutoid.errors import ParameterError, RunStopped
from scutoid.events import Listener
from scutoid.executors import standing
from scutoid.steps.handles import refs_in, refusing_depth
from scutoid.steps.planning import Looks, PlannedRun, Planner
from scutoid.steps.running._begin import begin_run
from scutoid.steps.running._element import Element
from scutoid.steps.running._outcome import Run
from scutoid.steps.running._part_runners import Place
from scutoid.steps.running._runner import EVENTS, Runner
from scutoid.steps.running._shares import Part
from scutoid.stopping import ends_by_signals
from scutoid.store import EntryStore, own_folder


def run_share(
    *targets: object,
    store: str | os.PathLike[str],
    share: tuple[int, int],
    workers: int | None = None,
    executor: Any = "auto",
    memory: int | str | None = None,
    block: object = None,
    paranoid: bool = False,
    check_halo: bool = True,
    listeners: Sequence[Listener] = (),
    array: str | None = None,
) -> Run:
    """Do a share of a run beside other processes that do theirs; it ends when all is done.

    Each takes blocks of a step that nobody else has, and records them by itself; who finds all
    blocks of a step done ends it, and all go on with the next one.  What a process that is killed
    had not finished is done by the others.  `run` into the same store waits for them, and goes on
    where they end.

    Parameters
    ----------
    *targets : Image, Table, Value or a collection of these
        Results of steps.
    store : path
        Folder of the results, on a file system that all processes share; or its URL in a bucket.
    share : (int, int)
        Which part this process does, counted from 1, of how many: where it begins, and how much it
        takes at once.  Fewer processes, or two of the same part, do all of it as well.
    workers, executor, memory, block, paranoid, check_halo, listeners : optional
        As `run` takes them; workers are those of this process.
    array : str, optional
        The job array that this process is an element of: all of its elements count as one run.

    Returns
    -------
    Run
        What is there now, and what failed here.

    Raises
    ------
    ParameterError
        If the share is none.
    StoreError
        If the store cannot be written.
    RunStopped
        If SIGTERM or SIGHUP ends it; what was finished is kept, the rest is taken by others.
    """
    part = _part(share)
    entry_store = EntryStore(store)
    if entry_store.url is not None:  # others on this machine have theirs
        entry_store = EntryStore(own_folder(entry_store.url))
    entry_store.check_writable()
    refs = refs_in(targets)

    def new_plan(looks: Looks) -> PlannedRun:
        planner = Planner(
            entry_store,
            block=block,
            memory=None if memory is None else parse_bytes(memory),
            paranoid=paranoid,
            looks=looks,
        )
        with refusing_depth():
            planned = planner.plan(refs)
        planner.memo.save()
        return planned

    with ends_by_signals(), ExitStack() as announced:
        runner = None
        while runner is None:
            first = Runner(new_plan("all"), check_halo=False, array=array)
            runner = begin_run(first, announced, [], executor=executor)
        log = announced.enter_context(EventLog(runner.folder / EVENTS))
        element = Element(
            new_plan,
            part,
            Place(runner.folder, log),
            listeners,
            check_halo=check_halo,
            memory=memory,
            executor=announced.enter_context(standing(executor)),
            workers=len(os.sched_getaffinity(0)) if workers is None else workers,
            on_failure="return",
        )
        try:
            element.work()
        except RunStopped as stopped:
            with ends_by_signals() as stop, stop.noted():
                stopped.run = _written_down(runner, element)
            raise
        return _written_down(runner, element)


def _written_down(runner: Runner, element: Element) -> Run:
    """Return what came of the run, which is written down as the one that was announced."""
    last = Runner(element.planned, check_halo=False, array=runner.array)
    last.folder, last.started = runner.folder, runner.started
    last.warnings = (*runner.warnings, *element.warnings)
    last.mean_workers = element.mean_workers
    return last.written_down(element.steps())


def _part(share: tuple[int, int]) -> Part:
    number, total = share
    if not 1 <= number <= total:
        raise ParameterError(
            "a share is one of a number of processes, counted from 1, such as 3 of 20",
            value=f"{number} of {total}",
            place="share",
        )
    return Part(number, total)
