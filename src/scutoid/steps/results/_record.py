"""Typed records of results: what each output is and where it lies, as it stands in JSON.

::

    recipe.json, output    ResultRecord     here
    items.pack, index      MemberRecord     which files a member of a collection has
    members.json           MembersRecord    which members a collection has
    accepted.json          AcceptedRecord   which members others stand for
    runs/<id>/run.json     RunRecord        which results a run needed, and what came of it

Each of these has a version of its own, in its field `version`; what stands within one goes by its
version.  docs/format.md describes them for other programs.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import ClassVar, Self, cast, get_args

from scutoid.errors import GeometryError
from scutoid.geometry import BlockGrid, Roi
from scutoid.same import Same
from scutoid.steps.declaration import OutputKind
from scutoid.steps.layout import PartsGrid
from scutoid.steps.results._record_fields import (
    VERSION_FIELD,
    Fields,
    count,
    inner_name,
    items,
    optional,
    read_file,
    text,
    truth,
    whole,
)
from scutoid.store import RECIPE, Entry, Recipe
from scutoid.texts import parse_json

_KEPT = 128
"""Recipes of which a process keeps what they say of outputs."""
_KINDS = get_args(OutputKind)
_RECIPE_VERSION = 1
"""The latest layout of recipes that is read."""


@dataclass(frozen=True, slots=True)
class GridRecord:
    """The blocks that an image was written by, or that parts belong to."""

    grid: BlockGrid
    """Write regions and their numbers."""
    axes: str
    """Axes of the grid."""
    iterated: str
    """Those of them along which every place is an image of its own."""

    @classmethod
    def of(cls, where: PartsGrid) -> Self:
        """Describe the blocks of parts."""
        return cls(where.grid, where.axes, where.iterated)

    @property
    def parts_grid(self) -> PartsGrid:
        """The same as blocks of parts."""
        return PartsGrid(self.grid, self.axes, self.iterated)

    def to_dict(self) -> dict[str, object]:
        """Return it as it stands in JSON."""
        return {
            "offset": list(self.grid.total.offset),
            "shape": list(self.grid.total.shape),
            "block": list(self.grid.block_shape),
            "halo": [list(side) for side in self.grid.halo],
            "axes": self.axes,
            "iterated": self.iterated,
        }

    @classmethod
    def from_dict(cls, content: object, *, place: Path | str = "") -> Self:
        """Read it.

        Raises
        ------
        DamagedResult
            If a field is missing or is not what belongs there.
        """
        return cls.read(Fields(content, "grid of blocks", place))

    @classmethod
    def read(cls, fields: Fields) -> Self:
        """Read it from the fields of another record."""
        wholes = items(whole)
        offset, shape = fields.take("offset", wholes), fields.take("shape", items(count))
        block, halo = fields.take("block", wholes), fields.take("halo", _by_axis)
        axes = fields.take("axes", text)
        if not len(axes) == len(offset) == len(block):
            fields.refuse("has as many sizes as axes", axes)
        try:
            grid = BlockGrid(Roi(offset, shape), block, halo=halo)
        except GeometryError as error:
            fields.refuse("is one that can exist", error.rule, error)
        return cls(grid, axes, fields.take("iterated", text))


def _by_axis(halo: object) -> list[tuple[int, int]]:
    """Take a halo, two lists of whole numbers, with an entry an axis, as a grid checks it."""
    low, high = items(items(whole))(halo)
    return list(zip(low, high, strict=True))


@dataclass(frozen=True, slots=True)
class ImageRecord:
    """Where an image lies, and what it is."""

    file: str
    """Name of its file or folder in the result's folder."""
    offset: tuple[int, ...]
    """Of its first voxel in the frame that the step's images share, in voxels."""
    axes: str
    """One letter an axis."""
    shape: tuple[int, ...]
    """Voxels along each axis."""
    dtype: str
    """As numpy names it."""
    grid: GridRecord | None
    """The blocks that wrote it; None of an image that was written whole."""

    def to_dict(self) -> dict[str, object]:
        """Return it as it stands in JSON."""
        return {
            "file": self.file,
            "offset": list(self.offset),
            "axes": self.axes,
            "shape": list(self.shape),
            "dtype": self.dtype,
            "grid": None if self.grid is None else self.grid.to_dict(),
        }

    @classmethod
    def read(cls, fields: Fields) -> Self:
        """Read it from the fields of another record."""
        within = fields.within("grid")
        return cls(
            file=fields.take("file", inner_name),
            offset=fields.take("offset", items(whole)),
            axes=fields.take("axes", text),
            shape=fields.take("shape", items(count)),
            dtype=fields.take("dtype", text),
            grid=fields.take("grid", optional(lambda grid: GridRecord.read(within(grid)))),
        )


