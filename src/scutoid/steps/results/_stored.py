"""Read stored results: the outputs of one entry, or those of each member of a collection.

::

    step/3f9a1c0b7d42/
        image.ome.zarr, image.tif      an image; image-2 ... where a step has several
        blocks.pack                    parts, tables and values of single blocks
        table.parquet, value.json ...  what a finished step saved
        items/A01.tif.3f9a1c0b.tif     images of a collection's members
        items.pack                     everything else of a collection's members
"""

from __future__ import annotations

import functools
import os
import zlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from scutoid.arrays import (
    ArraySource,
    WrappedSource,
    missing_notes,
    open_source,
)
from scutoid.errors import DamagedResult, MetadataError, SourceError, StoreError
from scutoid.geometry import Coordinate, Roi
from scutoid.paths import inside
from scutoid.steps.compute import BlockParts, MemoryParts, PackedParts, decode, read_payload
from scutoid.steps.declaration import OutputKind, StepSpec
from scutoid.steps.layout import Framed
from scutoid.steps.results._member_record import (
    Checksum,
    FileRecord,
    MemberRecord,
    MembersRecord,
    SpecFields,
    SpecRecord,
)
from scutoid.steps.results._missing_shards import changed_files, lost_blocks, shard_count
from scutoid.steps.results._names import (
    FILES_FOLDER,
    ITEM_FOLDER,
    ITEMS,
    MEMBERS,
    packed_slot,
)
from scutoid.steps.results._record import GridRecord, ImageRecord, OutputRecord, ResultRecord
from scutoid.steps.results._record_fields import read_file
from scutoid.steps.results._shard_notes import NO_NOTES, NotedShards, has_notes, notes_file
from scutoid.store import RECIPE, Entry, Pack, checksum_file, distrust_around, find_format

if TYPE_CHECKING:
    import pandas as pd

_NAMED = 3


def plain_parts(parts: BlockParts) -> dict[str, object]:
    """Return parts of a whole member, and their grid, as what can be packed."""
    return {"grid": GridRecord.of(parts.where).to_dict(), "parts": dict(parts)}


@dataclass(frozen=True, slots=True, eq=False)
class StoredImage(WrappedSource):
    """An image in a store: what cannot be read of it is damage."""

    path: Path
    """Its file or folder."""
    noted: NotedShards | None = None
    """The notes of its shards, if there are any."""

    @classmethod
    def at(
        cls, path: Path, spec: SpecRecord | None = None, noted: NotedShards | None = None
    ) -> StoredImage:
        """Open the image at a path.

        Parameters
        ----------
        path : Path
            Its file or folder.
        spec : SpecRecord, optional
            What it is, where its format does not say so.
        noted : NotedShards, optional
            The notes of its shards.

        Raises
        ------
        DamagedResult
            If it cannot be opened.
        """
        metadata: SpecFields = {} if spec is None else spec.to_dict()
        try:
            return cls(open_source(str(path), **metadata), path, noted)
        except (SourceError, MetadataError) as error:
            raise _damaged("a stored image can be opened", error.rule, path) from error

    def read(self, roi: Roi) -> NDArray[Any]:
        """Read a region.

        Raises
        ------
        DamagedResult
            If a chunk fails its checks, or a shard is not the one that was written there.
        """
        misplaced = None if self.noted is None else self.noted.misplaced(roi)
        if misplaced is not None:
            raise _damaged(
                "each shard of a stored image is the one that was written there",
                "its size or the checksum of its index differs",
                Path(misplaced),
            )
        try:
            return self.source.read(roi)
        except SourceError as error:
            value = str(getattr(error, "value", "") or error)[:300]
            raise _damaged("chunks of a stored image can be read", value, self.path) from error


def _damaged(rule: str, value: str, path: Path) -> DamagedResult:
    distrust_around(path)
    return DamagedResult(
        rule, value=value, place=str(path), remedy="run again: what is damaged is made again"
    )


