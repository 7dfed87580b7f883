"""Make the recipe of an entry: how its result was made, and what of it lies in which file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

from scutoid.errors import StoreError
from scutoid.steps.declaration import StepSpec
from scutoid.steps.graph import BlockCall, Call, Layouts, MappedCall
from scutoid.steps.planning._keys import CallKey, Keys
from scutoid.steps.results import (
    BLOCKS,
    GridRecord,
    ImageRecord,
    OutputRecord,
    PartsRecord,
    ResultRecord,
    image_file,
    output_names,
    packed_slot,
)
from scutoid.store import RECIPE, Entry, Recipe, differences


def recipe_of_key(call: Call, key: CallKey) -> Recipe:
    """Return what makes the key of a call: all by which two results are compared."""
    return Recipe(
        step=call.spec.label,
        key=key.key,
        rule=key.rule,
        code=key.code.parts,
        parameters=key.parameters,
        inputs=key.inputs,
        environment=key.code.environment,
        versions=key.code.packages,
        opaque=key.opaque,
    )


def make_recipe(call: Call, key: CallKey, n_blocks: int, layouts: Layouts) -> Recipe:
    """Return what the entry of a step shall say of itself."""
    spec = call.spec
    record = ResultRecord(tuple(_outputs(call, layouts)), n_blocks, str(spec.options.storage))
    return replace(
        recipe_of_key(call, key),
        kind="collection" if isinstance(call, MappedCall) else spec.outputs[0],
        format=_image_format(spec) if "image" in spec.outputs else None,
        block=block_of(call, layouts),
        output=record.to_dict(),
    )


def _outputs(call: Call, layouts: Layouts) -> Iterator[OutputRecord]:
    """Yield the record of each output; of a collection it does not say where the output lies."""
    spec = call.spec
    is_mapped = isinstance(call, MappedCall)
    for number, (kind, name) in enumerate(
        zip(spec.outputs, output_names(spec.outputs), strict=True)
    ):
        if kind == "image":
            image = None if is_mapped else _image(call, number, name, layouts)
            yield OutputRecord(kind, name, labels=spec.labels, image=image)
        elif kind == "parts":
            parts = None if is_mapped else _parts(call, number, layouts)
            yield OutputRecord(kind, name, parts=parts)
        else:
            yield OutputRecord(kind, name)


def _image(call: Call, number: int, name: str, layouts: Layouts) -> ImageRecord:
    framed = call.framed(number)
    return ImageRecord(
        file=image_file(name, _image_format(call.spec)),
        offset=tuple(framed.offset),
        axes=framed.spec.axes,
        shape=tuple(framed.spec.shape),
        dtype=str(framed.spec.dtype),
        grid=GridRecord.of(layouts.of(call).parts_grid) if isinstance(call, BlockCall) else None,
    )


def _parts(call: Call, number: int, layouts: Layouts) -> PartsRecord | None:
    grid = layouts.parts_grid(call)
    if grid is None:  # it gets no parts whose blocks it could keep: an error when it runs
        return None
    slot = packed_slot(call.spec.outputs, number) if isinstance(call, BlockCall) else 0
    return PartsRecord(BLOCKS, GridRecord.of(grid), slot)


def _image_format(spec: StepSpec) -> str:
    return spec.options.storage.format or "zarr"


def block_of(call: Call, layouts: Layouts) -> tuple[int, ...] | None:
    """Return the block shape of a call; None where there are no blocks."""
    return tuple(layouts.of(call).grid.block_shape) if isinstance(call, BlockCall) else None


def is_stored_otherwise(entry: Entry, spec: StepSpec) -> bool:
    """Whether a result lies in other chunks, levels or another format than a step asks for."""
    record = ResultRecord.of(entry.recipe, place=entry.path / RECIPE)
    return record is not None and record.storage != str(spec.options.storage)


def with_inside(recipe: Recipe, call: Call, keys: Keys) -> Recipe:
    """Return the recipe of a call with those of the steps that are computed inside its blocks.

    These have no entry::

        denoise (not kept)  ->  threshold (not kept)  ->  label pieces (kept)
                                                          recipe: inside: threshold, denoise
    """
    calls = _fused(call)
    record = ResultRecord.of(recipe)
    if record is None or not calls:
        return recipe
    inside = tuple(recipe_of_key(fused, keys.call(fused)) for fused in calls)
    return replace(recipe, output=replace(record, inside=inside).to_dict())


def nearest_inside(reader: Recipe | None, new: Recipe) -> Recipe | None:
    """Return what the recipe of a reader says of a step inside it, nearest to what is wanted."""
    if reader is None:
        return None
    inside: tuple[Recipe, ...] = ()
    with suppress(StoreError):  # of a later version: there is nothing to compare with
        record = ResultRecord.of(reader)
        inside = () if record is None else record.inside
    named = (replace(one, created=reader.created) for one in inside if one.step == new.step)
    return min(named, key=lambda recipe: len(differences(new, recipe)), default=None)


def _fused(call: Call) -> dict[BlockCall, None]:
    """Return the steps that are computed inside the blocks of a call, each once."""
    found: dict[BlockCall, None] = {}

    def visit(reader: Call) -> None:
        for fused in reader.fused_inputs:
            if fused not in found:
                found[fused] = None
                visit(fused)

    visit(call)
    return found