@dataclass(frozen=True, slots=True)
class PartsRecord:
    """Where the parts of blocks lie."""

    file: str
    """Name of the pack."""
    grid: GridRecord
    """The blocks that they belong to."""
    slot: int
    """Place of the output among those of a block that are packed."""

    def to_dict(self) -> dict[str, object]:
        """Return it as it stands in JSON."""
        return {"file": self.file, "grid": self.grid.to_dict(), "slot": self.slot}

    @classmethod
    def read(cls, fields: Fields) -> Self:
        """Read it from the fields of another record."""
        within = fields.within("grid")
        return cls(
            file=fields.take("file", inner_name),
            grid=fields.take("grid", lambda grid: GridRecord.read(within(grid))),
            slot=fields.take("slot", count),
        )


@dataclass(frozen=True, slots=True)
class OutputRecord:
    """One output of a step; of a collection `image` and `parts` are None, for members have both."""

    kind: OutputKind
    """What it is."""
    name: str
    """What its file is called, without the ending: its kind, numbered where there are several."""
    labels: bool = False
    """Whether it is an image that holds object numbers."""
    image: ImageRecord | None = None
    """Of an image: where it lies."""
    parts: PartsRecord | None = None
    """Of parts: where they lie."""

    @property
    def file(self) -> str | None:
        """Name of its file or folder, where the record names one."""
        place = self.image or self.parts
        return None if place is None else place.file

    def to_dict(self) -> dict[str, object]:
        """Return it as it stands in JSON."""
        content: dict[str, object] = {"kind": self.kind, "name": self.name}
        if self.kind == "image":
            content["labels"] = self.labels
        place = self.image or self.parts
        return content if place is None else {**content, **place.to_dict()}

    @classmethod
    def read(cls, fields: Fields) -> Self:
        """Read it from the fields of another record."""
        kind = fields.take("kind", read_kind)
        has_place = "file" in fields.content
        return cls(
            kind=kind,
            name=fields.take("name", inner_name),
            labels=fields.take("labels", truth) if kind == "image" else False,
            image=ImageRecord.read(fields) if kind == "image" and has_place else None,
            parts=PartsRecord.read(fields) if kind == "parts" and has_place else None,
        )


def read_kind(value: object) -> OutputKind:
    """Take the kind of an output."""
    if value not in _KINDS:
        raise ValueError("no kind of output")
    return cast("OutputKind", value)


@dataclass(frozen=True, slots=True)
class ResultRecord:
    """What is needed to open a result again: the field `output` of its recipe.

    Examples
    --------
    >>> record = ResultRecord((OutputRecord("value", "value"),), n_blocks=1, storage="")
    >>> ResultRecord.from_dict(record.to_dict()) == record
    True
    """

    VERSION: ClassVar[int] = 1
    """Version that is written, and the latest that is read."""

    outputs: tuple[OutputRecord, ...]
    """What the step returned."""
    n_blocks: int
    """Number of blocks, or of members when the collection was begun."""
    storage: str
    """How images were asked to be stored, in words."""
    inside: tuple[Recipe, ...] = ()
    """Recipes of the steps that were computed inside its blocks."""

    def to_dict(self) -> dict[str, object]:
        """Return it as it stands in JSON."""
        content: dict[str, object] = {
            VERSION_FIELD: self.VERSION,
            "outputs": [output.to_dict() for output in self.outputs],
            "n_blocks": self.n_blocks,
            "storage": self.storage,
        }
        if self.inside:
            content["inside"] = [parse_json(recipe.to_json()) for recipe in self.inside]
        return content

    @classmethod
    def from_dict(cls, content: object, *, place: Path | str = "recipe.json") -> Self:
        """Read it.

        Raises
        ------
        StoreError
            If it is of a later version; a `DamagedResult` if a field is missing or is not what
            belongs there.
        """
        fields = Fields(content, "description of outputs", place)
        fields.check_version(cls.VERSION)
        within = fields.within("output")
        return cls(
            outputs=fields.take("outputs", items(lambda one: OutputRecord.read(within(one)))),
            n_blocks=fields.take("n_blocks", count),
            storage=fields.take("storage", text),
            inside=fields.find("inside", items(lambda one: _recipe(one, place)), ()),
        )

    @staticmethod
    def of(recipe: Recipe | None, *, place: Path | str = "recipe.json") -> ResultRecord | None:
        """Read it from a recipe; None if there is none, or one that describes no outputs.

        Such are the recipes of what was accepted, and of steps that were computed inside others.

        Raises
        ------
        StoreError
            As `from_dict`.
        """
        if recipe is None or not recipe.output:
            return None
        return _record_of(Same(recipe), place)


@lru_cache(maxsize=_KEPT)
def _record_of(recipe: Same, place: Path | str) -> ResultRecord:
    """Return what a recipe says of its outputs; one that was read once is one object."""
    return ResultRecord.from_dict(cast("Recipe", recipe.item).output, place=place)


def check_recipe(entry: Entry) -> None:
    """Refuse a recipe of a later version, which an entry takes for none; let damaged ones pass.

    Raises
    ------
    StoreError
        If it is of a later version.
    """

    def check(content: bytes, *, place: Path) -> None:
        Fields.parse(content, "recipe", place).check_version(_RECIPE_VERSION, "scutoid_recipe")

    read_file(entry.path / RECIPE, check)


def _recipe(content: object, place: Path | str) -> Recipe:
    return Recipe.from_json(json.dumps(content), place=place)
