"""Pipelines: lazy results, the decorators that make steps, planning and running.

A call of a step builds a graph and computes nothing.  `plan` says what would run and why, `run`
hands the blocks to the block engine, and a result that is read without a run is computed in the
process.
"""

from scutoid.pipeline._collections import Collection, Images, Tables, Values, gather
from scutoid.pipeline._compute import StepBlock
from scutoid.pipeline._decorators import Step, blockwise, reduction, step
from scutoid.pipeline._export import export
from scutoid.pipeline._given import with_given
from scutoid.pipeline._grids import OutputGrid
from scutoid.pipeline._lazy import Files, Image, Parts, Table, Value
from scutoid.pipeline._length import Length, um
from scutoid.pipeline._open import open, open_folder, per_member  # noqa: A004
from scutoid.pipeline._options import with_options
from scutoid.pipeline._outcome import Run, RunStep
from scutoid.pipeline._parts import BlockParts
from scutoid.pipeline._pipeline import Pipeline, pipeline
from scutoid.pipeline._plan import Plan, PlannedStep
from scutoid.pipeline._producers import is_lazy
from scutoid.pipeline._run import plan, run
from scutoid.pipeline._store import Store
from scutoid.pipeline._typed import CallOptions, TypedCall, injected

__all__ = [
    "BlockParts",
    "CallOptions",
    "Collection",
    "Files",
    "Image",
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
    "export",
    "gather",
    "injected",
    "is_lazy",
    "open",
    "open_folder",
    "per_member",
    "pipeline",
    "plan",
    "reduction",
    "run",
    "step",
    "um",
    "with_given",
    "with_options",
]
