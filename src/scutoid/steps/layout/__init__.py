"""How axes and blocks meet images: pure geometry."""

from scutoid.steps.layout._fit import make_layout
from scutoid.steps.layout._layout import Layout
from scutoid.steps.layout._output import frame_output
from scutoid.steps.layout._output_grid import OutputGrid, ask, call_grid
from scutoid.steps.layout._placement import Framed, PartsGrid
from scutoid.steps.layout._view import View, ViewSource, Window
from scutoid.steps.layout._where import MaskImage, chosen_blocks

__all__ = [
    "Framed",
    "Layout",
    "MaskImage",
    "OutputGrid",
    "PartsGrid",
    "View",
    "ViewSource",
    "Window",
    "ask",
    "call_grid",
    "chosen_blocks",
    "frame_output",
    "make_layout",
]
