"""Arrays of a region as lazy images, in their place in the whole image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from scutoid.arrays import ImageSpec, WrappedSource, open_source
from scutoid.geometry import Roi
from scutoid.steps import Image
from scutoid.steps.graph import ImageRef, Opened


@dataclass(frozen=True, slots=True, eq=False)
class _Labels(WrappedSource):
    """An array of object numbers."""

    @property
    def is_labels(self) -> bool:
        """That voxels are object numbers."""
        return True


def placed(
    array: NDArray[Any], spec: ImageSpec, roi: Roi | None, name: str, *, is_labels: bool
) -> Image:
    """Return an array as an image that lies where a region does.

    Parameters
    ----------
    array : ndarray
        The voxels.
    spec : ImageSpec
        Description of the region.
    roi : Roi, optional
        The region in the frame of the whole image.
    name : str
        What it is called.
    is_labels : bool
        Whether voxels are object numbers.
    """
    source = open_source(
        array,
        axes=spec.axes,
        voxel_size=spec.voxel_size or spec.known_sizes,
        unit=spec.unit,
        origin=spec.origin,
        time=spec.time,
    )
    node = Opened(
        _Labels(source) if is_labels else source, name, None if roi is None else roi.offset
    )
    return Image(ImageRef(node))
