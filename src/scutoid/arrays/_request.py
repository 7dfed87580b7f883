"""The options with which a user opens a source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from scutoid.arrays._source import SourceMode
from scutoid.errors import ParameterError

SeriesName: TypeAlias = int | str
"""Number of an image in its file, from 0, or its name."""
Missing: TypeAlias = Literal["error", "fill"]
"""What becomes of something of an input that is absent: an error, or zeros and a word."""


def check_missing(missing: object, place: str) -> None:
    """Refuse what `missing=` is not."""
    if missing not in ("error", "fill"):
        raise ParameterError(
            'missing= is "error" or "fill"',
            value=missing,
            place=place,
            remedy='"fill" takes 0 for the voxels of what is not there, and says so',
        )


def check_series(series: object, place: str) -> None:
    """Refuse what `series=` is not."""
    if series is not None and (isinstance(series, bool) or not isinstance(series, (int, str))):
        raise ParameterError(
            "series= is the number of an image in its file, or its name", value=series, place=place
        )


@dataclass(frozen=True, slots=True)
class Request:
    """The options with which a user opens a source."""

    axes: str | None = None
    """One letter an axis; overrides the file's own."""
    level: int = 0
    """Pyramid level."""
    mode: SourceMode = "listing"
    """How a change of a zarr is detected."""
    allow_outside: bool = False
    """Whether files that an image names may lie outside its folder."""
    coordinate_system: str | None = None
    """Name of the one that an OME-Zarr is placed in; None: the default."""
    series: SeriesName | None = None
    """Which image of a file that holds several."""
    missing: Missing = "error"
    """What becomes of planes that a description announces, and that are not there."""
    given: Mapping[str, object] = field(default_factory=dict)
    """What the user says of the image, by name, which its metadata then need not: "axes",
    "voxel_size", "unit", "origin"."""
