"""Measures of labelled objects, each object once however many blocks it crosses.

Two steps: each block sums up what it sees of its objects; one step merges the sums, a range of
labels at a time, and writes the rows of each range as it is done.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from scutoid.errors import ParameterError
from scutoid.kernels import (
    SHAPES,
    Groups,
    Measure,
    RegionStats,
    measure_block,
    merge_regions,
    region_columns,
    shape_columns,
)
from scutoid.ops._composed import composed
from scutoid.ops._inputs import check_voxels
from scutoid.ops._partitions import Range, ranges
from scutoid.pipeline import BlockParts, StepBlock, blockwise, step

if TYPE_CHECKING:
    import pandas as pd

_ROWS = 2**17
"""Pieces of objects that are held at a time."""
_ONCE = ("image_shape", "intensity_has_channels", "frame", "axes", "place", "iterated", "scale")
"""Arrays of a block that have no row for each object."""


@composed
def measure(
    labels: Any,
    *,
    intensity: Any = None,
    properties: Sequence[str] | None = None,
    measures: Measure | Sequence[Measure] = (),
) -> Any:
    """Measure labelled objects: one row an object.

    **Exact** on integers of up to 32 bits: equals `skimage.measure.regionprops_table` on the whole
    array.  Sums of floating-point numbers and of larger integers are the same for every executor
    and number of workers at one block shape, and within rounding of the whole array.

    Parameters
    ----------
    labels : Image, Images or ndarray of integer
        0 is background.
    intensity : Image, Images or ndarray, optional
        Image to measure inside the objects; the axes of `labels`, and an axis "c" of channels.
    properties : sequence of str, optional
        What to measure besides the columns that are always there: some of "equivalent_diameter",
        "axes", "orientation" and "weighted_centroid"; default: all of them.  Without any, measuring
        takes about two thirds of the time.
    measures : Measure or sequence of Measure, optional
        The user's own.

    Returns
    -------
    Table or DataFrame
        Always: ``label``; ``n_voxels``; ``size`` (length, area or volume in the unit, voxels where
        the voxel size is unknown); the centroid in the unit (``z y x``) and in voxels of the
        uncropped image (``z_voxel y_voxel x_voxel``); the half-open bounding box in voxels
        (``bbox_z0`` to ``bbox_x1``); ``mean min max sum std`` of the intensity (``mean_<channel>``
        and so on with channels); ``touches_edge``: whether a voxel lies at the edge of the image,
        on an axis of more than one voxel.

        By `properties`, all in the unit: ``equivalent_diameter`` of the disk or ball of the same
        size; ``axis_major_length``, ``axis_middle_length`` (3-D) and ``axis_minor_length`` of the
        ellipsoid of the same second moments, and ``orientation`` (2-D, radians from the rows' axis)
        as scikit-image defines them; in 3-D the major axis' unit vector ``direction_z direction_y
        direction_x``; the centroid weighted by the intensity, ``z_weighted y_weighted x_weighted``,
        NaN where the intensities add up to 0.

        Rows are ordered by label; with iterated axes, by their place first, which has a column
        each.  The table is written a range of labels at a time, as row groups of one Parquet file.

    Raises
    ------
    ParameterError
        If labels are not integers of 0 or more, a property is unknown, or a measure of the user's
        does not return what it says.

    Notes
    -----
    Second moments are those of voxel centres, as in scikit-image: 1/12 of a voxel is not added.
    They are summed as integers, counted from the corner of each object, so they are the same
    whatever the blocks.  Some 2**17 pieces of objects are held in memory at a time.

    Examples
    --------
    >>> import numpy as np
    >>> import scutoid as sc
    >>> table = sc.measure(np.array([[1, 1, 0], [0, 0, 2]]))
    >>> table[["label", "n_voxels", "y_voxel", "x_voxel"]]
       label  n_voxels  y_voxel  x_voxel
    0      1         2      0.0      0.5
    1      2         1      1.0      2.0
    """
    check_labels(labels, "measure")
    wanted = _wanted(properties)
    own = (measures,) if isinstance(measures, Measure) else tuple(measures)
    asked = {
        "moments": bool({"axes", "orientation"} & set(wanted)),
        "weighted": "weighted_centroid" in wanted and intensity is not None,
        "measures": own,
    }
    channels = getattr(intensity, "channels", ()) or None
    if "c" in getattr(intensity, "axes", "") and "c" not in getattr(labels, "axes", "c"):
        axes = "c" + "".join(axis for axis in labels.axes if axis in "zyx")
        pieces = measure_channel_pieces.along(axes)(labels, intensity, **asked)
    elif intensity is None:
        pieces = measure_pieces(labels, **asked)
    else:
        pieces = measure_pieces(labels, intensity, **asked)
    return measure_objects(pieces, channels=channels, properties=wanted, measures=own)


def check_labels(labels: Any, place: str) -> None:
    """Refuse an image that cannot hold labels before anything runs.

    Raises
    ------
    ParameterError
        If its voxels are not integers, or it has none.
    """
    dtype = getattr(labels, "dtype", None)
    if dtype is not None and np.dtype(dtype).kind not in "biu":
        raise ParameterError(
            "labels are integers",
            value=str(dtype),
            place=place,
            remedy="label a mask first: label(image > level); if these are labels that were saved "
            "as floats, convert them, but above 16,777,216 float32 has lost numbers",
        )
    check_voxels(labels, place)


def _wanted(properties: Sequence[str] | None) -> tuple[str, ...]:
    if properties is None:
        return SHAPES
    given = (properties,) if isinstance(properties, str) else tuple(properties)
    unknown = [name for name in given if name not in SHAPES]
    if unknown:
        raise ParameterError(
            f"properties are some of {', '.join(SHAPES)}", value=unknown[0], place="measure"
        )
    return tuple(name for name in SHAPES if name in given)


@blockwise(out="parts", block_invariant=True, version="1")
def measure_pieces(
    labels: NDArray[Any],
    intensity: NDArray[Any] | None = None,
    *,
    moments: bool = True,
    weighted: bool = True,
    measures: tuple[Measure, ...] = (),
    block: StepBlock,
    voxel_size: tuple[float, ...] | None,
    origin: tuple[float, ...] | None,
) -> dict[str, NDArray[Any]]:
    """Sum up what one block sees of its objects."""
    asked = {"moments": moments, "weighted": weighted and intensity is not None}
    stats = _block_stats(labels, intensity, block, block.function_axes, asked)
    frame = _frame(block, block.function_axes, voxel_size, origin)
    return {**stats, **frame, **_own_rows(measures, labels, intensity, stats["label"])}


@blockwise(out="parts", block_invariant=True, version="1")
def measure_channel_pieces(
    labels: NDArray[Any],
    intensity: NDArray[Any],
    *,
    moments: bool = True,
    weighted: bool = True,
    measures: tuple[Measure, ...] = (),
    block: StepBlock,
    voxel_size: tuple[float, ...] | None,
    origin: tuple[float, ...] | None,
) -> dict[str, NDArray[Any]]:
    """Sum up the same of an image with channels."""
    axes = block.function_axes.replace("c", "")
    asked = {"moments": moments, "weighted": weighted}
    stats = _block_stats(labels[0], intensity, block, axes, asked)
    frame = _frame(block, axes, voxel_size, origin)
    return {**stats, **frame, **_own_rows(measures, labels[0], intensity, stats["label"])}


def _block_stats(
    labels: NDArray[Any],
    intensity: NDArray[Any] | None,
    block: StepBlock,
    axes: str,
    asked: Mapping[str, bool],
) -> dict[str, NDArray[Any]]:
    places = [block.axes.index(axis) for axis in axes]
    shape = [block.image_roi.shape[p] for p in places]
    start = [block.write_roi.offset[p] - block.image_roi.offset[p] for p in places]
    return measure_block(labels, start, shape, intensity, **asked).to_arrays()


def _frame(
    block: StepBlock,
    axes: str,
    voxel_size: Sequence[float] | None,
    origin: Sequence[float] | None,
) -> dict[str, NDArray[Any]]:
    """Describe where the image lies, for the end: its steps see no image any more."""
    iterated = "".join(axis for axis in block.axes if axis not in block.function_axes)
    scale = [] if voxel_size is None else [voxel_size, origin or (0.0,) * len(voxel_size)]
    return {
        "axes": np.array(axes),
        "iterated": np.array(iterated or " "),
        "place": np.array([block.write_roi.offset[block.axes.index(a)] for a in iterated], int),
        "frame": np.array([block.image_roi.offset[block.axes.index(a)] for a in axes], int),
        "scale": np.array(scale, float),
    }


def _own_rows(
    measures: Sequence[Measure],
    labels: NDArray[Any],
    intensity: NDArray[Any] | None,
    index: NDArray[Any],
) -> dict[str, NDArray[Any]]:
    return {
        f"own{number}_{name}": rows
        for number, measure in enumerate(measures)
        for name, rows in measure.rows(labels, intensity, index).items()
    }


@step(out="table", version="2")
def measure_objects(
    pieces: BlockParts,
    *,
    channels: tuple[str, ...] | None = None,
    properties: tuple[str, ...] = SHAPES,
    measures: tuple[Measure, ...] = (),
) -> Iterator[pd.DataFrame]:
    """Merge what all blocks saw, a range of labels at a time."""
    frame = _Frame(pieces[0], channels, properties, measures)
    is_empty = True
    for found in ranges(pieces, lambda name: name not in _ONCE, _ROWS):
        if found.pieces:
            yield frame.table(found)
            is_empty = False
    if is_empty:
        place = tuple(pieces[0]["place"].tolist())
        yield frame.table(Range(place, (pieces[0],)))


class _Frame:
    """What all rows have in common."""

    def __init__(
        self,
        part: Mapping[str, NDArray[Any]],
        channels: Sequence[str] | None,
        properties: Sequence[str],
        measures: Sequence[Measure],
    ) -> None:
        self.channels, self.properties, self.measures = channels, properties, measures
        self.axes, self.iterated = str(part["axes"]), str(part["iterated"]).strip()
        self.offset = part["frame"].tolist()
        self.voxel_size = self.origin = None
        if len(part["scale"]):
            self.voxel_size = part["scale"][0].tolist()
            start = part["scale"][1].tolist()
            self.origin = [
                s + o * v for s, o, v in zip(start, self.offset, self.voxel_size, strict=True)
            ]

    def table(self, found: Range) -> pd.DataFrame:
        """Return the rows of a range of labels."""
        import pandas as pd

        parts = [RegionStats.from_arrays(piece) for piece in found.pieces]
        stats = merge_regions(*parts)
        columns = self._in_frame(
            region_columns(
                stats,
                self.axes,
                voxel_size=self.voxel_size,
                origin=self.origin,
                channels=self.channels,
            )
        )
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
            for axis, at in zip(self.iterated, found.place, strict=True)
        }
        return pd.DataFrame(self._with_own({**places, **columns, **shapes}, found, stats))

    def _in_frame(self, columns: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Move positions in voxels to the frame of the uncropped image."""
        for axis, first in zip(self.axes, self.offset, strict=True):
            columns[f"{axis}_voxel"] = columns[f"{axis}_voxel"] + first
            if self.voxel_size is None:
                columns[axis] = columns[f"{axis}_voxel"]
            for side in "01":
                columns[f"bbox_{axis}{side}"] = columns[f"bbox_{axis}{side}"] + first
        return columns

    def _with_own(
        self, columns: dict[str, NDArray[Any]], found: Range, stats: RegionStats
    ) -> dict[str, NDArray[Any]]:
        if not self.measures:
            return columns
        groups = Groups.of(np.concatenate([piece["label"] for piece in found.pieces]))
        for number, measure in enumerate(self.measures):
            start = f"own{number}_"
            pieces = [
                {k.removeprefix(start): rows for k, rows in piece.items() if k.startswith(start)}
                for piece in found.pieces
            ]
            own = measure.columns(measure.merged(pieces, groups), stats.n_voxels)
            taken = own.keys() & columns.keys()
            if taken:
                raise ParameterError(
                    "columns of a measure have names that no other column has",
                    value=sorted(taken),
                    place="measure",
                )
            columns = {**columns, **own}
        return columns


measure_objects = measure_objects.options(name="measure")