def checksum_of(path: Path) -> Checksum:
    """Return the checksum of a member's file, of the shards of a zarr, or of a folder's files."""
    if path.is_file():
        return checksum_file(path)
    if path.suffix == ".zarr":
        notes = missing_notes(path, NO_NOTES)
        return (*shard_count(path), zlib.crc32(notes.tobytes()))
    files = sorted(file for file in path.rglob("*") if file.is_file())
    return tuple([(file.relative_to(path).as_posix(), checksum_file(file)) for file in files])


def contents_of(folder: Path) -> tuple[tuple[str, int], ...]:
    """Return the files below a folder, such as the shards of a zarr: their paths and bytes."""
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    return tuple([(file.relative_to(folder).as_posix(), file.stat().st_size) for file in files])


def is_intact(path: Path, file: FileRecord) -> bool:
    """Whether a member's file has the checksum that was noted, if one was."""
    return file.checksum is None or file.fits(checksum_of(path))


@functools.lru_cache(maxsize=64)
def _open_item(path: Path, _stamp: tuple[int, ...], file: FileRecord) -> StoredImage:
    """Open the image of a member, and check it: once for each file and version of it."""
    _check_item(path, file)
    return StoredImage.at(path, file.spec)


def _check_item(path: Path, file: FileRecord) -> None:
    if is_intact(path, file):
        return
    with suppress(OSError):  # so that the next run makes it again
        path.unlink()
    raise _damaged("what a member's result was stored in is what was written", "it differs", path)


@dataclass(frozen=True, slots=True)
class StoredResult:
    """The outputs of one entry."""

    entry: Entry
    """Where they lie."""
    is_finished: bool = False
    """Whether only a complete result is read; else also one that is being made."""

    @property
    def is_there(self) -> bool:
        """Whether the result is complete."""
        return self.entry.status == "complete"

    def check(self) -> None:
        """Refuse a result that was complete and no longer is."""
        if self.is_finished and not self.is_there:
            raise _damaged(
                "a stored result is complete when it is read",
                f"it is {self.entry.status}: it was removed, damaged, or is being made again",
                self.entry.path,
            )

    @property
    def outputs(self) -> tuple[OutputRecord, ...]:
        """The record of each output."""
        record = ResultRecord.of(self.entry.recipe, place=self.entry.path / RECIPE)
        if record is None:
            raise StoreError(
                "a result has a recipe that describes its outputs",
                place=str(self.entry.path / RECIPE),
                remedy="run again to compute it",
            )
        return record.outputs

    def _image(self, output: int) -> ImageRecord:
        record = self.outputs[output].image
        if record is None:
            raise _damaged(
                "the recipe of an image names its file", "none", self.entry.path / RECIPE
            )
        return record

    def image(self, output: int) -> ArraySource:
        """Return an image."""
        self.check()
        path = self.entry.at(self._image(output).file)
        if not path.exists() or path.name in changed_files(self.entry):
            raise _damaged(
                "a stored image is where it was written, with all that belongs to it",
                "of another size" if path.exists() else "missing",
                path,
            )
        self.entry.check(path.name)
        lost = lost_blocks(self.entry).get(path.name)
        if lost is not None:
            raise _damaged(
                "a stored image has all the blocks that its journal names, for what is missing "
                "would be read as zeros",
                f"{len(lost)} missing: block {', '.join(map(str, lost[:3]))}"
                + (", ..." if len(lost) > _NAMED else ""),
                path,
            )
        return StoredImage.at(path, noted=self._noted(path))

    def _noted(self, path: Path) -> NotedShards | None:
        """Return the notes of an image's shards, if there are any."""
        file, is_whole = notes_file(path.name), has_notes(self.entry, path.name)
        if not is_whole and (self.is_there or not self.entry.at(file).exists()):
            return None
        self.entry.check(file)
        return NotedShards(path, self.entry, is_whole=is_whole)

    def framed(self, output: int) -> Framed:
        """Describe an image."""
        source = self.image(output)
        offset = Coordinate(*self._image(output).offset)
        return Framed(source.spec, offset, tuple(source.chunks))

    def value(self, output: int) -> object:
        """Return anything but an image."""
        self.check()
        record = self.outputs[output]
        if record.parts is not None:
            pack = Pack(self.entry.at(record.parts.file), key=self.entry.key)
            return PackedParts(record.parts.grid.parts_grid, pack, record.parts.slot)
        if record.kind == "files":
            self.entry.check(FILES_FOLDER)
            return self.entry.at(FILES_FOLDER)
        return self.entry.load(record.name)


