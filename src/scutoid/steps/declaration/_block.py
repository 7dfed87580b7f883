"""What the function of a block-wise step may know of its block."""

from __future__ import annotations

from dataclasses import dataclass

from scutoid.arrays import TimeScale
from scutoid.geometry import Roi


@dataclass(frozen=True, slots=True)
class StepBlock:
    """What a step's function gets when it asks for `block`."""

    index: int
    """Number of the block in its grid."""
    axes: str
    """Axes of the regions."""
    read_roi: Roi
    """What was read, in the frame of the uncropped image."""
    write_roi: Roi
    """What is written, in the same frame."""
    image_roi: Roi
    """The whole image, in the same frame."""
    function_axes: str
    """Axes of the arrays that the function gets."""
    sources: tuple[Roi | None, ...] = ()
    """For steps that write on another grid: what each array shows of its input, in that input's own
    voxels, over `function_axes`."""
    channels: tuple[tuple[str, ...], ...] = ()
    """For each input the names of its channels, none where they are not known or there are none;
    empty where the function is called on arrays."""
    unit: str | None = None
    """Of the voxel size of the images, where it is known."""

    time: TimeScale | None = None
    """When the places along "t" were recorded, counted from the first of the uncropped image; None
    where that is not known, and on arrays."""

    @property
    def inner(self) -> tuple[slice, ...]:
        """Slices of the write region in the arrays that the function gets."""
        local = self.write_roi.to_slices(self.read_roi.offset)
        return tuple(
            local[self.axes.index(axis)] if axis in self.axes else slice(0, 1)
            for axis in self.function_axes
        )

    @property
    def local_write(self) -> Roi:
        """What is written, over `function_axes` and from the first voxel of the whole image."""
        places = [self.axes.index(axis) for axis in self.function_axes]
        first, written = self.image_roi.offset, self.write_roi
        start = [written.offset[n] - first[n] for n in places]
        return Roi(start, [written.shape[n] for n in places])

    def source(self, number: int = 0) -> Roi:
        """What the array of an image shows of it; see `sources`."""
        region = self.sources[number]
        if region is None:
            raise TypeError(number)
        return region

    def coordinate(self, axis: str) -> int:
        """First voxel read along `axis`, in the frame of the uncropped image."""
        return self.read_roi.offset[self.axes.index(axis)]
