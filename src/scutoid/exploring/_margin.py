"""How far a region is widened where steps join objects across blocks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from scutoid.arrays import SPATIAL
from scutoid.errors import ParameterError
from scutoid.steps import Length
from scutoid.steps.graph import BlockCall, ImageRef

MARGIN = 32
"""Voxels along each spatial axis, where nothing else is asked for."""
MarginLike: TypeAlias = "int | Length | Mapping[str, int | Length]"


@dataclass(frozen=True, slots=True)
class Margin:
    """A margin along spatial axes.

    Parameters
    ----------
    given : int, Length or mapping of axis to these
        As the user gave it.

    Raises
    ------
    ParameterError
        If it is nothing of that.
    """

    given: MarginLike

    def __post_init__(self) -> None:
        sides = self.given.values() if isinstance(self.given, Mapping) else [self.given]
        axes = set(self.given) if isinstance(self.given, Mapping) else set()
        if not all(map(_is_side, sides)) or not axes <= set(SPATIAL):
            raise ParameterError(
                "a margin is a number of voxels, 0 or more, or a length",
                value=self.given,
                place="margin=",
                remedy='write margin=32, margin=sc.um(20) or margin={"z": 4, "y": 32, "x": 32}',
            )

    def of_call(self, call: BlockCall) -> Mapping[str, tuple[int, int]]:
        """Return the voxels by axis, of the spatial axes that a step joins objects along."""
        layout = call.layout
        axes = [a for a in layout.function_axes if a in SPATIAL and a in layout.axes]
        spatial = [axis for axis in layout.function_axes if axis in SPATIAL]
        sizes = dict(zip(spatial, call.voxel_size or (), strict=False))
        return self._sides(axes, sizes, call.unit, f"margin= at step {call.name!r}")

    def of_image(self, image: ImageRef) -> Mapping[str, tuple[int, int]]:
        """Return the voxels by spatial axis of an image."""
        spec = image.framed.spec
        place = f"margin= around {image.name!r}"
        return self._sides(list(spec.spatial_axes), spec.sizes, spec.unit, place)

    def _sides(
        self, axes: list[str], sizes: Mapping[str, float], unit: str | None, place: str
    ) -> dict[str, tuple[int, int]]:
        found = {}
        for axis in axes:
            side = self.given.get(axis, 0) if isinstance(self.given, Mapping) else self.given
            if isinstance(side, Length):
                size = (sizes[axis],) if axis in sizes else None
                (side,) = side.voxels(size, unit, place=place)
            found[axis] = (int(side), int(side))
        return found


def _is_side(side: object) -> bool:
    if isinstance(side, Length):
        return True
    is_count = isinstance(side, (int, np.integer)) and not isinstance(side, bool)
    return is_count and int(side) >= 0  # type: ignore[call-overload]
