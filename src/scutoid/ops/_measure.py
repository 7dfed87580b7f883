"""Measures of labelled objects, each object once however many blocks it crosses.

Two steps: each block sums up what it sees of its objects; one step merges the sums, a range of
labels at a time, and writes the rows of each range as it is done.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import NoneType
from typing import NoReturn, TypedDict, cast

import numpy as np

from scutoid.arrays import SPATIAL
from scutoid.errors import GeometryError, ParameterError
from scutoid.kernels import SHAPES, Measure, RegionStats, measure_block, renumber_regions
from scutoid.ops._columns import check_groups, stand_in
from scutoid.ops._composed import as_one, opened, operation
from scutoid.ops._grids import checked_by
from scutoid.ops._inputs import check_real, check_voxels, first_of
from scutoid.ops._object_table import measure_objects
from scutoid.ops._times import place_columns, place_of
from scutoid.ops._types import Array, Arrays, ImageLike, TableLike
from scutoid.steps import (
    Described,
    Image,
    Images,
    Renumbers,
    StepBlock,
    Table,
    blockwise,
    injected,
    remedy_for_image,
    with_draft,
)
from scutoid.steps import open as open_image


@operation
def measure(
    labels: ImageLike,
    *,
    intensity: ImageLike | None = None,
    properties: Sequence[str] | None = None,
    measures: Measure | Sequence[Measure] = (),
) -> TableLike:
    """Measure labelled objects: one row an object.

    **Exact** on integers of up to 32 bits: equals `skimage.measure.regionprops_table` on the whole
    array.  Sums of floating-point numbers and of larger integers are float64: the same for every
    executor and number of workers at one block shape, and within rounding of the whole array; least
    and greatest values are exact for all types.  ``std`` of integers of 64 bits is that of what
    they differ by, however large they are.

    Parameters
    ----------
    labels : Image, Images or ndarray of integer
        0 is background.
    intensity : Image, Images or ndarray, optional
        Image to measure inside the objects; the axes of `labels`, and an axis "c" of channels.  Of
        arrays, an axis before those of the labels is of channels.
    properties : sequence of str, optional
        What to measure besides the columns that are always there: some of "equivalent_diameter",
        "axes", "orientation" and "weighted_centroid"; default: all of them.  Without any, measuring
        takes about two thirds of the time.
    measures : Measure or sequence of Measure, optional
        The user's own.

    Returns
    -------
    Table or DataFrame
        Of images with an axis "t", ``t``, and where its times are known ``time``, in the unit
        ``.attrs["time_unit"]``.

        Always: ``label``; ``n_voxels``; ``size`` (length, area or volume in the unit, voxels where
        the voxel size is unknown); the centroid in the unit (``z y x``) and in voxels of the
        uncropped image (``z_voxel y_voxel x_voxel``); the half-open bounding box in voxels
        (``bbox_z0`` to ``bbox_x1``); ``mean min max sum std`` of the intensity (``mean_<channel>``
        and so on with channels, each member of a folder by the names of its own, by number if they
        are not known or not different; where the labels have an axis "c" too, each channel is
        measured in its own labels, and a column ``c`` has its number); ``touches_edge``: whether a
        voxel lies at the edge of the image that was given, if that is a crop at the crop's, on an
        axis of more than one voxel.

        By `properties`, all in the unit: ``equivalent_diameter`` of the disk or ball of the same
        size; ``axis_major_length``, ``axis_middle_length`` (3-D) and ``axis_minor_length`` of the
        ellipsoid of the same second moments, and ``orientation`` (2-D, radians from the rows' axis)
        as scikit-image defines them; in 3-D the major axis' unit vector ``direction_z direction_y
        direction_x``; the centroid weighted by the intensity, ``z_weighted y_weighted x_weighted``,
        NaN where the intensities add up to 0.

        Rows are ordered by label; with iterated axes, by their place first, which has a column
        each.  ``.attrs["unit"]`` of the DataFrame is the unit: "voxel" where the voxel size is
        unknown, None where only its unit is; tables of members in different units are not joined.
        The table is written a range of labels at a time, as row groups of one Parquet file.

    Raises
    ------
    ParameterError
        If labels are not integers of 0 or more, a property is unknown, or a measure of the user's
        does not return what it says.

    Notes
    -----
    NaN and infinity are as in numpy: an object that holds NaN has NaN for ``mean min max sum std``,
    and other objects are not touched.

    Second moments are those of voxel centres, as in scikit-image: 1/12 of a voxel is not added.
    They are summed as integers, counted from the corner of each object, so they are the same
    whatever the blocks.  Some 2**17 pieces of objects are held in memory at a time.

    Objects of labels that are not kept, ``sc.label.options(keep=False)(mask)``, are measured while
    they are found: of 256^3 voxels in 0.7 of the time.

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
    is_eager = isinstance(labels, np.ndarray) and isinstance(intensity, (np.ndarray, NoneType))
    labels = opened(labels)
    check_labels(labels, "measure")
    labels = as_one(open_image(labels) if isinstance(labels, np.ndarray) else labels)
    intensity = _with_channels(intensity, labels)
    check_real(intensity, "measure, intensity")
    wanted = _wanted(properties)
    own = _own(measures)
    check_groups([labels, intensity], lambda: _columns(labels, intensity, wanted, own), "measure")
    asked: _Asked = {
        "moments": bool({"axes", "orientation"} & set(wanted)),
        "weighted": "weighted_centroid" in wanted and intensity is not None,
        "measures": own,
    }
    if intensity is None:
        pieces = measure_pieces(labels, **asked)
    else:
        first, other = first_of(labels), first_of(intensity)
        _check_axes(first.axes, other.axes)
        if "c" in other.axes and "c" not in first.axes:
            axes = "".join(axis for axis in first.axes if axis in SPATIAL)
            channel_step = checked_by(measure_channel_pieces.along(f"c{axes}"), _WithChannels(axes))
            pieces = channel_step(labels, intensity, **asked)
        else:
            pieces = measure_pieces(labels, intensity, **asked)
    table = measure_objects(pieces, properties=wanted, measures=own)
    return table.to_pandas() if is_eager else table


def _columns(
    labels: Image,
    intensity: Image | Images | None,
    properties: tuple[str, ...],
    measures: tuple[Measure, ...],
) -> list[str]:
    """Return the names of the columns of a table; those of channels are not among them."""
    first = first_of(labels)
    axes = first.axes
    is_plain = intensity is not None and ("c" in axes or "c" not in first_of(intensity).axes)
    like = stand_in(axes)
    table = measure(like, intensity=like if is_plain else None, properties=properties)
    own = [name for one in measures if one.finish is None for name in one.merge]
    return list(dict.fromkeys([*place_columns(first), *cast("Table", table).to_pandas(), *own]))


class _Asked(TypedDict):
    """What a block sums up."""

    moments: bool
    weighted: bool
    measures: tuple[Measure, ...]


def _with_channels(intensity: ImageLike | None, labels: Image | Images) -> Image | Images | None:
    """Open an intensity; in an array, an axis before those of the labels is of channels."""
    if intensity is None or isinstance(intensity, (Image, Images)):
        return intensity
    shape = getattr(intensity, "shape", None)
    if shape is None:
        raise ParameterError(
            "an intensity is an image, a folder of images or an array",
            value=type(intensity).__name__,
            place="measure, intensity",
            remedy=remedy_for_image(intensity, "open it by scutoid.open"),
        )
    first = first_of(labels)
    has_channels = len(shape) == first.ndim + 1
    if tuple(shape[has_channels:]) != tuple(first.shape):
        raise GeometryError(
            "an intensity has the same shape as its labels, with or without channels first",
            value=f"labels {tuple(first.shape)}, intensity {tuple(shape)}",
            place="measure, intensity",
            remedy="crop one of them, or bring channels to the front, by numpy.moveaxis",
        )
    return open_image(intensity, axes="c" * has_channels + first.axes)


def _check_axes(labels: str, intensity: str) -> None:
    if sorted(set(labels) & set(SPATIAL)) != sorted(set(intensity) & set(SPATIAL)):
        raise GeometryError(
            "an intensity has the same spatial axes as its labels",
            value=f"labels {labels!r}, intensity {intensity!r}",
            place="measure, intensity",
            remedy="open it with axes=, such as axes='cyx' where its first axis is of channels",
        )


def _own(measures: Measure | Sequence[Measure]) -> tuple[Measure, ...]:
    own = tuple(measures) if isinstance(measures, (list, tuple)) else (measures,)
    for measure in own:
        if not isinstance(measure, Measure):
            raise ParameterError(
                "measures are of the type Measure",
                value=type(measure).__name__,
                place="measure, measures",
                remedy='wrap the function: sc.Measure(function, merge={"name": "sum"})',
            )
    return own


def check_labels(labels: object, place: str) -> None:
    """Refuse an image that cannot hold labels before anything runs.

    Raises
    ------
    ParameterError
        If it is no image or array, its voxels are not integers, or it has none.
    """
    if not isinstance(labels, (Image, Images, np.ndarray)):
        raise ParameterError(
            "labels are an image, a folder of images or an array",
            value=type(labels).__name__,
            place=place,
            remedy=remedy_for_image(labels, "open it by scutoid.open"),
        )
    check_label_voxels(labels, place)


def check_label_voxels(labels: object, place: str) -> None:
    """Refuse voxels that cannot be labels, of an image or of a member of a folder.

    Raises
    ------
    ParameterError
        If they are not integers, or there are none.
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
    names = (properties,) if isinstance(properties, str) else tuple(properties)
    unknown = [name for name in names if name not in SHAPES]
    if unknown:
        raise ParameterError(
            f"properties are some of {', '.join(SHAPES)}", value=unknown[0], place="measure"
        )
    return tuple(name for name in SHAPES if name in names)


def _refuse_unlike(labels: Described, intensity: Described) -> NoReturn:
    """Refuse a member that is measured in another way than the first of its folder."""
    raise GeometryError(
        "all intensities of a folder have an axis 'c' that their labels have not, or none has it",
        value=f"labels {labels.axes!r}, intensity {intensity.axes!r}",
        place=f"measure, {labels.name!r}",
        remedy="measure them in folders of their own: open_folder(..., select=...)",
    )


def _check_plain(images: list[Described]) -> None:
    if len(images) < 2:
        return
    labels, intensity = images
    _check_axes(labels.axes, intensity.axes)
    if "c" in intensity.axes and "c" not in labels.axes:
        _refuse_unlike(labels, intensity)


@dataclass(frozen=True, slots=True)
class _WithChannels:
    """Refuses members that are not like the first, whose intensity has channels."""

    axes: str
    """Spatial axes of the first."""

    def __call__(self, images: list[Described]) -> None:
        """Refuse images that are not."""
        labels, intensity = images
        _check_axes(labels.axes, intensity.axes)
        if "c" not in intensity.axes or "c" in labels.axes:
            _refuse_unlike(labels, intensity)
        if {*labels.axes} & {*SPATIAL} != {*self.axes}:
            raise GeometryError(
                "labels of a folder that are measured in channels have the same spatial axes",
                value=f"{labels.axes!r}, where the first have {self.axes!r}",
                place=f"measure, {labels.name!r}",
                remedy="measure them in folders of their own: open_folder(..., select=...)",
            )


@blockwise(out="parts", check=_check_plain, block_invariant=True, version="4", threadsafe=True)
def measure_pieces(
    labels: Array,
    intensity: Array | None = None,
    *,
    moments: bool = True,
    weighted: bool = True,
    measures: tuple[Measure, ...] = (),
    block: StepBlock = injected,
    voxel_size: tuple[float, ...] | None = injected,
    origin: tuple[float, ...] | None = injected,
) -> Arrays:
    """Sum up what one block sees of its objects."""
    asked = {"moments": moments, "weighted": weighted and intensity is not None}
    stats = _block_stats(labels, intensity, block, block.function_axes, asked)
    frame = _frame(block, block.function_axes, voxel_size, origin)
    return {**stats, **frame, **_own_rows(measures, labels, intensity, stats["label"])}


def _renumbered(part: Mapping[str, Array], table: Array) -> Arrays | None:
    """Return the part of a block whose labels are looked up in a table."""
    stats = renumber_regions(RegionStats.from_arrays(part), table)
    return None if stats is None else {**part, **stats.to_arrays()}


def _has_no_own(params: Mapping[str, object]) -> bool:
    """Whether there are no measures of the user's, which are told which labels there are."""
    return params.get("measures") == ()


measure_pieces = with_draft(measure_pieces, Renumbers(_renumbered, _has_no_own))


@blockwise(out="parts", block_invariant=True, version="5", threadsafe=True)
def measure_channel_pieces(
    labels: Array,
    intensity: Array,
    *,
    moments: bool = True,
    weighted: bool = True,
    measures: tuple[Measure, ...] = (),
    block: StepBlock = injected,
    voxel_size: tuple[float, ...] | None = injected,
    origin: tuple[float, ...] | None = injected,
) -> Arrays:
    """Sum up what one block sees of its objects in an image with channels."""
    axes = block.function_axes.replace("c", "")
    asked = {"moments": moments, "weighted": weighted}
    stats = _block_stats(labels[0], intensity, block, axes, asked)
    frame = {**_frame(block, axes, voxel_size, origin), "channels": _names(block)}
    return {**stats, **frame, **_own_rows(measures, labels[0], intensity, stats["label"])}


def _names(block: StepBlock) -> Array:
    """Return the names of the channels of the intensity, none where they are not all different."""
    names = block.channels[1] if block.channels else ()
    return np.array(names if len(set(names)) == len(names) else (), dtype=np.str_)


def _block_stats(
    labels: Array,
    intensity: Array | None,
    block: StepBlock,
    axes: str,
    asked: Mapping[str, bool],
) -> Arrays:
    places = [block.axes.index(axis) for axis in axes]
    shape = [block.image_roi.shape[p] for p in places]
    start = [block.write_roi.offset[p] - block.image_roi.offset[p] for p in places]
    return measure_block(labels, start, shape, intensity, **asked).to_arrays()


def _frame(
    block: StepBlock,
    axes: str,
    voxel_size: Sequence[float] | None,
    origin: Sequence[float] | None,
) -> Arrays:
    """Describe where the image lies, for the end: its steps see no image any more."""
    scale = [] if voxel_size is None else [voxel_size, origin or (0.0,) * len(voxel_size)]
    return {
        "axes": np.array(axes),
        **place_of(block),
        "frame": np.array([block.image_roi.offset[block.axes.index(a)] for a in axes], int),
        "scale": np.array(scale, float),
        "unit": np.array(block.unit or ""),
    }


def _own_rows(
    measures: Sequence[Measure],
    labels: Array,
    intensity: Array | None,
    index: Array,
) -> Arrays:
    return {
        f"own{number}_{name}": rows
        for number, measure in enumerate(measures)
        for name, rows in measure.rows(labels, intensity, index).items()
    }
