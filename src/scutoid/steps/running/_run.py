"""`plan` and `run`: what a user calls."""

from __future__ import annotations

import os
import pkgutil
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

from scutoid.errors import (
    DamagedResult,
    ParameterError,
    RunFailed,
    RunStopped,
    ScutoidWarning,
    StoreError,
    UnwritableStore,
)
from scutoid.events import Listener
from scutoid.executors import check_executor, default_workers, is_auto, knows_memory
from scutoid.heap import share_one_heap
from scutoid.progress import progress_shown
from scutoid.steps.graph import CollectionRef, Ref
from scutoid.steps.handles import refs_in, refusing_depth
from scutoid.steps.planning import Choice, Plan, PlannedRun, Planner
from scutoid.steps.results import RunStepRecord
from scutoid.steps.running._begin import begin_run
from scutoid.steps.running._claim import claim
from scutoid.steps.running._outcome import Run
from scutoid.steps.running._reporting import report_at_end
from scutoid.steps.running._runner import Runner
from scutoid.stopping import ends_by_signals
from scutoid.store import EntryStore

_ATTEMPTS = 3
_ESTIMATES = "scutoid.exploring:with_estimates"
"""Of the package above, which is loaded by its name."""


def plan(
    *targets: object,
    store: str | os.PathLike[str],
    block: object = None,
    memory: int | str | None = None,
    force: Iterable[str] = (),
    accept: Iterable[str] = (),
    paranoid: bool = False,
    sample: int | None = None,
    workers: int = 1,
    executor: Any = "auto",
) -> Plan:
    """Say what a run would do, and why; nothing is computed, but for a sample that is asked for.

    Parameters
    ----------
    *targets : Image, Table, Value or a collection of these
        Results of steps.
    store : path
        Folder of the results.
    block : int or sequence, optional
        Block shape for all steps that do not give one.
    memory : int or str, optional
        Bytes that a worker may take, such as "4GB".
    force : iterable of str
        Names of steps to run again.
    accept : iterable of str
        Names of steps whose nearest earlier result is taken as good although its key differs.
    paranoid : bool
        Whether all input files are read again, also those of the same size, time and inode as when
        they were last read.
    sample : int, optional
        Run so many blocks, or members, of each step that can run before others are whole, chosen at
        random over the image, and measure them: `Plan.cost` says what is left of the run.  They are
        kept, as those of a run that was stopped.
    workers, executor : optional
        Where the sample runs; as they are given to `run`.

    Returns
    -------
    Plan
        `.steps`, each with `.name`, `.status`, `.reason`, `.n_blocks`, `.n_done`.

    Raises
    ------
    ScutoidError
        If the pipeline cannot run as it stands.
    RunFailed
        If a block of the sample fails.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> import scutoid as sc
    >>> smooth = sc.gaussian(sc.open(np.zeros((64, 64))), sigma=1)
    >>> with tempfile.TemporaryDirectory() as store:
    ...     plan = sc.plan(smooth, store=store, block=8, sample=4, executor="serial")
    ...     plan["gaussian"].n_done, plan.cost["gaussian"].n_sampled, plan.cost["gaussian"].n_left
    (5, 4, 59)
    """

    def new_planner() -> Planner:
        return Planner(
            EntryStore(store),
            block=block,
            force=force,
            accept=accept,
            memory=_bytes(memory),
            paranoid=paranoid,
            is_elsewhere=knows_memory(executor),
        )

    refs, cost = refs_in(targets), None
    if sample is not None:
        from scutoid.steps.running._sample import sample_run

        cost = sample_run(
            new_planner, refs, sample, workers=workers, executor=executor, memory=memory
        )
        force = accept = ()
    planner = new_planner()
    with refusing_depth():
        planned = planner.plan(refs)
    planner.memo.save()
    _check_abilities(planned, executor)
    from scutoid.steps.planning import choose_executor, summarize

    if cost is not None:
        cost = pkgutil.resolve_name(_ESTIMATES)(cost, planned, refs)
    choice = None
    if not all(each.is_cached for each in planned):
        choice = choose_executor(planned) if is_auto(executor) else _as_given(executor)
    return replace(summarize(planned, choice), cost=cost)


