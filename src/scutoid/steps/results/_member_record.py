"""Typed records of the members of a collection, as they stand in JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import ClassVar, Self, TypeAlias, TypedDict, TypeVar

from scutoid.arrays import TimeScale
from scutoid.paths import is_inner_name
from scutoid.steps.declaration import OutputKind
from scutoid.steps.results._record import read_kind
from scutoid.steps.results._record_fields import (
    FIRST_VERSION,
    VERSION_FIELD,
    Fields,
    count,
    inner_name,
    items,
    mapping,
    number,
    optional,
    text,
    texts,
    whole,
)
from scutoid.texts import json_text

T = TypeVar("T")
Checksum: TypeAlias = int | tuple[int, ...] | tuple[tuple[str, int], ...]
"""Of a file its CRC-32; of a zarr how many shards there are, a checksum of which, and one of their
notes; of a folder the CRC-32 of each file in it, by its path there."""
GroupValue: TypeAlias = str | int | float | None
"""What stands in a column of groups; truth values are whole numbers here."""
_UNNOTED = 2


class SpecFields(TypedDict, total=False):
    """The fields of a `SpecRecord` as they stand in JSON, and as `open_source` takes them."""

    axes: str
    voxel_size: list[float | None] | None
    unit: str | None
    origin: list[float] | None
    time: list[float | str | None]


@dataclass(frozen=True, slots=True)
class SpecRecord:
    """What an image is, where its format does not say so."""

    axes: str
    """One letter an axis."""
    voxel_size: tuple[float | None, ...] | None
    """Along each spatial axis, in `unit`; None where it is unknown."""
    unit: str | None
    """Unit of the spatial axes."""
    origin: tuple[float, ...] | None
    """World position of the centre of the first voxel, in `unit`."""
    time: TimeScale | None = None
    """When the places along "t" were recorded."""

    def to_dict(self) -> SpecFields:
        """Return it as it stands in JSON, and as `open_source` takes it."""
        fields: SpecFields = {
            "axes": self.axes,
            "voxel_size": None if self.voxel_size is None else list(self.voxel_size),
            "unit": self.unit,
            "origin": None if self.origin is None else list(self.origin),
        }
        if self.time is not None:
            fields["time"] = self.time.to_list()
        return fields

    @classmethod
    def read(cls, fields: Fields) -> Self:
        """Read it from the fields of another record."""
        numbers = optional(items(number))
        return cls(
            axes=fields.take("axes", text),
            voxel_size=fields.take("voxel_size", optional(items(optional(number)))),
            unit=fields.take("unit", optional(text)),
            origin=fields.take("origin", numbers),
            time=fields.find("time", _time, None),
        )


@dataclass(frozen=True, slots=True)
class FileRecord:
    """A file or folder in which an output of a member lies."""

    name: str
    """Its path in the folder of the collection's items."""
    checksum: Checksum | None = None
    """What it was when it was written; None where that was not noted."""
    nbytes: int | None = None
    """Of a file, its bytes."""
    format: str | None = None
    """Of a table or value, the name of its format."""
    spec: SpecRecord | None = None
    """Of an image in a format that does not say it."""
    contents: tuple[tuple[str, int], ...] | None = None
    """Of a folder, the files in it: their paths there and their bytes; None where not noted."""
    place: str | None = None
    """Of a store at a URL: where the file or folder lies below the URL of the result."""

    @property
    def sizes(self) -> list[tuple[str, int | None]]:
        """Path and bytes of each file that must be there, as far as they were noted."""
        inner = [(f"{self.name}/{path}", nbytes) for path, nbytes in self.contents or ()]
        return [(self.name, self.nbytes), *inner]

    def __post_init__(self) -> None:
        if self.checksum is not None and type(self.checksum) is not int:
            object.__setattr__(self, "checksum", _checksum(self.checksum))

    def fits(self, checksum: object) -> bool:
        """Whether a checksum is the one that was noted; lists count as tuples."""
        found, noted = _checksum(checksum), self.checksum
        if isinstance(noted, tuple) and isinstance(found, tuple) and len(noted) == _UNNOTED:
            found = found[:_UNNOTED]
        return noted is None or noted == found

    @property
    def has_notes(self) -> bool:
        """Whether its shards were noted, if it is a zarr."""
        is_zarr = self.name.endswith(".zarr")
        return not (is_zarr and isinstance(self.checksum, tuple) and len(self.checksum) == _UNNOTED)


def _checksum(value: object) -> Checksum | None:
    """Take a checksum as it stands in JSON, or as it is."""
    if value is None or type(value) is int:
        return value
    if not isinstance(value, (list, tuple)):
        raise TypeError("no checksum")
    if all(type(item) is int for item in value):
        return tuple(value)
    return tuple([(text(name), whole(crc)) for name, crc in value])


