"""What workers do for a member of a collection: compute its results and keep them.

::

    items/A01.tif.3f9a1c0b.tif     an image; a zarr where it is large
    items/A01.tif.3f9a1c0b.npy     a value in a format that was asked for, or a figure
    items/A01.tif.3f9a1c0b.files/  what a step wrote into a folder
    items.pack                     everything else
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scutoid.arrays import ImageSpec, create_image, open_source, write_tiff
from scutoid.blocks import Block
from scutoid.errors import ParameterError, ScutoidError, StepError
from scutoid.pipeline._evaluate import Evaluation
from scutoid.pipeline._lazy import SINGLE, Files, Image, Lazy
from scutoid.pipeline._parts import BlockParts, encode
from scutoid.pipeline._producers import Call, Producer
from scutoid.pipeline._spec import OutputKind, StepSpec
from scutoid.pipeline._stored import ITEM_FOLDER, checksum_of, plain_parts
from scutoid.store import choose_format

_IN_MEMORY = 2**29


@dataclass(slots=True)
class Kept:
    """What is said in the index of a member's results that lie in files of their own."""

    images: dict[str, str] = field(default_factory=dict)
    """By output, the name of its file or folder."""
    sizes: dict[str, int] = field(default_factory=dict)
    """Of files, how many bytes."""
    checksums: dict[str, object] = field(default_factory=dict)
    """What `checksum_of` says."""
    formats: dict[str, str] = field(default_factory=dict)
    """Of values, the format."""
    specs: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Of images in formats that do not say it: axes, voxel size, unit and origin."""

    def add(self, output: int, path: Path, name: str) -> None:
        """Take note of a file or folder."""
        place = str(output)
        self.images[place] = name
        self.checksums[place] = checksum_of(path)
        if path.is_file():
            self.sizes[place] = path.stat().st_size

    def meta(self, key: str) -> dict[str, Any]:
        """Return it as what can be written down."""
        said = {name: getattr(self, name) for name in ("sizes", "checksums", "formats", "specs")}
        return {"key": key, "images": self.images, **{k: v for k, v in said.items() if v}}


@dataclass(frozen=True, slots=True, eq=False)
class MemberWork:
    """Computes one member of a collection: its images become files, the rest is returned packed."""

    spec: StepSpec
    """The step."""
    keys: tuple[str, ...]
    """Keys of the members, in the order of the blocks."""
    member_keys: tuple[str, ...]
    """What each member depends on."""
    inputs: tuple[object, ...]
    """Each a `MemberInput`, a lazy result or a value."""
    params: Mapping[str, object]
    """The same."""
    folder: Path
    """The collection's entry."""

    def __call__(self, block: Block, **ready: object) -> tuple[dict[str, Any], bytes]:
        """Run in a worker."""
        number = block.index
        call = Call(
            self.spec,
            [self._one(item, number) for item in self.inputs],
            {name: self._one(value, number) for name, value in self.params.items()},
        )
        call.key = self.keys[number]
        if "files" in self.spec.outputs:
            stem = self._stem(number, self.spec.outputs.index("files"))
            call.folder = self._new_folder(f"{stem}.files")
        evaluation = Evaluation(ready=ready)
        kept = Kept()
        packed: list[object] = []
        for output, kind in enumerate(self.spec.outputs):
            lazy = SINGLE[kind](call, output)
            stem = self._stem(number, output)
            if isinstance(lazy, Image):
                self._write(lazy, evaluation, stem, output, kept)
                continue
            value = evaluation.value(lazy)
            if isinstance(lazy, Files):
                folder = self._items / f"{stem}.files"
                kept.add(output, folder, folder.relative_to(self._items).as_posix())
                packed.append(None)
            elif isinstance(value, BlockParts):
                packed.append(plain_parts(value))
            elif self._saved(value, stem, output, kept):
                packed.append(None)
            else:
                packed.append(value)
        return kept.meta(self.keys[number]), encode(packed)

    @property
    def _items(self) -> Path:
        return self.folder / ITEM_FOLDER

    def _one(self, item: object, number: int) -> object:
        return item.lazy(number) if isinstance(item, MemberInput) else item

    def _stem(self, number: int, output: int) -> str:
        suffix = "" if output == 0 else f"-{output + 1}"
        return f"{self.keys[number]}.{self.member_keys[number][:8]}{suffix}"

    def _place(self, name: str) -> Path:
        path = self._items / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def _new_folder(self, name: str) -> Path:
        path = self._place(name)
        if path.exists():  # of an attempt that failed
            shutil.rmtree(path)
        path.mkdir()
        return path

    def _saved(self, value: Any, stem: str, output: int, kept: Kept) -> bool:
        """Save a value as a file of its own, if that is asked for or it cannot be packed."""
        asked = self.spec.value_format
        if asked is None:
            try:
                encode([value])
            except StepError:
                pass
            else:
                return False
        chosen = choose_format(value, asked)
        name = f"{stem}{chosen.suffix}"
        path = self._place(name)
        chosen.save(value, path)
        kept.add(output, path, name)
        kept.formats[str(output)] = chosen.name
        return True

    def _write(
        self, image: Image, evaluation: Evaluation, stem: str, output: int, kept: Kept
    ) -> None:
        """Write an image: as is asked for, else a TIFF, or a zarr if it is large."""
        spec = image.framed.spec
        storage = self.spec.options.storage
        chosen = storage.format
        if chosen is None:
            is_small = spec.nbytes <= _IN_MEMORY and storage.levels == 1
            chosen = "tiff" if is_small else "zarr"
        endings = {"tiff": ".tif", "zarr": ".ome.zarr", "npy": ".npy", "png": ".png"}
        if chosen not in endings:
            raise ParameterError(
                f"the image of a member is stored as {', '.join(endings)}",
                value=chosen,
                place=f"storage of step {self.spec.label!r}",
            )
        name = f"{stem}{endings[chosen]}"
        path = self._place(name)
        if chosen == "tiff":
            write_tiff(path, evaluation.value(image), spec)
        elif chosen == "zarr":
            self._write_zarr(image, evaluation, path, output)
        else:
            array = evaluation.value(image)
            choose_format(array, chosen).save(array, path)
            said = {
                "axes": spec.axes,
                "voxel_size": spec.voxel_size,
                "unit": spec.unit,
                "origin": spec.origin,
            }
            _check_holds(path, spec, said, chosen)
            kept.specs[str(output)] = said
        kept.add(output, path, name)

    def _write_zarr(self, image: Image, evaluation: Evaluation, path: Path, output: int) -> None:
        spec, call = image.framed.spec, image.producer
        storage = self.spec.options.storage
        if not isinstance(call, Call) or call.spec.kind == "step":
            writer = create_image(path, spec, storage=storage, label=image.is_labels)
            writer.write(spec.roi, evaluation.value(image))
            return
        layout = call.layout()
        roi = layout.output_roi(layout.grid.write_roi(0), spec.shape)
        writer = create_image(
            path, spec, block=tuple(roi.shape), storage=storage, label=image.is_labels
        )
        offset = image.framed.offset
        for index, array in evaluation.blocks(call, output):
            place = layout.output_roi(layout.grid.write_roi(index), spec.shape)
            writer.write(place.shift(-offset), array)


