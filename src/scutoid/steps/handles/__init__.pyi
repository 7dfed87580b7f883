from ._collections import Collection, Images, Tables, Values, gather
from ._decorators import blockwise, reduction, step
from ._depth import refusing_depth
from ._evaluate import Evaluation
from ._export import export
from ._html import facts, grid, lines, note, section
from ._latest import LATEST
from ._lazy import Lazy, handle_of, remedy_for_image
from ._levels import level_sources
from ._named_results import NamedResults, Result
from ._open import open  # noqa: A004
from ._open_folder import open_folder
from ._operation_options import with_options
from ._outlined import SHARP, outlined_thumbnail
from ._parameter_file import name_of, read_parameters, save_parameters
from ._partial import MembersTaken, Partial
from ._per_member import per_member
from ._pipeline import Pipeline, pipeline
from ._shown import OF_FILE, source_there, thumbnail_of
from ._single import Files, Image, Parts, Table, Value
from ._step import Step, is_lazy, with_draft
from ._store import Store
from ._substitute import with_given
from ._targets import flatten, refs_in
from ._thumbnail import Thumbnail, thumbnail
from ._typed import TypedCall, injected

__all__ = [
    "LATEST",
    "OF_FILE",
    "SHARP",
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
    "Thumbnail",
    "TypedCall",
    "Value",
    "Values",
    "blockwise",
    "export",
    "facts",
    "flatten",
    "gather",
    "grid",
    "handle_of",
    "injected",
    "is_lazy",
    "level_sources",
    "lines",
    "name_of",
    "note",
    "open",
    "open_folder",
    "outlined_thumbnail",
    "per_member",
    "pipeline",
    "read_parameters",
    "reduction",
    "refs_in",
    "refusing_depth",
    "remedy_for_image",
    "save_parameters",
    "section",
    "source_there",
    "step",
    "thumbnail",
    "thumbnail_of",
    "with_draft",
    "with_given",
    "with_options",
]
