"""What a store has of a step that is planned."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from scutoid.errors import DamagedResult, StoreError
from scutoid.steps.graph import BlockCall, MappedCall
from scutoid.steps.planning._pending_call import PendingCall
from scutoid.steps.planning._recipes import is_stored_otherwise
from scutoid.steps.results import (
    BLOCKS,
    ResultRecord,
    StoredItems,
    group_columns,
    list_of,
    output_names,
)
from scutoid.store import RECIPE, Entry, SeenEntry


def find_stored(pending: PendingCall, *, is_forced: bool) -> None:
    """Find out what the store has of a step, and note it."""
    call, entry = pending.call, pending.entry
    if isinstance(call, MappedCall):
        _find_members(pending, call, is_forced=is_forced)
        return
    seen = SeenEntry.of(entry) if pending.is_kept else None
    if seen is None or seen.status == "absent":
        # At a URL there may be what could not be fetched, for it is damaged
        pending.restarts = is_forced and pending.is_kept and entry.remote is not None
        return
    if seen.is_suspect:
        pending.reason = "damage was noticed in it: it is looked through when it runs"
    is_begun = seen.status == "partial"
    pending.restarts = is_forced or not _is_whole(pending, seen, is_begun=is_begun)
    if not pending.restarts and is_begun and is_stored_otherwise(seen, call.spec):
        pending.restarts, pending.reason = True, "it was begun with another storage="
    if pending.restarts:
        return
    from scutoid.blocks import Journal
    from scutoid.steps.results import lost_blocks, lost_notes, lost_values

    try:
        if is_begun and (file := lost_notes(seen)) is not None:
            pending.restarts, pending.reason = True, f"{file} is missing or another result's"
            return
        lost = lost_blocks(seen, is_sized=True) | lost_values(seen)
        statuses = Journal.read(entry.journal, key=entry.key)
    except StoreError:
        pending.restarts, pending.reason = True, "its journal is damaged"
        return
    if entry.status == "complete" and not lost:  # what was found damaged meanwhile is not
        pending.status = "cached"
        return
    for file in lost:
        pending.reason = f"{file} is missing or was changed"
    if isinstance(call, BlockCall) and len(statuses) == pending.n_blocks:
        _take_losses(pending, lost, statuses)
        pending.done = statuses != 0
        pending.status = "partial" if pending.done.any() else "run"


def _find_members(pending: PendingCall, call: MappedCall, *, is_forced: bool) -> None:
    """Find out which members the store has."""
    by_key = dict(zip(call.keys, pending.member_keys, strict=True))
    items = StoredItems.of(pending.entry, call.spec, by_key)
    done = np.array([items.has(key) for key in call.keys], bool)
    pending.done = done & (not is_forced)
    # At a URL there may be what could not be fetched, for it is damaged
    is_absent = pending.entry.remote is not None and pending.entry.status == "absent"
    pending.restarts = is_forced and pending.is_kept and is_absent
    pending.status = "partial" if pending.done.any() else "run"
    if pending.done.all():
        pending.status = "cached"
        _find_list(pending, call, by_key)


def _find_list(pending: PendingCall, call: MappedCall, by_key: Mapping[str, str]) -> None:
    """See whether the entry of a collection lists its members, all of which are done."""
    if pending.entry.status != "complete" or pending.entry.misfits():
        pending.is_relisted = True
        pending.reason = _why_relisted(pending, call)
    else:
        record = list_of(pending.entry)
        pending.is_relisted = (
            record is None
            or record.members != by_key
            or record.groups != group_columns(call.groups, call.keys)
        )


def _why_relisted(pending: PendingCall, call: MappedCall) -> str:
    """Say why the list of members is written again, although all of them are there."""
    record = list_of(pending.entry) if pending.entry.status == "partial" else None
    if record is None or not record.missing:
        return "its list of members was damaged or not finished: it is written again"
    missing = list(record.missing)
    named = ", ".join(missing[:3]) + (", ..." if len(missing) > 3 else "")
    return (
        f"all members are there; when its list was last written {len(missing)} of "
        f"{len(call.keys)} had failed or were not finished: {named}; it is written again"
    )


def _take_losses(
    pending: PendingCall, lost: Mapping[str, NDArray[np.int64]], statuses: NDArray[np.uint8]
) -> None:
    """Have blocks made again whose shards are gone; they are struck from `statuses`."""
    for file, blocks in lost.items():
        statuses[blocks] = 0
        if len(blocks):
            pending.reason = f"{len(blocks)} of {pending.n_blocks} blocks of {file} are missing"
    if lost:
        pending.lost = np.unique(np.concatenate(list(lost.values())))


def _is_whole(pending: PendingCall, entry: Entry, *, is_begun: bool) -> bool:
    """Whether all that the recipe names is there."""
    recipe = entry.recipe
    if recipe is None:
        return False
    if recipe.stands_for is not None:
        pending.reason = "the result that was accepted for it is gone"
        return False
    try:
        record = ResultRecord.of(recipe, place=entry.path / RECIPE)
    except DamagedResult as error:
        pending.reason = f"its recipe is damaged: {error.rule}"
        return False
    outputs = () if record is None else record.outputs
    kinds = pending.call.spec.outputs
    wanted = list(zip(kinds, output_names(kinds), strict=True))
    if [(output.kind, output.name) for output in outputs] != wanted:
        pending.reason = "its recipe is damaged: it does not describe the outputs of its step"
        return False
    # Blocks' parts come to a URL with the first segment: before, nobody has any
    is_begun_at_url = is_begun and entry.remote is not None
    for output in outputs:
        if is_begun_at_url and output.file == BLOCKS:
            continue
        if output.file is not None and not entry.has(output.file):
            pending.reason = f"output {output.file} is missing"
            return False
    from scutoid.steps.results import changed_files

    changed = [] if is_begun else changed_files(entry, is_sized=True)
    if changed:
        pending.reason = f"output {changed[0]} is missing or was changed"
    return not changed
