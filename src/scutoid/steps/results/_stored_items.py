"""Read stored results of the members of a collection.

::

    step/77e0b2c49a15/
        items/A01.tif.3f9a1c0b.tif     images of members, and files of their own
        items.pack                     everything else

At a URL the pack lies in the working folder, and names the objects of files.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scutoid.arrays import ArraySource
from scutoid.errors import DamagedResult
from scutoid.geometry import Coordinate
from scutoid.paths import inside
from scutoid.steps.compute import BlockParts, MemoryParts, read_value
from scutoid.steps.declaration import OutputKind, StepSpec
from scutoid.steps.layout import Framed
from scutoid.steps.results._damaged import damaged
from scutoid.steps.results._member_record import FileRecord, MemberRecord
from scutoid.steps.results._names import ITEM_FOLDER, ITEMS, packed_slot
from scutoid.steps.results._record import GridRecord
from scutoid.store import Entry, Pack, bring, bring_all, find_format, url_of_copy

if TYPE_CHECKING:
    from scutoid.steps.results._stored_image import StoredImage


def pack_of(entry: Entry) -> Pack:
    """Return what is known of the members of a collection; elsewhere what is missing is fetched."""
    pack = Pack(entry.path / ITEMS)
    if entry.remote is not None and entry.remote.is_elsewhere:
        pack.follow = entry.follow
    return pack


def plain_parts(parts: BlockParts) -> dict[str, object]:
    """Return parts of a whole member, and their grid, as what can be packed."""
    return {"grid": GridRecord.of(parts.where).to_dict(), "parts": dict(parts)}


@functools.lru_cache(maxsize=64)
def _open_item(path: Path, _stamp: tuple[int, ...], file: FileRecord) -> StoredImage:
    """Open the image of a member, and check it: once for each file and version of it."""
    from scutoid.steps.results._stored_image import StoredImage

    _check_item(path, file)
    return StoredImage.at(path, file.spec)


def _check_item(path: Path, file: FileRecord) -> None:
    from scutoid.steps.results._checksums import is_intact

    if is_intact(path, file):
        return
    with suppress(OSError):  # so that the next run makes it again
        path.unlink()
    raise damaged("what a member's result was stored in is what was written", "it differs", path)


@dataclass(frozen=True, slots=True)
class StoredItem:
    """The outputs of one member of a collection."""

    entry: Entry
    """Of the collection."""
    outputs: tuple[OutputKind, ...]
    """What the step returns."""
    pack: Pack
    """What the members returned, images apart."""
    member: str
    """The member's key, under which it is packed."""

    @classmethod
    def of(cls, entry: Entry, outputs: tuple[OutputKind, ...], member: str) -> StoredItem:
        """Return a member of a collection, which need not be there yet."""
        return cls(entry, outputs, pack_of(entry), member)

    def __reduce__(self) -> tuple[object, ...]:
        return type(self).of, (self.entry, self.outputs, self.member)

    @property
    def folder(self) -> Path:
        """The folder of the collection's entry."""
        return self.entry.path

    @property
    def is_there(self) -> bool:
        """Whether the member is stored."""
        return self.pack.find(self.member) is not None

    def check(self) -> None:
        """Accept it: a member that was found is complete."""

    def image(self, output: int) -> ArraySource:
        """Return an image."""
        file = self._files.get(output)
        if file is None:
            raise damaged("an index names the image of a member", self.member, self.pack.index_path)
        if file.place is not None:
            from scutoid.steps.results._item_copies import image_at_url

            return image_at_url(self.entry, file)
        path = inside(self.folder, f"{ITEM_FOLDER}/{file.name}")
        _bring(self.folder, file)
        try:
            status = path.stat()
        except OSError:
            raise damaged("a stored image is where it was written", "missing", path) from None
        stamp = (status.st_size, status.st_mtime_ns, status.st_ino)
        return _open_item(path, stamp, file)

    @property
    def _files(self) -> Mapping[int, FileRecord]:
        """The files that the member has, by number of the output."""
        metadata = self.pack.meta(self.member)
        return MemberRecord.from_dict(metadata, place=self.pack.index_path).files

    def _saved(self, file: FileRecord) -> object:
        """Return a value that lies in a file of its own, or a folder of files."""
        if file.place is not None:
            return self._saved_at_url(file)
        path = inside(self.folder, f"{ITEM_FOLDER}/{file.name}")
        _bring(self.folder, file)
        if not path.exists():
            raise damaged("a stored value is where it was written", "missing", path)
        _check_item(path, file)
        return path if file.format is None else find_format(file.format).load(path)

    def _saved_at_url(self, file: FileRecord) -> object:
        from scutoid.steps.results._item_copies import copies, folder_at_url

        if file.format is None:
            return folder_at_url(self.entry, file)
        with copies().using(f"{self.entry.url}/{file.place}", file) as copy:
            return find_format(file.format).load(copy.path)

    def framed(self, output: int) -> Framed:
        """Describe an image."""
        source = self.image(output)
        return Framed(source.spec, Coordinate.full(source.spec.ndim, 0), tuple(source.chunks))

    def bytes_to_load(self, output: int) -> int:
        """Return the bytes of what is read whole to load or check an output; nothing is read."""
        file = self._files.get(output)
        if file is None:
            return self.pack.length(self.member)
        if file.place is not None:
            return file.nbytes or 0
        path = inside(self.folder, f"{ITEM_FOLDER}/{file.name}")
        return path.stat().st_size if path.is_file() else 0

    def value(self, output: int) -> Any:
        """Return anything but an image."""
        file = self._files.get(output)
        if file is not None:
            return self._saved(file)
        value = read_value(self.pack, self.member)[packed_slot(self.outputs, output)]
        if self.outputs[output] == "parts":
            where = GridRecord.from_dict(value["grid"], place=self.pack.path)
            return MemoryParts(where.parts_grid, value["parts"])
        return value


