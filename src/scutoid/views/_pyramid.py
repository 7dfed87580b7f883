"""The coarser levels of a layer's image that are stored, cut as the image itself is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scutoid.arrays import SPATIAL, ArraySource
from scutoid.geometry import Roi
from scutoid.steps import Image, level_sources
from scutoid.views._layer_array import LayerArray, Pick

_SAME = 1e-3
"""Part of a voxel by which the finest level may lie elsewhere than the image."""


@dataclass(frozen=True, slots=True)
class Level:
    """A level of the image of a layer."""

    data: LayerArray
    factors: dict[str, float]
    """Size of its voxels, in voxels of the layer, by axis; 1 where it is not named."""
    shifts: dict[str, float]
    """Position of the centre of its first voxel, in voxels of the layer; 0 elsewhere."""


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """What an image shows, at another level: itself an image."""

    source: ArraySource
    picks: tuple[Pick, ...]
    """For each axis of the source, the voxels that are taken; the axis of a single one goes."""

    @property
    def axes(self) -> str:
        return "".join(self.source.spec.axes[n] for n in self._kept())

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(pick[1] - pick[0] for pick in self.picks if isinstance(pick, tuple))

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.source.spec.dtype

    @property
    def roi(self) -> Roi:
        return Roi((0,) * len(self.shape), self.shape)

    def read(self, roi: Roi) -> NDArray[Any]:
        kept = self._kept()
        offset = [pick[0] if isinstance(pick, tuple) else pick for pick in self.picks]
        shape = [1] * len(offset)
        for axis, start, size in zip(kept, roi.offset, roi.shape, strict=True):
            offset[axis] += start
            shape[axis] = size
        voxels: NDArray[Any] = self.source.read(Roi(offset, shape))
        return voxels.reshape(tuple(roi.shape))

    def _kept(self) -> list[int]:
        return [n for n, pick in enumerate(self.picks) if isinstance(pick, tuple)]


def levels_of(data: LayerArray) -> list[Level]:
    """Return the levels of the image of a layer, the finest first.

    Those of an image that nobody has stored with its levels are itself alone.
    """
    levels = [Level(data, {}, {})]
    sources = level_sources(data.image) if isinstance(data.image, Image) else ()
    for source in sources[1:]:
        coarser = _coarser(data, sources[0], source)
        if coarser is None:
            break
        levels.append(coarser)
    return levels


def _coarser(data: LayerArray, finest: ArraySource, source: ArraySource) -> Level | None:
    """Return a level of what a layer shows; None if it does not lie on its axes."""
    if source.spec.axes != finest.spec.axes:
        return None
    view = data.image.read_ref.view  # type: ignore[attr-defined]
    taken = view.picks if view is not None else tuple((0, size) for size in finest.spec.shape)
    picks: list[Pick] = []
    factors: dict[str, float] = {}
    shifts: dict[str, float] = {}
    for n, (axis, pick) in enumerate(zip(finest.spec.axes, taken, strict=True)):
        factor, shift = _place(finest, source, n, axis)
        size = source.spec.shape[n]
        start, stop = pick if isinstance(pick, tuple) else (pick, pick + 1)
        # Voxel j of the level covers factor voxels around j * factor + shift
        low = math.floor((start + 0.5 - shift) / factor + 0.5 - _SAME)
        high = math.ceil((stop - 0.5 - shift) / factor - 0.5 + _SAME) + 1
        low = min(max(low, 0), size - 1)
        high = min(max(high, low + 1), size)
        picks.append((low, high) if isinstance(pick, tuple) else low)
        factors[axis], shifts[axis] = factor, low * factor + shift - start
    channel = data.picks.get("c")
    part = LayerArray.of(
        _Part(source, tuple(picks)),
        data.axes,
        channel=channel if isinstance(channel, int) else None,
    )
    return Level(part, factors, shifts)


def _place(finest: ArraySource, source: ArraySource, n: int, axis: str) -> tuple[float, float]:
    """Return the size of a voxel of a level, and the centre of its first, in those of the finest.

    As its metadata say, else by the number of voxels.
    """
    full, size = finest.spec.shape[n], source.spec.shape[n]
    if axis not in SPATIAL or size == full:
        return 1.0, 0.0
    fine, coarse = finest.spec.sizes.get(axis), source.spec.sizes.get(axis)
    if fine is None or coarse is None or finest.spec.unit != source.spec.unit:
        factor = float(max(round(full / size), 1))
        return factor, (factor - 1) / 2
    factor = coarse / fine
    if finest.spec.origin is None or source.spec.origin is None:
        return factor, (factor - 1) / 2
    at = finest.spec.spatial_axes.index(axis)
    return factor, (source.spec.origin[at] - finest.spec.origin[at]) / fine
