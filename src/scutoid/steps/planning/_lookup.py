"""What a store has of a step that is planned."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from scutoid.blocks import Journal
from scutoid.errors import DamagedResult, StoreError
from scutoid.steps.graph import BlockCall, MappedCall
from scutoid.steps.planning._draft import Draft
from scutoid.steps.planning._recipes import is_stored_otherwise
from scutoid.steps.results import (
    BLOCKS,
    ResultRecord,
    StoredItems,
    changed_files,
    group_columns,
    list_of,
    lost_blocks,
    lost_notes,
    lost_values,
    output_names,
)
from scutoid.store import RECIPE


def find_stored(draft: Draft, *, is_forced: bool) -> None:
    """Find out what the store has of a step, and note it in its draft."""
    call, entry = draft.call, draft.entry
    if isinstance(call, MappedCall):
        _find_members(draft, call, is_forced=is_forced)
        return
    status = entry.status if draft.is_kept else "absent"
    if status == "absent":
        # At a URL there may be what could not be fetched, for it is damaged
        draft.restarts = is_forced and draft.is_kept and entry.remote is not None
        return
    if entry.is_suspect:
        draft.reason = "damage was noticed in it: it is looked through when it runs"
    is_begun = status == "partial"
    draft.restarts = is_forced or not _is_whole(draft, is_begun=is_begun)
    if not draft.restarts and is_begun and is_stored_otherwise(entry, call.spec):
        draft.restarts, draft.reason = True, "it was begun with another storage="
    if draft.restarts:
        return
    try:
        if is_begun and (file := lost_notes(entry)) is not None:
            draft.restarts, draft.reason = True, f"{file} is missing or another result's"
            return
        lost = lost_blocks(entry, is_sized=True) | lost_values(entry)
        statuses = Journal.read(entry.journal, key=entry.key)
    except StoreError:
        draft.restarts, draft.reason = True, "its journal is damaged"
        return
    if entry.status == "complete" and not lost:  # what was found damaged meanwhile is not
        draft.status = "cached"
        return
    for file in lost:
        draft.reason = f"{file} is missing or was changed"
    if isinstance(call, BlockCall) and len(statuses) == draft.n_blocks:
        _take_losses(draft, lost, statuses)
        draft.done = statuses != 0
        draft.status = "partial" if draft.done.any() else "run"


def _find_members(draft: Draft, call: MappedCall, *, is_forced: bool) -> None:
    """Find out which members the store has."""
    by_key = dict(zip(call.keys, draft.member_keys, strict=True))
    items = StoredItems.of(draft.entry, call.spec, by_key)
    done = np.array([items.has(key) for key in call.keys], bool)
    draft.done = done & (not is_forced)
    # At a URL there may be what could not be fetched, for it is damaged
    is_absent = draft.entry.remote is not None and draft.entry.status == "absent"
    draft.restarts = is_forced and draft.is_kept and is_absent
    draft.status = "partial" if draft.done.any() else "run"
    if draft.done.all():
        draft.status = "cached"
        _find_list(draft, call, by_key)


def _find_list(draft: Draft, call: MappedCall, by_key: Mapping[str, str]) -> None:
    """See whether the entry of a collection lists its members, all of which are done."""
    if draft.entry.status != "complete" or draft.entry.misfits():
        draft.is_relisted = True
        draft.reason = "its list of members was damaged or not finished: it is written again"
    else:
        record = list_of(draft.entry)
        draft.is_relisted = (
            record is None
            or record.members != by_key
            or record.groups != group_columns(call.groups, call.keys)
        )


def _take_losses(
    draft: Draft, lost: Mapping[str, NDArray[np.int64]], statuses: NDArray[np.uint8]
) -> None:
    """Have blocks made again whose shards are gone; they are struck from `statuses`."""
    for file, blocks in lost.items():
        statuses[blocks] = 0
        if len(blocks):
            draft.reason = f"{len(blocks)} of {draft.n_blocks} blocks of {file} are missing"
    if lost:
        draft.lost = np.unique(np.concatenate(list(lost.values())))


def _is_whole(draft: Draft, *, is_begun: bool) -> bool:
    """Whether all that the recipe names is there."""
    recipe = draft.entry.recipe
    if recipe is None:
        return False
    if recipe.stands_for is not None:
        draft.reason = "the result that was accepted for it is gone"
        return False
    try:
        record = ResultRecord.of(recipe, place=draft.entry.path / RECIPE)
    except DamagedResult as error:
        draft.reason = f"its recipe is damaged: {error.rule}"
        return False
    outputs = () if record is None else record.outputs
    kinds = draft.call.spec.outputs
    wanted = list(zip(kinds, output_names(kinds), strict=True))
    if [(output.kind, output.name) for output in outputs] != wanted:
        draft.reason = "its recipe is damaged: it does not describe the outputs of its step"
        return False
    # Blocks' parts come to a URL with the first segment: before, nobody has any
    is_begun_at_url = is_begun and draft.entry.remote is not None
    for output in outputs:
        if is_begun_at_url and output.file == BLOCKS:
            continue
        if output.file is not None and not draft.entry.has(output.file):
            draft.reason = f"output {output.file} is missing"
            return False
    changed = [] if is_begun else changed_files(draft.entry, is_sized=True)
    if changed:
        draft.reason = f"output {changed[0]} is missing or was changed"
    return not changed
