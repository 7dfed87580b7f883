"""Steps over all members of a collection that go on without those that failed.

A step waits for all members that it gathers, so one that fails leaves it undone.  Where it may lack
some, it is run afterwards upon what the run has stored, and so is what depends on it.  Its key is
that of the members that it gets::

    images ──► measure ──► gather(partial="allow") ──► summary ──► report
               c fails                                 afterwards, without c
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from scutoid.steps.graph import (
    Call,
    CollectionFromStore,
    CollectionRef,
    FromStore,
    Gathered,
    MappedCall,
    Member,
    Node,
    Outputs,
    Ref,
    Rewriting,
    dependencies_in,
    planned_node,
    refs_of,
)
from scutoid.steps.handles import LATEST
from scutoid.steps.planning import PlannedCall, PlannedRun
from scutoid.steps.running._outcome import Run

Complete = Callable[[Sequence[Ref | CollectionRef]], tuple[PlannedRun, Run]]


def go_on(planned: PlannedRun, done: Run, complete: Complete) -> Run:
    """Run the steps that may lack the members that failed, and what depends on them.

    Parameters
    ----------
    planned : PlannedRun
        What was run.
    done : Run
        What came of it.
    complete : callable
        Runs targets; returns their plan and what came of it.

    Returns
    -------
    Run
        What came of all; `done` itself where nothing can go on.
    """
    going = _Going(planned, done).calls
    if not going:
        return done

    def stored(call: Call) -> Outputs | None:
        each = planned.by_node.get(call)
        if each is None or not each.is_kept or each.call in going:
            return None
        return refs_of(done.stored_node(each.task), call.spec.outputs)

    rewriting = Rewriting(stored, lambda call: call.spec)
    again = {each: rewriting.on_new_inputs(each.call) for each in going.values()}
    for each in again:
        _forget_if_empty(each)
    targets = [refs_of(call, call.spec.outputs)[0] for call in again.values()]
    later_plan, later = complete(targets)
    later = go_on(later_plan, later, complete)
    names = {later_plan.by_node[call].task: each.task for each, call in again.items()}
    merged = done.followed_by(later, names)
    for node, each in planned.by_node.items():
        if each in again:
            _remember(node, merged.stored_node(each.task))
    return merged


class _Going:
    """Finds the steps of a run that can go on although members failed."""

    def __init__(self, planned: PlannedRun, done: Run) -> None:
        self._planned = planned
        self.calls: dict[Node, PlannedCall] = {}
        for each in planned:
            is_waiting = each.is_kept and not _is_finished(each)
            if is_waiting and done.step(each.task).n_failed == 0 and self._can_go_on(each.call):
                self.calls[each.call] = each

    def _can_go_on(self, call: Call) -> bool:
        """Whether a call lacks members that it may lack, or waits for one that does; no more."""
        items = (*call.inputs, *call.params.values())
        return all(map(self._is_there, items)) and any(map(self._was_waited_for, items))

    def _is_there(self, item: object) -> bool:
        """Whether an input is finished, as far as it must be, or will be."""
        if isinstance(item, Gathered) and item.may_lack:
            each = self._planned.of(item.collection)
            if each is None or each.call in self.calls:
                return True
            return any(map(each.items.has, each.call.keys or ()))
        return all(self._is_whole(ref) for ref in dependencies_in([item]))

    def _is_whole(self, ref: Ref | CollectionRef) -> bool:
        node = planned_node(ref)
        each = self._planned.of(ref)
        if each is None or node in self.calls or each.call in self.calls:
            return True
        if isinstance(ref.node, Member):
            return each.items.has(ref.node.key)
        if not each.is_kept:
            return all(map(self._is_there, (*each.call.inputs, *each.call.params.values())))
        return _is_finished(each)

    def _was_waited_for(self, item: object) -> bool:
        for ref in dependencies_in([item]):
            each = self._planned.of(ref)
            if each is None:
                continue
            if isinstance(item, Gathered) and item.may_lack and not _is_finished(each):
                return True
            if each.call in self.calls:
                return True
            inputs = (*each.call.inputs, *each.call.params.values())
            if not each.is_kept and any(map(self._was_waited_for, inputs)):
                return True
        return False


def _is_finished(each: PlannedCall) -> bool:
    if isinstance(each.call, MappedCall):
        return all(map(each.items.has, each.call.keys))
    return each.entry.status == "complete"


def _forget_if_empty(each: PlannedCall) -> None:
    """Remove a result that was begun in vain, lest it be older than the one that is made now."""
    is_mapped = isinstance(each.call, MappedCall)
    if is_mapped and any(map(each.items.has, each.call.keys or ())):
        return
    with each.entry.lock().attempt() as is_held:
        if is_held and each.entry.status == "partial":
            each.entry.clear()


def _remember(node: Node, stored: Node) -> None:
    """Have this process read a call from now on where it was stored."""
    if isinstance(stored, CollectionFromStore):
        LATEST.enter_members(node, stored.stored, stored.missing)
    elif isinstance(stored, FromStore) and isinstance(node, Call) and stored.stored.is_there:
        LATEST.enter(node, stored.stored)
