from ._blocks import BlockWork, FinishWork, StepWork, WholeImage
from ._handover import HandedImage, Handover
from ._members import (
    FolderInput,
    ItemInput,
    MemberInput,
    MemberWork,
    PartInput,
    ValueInput,
    members_by_key,
)
from ._taking import BlockResult, EarlierBlocks

__all__ = [
    "BlockResult",
    "BlockWork",
    "EarlierBlocks",
    "FinishWork",
    "FolderInput",
    "HandedImage",
    "Handover",
    "ItemInput",
    "MemberInput",
    "MemberWork",
    "PartInput",
    "StepWork",
    "ValueInput",
    "WholeImage",
    "members_by_key",
]