@dataclass(frozen=True, slots=True)
class StoredItem:
    """The outputs of one member of a collection."""

    folder: Path
    """The collection's entry."""
    outputs: tuple[OutputKind, ...]
    """What the step returns."""
    pack: Pack
    """What the members returned, images apart."""
    member: str
    """The member's key, under which it is packed."""

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
            raise _damaged(
                "an index names the image of a member", self.member, self.pack.index_path
            )
        path = inside(self.folder, f"{ITEM_FOLDER}/{file.name}")
        try:
            status = path.stat()
        except OSError:
            raise _damaged("a stored image is where it was written", "missing", path) from None
        stamp = (status.st_size, status.st_mtime_ns, status.st_ino)
        return _open_item(path, stamp, file)

    @property
    def _files(self) -> Mapping[int, FileRecord]:
        """The files that the member has, by number of the output."""
        metadata = self.pack.meta(self.member)
        return MemberRecord.from_dict(metadata, place=self.pack.index_path).files

    def _saved(self, file: FileRecord) -> object:
        """Return a value that lies in a file of its own, or a folder of files."""
        path = inside(self.folder, f"{ITEM_FOLDER}/{file.name}")
        if not path.exists():
            raise _damaged("a stored value is where it was written", "missing", path)
        _check_item(path, file)
        return path if file.format is None else find_format(file.format).load(path)

    def framed(self, output: int) -> Framed:
        """Describe an image."""
        source = self.image(output)
        return Framed(source.spec, Coordinate.full(source.spec.ndim, 0), tuple(source.chunks))

    def value(self, output: int) -> Any:
        """Return anything but an image."""
        file = self._files.get(output)
        if file is not None:
            return self._saved(file)
        value = decode(read_payload(self.pack, self.member))[packed_slot(self.outputs, output)]
        if self.outputs[output] == "parts":
            where = GridRecord.from_dict(value["grid"], place=self.pack.path)
            return MemoryParts(where.parts_grid, value["parts"])
        return value


@dataclass(frozen=True, slots=True)
class StoredItems:
    """The outputs of a collection, by member."""

    folder: Path
    """The collection's entry."""
    outputs: tuple[OutputKind, ...]
    """What the step returns."""
    pack: Pack
    """What is known of each member."""
    member_keys: Mapping[str, str]
    """The members that are asked for, and the key that each must have."""

    @classmethod
    def of(cls, entry: Entry, spec: StepSpec, member_keys: Mapping[str, str]) -> StoredItems:
        """Open the items of a collection's entry."""
        return cls(entry.path, spec.outputs, Pack(entry.path / ITEMS), member_keys)

    def member(self, key: str) -> StoredItem | None:
        """Return one member, if what is stored is what is asked for."""
        return self.unchecked(key) if self.has(key) else None

    def unchecked(self, key: str) -> StoredItem:
        """Return one member, which may prove not to be there when it is read."""
        return StoredItem(self.folder, self.outputs, self.pack, self.member_keys[key])

    def existing(self, key: str) -> StoredItem:
        """Return one member.

        Raises
        ------
        DamagedResult
            If what is stored is not what is asked for.
        """
        found = self.member(key)
        if found is None:
            raise _damaged(
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
        try:
            sizes = MemberRecord.sizes(metadata, place=self.pack.index_path)
        except DamagedResult:
            return False
        return not sizes or all(
            _has_size(f"{self.folder}/{ITEM_FOLDER}/{name}", size) for name, size in sizes
        )


def _has_size(path: str, size: int | None) -> bool:
    try:
        return os.stat(path).st_size == size or size is None  # noqa: PTH116  # of 100,000 members
    except OSError:
        return False


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
