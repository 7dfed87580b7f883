"""Results in a store, read back: the outputs of one entry, or those of each member of a collection.

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
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from scutoid.arrays import ArraySource, ImageSpec, SourceIdentity, open_source
from scutoid.errors import DamagedResult, MetadataError, SourceError, StoreError
from scutoid.geometry import Coordinate, Roi
from scutoid.steps._layout import Framed
from scutoid.steps._losses import changed_files, lost_blocks, shard_count
from scutoid.steps._parts import (
    BlockParts,
    MemoryParts,
    PackedParts,
    PartsGrid,
    decode,
    describe_parts,
    read_parts_grid,
    read_payload,
)
from scutoid.steps._producers import Producer
from scutoid.steps._spec import OutputKind, StepSpec
from scutoid.store import Entry, Pack, checksum_file, distrust_around, find_format

BLOCKS = "blocks.pack"
ITEMS = "items.pack"
MEMBERS = "members.json"
ITEM_FOLDER = "items"
FILES_FOLDER = "files"
_NAMED = 3


def output_names(outputs: Sequence[OutputKind]) -> tuple[str, ...]:
    """Name each output of a step: by its kind, numbered where there are several of it.

    Examples
    --------
    >>> output_names(("image", "table", "image"))
    ('image', 'table', 'image-2')
    """
    names = []
    for number, kind in enumerate(outputs):
        before = sum(other == kind for other in outputs[:number])
        names.append(kind if not before else f"{kind}-{before + 1}")
    return tuple(names)


def image_file(name: str, image_format: str) -> str:
    """Return the file name of an image output."""
    return f"{name}.tif" if image_format == "tiff" else f"{name}.ome.zarr"


def packed_slot(outputs: Sequence[OutputKind], output: int) -> int:
    """Return the place of an output among those of a block that are packed."""
    return sum(kind != "image" for kind in outputs[:output])


def plain_parts(parts: BlockParts) -> dict[str, Any]:
    """Return parts of a whole member, and their grid, as what can be packed."""
    return {"grid": describe_parts(parts.where), "parts": dict(parts)}


class StoredImage:
    """An image in a store: what cannot be read of it is damage."""

    def __init__(self, source: ArraySource, path: Path) -> None:
        self.source = source
        self.path = path

    @classmethod
    def at(cls, path: Path, **said: Any) -> StoredImage:
        """Open the image at a path.

        Raises
        ------
        DamagedResult
            If it cannot be opened.
        """
        try:
            return cls(open_source(str(path), **said), path)
        except (SourceError, MetadataError) as error:
            raise _damaged("a stored image can be opened", error.rule, path) from error

    @property
    def spec(self) -> ImageSpec:
        """What it is."""
        return self.source.spec

    @property
    def chunks(self) -> tuple[int, ...]:
        """What one decoding brings."""
        return self.source.chunks

    @property
    def levels(self) -> int:
        """Number of pyramid levels."""
        return self.source.levels

    @property
    def identity(self) -> SourceIdentity:
        """Where it lies."""
        return self.source.identity

    def read(self, roi: Roi) -> NDArray[Any]:
        """Read a region.

        Raises
        ------
        DamagedResult
            If a chunk fails its checks.
        """
        try:
            return self.source.read(roi)
        except SourceError as error:
            value = str(getattr(error, "value", "") or error)[:300]
            raise _damaged("chunks of a stored image can be read", value, self.path) from error


def _damaged(rule: str, value: str, path: Path) -> DamagedResult:
    distrust_around(path)
    return DamagedResult(
        rule, value=value, place=str(path), remedy="run again: what is damaged is made anew"
    )


def checksum_of(path: Path) -> object:
    """Return what is said of a member's file: of a zarr its shards, of a folder each file in it."""
    if path.is_file():
        return checksum_file(path)
    if path.suffix == ".zarr":
        return shard_count(path)
    files = sorted(file for file in path.rglob("*") if file.is_file())
    return [[file.relative_to(path).as_posix(), checksum_file(file)] for file in files]


@functools.lru_cache(maxsize=64)
def _open_item(path: Path, _stamp: tuple[int, ...], checksum: str, said: str = "{}") -> StoredImage:
    """Open the image of a member, and check it: once for each file and version of it."""
    _check_item(path, json.loads(checksum))
    return StoredImage.at(path, **json.loads(said))


def _check_item(path: Path, checksum: object) -> None:
    if checksum is None or checksum_of(path) == checksum:
        return
    with suppress(OSError):  # so that the next run makes it anew
        path.unlink()
    raise _damaged("what a member's result was stored in is what was written", "it differs", path)


