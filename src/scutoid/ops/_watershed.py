"""Seeded watershed, each component of the mask flooded whole as far as it fits in a block's halo.

::

    +-----------------------+  what a block reads: what it writes and `max_extent` voxels around
    |    +-------------+    |
    |    |  aa         |    |  a lies inside what is read: flooded whole, the same in every block
    |    |       bbbb  |bbb |  b as well, also from the block at the right, which sees all of it
    |    |  cc         |    |
    +----|--cc---------|----+  c goes on beyond: larger than `max_extent`, flooded in part and
            cc                 reported
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal, Protocol, TypedDict, Unpack, overload

import numpy as np

from scutoid import kernels
from scutoid.errors import ParameterError, StepError
from scutoid.kernels import SparseArray, check_mask_type
from scutoid.ops._composed import TypedAs, as_one, opened, with_call_options
from scutoid.ops._extent import are_sparse, image_part, sparse, unpadded
from scutoid.ops._inputs import check_hops, check_real
from scutoid.ops._times import times_as_array, times_of_part, with_time_unit, with_times
from scutoid.ops._types import Array, Arrays, ImageLike
from scutoid.steps import (
    BlockParts,
    CallOptions,
    Cropped,
    Image,
    Images,
    StepBlock,
    Table,
    Tables,
    blockwise,
    injected,
    is_lazy,
    step,
)

if TYPE_CHECKING:
    import pandas as pd

MAX_EXTENT = 32


class Reach(TypedDict):
    """How components hang together, and how far they are seen."""

    connectivity: int | None
    max_extent: int


class _Options(TypedDict, total=False):
    """What `watershed` takes besides images and report=."""

    connectivity: int | None
    max_extent: int
    exact: bool


class _Watershed(Protocol):
    """The type of `watershed`: with report=True it returns a table as well."""

    __name__: str

    @overload
    def __call__(
        self,
        image: Images,
        seeds: ImageLike,
        mask: ImageLike | None = ...,
        *,
        report: Literal[False] = ...,
        **options: Unpack[_Options],
    ) -> Images: ...
    @overload
    def __call__(
        self,
        image: Images,
        seeds: ImageLike,
        mask: ImageLike | None = ...,
        *,
        report: Literal[True],
        **options: Unpack[_Options],
    ) -> tuple[Images, Tables]: ...
    @overload
    def __call__(
        self,
        image: Image,
        seeds: Image | Array,
        mask: Image | Array | None = ...,
        *,
        report: Literal[False] = ...,
        **options: Unpack[_Options],
    ) -> Image: ...
    @overload
    def __call__(
        self,
        image: Image,
        seeds: Image | Array,
        mask: Image | Array | None = ...,
        *,
        report: Literal[True],
        **options: Unpack[_Options],
    ) -> tuple[Image, Table]: ...
    @overload
    def __call__(
        self,
        image: Array,
        seeds: Array,
        mask: Array | None = ...,
        *,
        report: Literal[False] = ...,
        **options: Unpack[_Options],
    ) -> Array: ...
    @overload
    def __call__(
        self,
        image: Array,
        seeds: Array,
        mask: Array | None = ...,
        *,
        report: Literal[True],
        **options: Unpack[_Options],
    ) -> tuple[Array, pd.DataFrame]: ...

    def options(self, **options: Unpack[CallOptions]) -> _Watershed:
        """Return the same operation with options for this call; see `scutoid.blockwise`."""
        ...


@TypedAs[_Watershed]()
@with_call_options
def watershed(
    image: ImageLike,
    seeds: ImageLike,
    mask: ImageLike | None = None,
    *,
    connectivity: int | None = None,
    max_extent: int = MAX_EXTENT,
    exact: bool = False,
    report: bool = False,
) -> object:
    """Flood an image from seeds: each voxel of the mask gets the label of a seed.

    **Exact within halo**: components of the mask that extend over up to `max_extent` voxels on each
    axis are flooded whole, and equal `kernels.reference_watershed` on the whole array, bit for bit,
    for every block shape, executor and number of workers; an array, and an image of one block, at
    any size.  In a larger component each block floods what lies within `max_extent` voxels of it:
    there, voxels at basins that reach further may get another label or none, and labels may change
    at the seams between blocks.  `report` says which labels that concerns, `exact` forbids it.

    Parameters
    ----------
    image : Image, Images or ndarray
        The landscape; low values are flooded first.
    seeds : Image, Images or ndarray of integer
        Labels to start from, 0 elsewhere; numbers are those of the whole image, as `label` gives
        them.  Seeds outside of the mask are left out.
    mask : Image, Images or ndarray of bool or integer, optional
        Where to flood; default: everywhere, which makes one component of the whole image.
    connectivity : int, optional
        As in `label`.
    max_extent : int
        Halo in voxels; give the length of the longest component that has to be exact.
    exact : bool
        Raise if a component is larger than that.
    report : bool
        Return a table of the labels that are not exact as well.

    Returns
    -------
    labels : Image or ndarray
        Of the dtype of `seeds`; 0 outside of the mask, and where no seed's flood comes.
    table : Table or DataFrame, with `report`
        ``label`` and ``n_voxels``: how many voxels of the label lie in components that some block
        has not seen whole; label 0 counts those that no flood has reached.  Axes that are iterated
        have a column each.  Without rows, all is exact.

    Raises
    ------
    ParameterError
        If seeds are not integers of 0 or more, the mask is of floating-point numbers, `max_extent`
        is less than 1, or the image has NaN.
    StepError
        With `exact`, if a component is larger than `max_extent`.

    Notes
    -----
    The rule is our own, for scikit-image settles ties by the time of arrival, on which far parts of
    the image have an influence: voxels are flooded in the order of their value and then of their
    linear index; each takes the label of the neighbour through which it was reached first.  The
    flood itself is `skimage.segmentation.watershed` on ranks.

    Examples
    --------
    >>> import numpy as np
    >>> import scutoid as sc
    >>> sc.watershed(np.array([0, 3, 5, 1, 0]), np.array([1, 0, 0, 0, 2]))
    array([1, 1, 2, 2, 2])
    """
    check_extent(max_extent, "watershed")
    image, seeds = as_one(opened(image)), as_one(opened(seeds))
    masks = [] if mask is None else [as_one(opened(mask))]
    given: object = seeds
    if isinstance(given, (Image, np.ndarray)) and given.dtype.kind not in "iu":
        raise ParameterError(
            "seeds are integers",
            value=f"dtype {given.dtype}",
            place="watershed",
            remedy="number them first: sc.label(seeds)",
        )
    check_real(image, "watershed")
    check_hops(image, connectivity)
    for item in masks:
        _check_mask(item)
    if not any(map(is_lazy, (image, seeds, *masks))):
        arrays = [np.asarray(item) for item in (image, seeds, *masks)]
        _check_seeds(arrays[1])
        where = arrays[2] if masks else None
        flooded = kernels.watershed(arrays[0], arrays[1], where, connectivity)
        return (flooded, report_table([])) if report else flooded
    how: Reach = {"connectivity": connectivity, "max_extent": max_extent}
    labels = watershed_step(seeds, image, *masks, **how, exact=exact)
    return (labels, watershed_report(labels_cut(labels, *masks, **how))) if report else labels


def check_extent(voxels: object, place: str, *, name: str = "max_extent") -> None:
    """Refuse what is no number of voxels.

    Raises
    ------
    ParameterError
        If it is not an integer of 1 or more.
    """
    is_whole = isinstance(voxels, (int, np.integer)) and not isinstance(voxels, bool)
    if not is_whole or voxels < 1:  # type: ignore[operator]
        raise ParameterError(f"{name} is a number of voxels, 1 or more", value=voxels, place=place)


def _check_seeds(seeds: Array | SparseArray) -> None:
    held = seeds.held if isinstance(seeds, SparseArray) else (seeds,)
    signed = (values for values in held if values.dtype.kind == "i")
    least = min((int(values.min(initial=0)) for values in signed), default=0)
    if least < 0:
        raise ParameterError(
            "seeds are 0 or more",
            value=least,
            place="watershed",
            remedy="set what is no seed to 0 first",
        )


def _check_mask(mask: object) -> None:
    if isinstance(mask, (Image, np.ndarray, SparseArray)):
        check_mask_type(mask.dtype, "watershed")


@blockwise(
    halo=lambda max_extent: max_extent,
    border=0,
    dtype="same",
    labels=True,
    version="1",
    threadsafe=True,
)
def watershed_step(
    seeds: Array,
    image: Array,
    mask: Array | None = None,
    *,
    connectivity: int | None,
    max_extent: int,
    exact: bool = False,
    descending: bool = False,
    unreached: int = 0,
    block: StepBlock = injected,
) -> Array | Cropped:
    """Flood one block; `unreached` is written where the mask is and no flood comes."""
    _check_seeds(seeds)
    _check_mask(mask)
    _, inner, goes_on = image_part(block)

    def check_exact(n_voxels: int) -> None:
        if exact and n_voxels:
            raise StepError(
                f"a component of the mask extends over {max_extent} voxels at most, to be exact",
                value=f"a larger one, with {n_voxels} voxels in block {block.index}",
                place="watershed(exact=True)",
                remedy="give a larger max_extent=, or part the mask",
            )

    given = image, seeds, mask
    if are_sparse(given):
        heights, planted, inside = given
        held = kernels.sparse_parts(inside, inner, goes_on, connectivity)
        check_exact(held.count_inner(held.is_cut) if exact else 0)
        flooded = kernels.flood_sparse(
            heights, planted, held, connectivity, descending=descending, unreached=unreached
        )
        return Cropped(flooded)
    where = np.ones(image.shape, bool) if mask is None else mask
    parts, reaches, is_cut = kernels.parts_seen(where, inner, goes_on, connectivity, in_place=True)
    if exact:
        check_exact(int(np.count_nonzero(kernels.apply_lookup(is_cut, parts[inner]))))
    return kernels.flood_parts(
        image,
        seeds,
        parts,
        connectivity,
        wanted=reaches,
        descending=descending,
        unreached=unreached,
    )


watershed_step = sparse(
    unpadded(watershed_step), mask="places", image="mask", seeds="values"
).options(name="watershed")


@unpadded
@blockwise(halo=lambda max_extent: max_extent, border=0, out="parts", version="2", threadsafe=True)
def labels_cut(
    labels: Array,
    mask: Array | None = None,
    *,
    connectivity: int | None,
    max_extent: int,  # noqa: ARG001 - the halo
    block: StepBlock = injected,
) -> Arrays:
    """Count the voxels of labels whose component of the mask one block does not see whole."""
    _, inner, goes_on = image_part(block)
    where = np.ones(labels.shape, bool) if mask is None else mask
    _, is_cut = kernels.components_seen(where, inner, goes_on, connectivity)
    found, counts = np.unique(labels[inner][is_cut], return_counts=True)
    return {"label": found, "n_voxels": counts, "times": times_as_array(block)}


@step(out="table", version="2", threadsafe=True)
def watershed_report(parts: BlockParts) -> pd.DataFrame:
    """Add up the voxels of labels that are not exact."""
    grid, where = parts.grid, parts.where
    rows = []
    for index in range(grid.n_blocks):
        found = parts[index]
        at = grid.write_roi(index).offset
        places = {axis: at[where.axes.index(axis)] for axis in where.iterated}
        if len(found["label"]):
            rows.append({**places, "label": found["label"], "n_voxels": found["n_voxels"]})
    times = times_of_part(parts[0])
    table = report_table(rows, where.iterated)
    columns = with_times({name: table[name].to_numpy() for name in table.columns}, times)
    return with_time_unit(type(table)(columns), times)


def report_table(rows: Sequence[Mapping[str, object]], iterated: str = "") -> pd.DataFrame:
    """Join the counts of blocks, a row a label."""
    import pandas as pd

    columns = [*iterated, "label", "n_voxels"]
    empty = pd.DataFrame({name: np.zeros(0, np.int64) for name in columns})
    if not rows:
        return empty
    table = pd.concat([pd.DataFrame(row)[columns] for row in rows], ignore_index=True)
    return table.groupby(columns[:-1], as_index=False).sum()
