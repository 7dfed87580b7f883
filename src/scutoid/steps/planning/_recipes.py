"""What an entry says of itself: how its result was made, and what of it lies in which file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

from scutoid.errors import StoreError
from scutoid.steps.graph import BlockCall, Call, Layouts, MappedCall
from scutoid.steps.layout import describe_parts
from scutoid.steps.planning._keys import CallKey, Keys
from scutoid.steps.results import BLOCKS, image_file, output_names, packed_slot
from scutoid.store import Recipe, differences

_INSIDE = "inside"
"""In a recipe: the recipes of the steps that were computed inside its blocks, which have no entry::

    denoise (not kept)  ->  threshold (not kept)  ->  label pieces (kept)
                                                      recipe: inside: threshold, denoise
"""


def recipe_of_key(call: Call, key: CallKey) -> Recipe:
    """Return what makes the key of a call: all by which two results are compared."""
    return Recipe(
        step=call.spec.label,
        key=key.key,
        code=key.code.parts,
        parameters=key.parameters,
        inputs=key.inputs,
        environment=key.code.environment,
        versions=key.code.packages,
        opaque=key.code.opaque,
    )


def make_recipe(call: Call, key: CallKey, n_blocks: int, layouts: Layouts) -> Recipe:
    """Return what the entry of a step shall say of itself."""
    spec = call.spec
    is_mapped = isinstance(call, MappedCall)
    grid = None if is_mapped else layouts.parts_grid(call)
    outputs: list[dict[str, Any]] = []
    image_format = spec.options.storage.format or "zarr"
    for number, (kind, name) in enumerate(
        zip(spec.outputs, output_names(spec.outputs), strict=True)
    ):
        record: dict[str, Any] = {"kind": kind, "name": name}
        if kind == "image":
            record["labels"] = spec.labels
        if kind == "image" and not is_mapped:
            framed = call.framed(number)
            record |= {
                "file": image_file(name, image_format),
                "offset": list(framed.offset),
                "axes": framed.spec.axes,
                "shape": list(framed.spec.shape),
                "dtype": str(framed.spec.dtype),
                "grid": describe_parts(grid) if isinstance(call, BlockCall) else None,
            }
        elif kind == "parts" and not is_mapped:
            slot = packed_slot(spec.outputs, number) if isinstance(call, BlockCall) else 0
            record |= {"file": BLOCKS, "grid": describe_parts(grid), "slot": slot}
        outputs.append(record)
    return replace(
        recipe_of_key(call, key),
        kind="collection" if is_mapped else spec.outputs[0],
        format=image_format if "image" in spec.outputs else None,
        block=block_of(call, layouts),
        output={
            "outputs": outputs,
            "n_blocks": n_blocks,
            "storage": str(spec.options.storage),
        },
    )


def block_of(call: Call, layouts: Layouts) -> tuple[int, ...] | None:
    """Return the block shape of a call; None where there are no blocks."""
    return tuple(layouts.of(call).grid.block_shape) if isinstance(call, BlockCall) else None


def with_inside(recipe: Recipe, call: Call, keys: Keys) -> Recipe:
    """Return the recipe of a call with those of the steps that are computed inside its blocks."""
    calls = dict.fromkeys(_fused(call))
    if not calls:
        return recipe
    inside = [json.loads(recipe_of_key(fused, keys.call(fused)).to_json()) for fused in calls]
    return replace(recipe, output={**recipe.output, _INSIDE: inside})


def nearest_inside(reader: Recipe | None, new: Recipe) -> Recipe | None:
    """Return what the recipe of a reader says of a step inside it, nearest to what is wanted."""
    found = []
    for content in () if reader is None else reader.output.get(_INSIDE, ()):
        with suppress(StoreError):  # of a later version: there is nothing to compare with
            said = Recipe.from_json(json.dumps(content))
            found.append(replace(said, created=reader.created if reader is not None else 0.0))
    named = (said for said in found if said.step == new.step)
    return min(named, key=lambda said: len(differences(new, said)), default=None)


def _fused(call: Call) -> Iterator[BlockCall]:
    for fused in call.fused_inputs:
        yield fused
        yield from _fused(fused)
