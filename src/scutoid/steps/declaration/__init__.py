"""What a decorator was told: signature, options, halo; nothing of images."""

from scutoid.steps.declaration._block import StepBlock
from scutoid.steps.declaration._copies import ReadWhenAsked, is_table
from scutoid.steps.declaration._length import Length, um
from scutoid.steps.declaration._options import CallOptions, Options, ResultOptions
from scutoid.steps.declaration._own import kept, own, own_all, told_of_read_only
from scutoid.steps.declaration._parameters import INJECTED, NEIGHBOURS, refuse_renamed
from scutoid.steps.declaration._spec import Border, OutputKind, StepSpec, make_spec

__all__ = [
    "INJECTED",
    "NEIGHBOURS",
    "Border",
    "CallOptions",
    "Length",
    "Options",
    "OutputKind",
    "ReadWhenAsked",
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
