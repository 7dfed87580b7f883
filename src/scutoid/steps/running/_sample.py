"""Run some blocks of a plan and measure them: what is to be expected of the rest."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import numpy as np

from scutoid.blocks import After, BlockTask, Report, sample_blocks
from scutoid.errors import ParameterError, RunFailed, RunStopped
from scutoid.geometry import BlockGrid, Roi
from scutoid.spent import NOTHING
from scutoid.steps.graph import BlockCall, CollectionRef, MappedCall, Ref
from scutoid.steps.planning import Cost, PlannedCall, PlannedRun, Planner, StepCost
from scutoid.steps.running._begin import begin_run
from scutoid.steps.running._claim import claim
from scutoid.steps.running._edges import Edges
from scutoid.steps.running._outcome import Run, RunStep
from scutoid.steps.running._runner import Runner
from scutoid.steps.work import Measured, Usage
from scutoid.stopping import ends_by_signals

_ONE = BlockGrid(Roi((0,), (1,)), 1)
_FEW = 3
"""Blocks of which a mean says little."""


def sample_run(
    new_planner: Callable[[], Planner],
    targets: Sequence[Ref | CollectionRef],
    n: object,
    *,
    executor: object,
    **options: Any,
) -> Cost:
    """Run some blocks of each step that can run by themselves, which are kept; measure them.

    Parameters
    ----------
    new_planner : callable
        Returns a planner that knows nothing yet.
    targets : sequence of Ref or CollectionRef
        What is to be made.
    n : int
        Blocks of each step.
    executor : object
        As `run_blocks` takes it.
    **options
        Workers and such, likewise.

    Raises
    ------
    ParameterError
        If `n` is not a number above 0.
    RunFailed
        If a block fails.
    StoreError
        If the store cannot be written.
    RunStopped
        If SIGTERM or SIGHUP ends it; what was measured is kept and written down.
    """
    if not isinstance(n, int) or isinstance(n, bool) or n < 1:
        raise ParameterError(
            "sample= is how many blocks of each step are run, 1 or more", value=n, place="plan"
        )
    with ends_by_signals(), ExitStack() as announced, ExitStack() as held:
        runner = claim(
            held,
            new_planner,
            targets,
            (),
            lambda planned: begin_run(SampleRunner(planned, n), announced, [], executor=executor),
        )
        return runner.sample(executor=executor, **options)


class SampleRunner(Runner):
    """Runs some blocks of each step that can run by themselves; they are kept, as those of a run.

    Parameters
    ----------
    planned : PlannedRun
        What is to be done.
    n : int
        Blocks of each step; one more warms its worker up, and is not counted.
    """

    def __init__(self, planned: PlannedRun, n: int) -> None:
        super().__init__(planned, check_halo=False)
        outlined = list(_outlined(planned))
        barred = [task.name for task in outlined if task.name not in _with_blocks(planned)]
        self._chosen = sample_blocks(outlined, n + 1, barred=barred)
        self._usages: dict[str, list[Usage]] = {name: [] for name in self._chosen}

    def sample(self, **options: Any) -> Cost:
        """Run the sample, write it down as a run that was stopped, and say what it tells."""
        started = time.monotonic()
        broken_off: BaseException | None = None
        try:
            report = self._compute(listeners=(), on_failure="raise", **options)
        except (RunFailed, RunStopped) as error:
            if not isinstance(error.report, Report):
                raise
            broken_off, report = error, error.report
        with ends_by_signals() as stop, stop.noted():
            steps = [self._with_change(self.step(each, report), each) for each in self.planned]
            seconds = time.monotonic() - started
            workers = 0.0 if report is None else report.mean_workers
            where = (self.store.path, self.folder)
            self.record(Run(steps, {}, seconds, *where, {}, self.warnings, workers * seconds))
        if broken_off is not None:
            raise broken_off
        costs = tuple(self._cost(each) for each in self.planned if _is_to_do(each))
        few = [step.name for step in costs if 0 < step.n_sampled < min(_FEW, step.n_left)]
        said = (f"of {', '.join(few)} less than {_FEW} blocks were measured",) if few else ()
        return Cost(costs, said)

    def _tasks(self) -> list[BlockTask]:
        return [
            self._measured(each, self._builder.tasks(each)[0])
            for each in self.planned
            if each.task in self._chosen
        ]

    def _measured(self, each: PlannedCall, task: BlockTask) -> BlockTask:
        """Return a task that runs the sample alone, and notes what its blocks take."""
        assert task.function is not None  # noqa: S101 - such tasks are not built
        usages, collect = self._usages[each.task], task.collect

        def note(results: Sequence[tuple[int, Any]]) -> None:
            if collect is not None:
                collect([(index, value) for index, (value, _) in results])
            usages.extend(usage for _, (_, usage) in results)

        return replace(
            task,
            function=Measured(task.function),
            collect=note,
            where=self._chosen[each.task].reshape(tuple(task.grid.shape)),
            after=tuple(edge for edge in task.edges() if edge.task in self._chosen),
        )

    def step(self, each: PlannedCall, report: Report | None) -> RunStep:
        """Return what came of a step: blocks that are not of the sample are not done."""
        if not _is_to_do(each):
            return super().step(each, None)
        n_before, n_run = each.n_done, len(self._usages.get(each.task, ()))
        ran = None if report is None else report.tasks.get(each.task)
        return RunStep(
            each.task,
            each.n_blocks,
            n_before + n_run,
            n_before,
            0 if ran is None else ran.n_failed,
            0 if ran is None else ran.n_orphaned,
            0.0 if ran is None else ran.seconds,
            () if ran is None else ran.failures,
            within=each.within,
            is_stored=False,
            spent=NOTHING if ran is None else ran.spent,
        )

    def _cost(self, each: PlannedCall) -> StepCost:
        usages = self._usages.get(each.task, [])
        n_left = _n_open(each) - len(usages)
        counted = _warmed_up([usage for usage in usages if not usage.is_taken])
        if not counted:
            return StepCost(
                *(each.task, n_left, 0),
                writes_image=_writes_image(each),
                why=self._why(each),
                within=each.within,
            )
        seconds = [usage.seconds for usage in counted]
        return StepCost(
            each.task,
            n_left,
            len(counted),
            statistics.fmean(seconds),
            min(seconds),
            max(seconds),
            statistics.fmean(usage.n_read for usage in counted),
            statistics.fmean(usage.n_written for usage in counted),
            max(usage.peak for usage in usages),
            statistics.fmean(usage.seconds - usage.of_functions for usage in counted),
            _writes_image(each),
            n_requests=statistics.fmean(usage.n_requests for usage in counted),
            within=each.within,
        )

    def _why(self, each: PlannedCall) -> str:
        """Say why no block of a step was measured."""
        if each.task in self._chosen:
            return "its blocks are taken over from an earlier result"
        if each.call.spec.sees_neighbours:
            return "its blocks read what its other blocks have written"
        if each.task not in _with_blocks(self.planned):
            return "it is computed at once"
        return "it waits for all of a step before it"


def _outlined(planned: PlannedRun) -> Iterator[BlockTask]:
    """Yield the tasks of what is to be done as far as a choice of blocks needs them."""
    edges = Edges(planned)
    for each in filter(_is_to_do, planned):
        call, after = each.call, edges.of(each.call)
        if isinstance(call, MappedCall):
            grid = BlockGrid(Roi((0,), (len(call.keys),)), 1)
            needed = (
                each.needed
                if each.needed is None or each.done is None
                else each.needed & ~each.done
            )
            yield BlockTask(each.task, None, grid, after=after, is_done=each.done, where=needed)
        elif isinstance(call, BlockCall) and each.step is not None:
            grid = edges.grid(call)
            yield BlockTask(
                each.task,
                None,
                grid,
                after=after,
                is_done=each.done,
                where=each.step.chosen(),
                conflict=call.spec.sees_neighbours,
            )
            if each.has_finish:
                whole = After.all(each.task, each.step.layout.grid.ndim)
                yield BlockTask(each.finish_task, None, _ONE, after=(whole,))
        else:
            yield BlockTask(each.task, None, _ONE, after=after)


def _with_blocks(planned: PlannedRun) -> set[str]:
    """Return the names of the tasks whose blocks, or members, are apart from one another."""
    return {each.task for each in planned if isinstance(each.call, (BlockCall, MappedCall))}


def _writes_image(each: PlannedCall) -> bool:
    return isinstance(each.call, BlockCall) and "image" in each.call.spec.outputs


def _is_to_do(each: PlannedCall) -> bool:
    return each.is_kept and not each.is_cached


def _n_open(each: PlannedCall) -> int:
    """Return how many blocks or members of a step are to be computed."""
    chosen = np.ones(each.n_blocks, np.bool_)
    for mask in (each.needed, None if each.step is None else each.step.chosen()):
        if mask is not None:
            chosen &= mask
    return int((chosen if each.done is None else chosen & ~each.done).sum())


def _warmed_up(usages: Sequence[Usage]) -> list[Usage]:
    """Return what was measured without the first of each worker, if that leaves any."""
    seen: set[int] = set()
    later = [usage for usage in usages if usage.worker in seen or seen.add(usage.worker)]  # type: ignore[func-returns-value]
    return later or list(usages)
