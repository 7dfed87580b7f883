"""What an entry says of itself: how its result was made, and what of it lies in which file."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from scutoid.steps._keys import CallKey
from scutoid.steps._parts import describe_parts
from scutoid.steps._producers import Call
from scutoid.steps._stored import BLOCKS, image_file, output_names, packed_slot
from scutoid.store import Recipe


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


def make_recipe(call: Call, key: CallKey, n_blocks: int) -> Recipe:
    """Return what the entry of a step shall say of itself."""
    spec = call.spec
    outputs: list[dict[str, Any]] = []
    image_format = spec.options.storage.format or "zarr"
    for number, (kind, name) in enumerate(
        zip(spec.outputs, output_names(spec.outputs), strict=True)
    ):
        said: dict[str, Any] = {"kind": kind, "name": name}
        if kind == "image":
            said["labels"] = spec.labels
        if kind == "image" and call.keys is None:
            framed = call.framed(number)
            said |= {
                "file": image_file(name, image_format),
                "offset": list(framed.offset),
                "axes": framed.spec.axes,
                "shape": list(framed.spec.shape),
                "dtype": str(framed.spec.dtype),
                "grid": None if spec.kind == "step" else describe_parts(call.parts_grid),
            }
        elif kind == "parts" and call.keys is None:
            slot = packed_slot(spec.outputs, number) if spec.kind != "step" else 0
            grid = describe_parts(call.parts_grid)
            said |= {"file": BLOCKS, "grid": grid, "slot": slot}
        outputs.append(said)
    return replace(
        recipe_of_key(call, key),
        kind="collection" if call.keys is not None else spec.outputs[0],
        format=image_format if "image" in spec.outputs else None,
        block=block_of(call),
        output={
            "outputs": outputs,
            "n_blocks": n_blocks,
            "storage": str(spec.options.storage),
        },
    )


def block_of(call: Call) -> tuple[int, ...] | None:
    """Return the block shape of a call; None where there are no blocks."""
    if call.keys is not None or call.spec.kind == "step":
        return None
    return tuple(call.layout().grid.block_shape)
