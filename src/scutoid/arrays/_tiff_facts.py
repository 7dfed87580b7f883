"""What a TIFF says of an image besides its pages, in the units in which it says so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from scutoid.arrays._display import ChannelDisplay
from scutoid.arrays._notes import Note
from scutoid.arrays._units import known_unit, ratio
from scutoid.arrays._world_sizes import AxisSize
from scutoid.errors import MetadataError

if TYPE_CHECKING:
    from tifffile import TiffPageSeries

STAGE = "stage"
"""What is given as origin for the position of the stage."""
_TAG_UNITS = {2: "inch", 3: "cm"}
_NO_SIZES = (25400 / 72, 25400 / 96, 1000.0, 10000.0, 25400.0)
"""Sizes in um that programs write which know none: those of screens, and 1 mm, 1 cm, 1 inch."""
_ROUNDED = 2e-4
"""By how much of itself such a size may be off, where it was turned into another unit."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a file says of an image."""

    said: str = "the file"
    """Where it says so."""
    sizes: Mapping[str, AxisSize] = field(default_factory=dict)
    """Size of a voxel, by spatial axis."""
    channels: tuple[str | None, ...] = ()
    """Names of the channels; None: one has none."""
    display: tuple[ChannelDisplay, ...] = ()
    """How each channel is shown."""
    interval: float | None = None
    """Between places along t, in `time_unit`."""
    time_unit: str | None = None
    """As it stands in the file."""
    start: float = 0.0
    """Time of the first place along t, in `time_unit`."""
    notes: tuple[Note, ...] = ()
    """What is not understood of times."""
    stage: Mapping[str, AxisSize] = field(default_factory=dict)
    """Place of the first voxel, by spatial axis, as the stage gave it."""
    unshown: tuple[Note, ...] = ()
    """What is not understood of how channels are shown."""


def tag_facts(series: TiffPageSeries) -> Facts:
    """Return what the tags of a page say: its resolution, in inches or centimetres.

    Programs that know no size write 72 or 96 dots per inch, or one a millimetre, a centimetre or an
    inch.
    """
    name = unit_of_resolution(series)
    if name is None:
        return Facts()
    sizes = {}
    for letter, size in resolution(series).items():
        length = size * ratio(name, "um")
        if not any(abs(length - each) < _ROUNDED * each for each in _NO_SIZES):
            sizes[letter] = AxisSize(length, "um")
    return Facts("the resolution of its pages", sizes)


def unit_of_resolution(series: TiffPageSeries) -> str | None:
    """Return the unit of the resolution of a page, inch or cm; None: it has none."""
    unit = series.keyframe.tags.get("ResolutionUnit")
    return _TAG_UNITS.get(0 if unit is None else int(unit.value))


def resolution(series: TiffPageSeries) -> dict[str, float]:
    """Return the size of a pixel along x and y, in the unit of the resolution."""
    sizes = {}
    for letter, tag in (("x", "XResolution"), ("y", "YResolution")):
        value = series.keyframe.tags.get(tag)
        if value is not None and value.value[0] and value.value[1]:
            sizes[letter] = value.value[1] / value.value[0]
    return sizes


def number_of(text: object, name: str, said: str, path: str, remedy: str) -> float:
    """Take a number out of metadata.

    Raises
    ------
    MetadataError
        If it is none.
    """
    try:
        return float(text)  # type: ignore[arg-type]
    except (TypeError, ValueError) as error:
        raise MetadataError(
            "numbers in metadata are written with a decimal point",
            value=f"{name}={text!r}",
            place=f"{said} of {path}; its pixels may be good",
            remedy=f"{remedy} to open it without this number, or mend the metadata",
        ) from error


def stage_origin(
    facts: Facts, axes: str, unit: str | None, path: str
) -> tuple[tuple[float, ...], tuple[Note, ...]]:
    """Return the place of the first voxel as the stage gave it, along the spatial axes.

    Parameters
    ----------
    facts : Facts
        What the file says.
    axes : str
        The spatial axes.
    unit : str or None
        Of the image.
    path : str
        The file.

    Raises
    ------
    MetadataError
        If the file gives no position, or one that is not in a unit of length.
    """
    known = {axis: facts.stage[axis] for axis in axes if axis in facts.stage}
    if not known:
        raise MetadataError(
            f'origin="{STAGE}" is for files that give the position of the stage',
            value=f"{facts.said} gives none",
            place=path,
            remedy="give origin= in numbers, or leave it out",
        )
    start = {}
    for axis, item in known.items():
        own = known_unit(item.unit or "")
        if own is None or unit is None or item.size is None:
            raise MetadataError(
                "the position of a stage is converted from a unit of length to that of the image",
                value=f"{axis} {item.size} in {item.unit!r}; the image is in {unit!r}",
                place=f"{facts.said} of {path}",
                remedy="give origin= in numbers, and unit= where the image has none",
            )
        start[axis] = item.size * ratio(own, unit)
    lacking = [axis for axis in axes if axis not in known]
    text = f"{facts.said} gives no position of the stage along {', '.join(lacking)}: it is 0"
    notes = (Note("origin", text, "give origin= in numbers"),) if lacking else ()
    return tuple(start.get(axis, 0.0) for axis in axes), notes