def run(
    *targets: object,
    store: str | os.PathLike[str],
    workers: int | None = None,
    executor: Any = "auto",
    memory: int | str | None = None,
    block: object = None,
    on_failure: str | int = "raise",
    force: Iterable[str] = (),
    accept: Iterable[str] = (),
    paranoid: bool = False,
    check_halo: bool = True,
    resources: Mapping[str, int] | None = None,
    listeners: Sequence[Listener] = (),
    progress: bool | None = None,
    report: bool | None = None,
) -> Run:
    """Compute results into a store; only what is missing or changed runs.

    Parameters
    ----------
    *targets : Image, Table, Value or a collection of these
        Results of steps; afterwards they read from the store.
    store : path or str
        Folder of the results; it is made if it does not exist.  Or the URL of one in a bucket, such
        as ``"s3://bucket/results"``: see the page on the store for what is possible there.  One
        that cannot be written does where all results are complete; such a run leaves no record.
    workers : int, optional
        1 or more; default: the cores that this process may use.
    executor : {"auto", "processes", "threads", "serial", "dask"}, Client, cluster or Executor
        Where blocks are computed; clients and clusters are Dask's, and a text with ``://`` is the
        address of a Dask scheduler.  "auto"
        takes threads of this process where all steps are declared `threadsafe`, as those of
        scutoid's operations are, one thread where all of it is small, and else processes, where a
        block that ends its process is one that failed.  Results and keys are the same.
    memory : int or str, optional
        Bytes that all running blocks may take together, such as "4GB".
    block : int or sequence, optional
        Block shape for all steps that do not give one; rounded up to whole voxels of the coarsest
        level where an image is stored with levels.
    on_failure : {"raise", "return"} or int
        "raise" raises `RunFailed` at the end; a number stops at that many failures.
    force : iterable of str
        Names of steps to run again.
    accept : iterable of str
        Names of steps whose nearest earlier result is taken as good although its key differs, such
        as after a change of code that changes no value.  The store keeps a record of it.
    paranoid : bool
        Whether all input files are read again, also those of the same size, time and inode as when
        they were last read.
    check_halo : bool
        Whether some voxels of each blockwise step that is new to the store, and is not declared
        `block_invariant`, are computed anew in a block that lies across the faces of others, and
        compared; it takes the time of a block, of some where they differ.
    resources : mapping of str to int, optional
        How much there is of what steps say that they require, such as ``{"gpu": 2}``; what is not
        given is there once.
    listeners : sequence of Listener
        Get the events of the run, such as `scutoid.Progress`.
    progress : bool, optional
        Whether to show how far it is: bars on a terminal, a table in a notebook, lines elsewhere.
        Default: on a terminal and in a notebook, where no listener and no other run does so.
    report : bool, optional
        Whether the run writes `report.html` and `report.json` into its folder: pictures, counts,
        charts, how to make it again.  Default: where it computed something, unless the environment
        has ``SCUTOID_REPORT=off``.  It takes a small part of the run's time; `scutoid.report`
        writes all of it.

    Returns
    -------
    Run

    Raises
    ------
    RunFailed
        If blocks failed and `on_failure` is "raise"; what was computed is kept.
    StoreError
        If something is to be made and the store cannot be written.
    UnwritableStore
        If its disk is full or a quota is used up, or it is read-only, also in the midst of the run:
        no other block is begun then, and what was finished is kept.
    RunStopped
        If SIGTERM or SIGHUP ends it, in the main thread.  It is a SystemExit with code 143 or 129,
        and its `run` is what came of the run until then: no block is begun any more, those in
        flight have the time that ``SCUTOID_GRACE`` says (10s), and the run is written down.

    Warns
    -----
    ScutoidWarning
        Before anything is computed, of each thing in the plan that looks wrong and is allowed, such
        as a change that no key notices; at the end, of steps whose results depend on how images
        are cut or that are not deterministic (`check_halo`).  `Run.warnings` and the record of the
        run have them too.
    """
    if on_failure not in ("raise", "return") and not isinstance(on_failure, int):
        raise ParameterError(
            'on_failure= is "raise", "return" or a number of failures',
            value=on_failure,
            place="run",
        )
    check_executor(executor)
    entry_store = EntryStore(store)
    obstacle = _obstacle(entry_store)
    forced, accepted = tuple(force), tuple(accept)
    before: tuple[RunStepRecord, ...] = ()
    parts: list[str] = []
    announced = ExitStack()  # what a part has used stays until the last one has ended
    shown = progress_shown(progress, listeners)
    if shown is not None:
        listeners = (*listeners, announced.enter_context(shown))

    def new_planner() -> Planner:
        return Planner(
            entry_store,
            block=block,
            force=forced,
            accept=accepted,
            memory=_bytes(memory),
            paranoid=paranoid,
            is_elsewhere=knows_memory(executor),
        )

    def begin(planned: PlannedRun) -> Runner | None:
        part_of, is_read_only = next(iter(parts), None), obstacle is not None
        runner = Runner(
            planned, before, part_of=part_of, is_read_only=is_read_only, check_halo=check_halo
        )
        return begin_run(runner, announced, parts, executor=executor)

    def complete(wanted: Sequence[Ref | CollectionRef]) -> tuple[PlannedRun, Run]:
        """Run until no damage is met that can be healed."""
        nonlocal forced, accepted, before
        for attempt in range(1, _ATTEMPTS + 1):
            with ExitStack() as held:
                runner = claim(held, new_planner, wanted, listeners, begin, obstacle)
                said = runner.warnings
                unheard = [text for text in said if text not in runner.heard]
                _say(unheard if attempt == 1 else ())
                try:
                    done = runner.run(
                        workers=default_workers(executor) if workers is None else workers,
                        executor=executor,
                        memory=memory,
                        on_failure=on_failure if isinstance(on_failure, int) else "return",
                        resources=resources,
                        listeners=listeners,
                    )
                except DamagedResult:
                    if attempt == _ATTEMPTS:
                        raise
                    continue
            _say(done.warnings[len(said) :])
            if not done.met_damage:
                break
            forced = tuple(name for name in forced if not done.step(name).is_done)
        before = (*before, *runner.steps_of(done))
        forced = accepted = ()
        return runner.planned, done

    share_one_heap()  # before the first thread, which would leave its own to a worker
    with _ends_by_signals(report):
        with _naming(entry_store), announced:
            planned, done = complete(refs_in(targets))
            if not done.ok and not isinstance(on_failure, int):
                from scutoid.steps.running._going_on import go_on

                done = go_on(planned, done, complete)
        report_at_end(done, wanted=report)
    if not done.ok and on_failure != "return":
        raise _failure(done)
    return done


