from ._fit import make_layout
from ._layout import Layout
from ._output import frame_output
from ._output_grid import OutputGrid, ask, call_grid
from ._placement import Framed, PartsGrid
from ._view import View, ViewSource, Window
from ._where import MaskImage, chosen_blocks

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
