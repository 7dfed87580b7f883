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

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scutoid.arrays import ArraySource, open_source
from scutoid.errors import DamagedResult, StoreError
from scutoid.geometry import Coordinate
from scutoid.pipeline._layout import Framed
from scutoid.pipeline._losses import lost_blocks
from scutoid.pipeline._parts import (
    BlockParts,
    MemoryParts,
    PackedParts,
    PartsGrid,
    decode,
    describe_parts,
    read_parts_grid,
)
from scutoid.pipeline._producers import Producer
from scutoid.pipeline._spec import OutputKind, StepSpec
from scutoid.store import Entry, Pack

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
        if not path.exists():
            raise DamagedResult(
                "a stored image is where it was written",
                value="missing",
                place=str(path),
                remedy="run again: it is made anew",
            )
        lost = lost_blocks(self.entry).get(path.name)
        if lost is not None:
            raise DamagedResult(
                "a stored image has all the blocks that its journal names, for what is missing "
                "would be read as zeros",
                value=f"{len(lost)} missing: block {', '.join(map(str, lost[:3]))}"
                + (", ..." if len(lost) > _NAMED else ""),
                place=str(path),
                remedy="run again: these blocks are made anew",
            )
        return open_source(str(path))

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
        name = self.pack.meta(self.member)["images"][str(output)]
        path = self.folder / ITEM_FOLDER / name
        if not path.exists():
            raise DamagedResult(
                "a stored image is where it was written",
                value="missing",
                place=str(path),
                remedy="run again: it is made anew",
            )
        return open_source(str(path))

    def framed(self, output: int) -> Framed:
        """Describe an image."""
        source = self.image(output)
        return Framed(source.spec, Coordinate.full(source.spec.ndim, 0), tuple(source.chunks))

    def value(self, output: int) -> Any:
        """Return anything but an image."""
        if self.outputs[output] == "files":
            return self.folder / ITEM_FOLDER / self.pack.meta(self.member)["files"]
        value = decode(self.pack.read(self.member))[packed_slot(self.outputs, output)]
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
        if member is None or member not in self.pack:
            return False
        meta = self.pack.meta(member)
        images = self.folder / ITEM_FOLDER
        return all(
            _has_size(images / name, meta["sizes"].get(output))
            for output, name in meta["images"].items()
        )


def _has_size(path: Path, size: int | None) -> bool:
    try:
        return size is None or path.stat().st_size == size
    except OSError:
        return False


class FromStore(Producer):
    """An entry that was found in a store by its name."""

    def __init__(self, name: str, key: str, stored: Any, kinds: Sequence[OutputKind]) -> None:
        self.name = name
        self.stored_key = key
        self.stored = stored
        self.kinds = tuple(kinds)
        if isinstance(stored, StoredItems):
            self.keys = tuple(stored.member_keys)

    def framed(self, output: int) -> Framed:
        """Describe an image."""
        return self.stored.framed(output)  # type: ignore[no-any-return]

    def is_labels(self, output: int) -> bool:
        """Whether an image holds object numbers."""
        if isinstance(self.stored, StoredResult):
            return bool(self.stored.outputs[output].get("labels"))
        return False

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
            raise StoreError(
                "a member of a stored collection is complete",
                value=key,
                place=f"step {self.name!r}",
                remedy="run the pipeline again",
            )
        return FromStore(f"{self.name}[{key!r}]", self.member_key(key), item, self.kinds)
