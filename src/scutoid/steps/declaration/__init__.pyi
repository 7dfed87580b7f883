from ._block import StepBlock
from ._copies import ReadWhenAsked, is_table
from ._cropped import Cropped
from ._drafts import DraftRole, Finds, LooksUp, Renumbers
from ._length import Length, um
from ._options import CallOptions, Options, ResultOptions
from ._own import kept, own, own_all, told_of_read_only
from ._parameters import INJECTED, NEIGHBOURS, refuse_renamed
from ._spec import Border, OutputKind, StepSpec, make_spec
from ._view_options import LAYER_OPTIONS

__all__ = [
    "INJECTED",
    "LAYER_OPTIONS",
    "NEIGHBOURS",
    "Border",
    "CallOptions",
    "Cropped",
    "DraftRole",
    "Finds",
    "Length",
    "LooksUp",
    "Options",
    "OutputKind",
    "ReadWhenAsked",
    "Renumbers",
    "ResultOptions",
    "StepBlock",
    "StepSpec",
    "is_table",
    "kept",
    "make_spec",
    "own",
    "own_all",
    "refuse_renamed",
    "told_of_read_only",
    "um",
]