@dataclass(frozen=True, slots=True)
class StoredItems:
    """The outputs of a collection, by member."""

    entry: Entry
    """Of the collection."""
    outputs: tuple[OutputKind, ...]
    """What the step returns."""
    pack: Pack
    """What is known of each member."""
    member_keys: Mapping[str, str]
    """The members that are asked for, and the key that each must have."""

    @classmethod
    def of(cls, entry: Entry, spec: StepSpec, member_keys: Mapping[str, str]) -> StoredItems:
        """Open the items of a collection's entry."""
        return cls.in_entry(entry, spec.outputs, member_keys)

    @classmethod
    def in_entry(
        cls, entry: Entry, outputs: tuple[OutputKind, ...], member_keys: Mapping[str, str]
    ) -> StoredItems:
        """Open the items of a collection's entry, by what its step returns."""
        return cls(entry, outputs, pack_of(entry), member_keys)

    def __reduce__(self) -> tuple[object, ...]:
        return type(self).in_entry, (self.entry, self.outputs, self.member_keys)

    @property
    def folder(self) -> Path:
        """The folder of the collection's entry."""
        return self.entry.path

    def member(self, key: str) -> StoredItem | None:
        """Return one member, if what is stored is what is asked for."""
        return self.unchecked(key) if self.has(key) else None

    def unchecked(self, key: str) -> StoredItem:
        """Return one member, which may prove not to be there when it is read."""
        return StoredItem(self.entry, self.outputs, self.pack, self.member_keys[key])

    def existing(self, key: str) -> StoredItem:
        """Return one member.

        Raises
        ------
        DamagedResult
            If what is stored is not what is asked for.
        """
        found = self.member(key)
        if found is None:
            raise damaged(
                "the members that a collection lists are there",
                f"{key!r} is missing or of another size",
                self.folder / ITEMS,
            )
        return found

    def has(self, key: str) -> bool:
        """Whether a member is stored under the key that it must have."""
        member = self.member_keys.get(key)
        metadata = None if member is None else self.pack.find(member)
        if metadata is None:
            return False
        if self.entry.url:  # what a record names at a URL was there before the record
            return MemberRecord.is_at_url(metadata) or url_of_copy(self.folder) is not None
        try:
            sizes = MemberRecord.sizes(metadata, place=self.pack.index_path)
        except DamagedResult:
            return False
        return not sizes or all(
            _has_size(f"{self.folder}/{ITEM_FOLDER}/{name}", size) for name, size in sizes
        )


def _bring(folder: Path, file: FileRecord) -> None:
    """Fetch what an output of a member lies in, if the collection lies at a URL."""
    if file.contents is None and file.nbytes is None:  # it may be a folder
        bring_all(folder, f"{ITEM_FOLDER}/{file.name}")
        return
    names = [file.name] if file.contents is None else [path for path, _ in file.sizes[1:]]
    bring(folder, [f"{ITEM_FOLDER}/{name}" for name in names])


def _has_size(path: str, size: int | None) -> bool:
    try:
        return os.stat(path).st_size == size or size is None  # noqa: PTH116  # of 100,000 members
    except OSError:
        return False
