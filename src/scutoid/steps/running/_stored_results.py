"""The results of planned steps as handles that read a store."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from scutoid.steps.declaration import StepSpec
from scutoid.steps.graph import (
    Call,
    CollectionFromStore,
    FromStore,
    MappedCall,
    Node,
    NotStored,
    Outputs,
    Rewriting,
    refs_of,
)
from scutoid.steps.handles import Lazy, handle_of
from scutoid.steps.planning import PlannedCall, PlannedRun, Planner
from scutoid.steps.results import StoredResult
from scutoid.store import EntryStore


class StoredResults:
    """Results of planned steps as handles that read the store.

    Parameters
    ----------
    planned : PlannedRun
        The steps.
    is_over : bool
        Whether they were run: what is not complete then cannot be read.  Before, it is computed
        when it is read.
    """

    def __init__(self, planned: PlannedRun, *, is_over: bool = True) -> None:
        self._planned = planned
        self._is_over = is_over
        self._nodes: dict[PlannedCall, Node] = {}
        self._inputs = Rewriting(self.outputs, self._as_cut)

    def of(self, each: PlannedCall) -> Any:
        """Return the results of a step: one, or a tuple."""
        call, kinds = each.call, each.call.spec.outputs
        stored = self._node(each)
        results: tuple[Lazy, ...] = tuple(handle_of(ref, stored) for ref in refs_of(call, kinds))
        return results if call.spec.packed else results[0]

    def on_stored(self, call: Call) -> Call:
        """Return a call in the blocks of the plan, whose inputs are read from the store."""
        return self._inputs.on_new_inputs(call)

    def _node(self, each: PlannedCall) -> Node:
        """Return what the results of a step are read from."""
        if each not in self._nodes:
            self._nodes[each] = self._make(each)
        return self._nodes[each]

    def _make(self, each: PlannedCall) -> Node:
        call, kinds, key = each.call, each.call.spec.outputs, each.key.key
        labels = tuple(call.is_labels(number) for number in range(len(kinds)))
        if isinstance(call, MappedCall):
            place = str(each.entry.path)
            return CollectionFromStore(
                call.name, key, each.items, kinds, labels, call.groups, place
            )
        if not each.is_kept:  # computed when it is read, of what this run has stored
            return self._inputs.on_new_inputs(call)
        outputs = StoredResult(each.entry, is_finished=True)
        if each.entry.status == "complete":
            return FromStore(call.name, key, outputs, kinds, labels)
        return FromStore(call.name, key, NotStored(each.task, str(each.entry.path)), kinds, labels)

    def _as_cut(self, call: Call) -> StepSpec:
        """Return the step of a call in the blocks of this run, where these may count."""
        each = self._planned.by_node.get(call)
        may_differ = not self._is_over or not call.is_block_invariant
        if each is None or each.step is None or each.block is None or not may_differ:
            return call.spec
        return call.spec.with_options(
            block=dict(zip(each.step.layout.axes, each.block, strict=True))
        )

    def outputs(self, call: Call) -> Outputs | None:
        """Return what reads the outputs of a call from the store; None where it has them not."""
        each = self._planned.by_node.get(call)
        if each is None or not each.is_kept or not (self._is_over or each.is_cached):
            return None
        return refs_of(self._node(each), call.spec.outputs)


def cached_outputs(calls: Sequence[Call], store: str | os.PathLike[str]) -> dict[Call, Outputs]:
    """Return the results of calls that a store has complete, each as something that reads it.

    Nothing is run or locked; a folder that does not exist has none.
    """
    if not Path(store).is_dir():
        return {}
    targets = [ref for call in calls for ref in call.outputs]
    planned = Planner(EntryStore(store)).plan(targets)
    results = StoredResults(planned, is_over=False)
    found = ((call, results.outputs(call)) for call in calls)
    return {call: outputs for call, outputs in found if outputs is not None}
