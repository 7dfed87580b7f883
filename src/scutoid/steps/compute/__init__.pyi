from ._block_inputs import BlockInputs, Deferred, Loaded
from ._block_step import BlockStep
from ._calling import merge_in_order, unpack
from ._computed import ComputedImage
from ._gathered import GatheredMembers
from ._groups import Groups
from ._held import holding
from ._meter import metered
from ._parts import (
    BlockParts,
    MemoryParts,
    PackedParts,
    decode,
    encode,
    read_value,
)
from ._reads import DIGEST_BYTES, RecalledImage, Sums, digest_of_reads, sum_reads
from ._sparse_inputs import RIM
from ._tables import (
    TIME_UNIT,
    UNIT,
    check_names,
    check_units,
    concatenate,
    join_tables,
    own_columns,
    with_groups,
    with_index,
)
from ._trial import trial
from ._whole_step import call_step, finish, prepared

__all__ = [
    "DIGEST_BYTES",
    "RIM",
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
    "RecalledImage",
    "Sums",
    "call_step",
    "check_names",
    "check_units",
    "concatenate",
    "decode",
    "digest_of_reads",
    "encode",
    "finish",
    "holding",
    "join_tables",
    "merge_in_order",
    "metered",
    "own_columns",
    "prepared",
    "read_value",
    "sum_reads",
    "trial",
    "unpack",
    "with_groups",
    "with_index",
]
