"""Members of a collection at a URL: what lies there of them, whether it is what was written."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from scutoid import remote
from scutoid.arrays import damaged_shards
from scutoid.errors import ScutoidError, SourceNotFound
from scutoid.paths import inside
from scutoid.steps.results._checksums import contents_of, is_intact
from scutoid.steps.results._item_copies import is_what_was_written
from scutoid.steps.results._member_lists import members_of
from scutoid.steps.results._member_record import FileRecord, MemberRecord
from scutoid.steps.results._names import ITEM_FOLDER, ITEMS
from scutoid.store import Entry, Pack

Found = tuple[str, str]
"""A name in a result, and what is wrong with it."""


def files_of_members(entry: Entry) -> Iterator[tuple[str, FileRecord]]:
    """Yield the files of members that the pack of a collection knows, with the member's key.

    Raises
    ------
    DamagedResult
        If the record of a member is damaged.
    """
    pack = Pack(entry.path / ITEMS)
    for name in pack:
        record = MemberRecord.from_dict(pack.meta(name), place=pack.index_path)
        for file in record.files.values():
            if file.place is not None:
                yield str(name), file


def item_bytes(entry: Entry) -> int:
    """Bytes of the files of members at a URL, as they were noted."""
    sizes = (size for _, file in files_of_members(entry) for _, size in file.sizes)
    return sum(size or 0 for size in sizes)


def places_of_members(entry: Entry) -> set[str]:
    """Return where files of members lie below the URL of their collection."""
    return {
        place
        for _, file in files_of_members(entry)
        for place in (
            [str(file.place)]
            if file.contents is None
            else [f"{file.place}/{name}" for name, _ in file.contents]
        )
    }


class MembersAtUrl:
    """Reads all that members of a collection have in files.

    Parameters
    ----------
    entry : Entry
        The collection, with all of its small files in its folder.
    """

    def __init__(self, entry: Entry) -> None:
        self.entry = entry
        self.nbytes = 0
        self.lost: set[str] = set()
        """Members of which something is damaged, by the keys of their results."""

    def damages(self) -> list[Found]:
        """Return what is damaged, and note whose it is.

        Raises
        ------
        StoreError
            If their store does not answer.
        """
        found = []
        pack = Pack(self.entry.path / ITEMS)
        listed = members_of(self.entry)
        absent = [key for key, member in listed.items() if member not in pack]
        found += [(ITEMS, f"the member {key!r} that is listed is missing") for key in absent]
        for name in pack.damaged():
            found.append((ITEMS, f"the value {name!r} fails its check"))
            self.lost.add(str(name))
        for member, file in files_of_members(self.entry):
            for what in self._damages(file):
                found.append(what)
                self.lost.add(member)
        return found

    def _damages(self, file: FileRecord) -> Iterator[Found]:
        url = f"{self.entry.url}/{file.place}"
        with tempfile.TemporaryDirectory(prefix="scutoid-") as folder:
            path = Path(folder, Path(file.name).name)
            names = [""] if file.contents is None else [f"/{name}" for name, _ in file.contents]
            missing = [name for name in names if not self._fetched(f"{url}{name}", path, name)]
            yield from ((f"{ITEM_FOLDER}/{file.name}{name}", "missing") for name in missing)
            if not missing and not _is_right(path, file):
                yield f"{ITEM_FOLDER}/{file.name}", "its checksum differs"

    def _fetched(self, url: str, path: Path, name: str) -> bool:
        """Copy an object; says whether it is there."""
        place = inside(path, name[1:]) if name else path
        place.parent.mkdir(parents=True, exist_ok=True)
        try:
            remote.download(url, str(place))
        except SourceNotFound:
            return False
        self.nbytes += place.stat().st_size
        return True


def _is_right(path: Path, file: FileRecord) -> bool:
    """Whether a file or folder of a member, all of which is here, is what was written."""
    if file.contents is None:
        return is_what_was_written(path, file)
    path.mkdir(exist_ok=True)
    if contents_of(path) != tuple(file.contents):
        return False
    bad: list[Path] = []
    with suppress(ScutoidError):
        bad = damaged_shards(path)
    return not bad and is_intact(path, file)


def heal_members(entry: Entry, lost: set[str], files: Iterable[str]) -> None:
    """Withdraw members, and files that are made of all members: the next run makes them again.

    Parameters
    ----------
    entry : Entry
        The collection, in the working folder; its lock is held.
    lost : set of str
        Members that go, by the keys of their results.
    files : iterable of str
        Damaged files of the result, the pack of its members not among them.

    Raises
    ------
    StoreError
        If another has taken over the lock, or the store cannot be written.
    """
    if entry.remote is not None:
        entry.remote.take(without=frozenset(files))
        with Pack(entry.path / ITEMS, "a") as pack:
            pack.forget(sorted(lost & set(map(str, pack))))
        entry.reopen()


def is_pack(name: str) -> bool:
    """Whether a file of a result is the pack of its members, without which all are made again."""
    return name in (ITEMS, f"{ITEMS}.index")
