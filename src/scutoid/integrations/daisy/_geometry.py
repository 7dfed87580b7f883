"""Regions and points for daisy's users: funlib's if it is installed, else ours.

funlib.persistence takes funlib's regions only, so those must be handed to the user's function.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from scutoid import geometry
from scutoid.errors import GeometryError

if TYPE_CHECKING:
    # The names that both have
    from scutoid.integrations.daisy._regions import Coordinate, Roi
else:
    try:
        from funlib.geometry import Coordinate, Roi
    except ImportError:
        from scutoid.integrations.daisy._regions import Coordinate, Roi

__all__ = ["Coordinate", "Roi", "ours", "theirs"]


def ours(roi: geometry.RoiLike) -> geometry.Roi:
    """Convert any region to one of ours.

    Raises
    ------
    GeometryError
        If it is no region, or has no bounds.
    """
    if not hasattr(roi, "offset") or not hasattr(roi, "shape") or None in (*roi.offset, *roi.shape):
        raise GeometryError(
            "a region is a Roi of an offset and a shape, whole numbers one an axis",
            value=roi,
            remedy="write daisy.Roi(offset, shape)",
        )
    return geometry.Roi(tuple(roi.offset), tuple(roi.shape))


def theirs(roi: geometry.Roi) -> Roi:
    """Convert a region of ours to the type that daisy's users expect."""
    return Roi(tuple(roi.offset), tuple(roi.shape))
