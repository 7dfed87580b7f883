"""Compute one block, or one whole call, on arrays."""

from scutoid.steps.compute._block_inputs import BlockInputs, Deferred, Loaded
from scutoid.steps.compute._block_step import BlockStep
from scutoid.steps.compute._calling import merge_in_order, unpack
from scutoid.steps.compute._computed import ComputedImage
from scutoid.steps.compute._gathered import GatheredMembers
from scutoid.steps.compute._groups import Groups
from scutoid.steps.compute._parts import (
    BlockParts,
    MemoryParts,
    PackedParts,
    decode,
    encode,
    read_payload,
)
from scutoid.steps.compute._tables import (
    TIME_UNIT,
    UNIT,
    check_names,
    concatenate,
    join_tables,
    own_columns,
    with_groups,
    with_index,
)
from scutoid.steps.compute._trial import trial
from scutoid.steps.compute._whole_step import call_step, finish, prepared

__all__ = [
    "TIME_UNIT",
    "UNIT",
    "BlockInputs",
    "BlockParts",
    "BlockStep",
    "ComputedImage",
    "Deferred",
    "GatheredMembers",
    "Groups",
    "Loaded",
    "MemoryParts",
    "PackedParts",
    "call_step",
    "check_names",
    "concatenate",
    "decode",
    "encode",
    "finish",
    "join_tables",
    "merge_in_order",
    "own_columns",
    "prepared",
    "read_payload",
    "trial",
    "unpack",
    "with_groups",
    "with_index",
]
