"""Which members a collection has: the list in its entry, with the columns of its groups."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from scutoid.steps.declaration import OutputKind
from scutoid.steps.results._member_record import MembersRecord
from scutoid.steps.results._names import MEMBERS
from scutoid.steps.results._record_fields import read_file
from scutoid.steps.results._stored_items import StoredItems
from scutoid.store import Entry

if TYPE_CHECKING:
    import pandas as pd


def list_of_members(
    items: StoredItems, outputs: Sequence[OutputKind], groups: pd.DataFrame | None
) -> MembersRecord:
    """Return the list of a collection's members: which of them are done, and their groups."""
    members = {key: member for key, member in items.member_keys.items() if items.has(key)}
    missing = {key: m for key, m in items.member_keys.items() if key not in members}
    keys = tuple(items.member_keys)
    return MembersRecord(tuple(outputs), members, missing, keys, group_columns(groups, keys))


def group_columns(
    groups: pd.DataFrame | None, keys: Sequence[str]
) -> dict[str, tuple[str | None, ...]]:
    """Return the columns of a collection's groups as they stand in its list of members."""
    if groups is None:
        return {}
    chosen = groups.loc[list(keys)]
    return {
        str(name): tuple([value if isinstance(value, str) else None for value in chosen[name]])
        for name in chosen
    }


def groups_of(record: MembersRecord) -> pd.DataFrame | None:
    """Return the columns that belong to the keys of a collection, indexed by key; None without."""
    import pandas as pd

    if not record.groups:
        return None
    columns = {name: list(column) for name, column in record.groups.items()}
    return pd.DataFrame(columns, index=list(record.keys))


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
