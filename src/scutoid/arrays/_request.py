"""The options with which a user opens a source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from scutoid.arrays._source import SourceMode
from scutoid.errors import MetadataError, ParameterError

SeriesName: TypeAlias = int | str
"""Number of an image in its file, from 0, or its name."""
Missing: TypeAlias = Literal["error", "fill"]
"""What becomes of something of an input that is absent: an error, or zeros and a word."""
DESCRIBED = frozenset(("axes", "voxel_size"))
"""What a user gives of an image whose metadata are not needed."""
_SHOWN = 12


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


def choose_one(names: Sequence[str], which: SeriesName | None, place: str) -> int:
    """Return the number of the image that is meant among several, by its number or name.

    Raises
    ------
    MetadataError
        If none is given, and there are several.
    ParameterError
        If there is none of this number or name.
    """
    return choose_numbered(tuple(enumerate(names)), which, place)


def choose_numbered(images: Sequence[tuple[int, str]], which: SeriesName | None, place: str) -> int:
    """Return the same of images that have numbers of their own, as scenes of some files have."""
    if which is None and len(images) == 1:
        return images[0][0]
    listed = "; ".join(f"{number}: {name!r}" for number, name in images[:_SHOWN])
    more = len(images) - _SHOWN
    listed += f"; and {more} more" * (more > 0)
    if which is None:
        first = images[0][0] if images else 0
        raise MetadataError(
            "which of several images is meant is said",
            value=listed,
            place=place,
            remedy=f"sc.open(path, series={first}) opens one, by its number or name; "
            "sc.open_folder(path) opens each of a plate, of series or of a group as a member, of "
            'many files with series="all"',
        )
    found = [number for number, name in images if which in (number, name)]
    if len(found) != 1:
        raise ParameterError(
            "series= is the number of an image in its file, or the name of one alone",
            value=f"{which!r}: {'several' if found else 'none'} of {listed or 'no images'}",
            place=place,
            remedy="give one of these numbers",
        )
    return found[0]


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
