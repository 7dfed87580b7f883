"""The stored members of a collection, opened once for many pictures of them."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

from scutoid.steps.results import ITEMS, MEMBERS, MembersRecord, StoredItems, list_of
from scutoid.store import Entry


@dataclass(frozen=True, slots=True)
class Members:
    """The members of a collection."""

    record: MembersRecord
    """Their list."""
    items: StoredItems
    """Reads them."""


def members_at(entry: Entry) -> Members | None:
    """Return the members of a collection; None if it has no list of them.

    Raises
    ------
    StoreError
        If the list is of a later version.
    """
    return _members(entry, _stamp(entry.path))


def bytes_of_list(entry: Entry) -> int:
    """Return the size of the list of a collection's members, which is read as a whole."""
    try:
        return (entry.path / MEMBERS).stat().st_size
    except OSError:
        return 0


def _stamp(folder: Path) -> tuple[int, ...]:
    """Return what changes when members come or go."""
    found: list[int] = []
    for name in (MEMBERS, f"{ITEMS}.index"):
        try:
            status = (folder / name).stat()
        except OSError:
            found.append(-1)
        else:
            found += [status.st_size, status.st_mtime_ns, status.st_ino]
    return tuple(found)


@functools.lru_cache(maxsize=16)
def _members(entry: Entry, stamp: tuple[int, ...]) -> Members | None:
    del stamp
    record = list_of(entry)
    if record is None:
        return None
    return Members(record, StoredItems.in_entry(entry, record.outputs, record.all_members))
