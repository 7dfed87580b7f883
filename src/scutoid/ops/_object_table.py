"""Merge what blocks measured of objects into one table, a range of labels at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from scutoid.errors import ParameterError
from scutoid.kernels import (
    SHAPES,
    Groups,
    Measure,
    RegionStats,
    merge_regions,
    region_columns,
    shape_columns,
)
from scutoid.ops._partitions import Place, Range, ranges
from scutoid.ops._times import times_of_part, with_time_unit, with_times
from scutoid.ops._types import Array, Arrays
from scutoid.ops._units import unit_of, with_unit
from scutoid.steps import BlockParts, step

if TYPE_CHECKING:
    import pandas as pd

_ROWS = 2**17
"""Pieces of objects that are held at a time."""
_ONCE = (
    "image_shape",
    "intensity_has_channels",
    "frame",
    "axes",
    "place",
    "iterated",
    "scale",
    "unit",
    "times",
    "channels",
)
"""Arrays of a block that have no row for each object."""


@step(out="table", version="3", threadsafe=True)
def measure_objects(
    pieces: BlockParts,
    *,
    channels: tuple[str, ...] | None = None,
    properties: tuple[str, ...] = SHAPES,
    measures: tuple[Measure, ...] = (),
) -> Iterator[pd.DataFrame]:
    """Merge what all blocks saw, a range of labels at a time."""
    is_empty = True
    for _, table in objects_by_range(
        pieces, channels=channels, properties=properties, measures=measures
    ):
        if len(table):
            yield table
            is_empty = False
    if is_empty:
        yield table


def objects_by_range(
    pieces: BlockParts,
    *,
    channels: tuple[str, ...] | None = None,
    properties: tuple[str, ...] = (),
    measures: tuple[Measure, ...] = (),
) -> Iterator[tuple[Place, pd.DataFrame]]:
    """Go through the objects of all blocks, a range of labels at a time.

    Yields
    ------
    place : tuple of int
        Of the image along the iterated axes; increasing, and each at least once.
    table : DataFrame
        As `measure` returns it; without rows where a place has no objects.
    """
    frame = _Frame(pieces[0], channels, properties, measures)
    none = {name: array[:0] if _has_rows(name) else array for name, array in pieces[0].items()}
    for objects in ranges(pieces, _has_rows, _ROWS):
        yield (
            objects.place,
            frame.table(objects if objects.pieces else replace(objects, pieces=(none,))),
        )


def _has_rows(name: str) -> bool:
    return name not in _ONCE


class _Frame:
    """What all rows have in common."""

    def __init__(
        self,
        part: Mapping[str, Array],
        channels: Sequence[str] | None,
        properties: Sequence[str],
        measures: Sequence[Measure],
    ) -> None:
        named = part["channels"].tolist() if "channels" in part else []
        self.channels = channels or named or None
        self.properties, self.measures = properties, measures
        self.axes, self.iterated = str(part["axes"]), str(part["iterated"]).strip()
        self.offset = part["frame"].tolist()
        self.voxel_size = self.origin = None
        if len(part["scale"]):
            self.voxel_size = part["scale"][0].tolist()
            start = part["scale"][1].tolist()
            self.origin = [
                s + o * v for s, o, v in zip(start, self.offset, self.voxel_size, strict=True)
            ]
        self.unit = unit_of(self.voxel_size, str(part["unit"]) or None)
        self.times = times_of_part(part)

    def table(self, objects: Range) -> pd.DataFrame:
        """Return the rows of a range of labels."""
        import pandas as pd

        stats = merge_regions(*map(RegionStats.from_arrays, objects.pieces))
        columns = self._in_frame(
            region_columns(
                stats,
                self.axes,
                voxel_size=self.voxel_size,
                origin=self.origin,
                channels=self.channels,
            )
        )
        if objects.top > np.iinfo(np.int64).max:
            columns["label"] = stats.label  # of one type in all ranges
        shapes = shape_columns(
            stats,
            self.axes,
            self.properties,
            voxel_size=self.voxel_size,
            origin=self.origin or self.offset,
            channels=self.channels,
        )
        places = {
            axis: np.full(len(stats), at)
            for axis, at in zip(self.iterated, objects.place, strict=True)
        }
        places = with_times(places, self.times)
        table = pd.DataFrame(self._with_own({**places, **columns, **shapes}, objects, stats))
        return with_time_unit(with_unit(table, self.unit), self.times)

    def _in_frame(self, columns: Arrays) -> Arrays:
        """Move positions in voxels to the frame of the uncropped image."""
        for axis, first in zip(self.axes, self.offset, strict=True):
            columns[f"{axis}_voxel"] = columns[f"{axis}_voxel"] + first
            if self.voxel_size is None:
                columns[axis] = columns[f"{axis}_voxel"]
            for side in "01":
                columns[f"bbox_{axis}{side}"] = columns[f"bbox_{axis}{side}"] + first
        return columns

    def _with_own(self, columns: Arrays, objects: Range, stats: RegionStats) -> Arrays:
        if not self.measures:
            return columns
        groups = Groups.of(np.concatenate([piece["label"] for piece in objects.pieces]))
        for number, measure in enumerate(self.measures):
            start = f"own{number}_"
            pieces = [
                {k.removeprefix(start): rows for k, rows in piece.items() if k.startswith(start)}
                for piece in objects.pieces
            ]
            own = measure.columns(measure.merged(pieces, groups), stats.n_voxels)
            double = own.keys() & columns.keys()
            if double:
                raise ParameterError(
                    "columns of a measure have names that no other column has",
                    value=sorted(double),
                    place="measure",
                )
            columns = {**columns, **own}
        return columns


measure_objects = measure_objects.options(name="measure")
