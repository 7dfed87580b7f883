"""Estimate what the steps of collections cost that wait for all members of others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from scutoid.exploring._graph import references
from scutoid.steps.compute import metered
from scutoid.steps.graph import (
    BlockCall,
    Call,
    CollectionRef,
    Gathered,
    MappedCall,
    Ref,
    Rewriting,
    SomeMembers,
    WholeCall,
)
from scutoid.steps.handles import Evaluation
from scutoid.steps.planning import Cost, PlannedRun, StepCost

_MOST = 3
"""Members that are computed."""
_SEED = 0


def with_members(cost: Cost, planned: PlannedRun) -> Cost:
    """Return a cost with estimates of the steps of collections of which nothing is known.

    All that they need is computed of some members, in this process and kept nowhere, as if there
    were no others; their functions are timed.  A step that gets all members at once is taken to be
    as much longer as there are more members.
    """
    unknown = [each for each in planned if each.task in cost.unknown and _is_of_members(each.call)]
    before = {call for each in unknown for call in _with_all_before(each.call)}
    calls = [each.call for each in planned if each.call in before]
    keys = _members(calls)
    if not keys:
        return cost
    try:
        taken = _timed(calls, keys)
    except Exception as error:  # noqa: BLE001 - functions of a user, on fewer members than they get
        said = f"some steps were not measured: {type(error).__name__}: {error}"
        return replace(cost, warnings=(*cost.warnings, said))
    found: dict[str, StepCost] = {}
    for each in unknown:
        more = _n_members(each.call) / len(keys)
        step = with_functions(cost[each.task], taken[each.call] * more, cost)
        found[each.task] = replace(step, n_members=len(keys))
    return replace(cost, steps=tuple(found.get(step.name, step) for step in cost))


def with_functions(step: StepCost, in_all: float, cost: Cost) -> StepCost:
    """Return a step whose functions take some seconds in all, with the overhead of others."""
    alike = [o.overhead for o in cost if o.n_sampled and o.writes_image == step.writes_image]
    overhead = float(np.mean(alike)) if alike else 0.0
    each = in_all / max(step.n_left, 1) + overhead
    return replace(step, seconds=each, fastest=each, slowest=each, overhead=overhead)


def _timed(calls: Sequence[Call], keys: Sequence[str]) -> dict[Call, float]:
    """Return the seconds that the functions of calls take for some members.

    Each call comes after those whose results it gets: its own function alone is left to be called.
    """
    rewriting = Rewriting(
        lambda call: None, lambda call: call.spec, lambda node: SomeMembers(node, keys)
    )
    evaluation = Evaluation()
    held: list[Ref] = []  # so that each member is computed once
    taken: dict[Call, float] = {}
    for call in calls:
        made = rewriting.item(call.outputs[0])
        refs: list[Ref] = []
        if isinstance(made, CollectionRef):
            refs += [made.member(key) for key in made.keys]
        elif isinstance(made, Ref):
            refs.append(made)
        with metered() as seconds:
            for ref in refs:
                evaluation.value(ref)
        taken[call] = seconds.get(call.spec.label, 0.0)
        held += refs
    return taken


def _is_of_members(call: Call) -> bool:
    """Whether a call is of a collection, and nothing that it needs is of an image by itself."""
    return isinstance(call, (MappedCall, WholeCall)) and all(
        not isinstance(each, BlockCall) for each in _with_all_before(call)
    )


def _with_all_before(call: Call) -> set[Call]:
    found: set[Call] = set()
    waiting = [call]
    while waiting:
        each = waiting.pop()
        if each not in found:
            found.add(each)
            nodes = [*(ref.node for ref in references(each)), *_collections(each)]
            waiting += [node for node in nodes if isinstance(node, Call)]
    return found


def _collections(call: Call) -> list[object]:
    """Return what makes the collections that a call gets, member by member or all at once."""
    items = (*call.inputs, *call.params.values())
    found = [item.collection if isinstance(item, Gathered) else item for item in items]
    return [item.node for item in found if isinstance(item, CollectionRef)]


def _members(calls: Sequence[Call]) -> tuple[str, ...]:
    """Choose some members, which calls have in common."""
    keys = [frozenset(call.keys) for call in calls if isinstance(call, MappedCall)]
    shared = sorted(frozenset.intersection(*keys)) if keys else []
    chosen = np.random.default_rng(_SEED).permutation(len(shared))[:_MOST]
    return tuple(shared[number] for number in sorted(chosen.tolist()))


def _n_members(call: Call) -> int:
    """Return how many members a call is of; of one of all at once those that it gets."""
    if isinstance(call, MappedCall):
        return len(call.keys)
    before = [each for each in _with_all_before(call) if isinstance(each, MappedCall)]
    return max((len(each.keys) for each in before), default=1)
