"""What is sent to a worker."""

from scutoid.steps.work._blocks import BlockWork, FinishWork, StepWork, WholeImage
from scutoid.steps.work._handover import HandedImage, Handover
from scutoid.steps.work._members import (
    FolderInput,
    GatheredMembers,
    ItemInput,
    MemberWork,
    ValueInput,
)

__all__ = [
    "BlockWork",
    "FinishWork",
    "FolderInput",
    "GatheredMembers",
    "HandedImage",
    "Handover",
    "ItemInput",
    "MemberWork",
    "StepWork",
    "ValueInput",
    "WholeImage",
]
