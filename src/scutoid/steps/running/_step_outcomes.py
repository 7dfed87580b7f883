"""What came of the steps of a plan: by the report of their blocks, and by what the store has."""

from __future__ import annotations

from dataclasses import replace

from scutoid.blocks import Failure, Journal, Report
from scutoid.errors import SourceError
from scutoid.steps.graph import MappedCall
from scutoid.steps.planning import PlannedCall
from scutoid.steps.results import OutcomeRecord
from scutoid.steps.running._outcome import INPUTS, RunStep

_NOTED = 100
"""Failures of each step that a record has."""


def step_of(each: PlannedCall, report: Report | None) -> RunStep:
    """Return what came of a step, by the report of its blocks; None: there was nothing to do."""
    if report is None or each.task not in report.tasks:
        if not each.is_kept:
            return RunStep(
                each.task, each.n_blocks, each.n_blocks, 0, 0, 0, 0.0, within=each.within
            )
        n_done = each.n_blocks if each.is_cached else _n_stored(each)
        n_cached = each.n_blocks if each.is_cached else min(each.n_done, n_done)
        return RunStep(each.task, each.n_blocks, n_done, n_cached, 0, 0, 0.0, within=each.within)
    task = report.tasks[each.task]
    n_failed, n_orphaned, seconds = task.n_failed, task.n_orphaned, task.seconds
    failures, spent = task.failures, task.spent
    if each.has_finish:
        end = report.tasks[each.finish_task]
        n_failed += end.n_failed
        failures += end.failures
        seconds += end.seconds
        spent += end.spent
    return RunStep(
        each.task,
        task.n_blocks,
        task.n_done + task.n_skipped,
        task.n_cached,
        n_failed,
        n_orphaned,
        seconds,
        failures,
        task.slowest,
        each.call.keys or (),
        within=each.within,
        is_stored=_is_stored(each),
        n_taken=task.n_taken,
        is_merged=each.has_finish and report.tasks[each.finish_task].n_done > 0,
        spent=spent,
    )


def with_changed_inputs(step: RunStep, error: SourceError, n_lost: int) -> RunStep:
    """Say of a step all of whose blocks came back that its inputs have changed meanwhile.

    Parameters
    ----------
    step : RunStep
        What came of it.
    error : SourceError
        What has changed.
    n_lost : int
        Blocks that were taken back for that reason.
    """
    if not (step.has_all_blocks or n_lost):
        return step
    failure = Failure(step.name, INPUTS, 1, f"{type(error).__name__}: {error}", "", None)
    return replace(
        step,
        n_done=step.n_done - n_lost,
        n_failed=step.n_failed + max(n_lost, 1),
        failures=(*step.failures, failure),
    )


def record_of(step: RunStep) -> OutcomeRecord:
    """Return what the record of a run says of a step."""
    return OutcomeRecord(
        n_blocks=step.n_blocks,
        n_done=step.n_done,
        n_cached=step.n_cached,
        n_failed=step.n_failed,
        n_orphaned=step.n_orphaned,
        seconds=round(step.seconds, 3),
        failures=tuple(f"{step.place(f)}: {f.error}" for f in step.failures[:_NOTED]),
        slowest=tuple((block.index, round(block.seconds, 3)) for block in step.slowest),
        n_taken=step.n_taken,
        spent=step.spent.rounded(),
    )


def _is_stored(each: PlannedCall) -> bool:
    """Whether the result of a step is complete in the store, where it is kept there as a whole."""
    is_part = each.needed is not None and not bool(each.needed.all())
    return is_part or not each.is_kept or each.entry.status == "complete"


def _n_stored(each: PlannedCall) -> int:
    """Return how many blocks or members of a result are in the store now."""
    if isinstance(each.call, MappedCall):
        return sum(each.items.has(key) for key in each.call.keys)
    if each.entry.status == "complete":
        return each.n_blocks
    return int((Journal.read(each.entry.journal, key=each.key.key) != 0).sum())