@dataclass(frozen=True, slots=True)
class MemberRecord:
    """Which files a member has: what the index of a pack says of it.

    Examples
    --------
    >>> record = MemberRecord("A01.tif", {0: FileRecord("A01.tif.3f9a1c0b.tif", 77, 1024)})
    >>> record.to_dict()["images"]
    {'0': 'A01.tif.3f9a1c0b.tif'}
    >>> MemberRecord.from_dict(record.to_dict()) == record
    True
    """

    VERSION: ClassVar[int] = 1
    """Version that is written, and the latest that is read; it covers the packed payload too."""

    key: str
    """The member's key in its collection when it was made."""
    files: Mapping[int, FileRecord] = field(default_factory=dict)
    """By number of the output, those that lie in a file or folder of their own."""

    def to_dict(self) -> dict[str, object]:
        """Return it as it stands in JSON."""
        plain: dict[str, object] = {VERSION_FIELD: self.VERSION, "key": self.key, "images": {}}
        if not self.files:
            return plain
        files = {str(output): file for output, file in self.files.items()}
        columns: dict[str, dict[str, object]] = {
            "sizes": {output: file.nbytes for output, file in files.items()},
            "checksums": {output: file.checksum for output, file in files.items()},
            "formats": {output: file.format for output, file in files.items()},
            "specs": {
                output: None if file.spec is None else file.spec.to_dict()
                for output, file in files.items()
            },
            "contents": {output: file.contents for output, file in files.items()},
            "objects": {output: file.place for output, file in files.items()},
        }
        content = plain | {"images": {output: file.name for output, file in files.items()}}
        for name, column in columns.items():
            noted = {output: value for output, value in column.items() if value is not None}
            if noted:
                content[name] = noted
        return content

    @classmethod
    def sizes(
        cls, content: Mapping[str, object], *, place: Path | str = "items.pack"
    ) -> Sequence[tuple[str, int | None]]:
        """Return name and bytes of each file without making a record, for plans of many members.

        Parameters
        ----------
        content : mapping
            What `from_dict` takes.
        place : path
            Where it lies.

        Raises
        ------
        StoreError
            As `from_dict`, of a later version and of columns that are damaged.
        """
        is_plain = content.get(VERSION_FIELD, FIRST_VERSION) == cls.VERSION
        names = content.get("images") if is_plain and "contents" not in content else None
        if names == {}:
            return ()
        sizes = content.get("sizes", {})
        if type(names) is dict and type(sizes) is dict and all(map(is_inner_name, names.values())):
            return [(name, sizes.get(output)) for output, name in names.items()]
        files = cls.from_dict(content, place=place).files
        return [each for file in files.values() for each in file.sizes]

    @staticmethod
    def is_at_url(content: Mapping[str, object]) -> bool:
        """Whether each file of a member lies at a URL, without making a record."""
        names, places = content.get("images"), content.get("objects", {})
        return type(names) is dict and type(places) is dict and names.keys() <= places.keys()

    @classmethod
    def from_dict(cls, content: object, *, place: Path | str = "items.pack") -> Self:
        """Read it.

        Raises
        ------
        StoreError
            If it is of a later version; a `DamagedResult` if a field is missing or is not what
            belongs there.
        """
        fields = Fields(content, "record of a member", place)
        fields.check_version(cls.VERSION)
        key, names = fields.take("key", text), fields.take("images", _names)
        checksums = _column(fields, "checksums", _checksums)
        sizes = _column(fields, "sizes", _sizes)
        formats = _column(fields, "formats", _texts)
        specs = _column(fields, "specs", _by_output(partial(_spec, fields)))
        contents = _column(fields, "contents", _contents)
        places = _column(fields, "objects", _names)
        files = {
            n: FileRecord(
                *(name, checksums.get(n), sizes.get(n), formats.get(n), specs.get(n)),
                *(contents.get(n), places.get(n)),
            )
            for n, name in names.items()
        }
        return cls(key, files)


def _by_output(read: Callable[[object], T]) -> Callable[[object], dict[int, T]]:
    """Take an object whose names are numbers of outputs, and whose values `read` takes."""
    return lambda value: {int(n): read(item) for n, item in mapping(value).items()}


def _sized(pair: object) -> tuple[str, int]:
    """Take the path of a file in a folder, and its bytes."""
    name, nbytes = items(lambda value: value)(pair)
    return inner_name(name), count(nbytes)


_texts = _by_output(text)
_names = _by_output(inner_name)
_sizes = _by_output(count)
_checksums = _by_output(_checksum)
_contents = _by_output(items(_sized))


def _time(value: object) -> TimeScale:
    """Take times as `TimeScale.to_list` gives them."""
    return TimeScale.of(items(lambda item: item)(value))


def _spec(fields: Fields, content: object) -> SpecRecord:
    return SpecRecord.read(fields.within("specs")(content))


