"""Image analysis at any size: pipelines of plain functions, run block by block and kept once.

See `blockwise`, `step` and `reduction` for making steps, `open` and `open_folder` for inputs, and
`plan` and `run` for running them.
"""

from typing import TYPE_CHECKING, Any

from scutoid._version import __version__
from scutoid.arrays import Storage, create
from scutoid.geometry import Coordinate, Roi
from scutoid.kernels import Measure
from scutoid.ops import (
    affine_transform,
    closing,
    concatenate,
    correct_bias,
    count,
    count_by_region,
    density,
    detect_spots,
    difference_of_gaussians,
    dilation,
    distance_transform,
    downsample,
    erosion,
    estimate_bias,
    estimate_cells,
    fill_holes,
    flip,
    gaussian,
    hysteresis,
    label,
    laplacian_of_gaussian,
    li,
    local_maxima,
    measure,
    median,
    n4,
    normalize_percentile,
    opening,
    otsu,
    pad,
    percentile,
    predict,
    project,
    pyramid,
    remove_small,
    resample,
    scale_nearest,
    split_touching,
    stitch,
    subtract_background,
    threshold,
    threshold_local,
    transpose,
    triangle,
    watershed,
    white_tophat,
)
from scutoid.steps import (
    Files,
    Image,
    Images,
    OutputGrid,
    Parts,
    Plan,
    Run,
    Store,
    Table,
    Tables,
    Value,
    Values,
    blockwise,
    export,
    gather,
    injected,
    open,  # noqa: A004
    open_folder,
    per_member,
    pipeline,
    plan,
    reduction,
    run,
    step,
    um,
)

__all__ = [
    "Coordinate",
    "Files",
    "Image",
    "Images",
    "Measure",
    "OutputGrid",
    "Parts",
    "Plan",
    "Progress",
    "Roi",
    "Run",
    "Storage",
    "Store",
    "Table",
    "Tables",
    "Value",
    "Values",
    "__version__",
    "affine_transform",
    "blockwise",
    "closing",
    "concatenate",
    "correct_bias",
    "count",
    "count_by_region",
    "create",
    "density",
    "detect_spots",
    "difference_of_gaussians",
    "dilation",
    "distance_transform",
    "downsample",
    "erosion",
    "estimate_bias",
    "estimate_cells",
    "export",
    "fill_holes",
    "flip",
    "gather",
    "gaussian",
    "hysteresis",
    "injected",
    "label",
    "laplacian_of_gaussian",
    "li",
    "local_maxima",
    "measure",
    "median",
    "n4",
    "normalize_percentile",
    "open",
    "open_folder",
    "opening",
    "otsu",
    "pad",
    "per_member",
    "percentile",
    "pipeline",
    "plan",
    "predict",
    "project",
    "pyramid",
    "reduction",
    "remove_small",
    "resample",
    "run",
    "scale_nearest",
    "split_touching",
    "step",
    "stitch",
    "subtract_background",
    "threshold",
    "threshold_local",
    "transpose",
    "triangle",
    "um",
    "view",
    "watershed",
    "white_tophat",
]


if TYPE_CHECKING:  # a `__getattr__` here would hide misspelled names from mypy
    Progress: Any
    testing: Any
    view: Any
else:
    _OUTSIDE = {"Progress": "scutoid.cli", "view": "scutoid.views"}

    def __getattr__(name: str) -> object:
        """Import what lies outside of the library's layers when it is first asked for."""
        import importlib

        if name == "testing":
            return importlib.import_module("scutoid.testing")
        if name in _OUTSIDE:
            return getattr(importlib.import_module(_OUTSIDE[name]), name)
        import difflib

        close = difflib.get_close_matches(name, __all__, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}{hint}")
