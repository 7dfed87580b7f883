"""Pipelines: lazy results, the decorators that make steps, planning and running.

A call of a step builds a graph and computes nothing.  `plan` says what would run and why, `run`
hands the blocks to the block engine, and a result that is read without a run is computed in the
process.
"""

from scutoid.pipeline._affine import Beneath, check_order, interpolate
from scutoid.pipeline._block import StepBlock
from scutoid.pipeline._collections import Collection, Images, Tables, Values, gather
from scutoid.pipeline._export import export
from scutoid.pipeline._length import Length, um
from scutoid.pipeline._open import open, open_folder, per_member  # noqa: A004
from scutoid.pipeline._operation_options import with_options
from scutoid.pipeline._outcome import Run, RunStep
from scutoid.pipeline._output_grid import OutputGrid
from scutoid.pipeline._parts import BlockParts
from scutoid.pipeline._pipeline import Pipeline, pipeline
from scutoid.pipeline._plan import Plan, PlannedStep
from scutoid.pipeline._refs import ImageRef
from scutoid.pipeline._run import plan, run
from scutoid.pipeline._single import Files, Image, Parts, Table, Value
from scutoid.pipeline._step import Step, blockwise, is_lazy, reduction, step
from scutoid.pipeline._store import Store
from scutoid.pipeline._substitute import with_given

__all__ = [
    "Beneath",
    "BlockParts",
    "Collection",
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
    "Value",
    "Values",
    "blockwise",
    "check_order",
    "export",
    "gather",
    "interpolate",
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
