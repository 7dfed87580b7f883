"""Which members a collection has: the list in its entry, with the columns of its groups."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeGuard

from scutoid.steps.compute import Groups
from scutoid.steps.declaration import OutputKind
from scutoid.steps.results._member_record import GroupValue, MembersRecord
from scutoid.steps.results._names import MEMBERS
from scutoid.steps.results._record_fields import read_file
from scutoid.steps.results._stored_items import StoredItems
from scutoid.store import Entry


def list_of_members(
    items: StoredItems,
    outputs: Sequence[OutputKind],
    groups: Groups | None,
    files: tuple[str, ...] = (),
) -> MembersRecord:
    """Return the list of a collection's members: which of them are done, groups and files."""
    members = {key: member for key, member in items.member_keys.items() if items.has(key)}
    missing = {key: m for key, m in items.member_keys.items() if key not in members}
    keys = tuple(items.member_keys)
    columns = group_columns(groups, keys)
    return MembersRecord(tuple(outputs), members, missing, keys, columns, files)


def group_columns(groups: Groups | None, keys: Sequence[str]) -> dict[str, tuple[GroupValue, ...]]:
    """Return the columns of a collection's groups as they stand in its list of members."""
    if groups is None:
        return {}
    return {
        name: tuple([value if _is_there(value) else None for value in values])
        for name, values in groups.of(keys).items()
    }


def _is_there(value: object) -> TypeGuard[str | int | float]:
    """Whether a value is none of those that stand for a missing one."""
    return isinstance(value, (str, int)) or (isinstance(value, float) and value == value)  # noqa: PLR0124


def groups_of(record: MembersRecord) -> Groups | None:
    """Return the columns that belong to the keys of a collection; None without."""
    return Groups(record.keys, record.groups) if record.groups else None


def members_of(entry: Entry) -> dict[str, str]:
    """Members of a collection by key, as its entry lists them; none if there is no such list.

    Raises
    ------
    StoreError
        If the list is of a later version.
    """
    record = list_of(entry)
    return {} if record is None else dict(record.members)


def list_of(entry: Entry) -> MembersRecord | None:
    """Which members the entry of a collection lists, done or not; None if there is no such list.

    Raises
    ------
    StoreError
        If the list is of a later version.
    """
    return read_file(entry.path / MEMBERS, MembersRecord.from_json)
