"""Pipelines: lazy results, the decorators that make steps, planning and running.

A call of a step builds a graph and computes nothing.  `plan` says what would run and why, `run`
hands the blocks to the block engine, and a result that is read without a run is computed in the
process.
"""

from scutoid.steps.compute import TIME_UNIT, UNIT, BlockParts, check_names, own_columns
from scutoid.steps.declaration import CallOptions, Length, StepBlock, refuse_renamed, um
from scutoid.steps.graph import Described, ImageRef
from scutoid.steps.handles import (
    Collection,
    Files,
    Image,
    Images,
    Parts,
    Pipeline,
    Step,
    Store,
    Table,
    Tables,
    TypedCall,
    Value,
    Values,
    blockwise,
    export,
    gather,
    injected,
    is_lazy,
    open,  # noqa: A004
    open_folder,
    per_member,
    pipeline,
    reduction,
    remedy_for_image,
    step,
    with_given,
    with_options,
)
from scutoid.steps.layout import OutputGrid
from scutoid.steps.planning import Plan, PlannedStep
from scutoid.steps.running import Run, RunStep, plan, run

__all__ = [
    "TIME_UNIT",
    "UNIT",
    "BlockParts",
    "CallOptions",
    "Collection",
    "Described",
    "Files",
    "Image",
    "ImageRef",
    "Images",
    "Length",
    "OutputGrid",
    "Parts",
    "Pipeline",
    "Plan",
    "PlannedStep",
    "Run",
    "RunStep",
    "Step",
    "StepBlock",
    "Store",
    "Table",
    "Tables",
    "TypedCall",
    "Value",
    "Values",
    "blockwise",
    "check_names",
    "export",
    "gather",
    "injected",
    "is_lazy",
    "open",
    "open_folder",
    "own_columns",
    "per_member",
    "pipeline",
    "plan",
    "reduction",
    "refuse_renamed",
    "remedy_for_image",
    "run",
    "step",
    "um",
    "with_given",
    "with_options",
]
