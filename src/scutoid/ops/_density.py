"""Density maps: how many objects lie in each voxel of a coarse image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, TypedDict, Unpack, cast, overload

import numpy as np
from numpy.typing import NDArray

from scutoid.arrays import SPATIAL
from scutoid.errors import MetadataError, ParameterError
from scutoid.geometry import Roi
from scutoid.ops._columns import as_floats
from scutoid.ops._composed import TypedAs, composed
from scutoid.ops._count import estimated_cells, is_table
from scutoid.ops._measure import check_labels, measure_pieces
from scutoid.ops._object_table import objects_by_range
from scutoid.ops._types import Array, ImageLike, TableLike
from scutoid.ops._units import check_unit, unit_of
from scutoid.steps import (
    BlockParts,
    CallOptions,
    Image,
    Images,
    OutputGrid,
    StepBlock,
    Table,
    Tables,
    blockwise,
    injected,
    remedy_for_image,
    step,
)

if TYPE_CHECKING:
    import pandas as pd

_PLACE = "density"
Steps = float | Sequence[float] | None


class _Coarse(TypedDict):
    """How coarse the image is."""

    factors: float | Sequence[float] | None
    spacing: float | Sequence[float] | None


class _Asked(_Coarse):
    """What is counted."""

    weights: str | None
    outside: str


class _Options(TypedDict, total=False):
    """What `density` takes besides what it counts."""

    like: Image | None
    factors: float | Sequence[float] | None
    voxel_size: float | Sequence[float] | None
    weights: str | None
    outside: Literal["raise", "drop"]


class _Density(Protocol):
    """The type of `density`: a DataFrame has its space from an image, so the result is one."""

    __name__: str

    @overload
    def __call__(self, objects: Images | Tables, /, **options: Unpack[_Options]) -> Images: ...
    @overload
    def __call__(
        self, objects: Image | Table | pd.DataFrame, /, **options: Unpack[_Options]
    ) -> Image: ...
    @overload
    def __call__(self, objects: Array, /, **options: Unpack[_Options]) -> Array: ...

    def options(self, **options: Unpack[CallOptions]) -> _Density:
        """Return the same operation with options for this call; see `scutoid.blockwise`."""
        ...


@TypedAs[_Density]()
@composed
def density(
    objects: ImageLike | TableLike,
    *,
    like: Image | None = None,
    factors: float | Sequence[float] | None = None,
    voxel_size: float | Sequence[float] | None = None,
    weights: str | None = None,
    outside: Literal["raise", "drop"] = "raise",
) -> ImageLike:
    """Count objects in each voxel of a coarse image.

    **Exact**: an object is counted in the voxel that holds its centroid, once, so the image adds up
    to the number of objects (or of their weights, within rounding), whatever the blocks.

    Parameters
    ----------
    objects : Image, Images or ndarray of labels, or Table, Tables or DataFrame
        Tables have a column for each spatial axis of `like`: positions in its unit, as `measure`
        and `detect_spots` return them; in voxels where its voxel size is unknown.  If `like` has
        iterated axes, such as ``t``, columns of their names say where an object belongs.
    like : Image, optional
        Whose space is divided up; default: the labels.  None of its voxels is read.
    factors : number or sequence, optional
        Voxels of `like` for each voxel of the result, on the spatial axes; need not be whole.
    voxel_size : number or sequence, optional
        Of the result, in the unit: give this or `factors`.
    weights : str, optional
        Column to add up instead of counting; of labels, "n_cells" for what `estimate_cells` says
        by default.
    outside : {"raise", "drop"}
        What happens with positions outside of `like`, NaN, or missing.

    Returns
    -------
    Image, Images or ndarray of float64
        The last voxel on an axis may reach beyond the edge of `like`.

    Raises
    ------
    ParameterError
        If it is not said how coarse the image is, labels are not integers, a column is missing, a
        weight is not finite, or a position lies outside.
    MetadataError
        If `voxel_size` is given for an image whose own is not known.

    Examples
    --------
    >>> import numpy as np
    >>> import scutoid as sc
    >>> labels = np.zeros((4, 6), int)
    >>> labels[0, 0], labels[1, 1], labels[3, 5] = 1, 2, 3
    >>> sc.density(labels, factors=2)
    array([[2., 0., 0.],
           [0., 0., 1.]])
    """
    if not is_table(objects):
        check_labels(objects, _PLACE)
    space: object = like
    if like is None and not is_table(objects):
        space = objects
    elif not isinstance(space, Image):
        raise ParameterError(
            "a density map divides up the space of an image",
            value=type(objects if like is None else like).__name__,
            place=_PLACE,
            remedy=remedy_for_image(like, "give like=, the image that the positions belong to"),
        )
    if isinstance(space, Image):
        ndim = sum(axis in SPATIAL for axis in space.axes)
        _steps(factors, voxel_size, space.voxel_size, ndim)
    if outside not in ("raise", "drop"):
        raise ParameterError('outside is "raise" or "drop"', value=outside, place=_PLACE)
    coarse: _Coarse = {"factors": factors, "spacing": voxel_size}
    asked: _Asked = {**coarse, "weights": weights, "outside": outside}
    given = None if like is None else _Space.of(like)
    if is_table(objects):
        counts = coarse_counts(objects, space=cast("_Space", given), **asked)
    else:
        pieces = measure_pieces(cast("Image", objects), moments=False, weighted=False)
        counts = coarse_counts_of_pieces(pieces, space=given, **asked)
    return density_map(cast("Image", space), counts, **coarse)


@dataclass(frozen=True, slots=True)
class _Space:
    """What is divided up, and how positions lie in it."""

    axes: str
    """Spatial ones."""
    shape: tuple[int, ...]
    """Voxels along these."""
    voxel_size: tuple[float, ...] | None
    """In the unit."""
    start: tuple[float, ...]
    """Position of the centre of the first voxel."""
    step: tuple[float, ...]
    """From there to the next voxel."""
    suffix: str
    """What the columns of positions end in, after the name of their axis."""
    iterated: tuple[tuple[str, int, int], ...]
    """The other axes, each with its first place and their number."""
    unit: str | None
    """Of the positions; None: not known, or by voxels."""

    @classmethod
    def of(cls, image: Image) -> _Space:
        """Describe an image; positions are in its unit, or in voxels where that is unknown."""
        extent = list(zip(image.axes, image.roi.offset, image.shape, strict=True))
        spatial = [one for one in extent if one[0] in SPATIAL]
        voxels = tuple(float(first) for _, first, _ in spatial)
        is_known = image.voxel_size is not None
        return cls(
            "".join(axis for axis, *_ in spatial),
            tuple(int(n) for *_, n in spatial),
            image.voxel_size,
            tuple(image.origin) if is_known else voxels,
            image.voxel_size or (1.0,) * len(spatial),
            "",
            tuple((axis, int(first), int(n)) for axis, first, n in extent if axis not in SPATIAL),
            unit_of(image.voxel_size, image.unit),
        )

    @classmethod
    def of_part(cls, part: Mapping[str, Array]) -> _Space:
        """Describe the image that was measured; by voxels, free of the rounding of sizes."""
        axes = str(part["axes"])
        return cls(
            axes,
            tuple(part["image_shape"].tolist()),
            tuple(part["scale"][0].tolist()) if len(part["scale"]) else None,
            tuple(part["frame"].astype(float).tolist()),
            (1.0,) * len(axes),
            "_voxel",
            tuple((axis, 0, 2**62) for axis in str(part["iterated"]).strip()),
            None,
        )


def _steps(
    factors: Steps, spacing: Steps, voxel_size: Sequence[float] | None, ndim: int
) -> tuple[float, ...]:
    """Return the voxels of the image for each of the result."""
    if (factors is None) == (spacing is None):
        raise ParameterError(
            "one of factors= and voxel_size= says how coarse a density map is",
            value="neither" if factors is None else "both",
            place=_PLACE,
        )
    given = np.atleast_1d(np.asarray(factors if factors is not None else spacing, float))
    steps = np.broadcast_to(given, (ndim,)) if given.size == 1 else given
    if spacing is not None:
        if voxel_size is None:
            raise MetadataError(
                "a voxel size is made of another one",
                value="unknown",
                place=_PLACE,
                remedy="open the image with voxel_size=, or give factors=",
            )
        steps = steps / np.array(voxel_size) if len(steps) == ndim else steps
    if len(steps) != ndim or not np.all((steps > 0) & np.isfinite(steps)):
        raise ParameterError(
            f"a number above 0 is needed for each of {ndim} spatial axes",
            value=factors if factors is not None else spacing,
            place=_PLACE,
        )
    return tuple(float(one) for one in steps)


@step(out="table", version="1", threadsafe=True)
def coarse_counts(
    cells: pd.DataFrame,
    *,
    space: _Space,
    factors: Steps,
    spacing: Steps,
    weights: str | None,
    outside: str,
) -> pd.DataFrame:
    """Count the objects of a table in each voxel of a coarse image that has any.

    Returns
    -------
    DataFrame
        The voxel, a column an axis, and ``n``; iterated axes in the frame of the image.
    """
    check_unit(cells, space.unit, f"{_PLACE}, objects")
    steps = _steps(factors, spacing, space.voxel_size, len(space.axes))
    apart = [axis for axis, _, n in space.iterated if axis in cells.columns or n > 1]
    names = [axis + space.suffix for axis in space.axes]
    _check_columns(cells, [*names, *apart, *([weights] if weights else [])])
    voxel = {
        axis: np.floor(((as_floats(cells[name], _PLACE) - o) / v + 0.5) / f)
        for axis, name, o, v, f in zip(
            space.axes, names, space.start, space.step, steps, strict=True
        )
    }
    extent = {axis: (0, n) for axis, n in zip(space.axes, _shape(space.shape, steps), strict=True)}
    extent |= {axis: (first, first + n) for axis, first, n in space.iterated}
    voxel |= {axis: as_floats(cells[axis], _PLACE) for axis in apart}
    is_inside = np.ones(len(cells), bool)
    for axis, at in voxel.items():
        is_inside &= (at >= extent[axis][0]) & (at < extent[axis][1]) & (at == np.floor(at))
    if outside == "raise" and not is_inside.all():
        raise ParameterError(
            "objects lie inside the image whose space is divided up",
            value=f"{int((~is_inside).sum())} of {len(cells)} lie outside",
            place=_PLACE,
            remedy="see that both are in one unit and frame, or give outside='drop'",
        )
    counts = cells[[]].assign(**voxel, n=1.0 if weights is None else _finite(cells[weights]))
    counts = counts[is_inside].astype(dict.fromkeys(voxel, np.int64))
    return _added_up(counts)


def _added_up(counts: pd.DataFrame) -> pd.DataFrame:
    axes = [name for name in counts.columns if name != "n"]
    added = counts.groupby(axes, sort=True)[["n"]].sum().reset_index()
    added.attrs = {}  # voxels and counts are in no unit
    return added


@step(out="table", version="1", threadsafe=True)
def coarse_counts_of_pieces(
    pieces: BlockParts,
    *,
    space: _Space | None,
    factors: Steps,
    spacing: Steps,
    weights: str | None,
    outside: str,
) -> pd.DataFrame:
    """Count the objects of labels, a range of labels at a time."""
    import pandas as pd

    space = space or _Space.of_part(pieces[0])
    asked: _Asked = {
        "factors": factors,
        "spacing": spacing,
        "weights": weights,
        "outside": outside,
    }
    found: list[pd.DataFrame] = []
    for _, objects in objects_by_range(pieces):
        cells = objects
        if weights == "n_cells":
            cells = objects.assign(n_cells=estimated_cells(objects))
        found = [_added_up(pd.concat([*found, coarse_counts(cells, space=space, **asked)]))]
    return found[0]


def _shape(shape: Sequence[int], steps: Sequence[float]) -> tuple[int, ...]:
    """Return the voxels of the coarse image."""
    return tuple(max(1, int(np.ceil(n / f - 1e-9))) for n, f in zip(shape, steps, strict=True))


def _grid(images: list[Image], factors: Steps, spacing: Steps) -> OutputGrid:
    image = images[0]
    sizes = [n for n, axis in zip(image.shape, image.axes, strict=True) if axis in SPATIAL]
    steps = _steps(factors, spacing, image.voxel_size, len(sizes))
    nothing = Roi((0,) * len(sizes), (0,) * len(sizes))
    voxel_size = origin = None
    if image.voxel_size is not None:
        voxel_size = tuple(v * f for v, f in zip(image.voxel_size, steps, strict=True))
        origin = tuple(
            o + (f - 1) / 2 * v
            for o, v, f in zip(image.origin, image.voxel_size, steps, strict=True)
        )
    return OutputGrid(_shape(sizes, steps), lambda _number, _region: nothing, voxel_size, origin)


@blockwise(grid=_grid, dtype=np.float64, block_invariant=True, version="2", threadsafe=True)
def density_map(
    space: Array,
    counts: pd.DataFrame,
    *,
    factors: float | Sequence[float] | None,  # noqa: ARG001 - these make the grid
    spacing: float | Sequence[float] | None,  # noqa: ARG001
    block: StepBlock = injected,
) -> NDArray[np.float64]:
    """Put counts in their place in one block of the coarse image."""
    del space  # only its grid counts
    here = np.ones(len(counts), bool)
    for axis, low, high in zip(
        block.axes, block.write_roi.offset, block.write_roi.end, strict=True
    ):
        if axis in counts.columns:
            here &= ((counts[axis] >= low) & (counts[axis] < high)).to_numpy()
    rows = counts[here]
    regions = dict(
        zip(
            block.axes, zip(block.write_roi.offset, block.write_roi.shape, strict=True), strict=True
        )
    )
    axes = [axis for axis in block.function_axes if axis in SPATIAL]
    found = np.zeros([regions[axis][1] for axis in axes])
    found[tuple(rows[axis].to_numpy() - regions[axis][0] for axis in axes)] = rows["n"]
    whole = tuple(slice(None) if axis in axes else None for axis in block.function_axes)
    return found[whole]


def _finite(weights: pd.Series[float]) -> NDArray[np.float64]:
    values = as_floats(weights, _PLACE)
    if not np.isfinite(values).all():
        raise ParameterError(
            "weights are finite",
            value="NaN, missing or infinity",
            place=f"{_PLACE}, {weights.name!r}",
        )
    return values


def _check_columns(cells: pd.DataFrame, names: list[str]) -> None:
    missing = [name for name in names if name not in cells.columns]
    wrong = [name for name in names if name not in missing and cells[name].dtype.kind not in "biuf"]
    if missing or wrong:
        there = ", ".join(map(str, cells.columns[:12]))
        raise ParameterError(
            f"objects have the columns {', '.join(names)}, of numbers",
            value=f"no {missing[0]!r} among {there}" if missing else f"{wrong[0]!r} has others",
            place=_PLACE,
        )


density_map = density_map.options(name="density")