@dataclass(frozen=True, slots=True)
class StoredResult:
    """The outputs of one entry."""

    entry: Entry
    """Where they lie."""

    @property
    def outputs(self) -> list[Mapping[str, Any]]:
        """What the recipe says of each output."""
        recipe = self.entry.recipe
        if recipe is None:
            raise StoreError("a result has a recipe", place=str(self.entry.path))
        return list(recipe.output["outputs"])

    def image(self, output: int) -> ArraySource:
        """Return an image."""
        path = self.entry.path / self.outputs[output]["file"]
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
        return StoredImage.at(path)

    def framed(self, output: int) -> Framed:
        """Describe an image."""
        source = self.image(output)
        offset = Coordinate(*self.outputs[output]["offset"])
        return Framed(source.spec, offset, tuple(source.chunks))

    def value(self, output: int) -> Any:
        """Return anything but an image."""
        said = self.outputs[output]
        if said["kind"] == "parts":
            where = read_parts_grid(said["grid"])
            return PackedParts(where, Pack(self.entry.path / BLOCKS), said["slot"])
        if said["kind"] == "files":
            self.entry.check(FILES_FOLDER)
            return self.entry.path / FILES_FOLDER
        return self.entry.load(said["name"])


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

    def image(self, output: int) -> ArraySource:
        """Return an image."""
        meta = self.pack.meta(self.member)
        path = self.folder / ITEM_FOLDER / meta["images"][str(output)]
        try:
            found = path.stat()
        except OSError:
            raise _damaged("a stored image is where it was written", "missing", path) from None
        checksum = meta.get("checksums", {}).get(str(output))
        stamp = (found.st_size, found.st_mtime_ns, found.st_ino)
        said = meta.get("specs", {}).get(str(output), {})
        return _open_item(path, stamp, json.dumps(checksum), json.dumps(said))

    def _saved(self, output: int, meta: Mapping[str, Any]) -> Any:
        """Return a value that lies in a file of its own, or a folder of files."""
        path = self.folder / ITEM_FOLDER / meta["images"][str(output)]
        if not path.exists():
            raise _damaged("a stored value is where it was written", "missing", path)
        _check_item(path, meta["checksums"][str(output)])
        if self.outputs[output] == "files":
            return path
        return find_format(meta["formats"][str(output)]).load(path)

    def framed(self, output: int) -> Framed:
        """Describe an image."""
        source = self.image(output)
        return Framed(source.spec, Coordinate.full(source.spec.ndim, 0), tuple(source.chunks))

    def value(self, output: int) -> Any:
        """Return anything but an image."""
        meta = self.pack.meta(self.member)
        if str(output) in meta["images"]:
            return self._saved(output, meta)
        value = decode(read_payload(self.pack, self.member))[packed_slot(self.outputs, output)]
        if self.outputs[output] == "parts":
            return MemoryParts(read_parts_grid(value["grid"]), value["parts"])
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
        if not self.has(key):
            return None
        return StoredItem(self.folder, self.outputs, self.pack, self.member_keys[key])

    def has(self, key: str) -> bool:
        """Whether a member is stored under the key that it must have."""
        member = self.member_keys.get(key)
        meta = None if member is None else self.pack.find(member)
        if meta is None:
            return False
        if not meta["images"]:
            return True
        images = self.folder / ITEM_FOLDER
        return all(
            _has_size(images / name, meta.get("sizes", {}).get(output))
            for output, name in meta["images"].items()
        )


def _has_size(path: Path, size: int | None) -> bool:
    try:
        return size is None or path.stat().st_size == size
    except OSError:
        return False


def members_of(entry: Entry) -> dict[str, str]:
    """Members of a collection by key, as its entry lists them; none if there is no such list."""
    try:
        found = json.loads((entry.path / MEMBERS).read_bytes())["members"]
        return {str(key): str(member) for key, member in found.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


class FromStore(Producer):
    """An entry that was found in a store by its name."""

    def __init__(
        self,
        name: str,
        key: str,
        stored: Any,
        kinds: Sequence[OutputKind],
        labels: Sequence[bool] = (),
    ) -> None:
        self.name = name
        self.stored_key = key
        self.stored = stored
        self.kinds = tuple(kinds)
        self.labels = tuple(labels)
        if isinstance(stored, StoredItems):
            self.keys = tuple(stored.member_keys)

    def framed(self, output: int) -> Framed:
        """Describe an image."""
        return self.stored.framed(output)  # type: ignore[no-any-return]

    def levels(self, output: int) -> int:
        """Number of pyramid levels of an image."""
        return int(self.stored.image(output).levels)

    def is_labels(self, output: int) -> bool:
        """Whether an image holds object numbers."""
        return bool(self.labels and self.labels[output])

    @property
    def parts_grid(self) -> PartsGrid | None:
        """The blocks that its parts belong to."""
        if "parts" not in self.kinds:
            return None
        where: PartsGrid = self.stored.value(self.kinds.index("parts")).where
        return where

    def member_key(self, key: str) -> str:
        """Return the key of a member."""
        return str(self.stored.member_keys[key])

    def stored_member(self, key: str) -> FromStore:
        """Return one member."""
        item = self.stored.member(key)
        if item is None:
            raise _damaged(
                "the members that a collection lists are there",
                f"{key!r} is missing or of another size",
                self.stored.folder / ITEMS,
            )
        return FromStore(
            f"{self.name}[{key!r}]", self.member_key(key), item, self.kinds, self.labels
        )
