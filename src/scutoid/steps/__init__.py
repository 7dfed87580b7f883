"""Pipelines: lazy results, the decorators that make steps, planning and running.

A call of a step builds a graph and computes nothing.  `plan` says what would run and why, `run`
hands the blocks to the block engine, and a result that is read without a run is computed in the
process.
"""

from scutoid.steps._collections import Collection, Images, Tables, Values, gather
from scutoid.steps._compute import StepBlock
from scutoid.steps._decorators import Step, blockwise, reduction, step
from scutoid.steps._export import export
from scutoid.steps._given import with_given
from scutoid.steps._grids import OutputGrid
from scutoid.steps._lazy import Files, Image, Parts, Table, Value
from scutoid.steps._length import Length, um
from scutoid.steps._open import open, open_folder, per_member  # noqa: A004
from scutoid.steps._options import with_options
from scutoid.steps._outcome import Run, RunStep
from scutoid.steps._parts import BlockParts
from scutoid.steps._pipeline import Pipeline, pipeline
from scutoid.steps._plan import Plan, PlannedStep
from scutoid.steps._producers import is_lazy
from scutoid.steps._run import plan, run
from scutoid.steps._store import Store
from scutoid.steps._typed import CallOptions, TypedCall, injected

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