@contextmanager
def _naming(store: EntryStore) -> Iterator[None]:
    """Name the store in what says of a place within it that nothing can be written any more."""
    try:
        yield
    except UnwritableStore as error:
        places = (str(store.path), store.place)
        if error.place is None or not error.place.startswith(places):
            raise
        raise UnwritableStore(
            "a run can write to its store",
            value=f"{error.value}: {error.place}",
            place=store.place,
            remedy=error.remedy,
        ) from error


@contextmanager
def _ends_by_signals(report: bool | None) -> Iterator[None]:
    """Let signals end a run, which has its report all the same."""
    with ends_by_signals():
        try:
            yield
        except RunStopped as stopped:
            if isinstance(stopped.run, Run):
                report_at_end(stopped.run, wanted=report, in_haste=True)
            raise


def _failure(done: Run) -> RunFailed:
    error = RunFailed(
        "a run ends without failed blocks",
        value=done.summary(),
        place=str(done.store),
        remedy=f"mend the cause and run again: what was computed is kept{_debugging(done)}",
    )
    error.run = done  # type: ignore[attr-defined]
    return error


def _debugging(done: Run) -> str:
    """Say how the first block that failed is run by itself."""
    for step in done.steps:
        for failure in step.failures:
            if failure.index >= 0:
                at = step.members[failure.index] if step.members else failure.index
                return (
                    f"; scutoid.debug(..., step={step.name!r}, at={at!r}) runs it in this process"
                )
    return ""


def _say(texts: Iterable[str]) -> None:
    """Warn at the line of the user who called `run`."""
    for text in texts:
        warnings.warn(text, ScutoidWarning, stacklevel=4)


def _check_abilities(planned: PlannedRun, executor: object) -> None:
    """Refuse what a run would refuse: steps that ask for what the executor cannot do."""
    asking = [
        each
        for each in planned
        if each.is_kept
        and not each.is_cached
        and (each.call.spec.setup or each.call.spec.options.timeout)
    ]
    if not asking or is_auto(executor):
        return
    from scutoid.blocks import check_ability
    from scutoid.executors import find_executor

    resolved = find_executor(executor)
    for each in asking:
        spec = each.call.spec
        check_ability(each.task, resolved, timeout=spec.options.timeout, setup=spec.setup)


def _as_given(executor: object) -> Choice:
    """Return the executor that a plan was told; addresses may hold what nobody else is to see."""
    if not isinstance(executor, str):
        return Choice(type(executor).__name__, "")
    return Choice("dask" if "://" in executor else executor, "")


def _obstacle(store: EntryStore) -> StoreError | None:
    """Return what keeps a run from writing to a store."""
    try:
        store.check_writable()
    except StoreError as error:
        return error
    return None


def _bytes(memory: int | str | None) -> int | None:
    if memory is None:
        return None
    from scutoid.blocks import parse_bytes

    return parse_bytes(memory)