def _check_holds(path: Path, spec: ImageSpec, said: Mapping[str, Any], name: str) -> None:
    """See that an image in a format that is not made for images can be read back as it was."""
    try:
        found = open_source(str(path), **said).spec
    except ScutoidError:
        found = None
    if found is None or (found.shape, found.dtype) != (spec.shape, spec.dtype):
        raise ParameterError(
            f"the format {name!r} holds images of this kind",
            value=f"{spec.shape} {spec.dtype} {spec.axes!r}",
            place=str(path),
            remedy="use tiff or zarr",
        )


class MemberInput:
    """A collection among the inputs of a step: gives each member."""

    def lazy(self, number: int) -> Lazy | object:
        """Return the member that belongs to block `number`."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True, eq=False)
class FolderInput(MemberInput):
    """Files of a folder."""

    paths: tuple[str, ...]
    """A path a member."""
    open: Callable[[str], Producer]
    """Opens one."""
    kind: OutputKind = "image"
    """What each is."""

    def lazy(self, number: int) -> Lazy:
        """Return one member."""
        return SINGLE[self.kind](self.open(self.paths[number]))


@dataclass(frozen=True, slots=True, eq=False)
class ItemInput(MemberInput):
    """Results of an earlier step on the same members."""

    stored: Any
    """The `StoredItems` of that step."""
    keys: tuple[str, ...]
    """A key a member."""
    kind: str
    output: int

    def lazy(self, number: int) -> Lazy:
        """Return the result of one member."""
        from scutoid.pipeline._stored import FromStore, StoredItem

        items = self.stored
        key = self.keys[number]
        member = items.member_keys[key]
        item = StoredItem(items.folder, items.outputs, items.pack, member)
        return SINGLE[self.kind](FromStore(key, member, item, items.outputs), self.output)


@dataclass(frozen=True, slots=True, eq=False)
class ValueInput(MemberInput):
    """A value for each member."""

    values: tuple[object, ...]

    def lazy(self, number: int) -> object:
        """Return the value of one member."""
        return self.values[number]


class GatheredMembers(Mapping[str, Any]):
    """Members of a collection by key, each read when it is asked for."""

    def __init__(self, given: Any, keys: tuple[str, ...]) -> None:
        self._given = given
        self._places = {key: number for number, key in enumerate(keys)}

    def __getitem__(self, key: str) -> Any:
        item = self._given.lazy(self._places[key])
        return Evaluation().value(item) if isinstance(item, Lazy) else item

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)
