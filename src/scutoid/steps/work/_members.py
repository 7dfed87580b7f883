"""Compute the results of a member of a collection in a worker, and keep them.

::

    items/A01.tif.3f9a1c0b.tif     an image; a zarr where it is large
    items/A01.tif.3f9a1c0b.npy     a value in a format that was asked for, or a figure
    items/A01.tif.3f9a1c0b.files/  what a step wrote into a folder
    items.pack                     everything else

At a URL files are objects, below the token of the attempt and one of the member's own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scutoid.arrays import ImageSpec, add_limits, create_image
from scutoid.blocks import Block
from scutoid.errors import ParameterError, ScutoidError, SourceError, StepError
from scutoid.heap import keep_freed_memory
from scutoid.spent import spending
from scutoid.steps.compute import BlockParts, GatheredMembers, check_names, encode, with_index
from scutoid.steps.declaration import OutputKind, StepSpec, own
from scutoid.steps.graph import (
    BlockCall,
    Call,
    FromStore,
    ImageRef,
    MemberFiles,
    Opening,
    PartOfMember,
    Ref,
    StoredMembers,
    make_call,
    ref_of,
    with_parts,
)
from scutoid.steps.handles import Evaluation
from scutoid.steps.results import FileRecord, MemberRecord, SpecRecord, plain_parts
from scutoid.steps.work._handed_members import MemberHandover
from scutoid.steps.work._member_files import ItemPlace, WrittenFiles
from scutoid.store import choose_format, empty_folder

_IN_MEMORY = 2**29
_ENDINGS = {"tiff": ".tif", "zarr": ".ome.zarr", "npy": ".npy", "png": ".png"}


@dataclass(frozen=True, slots=True, eq=False)
class _Saved:
    """What is known of an image that was written."""

    spec: SpecRecord | None
    """What it is, if its format does not say so."""
    checksum: int | None = None
    """The CRC-32 of its file, if it is known already."""
    voxels: NDArray[Any] | None = None
    """What was stored, if its format says all that is known of it."""


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
    """Each a `MemberInput`, a reference or a value."""
    params: Mapping[str, object]
    """The same."""
    place: ItemPlace
    """Where files of members go."""
    own_columns: tuple[str, ...] = ()
    """Of the collection's tables: no member's own are called so."""
    handover: MemberHandover | None = None
    """How images go to steps that read them."""

    def __call__(self, block: Block, **ready: object) -> tuple[dict[str, object], bytes]:
        """Run in a worker."""
        keep_freed_memory()
        with self.place.writing() as written:
            record, payload = self._made(block.index, written, ready)
        with spending("writing"):
            return record.to_dict(), payload

    def is_here(self, block: Block) -> bool:
        """Whether all that a member reads of other steps is in memory, or stored."""
        of_steps = (*self.inputs, *self.params.values())
        return all(item.is_here(block.index) for item in of_steps if isinstance(item, MemberInput))

    def _made(
        self, number: int, written: WrittenFiles, ready: Mapping[str, object]
    ) -> tuple[MemberRecord, bytes]:
        """Make a member; returns what is known of its files, and what lies in none, packed."""
        call = make_call(
            self.spec,
            [self._own(item, number) for item in self.inputs],
            {name: self._own(value, number) for name, value in self.params.items()},
            key=self.keys[number],
        )
        folder = None
        if "files" in self.spec.outputs:
            stem = self._stem(number, self.spec.outputs.index("files"))
            folder = written.new_folder(f"{stem}.files")
        evaluation = Evaluation(ready=ready, folder=folder)
        files: dict[int, FileRecord] = {}
        packed: list[object] = []
        values: dict[int, int] = {}
        results = [ref_of(call, kind, n) for n, kind in enumerate(self.spec.outputs)]
        images = [ref for ref in results if isinstance(ref, ImageRef)]
        self._write(call, images, evaluation, number, written, files)
        for output, ref in enumerate(results):
            if isinstance(ref, ImageRef):
                continue
            stem = self._stem(number, output)
            value = evaluation.value(ref)
            if ref.kind == "table":
                self._check_columns(value, number)
            if ref.kind == "files":
                with spending("writing"):
                    files[output] = written.record(f"{stem}.files")
                packed.append(None)
            elif isinstance(value, BlockParts):
                packed.append(plain_parts(value))
            elif self.spec.value_format is not None:
                files[output] = self._saved(value, stem, written)
                packed.append(None)
            else:
                values[output] = len(packed)
                packed.append(value)
        with spending("writing"):
            payload = self._encoded(packed, values, number, written, files)
        return MemberRecord(self.keys[number], files), payload

    def _encoded(
        self,
        packed: list[object],
        values: Mapping[int, int],
        number: int,
        written: WrittenFiles,
        files: dict[int, FileRecord],
    ) -> bytes:
        """Pack what lies in no file; values that cannot be packed get files of their own."""
        try:
            return encode(packed)
        except StepError:
            for output, slot in values.items():
                if not _can_be_packed(packed[slot]):
                    stem = self._stem(number, output)
                    files[output] = self._saved(packed[slot], stem, written)
                    packed[slot] = None
            return encode(packed)

    def _check_columns(self, table: Any, number: int) -> None:
        place = f"step {self.spec.label!r}, table of member {self.keys[number]!r}"
        check_names(with_index(table, place).columns, self.own_columns, place)

    def _own(self, item: object, number: int) -> object:
        with spending("reading"):
            return item.member(number) if isinstance(item, MemberInput) else item

    def _stem(self, number: int, output: int) -> str:
        suffix = "" if output == 0 else f"-{output + 1}"
        return f"{self.keys[number]}.{self.member_keys[number][:8]}{suffix}"

    def _saved(self, value: object, stem: str, written: WrittenFiles) -> FileRecord:
        """Save a value as a file of its own."""
        with spending("writing"):
            chosen = choose_format(value, self.spec.value_format)
            name = f"{stem}{chosen.suffix}"
            chosen.save(value, written.place(name))
            return written.record(name, value_format=chosen.name)

    def _write(
        self,
        call: Call,
        images: Sequence[ImageRef],
        evaluation: Evaluation,
        number: int,
        written: WrittenFiles,
        files: dict[int, FileRecord],
    ) -> None:
        """Write images: as is asked for, else as TIFFs, or as zarrs if they are large."""
        names = {
            image.output: self._stem(number, image.output) + _ENDINGS[self._format(image)]
            for image in images
        }
        paths = {output: written.place(name) for output, name in names.items()}
        streamed = [image for image in images if paths[image.output].suffix == ".zarr"]
        self._write_zarrs(call, streamed, evaluation, paths)
        for image in streamed:
            with spending("writing"):
                add_limits(paths[image.output])
        for image in images:
            path = paths[image.output]
            array = None if path.suffix == ".zarr" else evaluation.value(image)
            with spending("writing"):
                kept = None if array is None else self._save(image, array, path)
                spec, checksum = (None, None) if kept is None else (kept.spec, kept.checksum)
                name = names[image.output]
                files[image.output] = written.record(name, spec=spec, checksum=checksum)
                if kept is not None and kept.voxels is not None and self.handover is not None:
                    member, described = self.member_keys[number], image.framed.spec
                    self.handover.put(member, image.output, kept.voxels, described, path)

    def _format(self, image: ImageRef) -> str:
        storage = self.spec.options.storage
        if storage.format is None:
            is_small = image.framed.spec.nbytes <= _IN_MEMORY and storage.levels == 1
            return "tiff" if is_small else "zarr"
        if storage.format not in _ENDINGS:
            raise ParameterError(
                f"the image of a member is stored as {', '.join(_ENDINGS)}",
                value=storage.format,
                place=f"storage of step {self.spec.label!r}",
            )
        return storage.format

    def _save(self, image: ImageRef, array: NDArray[Any], path: Path) -> _Saved:
        """Write an image; return what is known of its file."""
        if path.suffix == ".tif":
            from scutoid.arrays import write_tiff  # reads them too, in all their kinds

            written = write_tiff(path, array, image.framed.spec)
            return _Saved(None, written.checksum, written.voxels)
        spec, name = image.framed.spec, self._format(image)
        choose_format(array, name).save(array, path)
        sizes = spec.voxel_size or spec.known_sizes
        record = SpecRecord(spec.axes, sizes, spec.unit, spec.origin, spec.time)
        _check_holds(path, spec, record, name)
        return _Saved(record)

    def _write_zarrs(
        self,
        call: Call,
        images: Sequence[ImageRef],
        evaluation: Evaluation,
        paths: Mapping[int, Path],
    ) -> None:
        """Write block by block, all images at a time."""
        if not images:
            return
        layout = call.layout if isinstance(call, BlockCall) else None
        writers = {}
        for image in images:
            spec = image.framed.spec
            with spending("writing"):
                empty_folder(paths[image.output])
                writers[image.output] = create_image(
                    paths[image.output],
                    spec,
                    block=None
                    if layout is None
                    else tuple(layout.output_roi(layout.grid.write_roi(0), spec.shape).shape),
                    storage=self.spec.options.storage,
                    label=image.is_labels,
                )
        if not isinstance(call, BlockCall) or layout is None:
            for image in images:
                array = evaluation.value(image)
                with spending("writing"):
                    writers[image.output].write(image.framed.spec.roi, array)
            return
        for index, results in evaluation.blocks(call, list(writers)):
            for image in images:
                framed, found = image.framed, np.asarray(results[image.output])
                place = layout.output_roi(layout.grid.write_roi(index), framed.spec.shape)
                with spending("writing"):
                    writers[image.output].write(place.shift(-framed.offset), found)


def _can_be_packed(value: object) -> bool:
    try:
        encode([value])
    except StepError:
        return False
    return True


def _check_holds(path: Path, spec: ImageSpec, record: SpecRecord, name: str) -> None:
    """See that an image in a format that is not made for images can be read back as it was."""
    from scutoid.arrays import open_source

    try:
        found = open_source(str(path), **record.to_dict()).spec
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

    def member(self, number: int) -> object:
        """Return what the member of block `number` gets: a reference, or a value."""
        raise NotImplementedError

    def is_here(self, number: int) -> bool:
        """Whether it can be read already, in this process."""
        return True


@dataclass(frozen=True, slots=True, eq=False)
class FolderInput(MemberInput):
    """Files of a folder."""

    files: tuple[MemberFiles, ...]
    """The file of each member, or its files."""
    open: Opening
    """Opens one."""
    unreadable: Mapping[int, SourceError] = field(default_factory=dict)
    """Why a file of a member could not be read when the run was planned."""

    def member(self, number: int) -> Ref:
        """Return one member.

        Raises
        ------
        SourceError
            If its file could not be read when the run was planned.
        """
        if number in self.unreadable:
            raise self.unreadable[number]
        return ref_of(self.open(self.files[number]), self.open.kind)


@dataclass(frozen=True, slots=True, eq=False)
class PartInput(MemberInput):
    """What is taken of each image of a collection."""

    members: MemberInput
    """Gives the members."""
    parts: tuple[PartOfMember, ...]
    """What is taken of each."""

    def member(self, number: int) -> object:
        """Return the part of one member."""
        found = self.members.member(number)
        return with_parts(found, self.parts) if isinstance(found, Ref) else found

    def is_here(self, number: int) -> bool:
        """Whether the member can be read already."""
        return self.members.is_here(number)


@dataclass(frozen=True, slots=True, eq=False)
class ItemInput(MemberInput):
    """Results of an earlier step on the same members."""

    stored: StoredMembers
    """Where they lie."""
    keys: tuple[str, ...]
    """A key a member."""
    kind: OutputKind
    """What each is."""
    output: int
    """Their number among the outputs of that step."""
    handover: MemberHandover | None = None
    """How images may come from that step."""

    def member(self, number: int) -> Ref:
        """Return the result of one member."""
        key = self.keys[number]
        item, member = self.stored.unchecked(key), self.stored.member_keys[key]
        if self.handover is not None:
            item = self.handover.take(member, self.output, item)
        node = FromStore(key, member, item, self.stored.outputs)
        return ref_of(node, self.kind, self.output)

    def is_here(self, number: int) -> bool:
        """Whether it is in memory, or was stored when this process last looked."""
        key = self.keys[number]
        member = self.stored.member_keys[key]
        is_held = self.handover is not None and self.handover.has(member, self.output)
        return is_held or self.stored.unchecked(key).is_there


@dataclass(frozen=True, slots=True, eq=False)
class ValueInput(MemberInput):
    """A value for each member."""

    values: tuple[object, ...]
    """A value a member."""

    def member(self, number: int) -> object:
        """Return the value of one member."""
        return self.values[number]


def members_by_key(
    members: Any, keys: tuple[str, ...], missing: tuple[str, ...]
) -> GatheredMembers:
    """Return the members of a collection by key, each read whenever it is asked for."""
    numbers = {key: number for number, key in enumerate(keys)}
    return GatheredMembers(keys, partial(_read_member, members, numbers), missing)


def _read_member(members: MemberInput, numbers: Mapping[str, int], key: str) -> object:
    item = members.member(numbers[key])
    return Evaluation().value(item) if isinstance(item, Ref) else own(item)
