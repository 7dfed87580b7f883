"""The space that all layers of a viewer share: its axes, unit and usual voxel size."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from scutoid.arrays import METRES, SPATIAL, TimeScale
from scutoid.errors import MetadataError
from scutoid.geometry import Roi
from scutoid.steps import UNIT

if TYPE_CHECKING:
    import pandas as pd


class PlacedImage(Protocol):
    """An image with its place in the world; `scutoid.steps.Image` is one."""

    @property
    def name(self) -> str: ...
    @property
    def axes(self) -> str: ...
    @property
    def roi(self) -> Roi: ...
    @property
    def voxel_size(self) -> tuple[float, ...] | None: ...
    @property
    def unit(self) -> str | None: ...
    @property
    def origin(self) -> tuple[float, ...] | None: ...
    @property
    def time(self) -> TimeScale | None: ...


@dataclass(frozen=True, slots=True)
class World:
    """Axes and unit of a viewer."""

    axes: str
    """All axes of all images but channels, spatial ones last: ``"tzyx"``."""
    unit: str | None
    """Unit of the spatial axes; None if no voxel size is known: then it is voxels."""
    spacing: dict[str, float]
    """Voxel size, by axis, of the first image with a known one; 1 for other axes."""
    start: dict[str, float]
    """World position, by axis, of that image's first voxel, uncropped; 0 for other axes."""
    time: TimeScale | None = None
    """Times of the places along t, of the first image that knows them, uncropped."""
    ends: tuple[float, float] | None = None
    """Positions of the first and the last plane along z of all images; None: none has planes."""

    @classmethod
    def of(cls, images: Sequence[PlacedImage], seen: World | None = None) -> World:
        """Return the space that holds all `images`, and what lies in one that is seen already.

        Its axes are the last ones then, its unit stays, and so do its voxel sizes.
        """
        found = cls._of_images(images)
        return (found if seen is None else found.within(seen)).holding(images)

    def within(self, seen: World) -> World:
        """Return it as a part of a space that is seen already."""
        more = "".join(axis for axis in self.axes if axis not in seen.axes)
        time = seen.time or self.time
        if seen.unit is None and seen.spacing == {}:
            return replace(self, axes=more + seen.axes, time=time)
        factor = seen.factor(self.unit, "what is added")
        spacing, start = (
            {axis: length * factor for axis, length in lengths.items()}
            for lengths in (self.spacing, self.start)
        )
        return replace(
            seen,
            axes=more + seen.axes,
            time=time,
            spacing={**spacing, **seen.spacing},
            start={**start, **seen.start},
        )

    def holding(self, images: Sequence[PlacedImage]) -> World:
        """Return it with the planes of these images, beside those that it has."""
        known = [] if self.ends is None else list(self.ends)
        for image in images:
            if "z" in image.axes:
                (first,), (step,) = self.translate("z", image), self.scale("z", image)
                n_planes = image.roi.shape[image.axes.index("z")]
                known += [first, first + max(n_planes - 1, 0) * step]
        return replace(self, ends=(min(known), max(known)) if known else None)

    @classmethod
    def _of_images(cls, images: Sequence[PlacedImage]) -> World:
        letters = dict.fromkeys("".join(image.axes for image in images))
        axes = "".join(axis for axis in letters if axis not in SPATIAL + "c")
        # A viewer shows planes: at least y and x
        axes += "".join(axis for axis in SPATIAL if axis in letters or axis != "z")
        known = next((image for image in images if image.voxel_size is not None), None)
        time = next((time for image in images if (time := _first_time(image))), None)
        if known is None or known.voxel_size is None:
            return cls(axes, None, {}, {}, time)
        spatial = [axis for axis in known.axes if axis in SPATIAL]
        spacing = dict(zip(spatial, map(float, known.voxel_size), strict=True))
        start = {
            axis: float(origin) - known.roi.offset[known.axes.index(axis)] * spacing[axis]
            for axis, origin in zip(spatial, known.origin or (0.0,) * len(spatial), strict=True)
        }
        return cls(axes, known.unit, spacing, start, time)

    def with_points(self, tables: Iterable[pd.DataFrame]) -> World:
        """Return it in the unit of the first table that has one, if no image has one."""
        units = [table.attrs[UNIT] for table in tables if table.attrs.get(UNIT) in METRES]
        return self if self.spacing or self.unit or not units else replace(self, unit=units[0])

    def below(self, axes: Iterable[str]) -> str:
        """Return the world's axes from the first of `axes` on, at least two.

        Viewers align layers at their last axis, so an axis that is missing in between is added
        with one voxel.
        """
        wanted = set(axes)
        first = next((n for n, axis in enumerate(self.axes) if axis in wanted), len(self.axes))
        return self.axes[min(first, len(self.axes) - 2) :]

    def scale(self, axes: str, image: PlacedImage | None = None) -> tuple[float, ...]:
        """Return the size of a voxel of `image`, in the world's units, on each of `axes`."""
        return tuple(self._sizes(image).get(axis, 1.0) for axis in axes)

    def translate(self, axes: str, image: PlacedImage | None = None) -> tuple[float, ...]:
        """Return the position of the centre of the first voxel of `image`, on each of `axes`."""
        start = self._start()
        if image is None:
            return tuple(start.get(axis, 0.0) for axis in axes)
        place = dict.fromkeys(axes, 0.0)
        sizes = self._sizes(image)
        place |= {
            axis: start.get(axis, 0.0) + offset * sizes.get(axis, 1.0)
            for axis, offset in zip(image.axes, image.roi.offset, strict=True)
        }
        if image.voxel_size is not None:
            spatial = [axis for axis in image.axes if axis in SPATIAL]
            factor = self.factor(image.unit, image.name)
            origin = image.origin or (0.0,) * len(spatial)
            place |= {axis: o * factor for axis, o in zip(spatial, origin, strict=True)}
        if image.time is not None:
            place["t"] = self._in_unit(image.time).origin
        return tuple(place[axis] for axis in axes)

    def units(self, axes: str) -> tuple[str, ...]:
        """Return the unit of each of `axes`: "pixel" for those without one."""
        known = {**dict.fromkeys(SPATIAL, self.unit), "t": self.time and self.time.unit}
        return tuple(known.get(axis) or "pixel" for axis in axes)

    def _sizes(self, image: PlacedImage | None) -> dict[str, float]:
        """Return the size of a voxel by axis; that of the world where the image has none."""
        found = dict(self.spacing)
        if self.time is not None:
            found["t"] = self.time.interval
        if image is None:
            return found
        if image.time is not None:
            found["t"] = self._in_unit(image.time).interval
        if image.voxel_size is not None:
            spatial = [axis for axis in image.axes if axis in SPATIAL]
            factor = self.factor(image.unit, image.name)
            found |= {axis: s * factor for axis, s in zip(spatial, image.voxel_size, strict=True)}
        return found

    def _start(self) -> dict[str, float]:
        return self.start if self.time is None else {**self.start, "t": self.time.origin}

    def _in_unit(self, time: TimeScale) -> TimeScale:
        """Return times in the world's unit of time, if both are known."""
        return time if self.time is None else time.in_unit(self.time.unit)

    def factor(self, unit: str | None, name: str) -> float:
        """Return the factor from lengths in a unit, of what is called `name`, to the world's.

        Raises
        ------
        MetadataError
            If they do not convert into each other.
        """
        if unit == self.unit or unit is None or self.unit is None:
            return 1.0
        if unit not in METRES or self.unit not in METRES:
            raise MetadataError(
                "what is shown together has units that convert into each other",
                value=f"{unit} and {self.unit}",
                place=repr(name),
                remedy="give unit= when you open the images",
            )
        return METRES[unit] / METRES[self.unit]


def _first_time(image: PlacedImage) -> TimeScale | None:
    """Return the times of an image from the first place of its frame on."""
    if image.time is None or "t" not in image.axes:
        return None
    return image.time.moved(-image.roi.offset[image.axes.index("t")])
