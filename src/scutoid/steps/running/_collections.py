"""Entries of collections: begun before their members run, and completed by the list of these."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from scutoid.errors import MetadataError, ParameterError
from scutoid.steps.compute import concatenate
from scutoid.steps.graph import MappedCall
from scutoid.steps.handles import LATEST
from scutoid.steps.planning import PlannedCall, PlannedRun, noted_files
from scutoid.steps.results import ITEMS, MEMBERS, list_of_members, output_names
from scutoid.store import Pack

if TYPE_CHECKING:
    import pandas as pd


def begin_members(each: PlannedCall, planned: PlannedRun) -> None:
    """Begin the entry of a collection, or go on with what is there.

    At a URL what was complete is gone on with in a new attempt, and so is what has members that are
    made again although they are there: within an attempt a member never changes.
    """
    entry = each.entry
    if each.restarts:
        entry.clear()
    if entry.status == "absent":
        entry.begin(planned.stamped(each), keeps_items=True)
        if entry.remote is not None:
            entry.remote.announce()
    elif entry.remote is not None:
        struck = _strike(each)
        if struck or entry.status == "complete":
            reopen(each)


def reopen(each: PlannedCall) -> None:
    """Go on with a collection at a URL in a new attempt, without tables of members in one."""
    outputs = each.call.spec.outputs
    for kind, name in zip(outputs, output_names(outputs), strict=True):
        if kind == "table":  # of all members as they were
            each.entry.remove(name)
    each.entry.reopen()


def _strike(each: PlannedCall) -> bool:
    """Forget members that are made again; says whether there are any."""
    done = [False] * len(each.member_keys) if each.done is None else each.done
    needed = [True] * len(each.member_keys) if each.needed is None else each.needed
    with Pack(each.entry.path / ITEMS, "a") as pack:
        rows = zip(each.member_keys, done, needed, strict=True)
        again = [key for key, is_done, is_needed in rows if is_needed and not is_done]
        there = [key for key in again if key in pack]
        pack.forget(there)
    return bool(there)


def record_collection(each: PlannedCall, call: MappedCall, planned: PlannedRun) -> list[str]:
    """Write which members belong together, and tables in one piece for people to read.

    Returns
    -------
    list of str
        Warnings of tables that could not be joined.
    """
    items, outputs = each.items, call.spec.outputs
    record = list_of_members(items, outputs, call.groups, noted_files(call, planned.keys))
    if each.entry.recipe is None:
        begin_members(each, planned)
    if each.entry.remote is None:
        each.entry.distrust()
    elif each.entry.status == "complete":
        reopen(each)
    content = record.to_json().encode()
    each.entry.write(MEMBERS, content)
    warnings = []
    for output, (kind, name) in enumerate(zip(outputs, output_names(outputs), strict=True)):
        if kind == "table" and record.missing:
            each.entry.remove(name)  # a table without some members looks like one with all
        elif kind == "table":
            rows = ((key, items.existing(key).value(output)) for key in record.members)
            warnings += _save_joined(each, call, name, rows)
    if not record.missing:
        each.entry.commit()
        return warnings
    if each.entry.remote is not None:
        each.entry.remote.segments(each.entry.key).write({}, {}, whole={MEMBERS: content})
    _remember(each, call, planned, record.missing.keys())
    return warnings


def _remember(
    each: PlannedCall, call: MappedCall, planned: PlannedRun, missing: Iterable[str]
) -> None:
    """Have this process know which of the members that were asked for are not there."""
    needed: Sequence[Any] = [True] * len(call.keys) if each.needed is None else list(each.needed)
    asked = {key for key, is_needed in zip(call.keys, needed, strict=True) if is_needed}
    for node, other in planned.by_node.items():
        if other is each:
            LATEST.enter_members(node, each.items, asked & set(missing))


def _save_joined(
    each: PlannedCall, call: MappedCall, name: str, rows: Iterable[tuple[str, pd.DataFrame]]
) -> list[str]:
    """Save the tables of all members in one, if they can be joined: each is right by itself."""
    try:
        each.entry.save(concatenate(rows, call.groups), name)
    except (MetadataError, ParameterError) as error:
        each.entry.remove(name)
        text = f"the tables of {each.task!r} are there, member by member, but not as one: "
        return [text + str(error)]
    return []
