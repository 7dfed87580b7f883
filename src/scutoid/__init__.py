"""Image analysis at any size: pipelines of plain functions, run block by block and kept once.

See `blockwise`, `step` and `reduction` for making steps, `open` and `open_folder` for inputs, and
`plan` and `run` for running them.
"""

from typing import Any

from scutoid._version import __version__
from scutoid.arrays import Storage, create
from scutoid.geometry import Coordinate, Roi
from scutoid.ops import gaussian, label, measure, otsu, remove_small, threshold
from scutoid.pipeline import (
    Files,
    Image,
    Images,
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
    "blockwise",
    "create",
    "export",
    "gather",
    "gaussian",
    "label",
    "measure",
    "open",
    "open_folder",
    "otsu",
    "per_member",
    "pipeline",
    "plan",
    "reduction",
    "remove_small",
    "run",
    "step",
    "threshold",
    "um",
    "view",
]


_OUTSIDE = {"Progress": "scutoid.cli", "view": "scutoid.views"}


def __getattr__(name: str) -> Any:
    """Import what lies outside of the library's layers when it is first asked for."""
    if name not in _OUTSIDE and name != "testing":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    if name == "testing":
        return importlib.import_module("scutoid.testing")
    return getattr(importlib.import_module(_OUTSIDE[name]), name)
