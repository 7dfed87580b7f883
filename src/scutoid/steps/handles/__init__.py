"""What a user holds and writes: lazy images and tables, decorators, opening, stores."""

from scutoid.steps.handles._collections import Collection, Images, Tables, Values, gather
from scutoid.steps.handles._decorators import blockwise, reduction, step
from scutoid.steps.handles._evaluate import Evaluation, refusing_depth
from scutoid.steps.handles._export import export
from scutoid.steps.handles._latest import LATEST
from scutoid.steps.handles._lazy import Lazy, handle_of, remedy_for_image
from scutoid.steps.handles._named_results import NamedResults, Result
from scutoid.steps.handles._open import open  # noqa: A004
from scutoid.steps.handles._open_folder import open_folder
from scutoid.steps.handles._operation_options import with_options
from scutoid.steps.handles._partial import MembersTaken, Partial
from scutoid.steps.handles._per_member import per_member
from scutoid.steps.handles._pipeline import Pipeline, pipeline
from scutoid.steps.handles._single import Files, Image, Parts, Table, Value
from scutoid.steps.handles._step import Step, is_lazy
from scutoid.steps.handles._store import Store
from scutoid.steps.handles._substitute import with_given
from scutoid.steps.handles._targets import refs_in
from scutoid.steps.handles._typed import TypedCall, injected

__all__ = [
    "LATEST",
    "Collection",
    "Evaluation",
    "Files",
    "Image",
    "Images",
    "Lazy",
    "MembersTaken",
    "NamedResults",
    "Partial",
    "Parts",
    "Pipeline",
    "Result",
    "Step",
    "Store",
    "Table",
    "Tables",
    "TypedCall",
    "Value",
    "Values",
    "blockwise",
    "export",
    "gather",
    "handle_of",
    "injected",
    "is_lazy",
    "open",
    "open_folder",
    "per_member",
    "pipeline",
    "reduction",
    "refs_in",
    "refusing_depth",
    "remedy_for_image",
    "step",
    "with_given",
    "with_options",
]
