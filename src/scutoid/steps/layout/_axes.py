"""The axes of one call: those that its function gets, and those that it is called along."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from scutoid.arrays import SPATIAL
from scutoid.errors import PipelineError
from scutoid.steps.declaration import StepSpec
from scutoid.steps.layout._placement import Framed


@dataclass(frozen=True, slots=True)
class Axes:
    """Which axes the function of a call gets and returns, and which are iterated."""

    function: str
    """Axes of every array that the function gets, in order."""
    iterated: str
    """Axes of the images that the function does not see."""
    seen: str
    """Those of `function` that an image has."""
    returned: str
    """Axes of every image that the function returns, in order."""

    @property
    def grid(self) -> str:
        """Axes of the grid of blocks."""
        return self.iterated + self.seen

    @property
    def spatial(self) -> str:
        """The spatial axes that the function sees."""
        return "".join(axis for axis in self.seen if axis in SPATIAL)


def find_axes(spec: StepSpec, images: Sequence[Framed], place: str) -> Axes:
    """Return the axes of a call of a step on images, of which there is at least one.

    Raises
    ------
    PipelineError
        If the step names no axes and no image has a spatial one, or no image has one of those
        that the step names.
    """
    function = spec.axes or _spatial_axes(images)
    if not function:
        raise PipelineError(
            "a block-wise step works on spatial axes unless it names others",
            value=f"image axes {images[0].spec.axes!r}",
            place=place,
            remedy="give axes= to the decorator, or axes= to sc.open",
        )
    present = "".join(dict.fromkeys(axis for image in images for axis in image.spec.axes))
    seen = "".join(axis for axis in function if axis in present)
    if not seen:
        raise PipelineError(
            f"the images have none of the axes {function!r} that the step works on",
            value=f"axes {images[0].spec.axes!r}",
            place=place,
        )
    return Axes(
        function=function,
        iterated="".join(axis for axis in present if axis not in function),
        seen=seen,
        returned=function if spec.out_axes is None else spec.out_axes,
    )


def _spatial_axes(images: Sequence[Framed]) -> str:
    """Return the spatial axes of all images, those of the first image first."""
    present = {axis for image in images for axis in image.spec.axes}
    first = [axis for axis in images[0].spec.axes if axis in SPATIAL]
    return "".join(dict.fromkeys([*first, *(a for a in SPATIAL if a in present)]))