def _column(fields: Fields, name: str, read: Callable[[object], dict[int, T]]) -> Mapping[int, T]:
    """Take what is noted of some outputs; nothing where there is no such column."""
    return fields.take(name, read) if name in fields.content else {}


@dataclass(frozen=True, slots=True)
class MembersRecord:
    """Which members a collection has: `members.json`."""

    VERSION: ClassVar[int] = 2
    """The latest version that is read; the first is written where no group has numbers."""

    outputs: tuple[OutputKind, ...]
    """What the step returns for each."""
    members: Mapping[str, str]
    """By key, under which key of a result each is packed: those that are done."""
    missing: Mapping[str, str] = field(default_factory=dict)
    """The same of those that are not done: they failed, or did not run."""
    keys: tuple[str, ...] = ()
    """All keys, in order; where none is missing, those of `members`."""
    groups: Mapping[str, tuple[GroupValue, ...]] = field(default_factory=dict)
    """Columns that belong to the keys, each with a value a key."""
    files: tuple[str, ...] = ()
    """Of members of several files, a text a key: the first digits of each file's digest in turn."""

    def __post_init__(self) -> None:
        if not self.missing:
            object.__setattr__(self, "keys", tuple(self.members))

    @property
    def all_members(self) -> dict[str, str]:
        """Done or not, in order: by key, under which key of a result each is packed."""
        if not self.missing:
            return dict(self.members)
        both = {**self.members, **self.missing}
        return {key: both[key] for key in self.keys}

    def to_json(self) -> str:
        """Return the text of the file."""
        content: dict[str, object] = {
            VERSION_FIELD: self.VERSION if self._has_numbers else FIRST_VERSION,
            "outputs": self.outputs,
            "members": dict(self.members),
        }
        if self.missing:
            content |= {"missing": dict(self.missing), "keys": self.keys}
        if self.groups:
            content["groups"] = dict(self.groups)
        if self.files:
            content["files"] = self.files
        return json_text(content, indent=0)

    @property
    def _has_numbers(self) -> bool:
        known = (str, type(None))
        return any(not isinstance(v, known) for column in self.groups.values() for v in column)

    @classmethod
    def from_json(cls, content: str | bytes, *, place: Path | str = "members.json") -> Self:
        """Read the text of the file.

        Raises
        ------
        StoreError
            If it is of a later version; a `DamagedResult` if a field is missing or is not what
            belongs there.
        """
        fields = Fields.parse(content, "list of members", place)
        fields.check_version(cls.VERSION)
        members = fields.take("members", texts)
        missing: dict[str, str] = fields.find("missing", texts, {})
        keys = fields.find("keys", items(text), tuple(members))
        if len(keys) != len(members) + len(missing) or set(keys) != {*members, *missing}:
            fields.refuse("has the keys of all members in its field 'keys'", len(keys))
        record = cls(
            outputs=fields.take("outputs", items(read_kind)),
            members=members,
            missing=missing,
            keys=keys,
            groups=fields.find("groups", _columns, {}),
            files=fields.find("files", items(text), ()),
        )
        if record.files and len(record.files) != len(record.keys):
            fields.refuse("has a text for each key in its field 'files'", len(record.files))
        if any(len(column) != len(record.keys) for column in record.groups.values()):
            fields.refuse("has a value for each key in its field 'groups'", list(record.groups))
        if record._has_numbers and fields.content.get(VERSION_FIELD) != cls.VERSION:
            fields.refuse("of version 1 has text in its field 'groups'", list(record.groups))
        return record


def _columns(value: object) -> dict[str, tuple[GroupValue, ...]]:
    """Take columns of text, numbers and truth values, in which null may stand."""
    return {name: items(_group_value)(column) for name, column in mapping(value).items()}


def _group_value(value: object) -> GroupValue:
    if value is None or isinstance(value, (str, int, float)):
        return value
    raise TypeError(f"a {type(value).__name__}")


@dataclass(frozen=True, slots=True)
class AcceptedRecord:
    """Which results of members stand for others: `accepted.json`."""

    VERSION: ClassVar[int] = 1
    """Version that is written, and the latest that is read."""

    members: Mapping[str, str]
    """By the key that a member would have, the key of the one that was accepted for it."""

    def to_json(self) -> str:
        """Return the text of the file: the version among the keys, which are hexadecimal."""
        return json.dumps({VERSION_FIELD: self.VERSION, **self.members})

    @classmethod
    def from_json(cls, content: str | bytes, *, place: Path | str = "accepted.json") -> Self:
        """Read the text of the file.

        Raises
        ------
        StoreError
            If it is of a later version; a `DamagedResult` if a key is not text.
        """
        fields = Fields.parse(content, "list of accepted members", place)
        fields.check_version(cls.VERSION)
        keys = [name for name in fields.content if name != VERSION_FIELD]
        return cls({key: fields.take(key, text) for key in keys})
