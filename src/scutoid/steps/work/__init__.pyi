from ._blocks import BlockWork, FinishWork, StepWork, WholeImage
from ._drafts import Drafting, DraftReader
from ._handed_members import MemberHandover
from ._handover import HandedImage, Handover
from ._measured import Measured, Usage
from ._member_files import ItemPlace
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
    "DraftReader",
    "Drafting",
    "EarlierBlocks",
    "FinishWork",
    "FolderInput",
    "HandedImage",
    "Handover",
    "ItemInput",
    "ItemPlace",
    "Measured",
    "MemberHandover",
    "MemberInput",
    "MemberWork",
    "PartInput",
    "StepWork",
    "Usage",
    "ValueInput",
    "WholeImage",
    "members_by_key",
]
