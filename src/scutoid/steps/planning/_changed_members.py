"""Say which members of a collection are not as they were, and which of their files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from scutoid.steps.graph import MappedCall, OpenedFolder
from scutoid.steps.planning._keys import Keys
from scutoid.steps.planning._pending_call import PendingCall
from scutoid.steps.results import MembersRecord, list_of

_NAMED = 3
_DIGITS = 8


def changed_members(pending: PendingCall, keys: Keys) -> str:
    """Say which members are not as they were when the collection was last run.

    One that has the content that another had, such as a renamed file, has its result already.
    """
    record = list_of(pending.entry)
    listed = {} if record is None else record.members
    there = set(listed.values())
    pairs = list(zip(pending.call.keys or (), pending.member_keys, strict=True))
    unlike = [key for key, member in pairs if member not in there]
    changed = [key for key in unlike if key in listed]
    added = [key for key in unlike if key not in listed]
    said = [f"{key}{_changed_files(pending, keys, record, key)}" for key in changed[:_NAMED]]
    lists = (("changed", changed, said), ("are new", added, added[:_NAMED]))
    words = [
        f"{len(found)} of {len(pairs)} members {what}: {_listed(shown, len(found))}"
        for what, found, shown in lists
        if found
    ]
    return "; ".join(words) or "a member's result is missing"


def noted_files(call: MappedCall, keys: Keys) -> tuple[str, ...]:
    """Return what the list of a collection notes of the files of members that have several."""
    folders = (c.node for c in call.collections if isinstance(c.node, OpenedFolder))
    if all(folder.opening.stacking is None for folder in folders):
        return ()
    return tuple(
        "".join(digest[:_DIGITS] for _, digest in keys.files_of(call, key)) for key in call.keys
    )


def _changed_files(pending: PendingCall, keys: Keys, record: MembersRecord | None, key: str) -> str:
    """Name those files of a member of several that are not as they were."""
    if record is None or not record.files or not isinstance(pending.call, MappedCall):
        return ""
    noted = record.files[record.keys.index(key)]
    before = [noted[n : n + _DIGITS] for n in range(0, len(noted), _DIGITS)]
    now = keys.files_of(pending.call, key)
    if len(now) != len(before):
        return f" ({len(now)} files, {len(before)} before)"
    pairs = zip(now, before, strict=True)
    names = [Path(path).name for (path, digest), old in pairs if not digest.startswith(old)]
    return f" ({_listed(names[:_NAMED], len(names))})" if names else ""


def _listed(names: Sequence[str], n_all: int) -> str:
    return ", ".join(names) + (", ..." if n_all > len(names) else "")
