"""Density maps: how many objects lie in each voxel of a coarse image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from scutoid.errors import MetadataError, ParameterError
from scutoid.geometry import Roi
from scutoid.ops._composed import composed
from scutoid.ops._count import estimate_cells
from scutoid.ops._measure import check_labels, measure
from scutoid.pipeline import Image, OutputGrid, StepBlock, Table, blockwise

if TYPE_CHECKING:
    import pandas as pd

_PLACE = "density"
_SPATIAL = "zyx"


@composed
def density(
    objects: Any,
    *,
    like: Image | None = None,
    factors: float | Sequence[float] | None = None,
    voxel_size: float | Sequence[float] | None = None,
    weights: str | None = None,
    outside: Literal["raise", "drop"] = "raise",
) -> Any:
    """Count objects in each voxel of a coarse image.

    **Exact**: an object is counted in the voxel that holds its centroid, once, so the image adds up
    to the number of objects (or of their weights, within rounding), whatever the blocks.

    Parameters
    ----------
    objects : Image or ndarray of labels, or Table or DataFrame
        Tables have a column for each spatial axis of `like`: positions in its unit, as `measure`
        and `detect_spots` return them; in voxels where its voxel size is unknown.  A column named
        as an iterated axis, such as ``t``, says which of these an object belongs to.
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
        What happens with positions outside of `like`, or NaN.

    Returns
    -------
    Image or ndarray of float64
        The last voxel on an axis may reach beyond the edge of `like`.

    Raises
    ------
    ParameterError
        If it is not said how coarse the image is, labels are not integers, a column is missing, or
        a position lies outside.
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
    is_table = isinstance(objects, Table) or type(objects).__name__ == "DataFrame"
    if not is_table:
        check_labels(objects, _PLACE)
    space = like if like is not None else objects
    if not isinstance(space, Image):
        raise ParameterError(
            "a density map divides up the space of an image",
            value=type(space).__name__,
            place=_PLACE,
            remedy="give like=, the image that the positions belong to; map collections by member",
        )
    steps = _steps(space, factors, voxel_size)
    cells, start, size, suffix = objects, space.origin, space.voxel_size, ""
    if not is_table:
        cells = measure(objects, properties=())
        cells = cells if weights != "n_cells" else estimate_cells(cells)
    if size is None or (not is_table and space is objects):
        suffix = "" if is_table else "_voxel"  # free of the rounding of sizes and origins
        offset = dict(zip(space.axes, space.roi.offset, strict=True))
        start = tuple(float(offset[axis]) for axis in space.axes if axis in _SPATIAL)
        size = (1.0,) * len(start)
    if outside not in ("raise", "drop"):
        raise ParameterError('outside is "raise" or "drop"', value=outside, place=_PLACE)
    return density_map(
        space, cells, steps=steps, start=start, size=size, suffix=suffix, weights=weights,
        outside=outside,
    )  # fmt: skip


def _steps(space: Image, factors: Any, voxel_size: Any) -> tuple[float, ...]:
    """Return the voxels of the image for each of the result."""
    if (factors is None) == (voxel_size is None):
        raise ParameterError(
            "one of factors= and voxel_size= says how coarse a density map is",
            value="neither" if factors is None else "both",
            place=_PLACE,
        )
    ndim = sum(axis in _SPATIAL for axis in space.axes)
    given = np.atleast_1d(np.asarray(factors if factors is not None else voxel_size, float))
    steps = np.broadcast_to(given, (ndim,)) if given.size == 1 else given
    if voxel_size is not None:
        if space.voxel_size is None:
            raise MetadataError(
                "a voxel size is made of another one",
                value="unknown",
                place=f"{_PLACE}: {space.name!r}",
                remedy="open the image with voxel_size=, or give factors=",
            )
        steps = steps / np.array(space.voxel_size) if len(steps) == ndim else steps
    if len(steps) != ndim or not np.all((steps > 0) & np.isfinite(steps)):
        raise ParameterError(
            f"a number above 0 is needed for each of {ndim} spatial axes",
            value=factors if factors is not None else voxel_size,
            place=_PLACE,
        )
    return tuple(float(one) for one in steps)


def _grid(images: list[Image], steps: tuple[float, ...]) -> OutputGrid:
    image = images[0]
    sizes = [n for n, axis in zip(image.shape, image.axes, strict=True) if axis in _SPATIAL]
    shape = tuple(max(1, int(np.ceil(n / f - 1e-9))) for n, f in zip(sizes, steps, strict=True))
    nothing = Roi((0,) * len(sizes), (0,) * len(sizes))
    voxel_size = origin = None
    if image.voxel_size is not None:
        voxel_size = tuple(v * f for v, f in zip(image.voxel_size, steps, strict=True))
        origin = tuple(
            o + (f - 1) / 2 * v
            for o, v, f in zip(image.origin, image.voxel_size, steps, strict=True)
        )
    return OutputGrid(shape, lambda _number, _region: nothing, voxel_size, origin)


@blockwise(grid=_grid, dtype=np.float64, block_invariant=True, version="1")
def density_map(
    space: NDArray[Any],
    cells: pd.DataFrame,
    *,
    steps: tuple[float, ...],
    start: tuple[float, ...],
    size: tuple[float, ...],
    suffix: str,
    weights: str | None,
    outside: str,
    block: StepBlock,
) -> NDArray[np.float64]:
    """Count the objects whose centroids lie in one block of the coarse image."""
    del space  # only its grid counts
    axes = [axis for axis in block.function_axes if axis in _SPATIAL]
    iterated = [a for a in block.axes if a not in block.function_axes and a in cells.columns]
    _check_columns(cells, [*(a + suffix for a in axes), *([weights] if weights else [])])
    extent = [block.image_roi.shape[block.axes.index(axis)] for axis in axes]
    index = np.stack(
        [
            np.floor(((cells[a + suffix].to_numpy(float) - o) / v + 0.5) / f)
            for a, o, v, f in zip(axes, start, size, steps, strict=True)
        ],
        axis=1,
    )
    is_inside = np.all((index >= 0) & (index < extent), axis=1)
    if outside == "raise" and not is_inside.all():
        raise ParameterError(
            "objects lie inside the image whose space is divided up",
            value=f"{int((~is_inside).sum())} of {len(cells)} lie outside",
            place=_PLACE,
            remedy="see that both are in one unit and frame, or give outside='drop'",
        )
    here = is_inside
    for axis in iterated:
        here = here & (cells[axis] == block.write_roi.offset[block.axes.index(axis)]).to_numpy()
    low = [block.write_roi.offset[block.axes.index(axis)] for axis in axes]
    shape = [block.write_roi.shape[block.axes.index(axis)] for axis in axes]
    place = index[here].astype(np.int64) - low
    here[here] = np.all((place >= 0) & (place < shape), axis=1)
    place = place[np.all((place >= 0) & (place < shape), axis=1)]
    values = None if weights is None else cells[weights].to_numpy(float)[here]
    flat = np.ravel_multi_index(tuple(place.T), shape)
    counts = np.bincount(flat, weights=values, minlength=int(np.prod(shape)))
    whole = tuple(slice(None) if axis in axes else None for axis in block.function_axes)
    return counts.astype(np.float64).reshape(shape)[whole]


def _check_columns(cells: pd.DataFrame, names: list[str]) -> None:
    missing = [name for name in names if name not in cells.columns]
    if missing:
        raise ParameterError(
            f"objects have the columns {', '.join(names)}",
            value=f"no {missing[0]!r} among {', '.join(map(str, cells.columns[:12]))}",
            place=_PLACE,
        )


density_map = density_map.options(name="density")
