"""Choose the blocks of a step that run, by the mask of ``options(where=)``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scutoid.arrays import METRES, SPATIAL
from scutoid.blocks import BlockTask, Mask
from scutoid.errors import MetadataError
from scutoid.steps.layout._layout import Layout


@dataclass(frozen=True, slots=True, eq=False)
class MaskImage:
    """A coarse mask, read once, of where a step has something to do."""

    array: NDArray[np.bool_]
    """True where blocks shall run."""
    axes: str
    """Its axes."""
    voxel_size: tuple[float, ...] | None
    """Along its spatial axes."""
    origin: tuple[float, ...] | None
    """World position of its first voxel, along its spatial axes."""
    unit: str | None
    """Of both."""

    def on(
        self,
        layout: Layout,
        voxel_size: Sequence[float] | None,
        origin: Sequence[float] | None,
        unit: str | None,
        place: str,
    ) -> Mask:
        """The mask over the grid of a step.

        Raises
        ------
        MetadataError
            If the mask has an axis that the step has not, or it is not known how voxels of the two
            belong together.
        """
        strange = [axis for axis in self.axes if axis not in layout.axes]
        if strange:
            raise MetadataError(
                f"a mask has no axes but those of the step's blocks ({layout.axes})",
                value=f"axes {self.axes!r}",
                place=place,
            )
        array = self.array.transpose([self.axes.index(a) for a in layout.axes if a in self.axes])
        own = _world_grid(self.axes, self.voxel_size, self.origin)
        step = _world_grid(layout.function_axes, voxel_size, origin)
        factor = METRES[self.unit] / METRES[unit] if self.unit and unit else 1.0
        shape: list[int] = []
        lines: list[tuple[float, float]] = []
        for axis, extent, first in zip(
            layout.axes, layout.image.shape, layout.image.offset, strict=True
        ):
            n = self.array.shape[self.axes.index(axis)] if axis in self.axes else 1
            shape.append(n)
            if axis in own and axis in step:
                lines.append(_line(own[axis], step[axis], factor))
            else:
                self._check_covers(axis, n, extent, place)
                lines.append((extent / max(n, 1), first))
        scale, offset = zip(*lines, strict=True)
        return Mask(array.reshape(shape), scale, offset)

    def _check_covers(self, axis: str, n: int, extent: int, place: str) -> None:
        """Without voxel sizes, a mask covers the image in whole steps."""
        if axis in self.axes and (n == 0 or extent % n):
            raise MetadataError(
                "a mask and the image have voxel sizes, or the mask's shape divides the image's",
                value=f"{n} voxels for {extent}",
                place=f"{place}, axis {axis!r}",
                remedy="give voxel_size= to sc.open for both",
            )


def _world_grid(
    axes: str, voxel_size: Sequence[float] | None, origin: Sequence[float] | None
) -> dict[str, tuple[float, float]]:
    """Return voxel size and origin of each spatial axis; empty where the size is unknown."""
    spatial = [axis for axis in axes if axis in SPATIAL]
    starts = dict(zip(spatial, origin or (), strict=False))
    sizes = zip(spatial, voxel_size or (), strict=False)
    return {axis: (size, starts.get(axis, 0.0)) for axis, size in sizes}


def _line(
    own: tuple[float, float], step: tuple[float, float], factor: float
) -> tuple[float, float]:
    """Return scale and offset of a mask on one axis, in voxels of the step.

    A voxel's position is its centre: the mask's first one begins half a voxel before.  Where both
    say that they begin at the same place, they mean their corners.
    """
    scale = own[0] * factor / step[0]
    moved = own[1] * factor - step[1]
    return scale, moved / step[0] - ((scale - 1) / 2 if moved else 0.0)


def chosen_blocks(
    where: Any,
    layout: Layout,
    *,
    voxel_size: Sequence[float] | None,
    origin: Sequence[float] | None,
    unit: str | None,
    place: str,
) -> NDArray[np.bool_] | None:
    """The blocks of a layout that run, shape (n_blocks,); None: all."""
    if isinstance(where, MaskImage):
        where = where.on(layout, voxel_size, origin, unit, place)
    return BlockTask(place, None, layout.grid, where=where).chosen()
