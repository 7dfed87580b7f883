"""Levels of a pyramid: their shapes and places, and the block shapes that they need.

::

    level 0   | . . . . | . . . . | . .      shards of 4 voxels, one a block
    level 1   | .   .   | .   .   | .        shards of 2: each covers the region of one of level 0,
    level 2   | .       | .       | .        so a block in memory makes its own
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from scutoid.arrays._spec import SPATIAL, ImageSpec
from scutoid.arrays._storage import Storage
from scutoid.errors import GeometryError, MetadataError
from scutoid.kernels import check_factors, check_method

_FACTOR = 2
_ELONGATED = 2.0


@dataclass(frozen=True, slots=True)
class PyramidLevel:
    """One level of an image."""

    spec: ImageSpec
    """Its shape, voxel size and place of the first voxel's centre."""
    factors: tuple[int, ...]
    """Voxels of the level above in each of its voxels, an entry an axis."""
    total: tuple[int, ...]
    """Voxels of level 0 in each of its voxels, an entry an axis."""


def pyramid_levels(spec: ImageSpec, storage: Storage) -> tuple[PyramidLevel, ...]:
    """Return the levels of an image, level 0 first.

    Each is downsampled from the one above it.  Without `Storage.factors` spatial axes shrink by 2,
    except those that are one voxel long and those whose voxels are twice as long as others already,
    until the others have caught up.  There are fewer levels than asked for if nothing is left to
    shrink.

    Raises
    ------
    MetadataError
        If there is not one level or more.
    ParameterError
        If the factors are not whole numbers of 1 or more, or do not fit the axes.

    Examples
    --------
    >>> spec = ImageSpec((30, 100, 101), "uint16", "zyx", voxel_size=(5, 2, 2))
    >>> for level in pyramid_levels(spec, Storage(levels=3)):
    ...     print(level.spec.shape, level.spec.voxel_size, level.spec.origin)
    (30, 100, 101) (5.0, 2.0, 2.0) None
    (30, 50, 51) (5.0, 4.0, 4.0) (0.0, 1.0, 1.0)
    (15, 25, 26) (10.0, 8.0, 8.0) (2.5, 3.0, 3.0)
    """
    if isinstance(storage.levels, bool) or storage.levels < 1:
        raise MetadataError(
            "a pyramid has one level or more", value=storage.levels, place="storage"
        )
    ones = (1,) * spec.ndim
    levels = [PyramidLevel(spec, ones, ones)]
    while len(levels) < storage.levels:
        above = levels[-1]
        factors = _factors(spec, above, storage)
        total = tuple(map(math.prod, zip(above.total, factors, strict=True)))
        shape = tuple(-(-n // f) for n, f in zip(above.spec.shape, factors, strict=True))
        if shape == above.spec.shape:
            break
        levels.append(PyramidLevel(_coarser(spec, shape, total), factors, total))
    return tuple(levels)


def _factors(spec: ImageSpec, above: PyramidLevel, storage: Storage) -> tuple[int, ...]:
    spatial = spec.spatial_axes
    if storage.factors is not None:
        by_letter = dict(zip(spatial, check_factors(storage.factors, len(spatial)), strict=True))
        return tuple(by_letter.get(letter, 1) for letter in spec.axes)
    sizes = dict(zip(spatial, spec.voxel_size or (1.0,) * len(spatial), strict=True))
    longer, lengths = [], {}
    for letter, n_voxels, total in zip(spec.axes, above.spec.shape, above.total, strict=True):
        if letter in SPATIAL and n_voxels > 1:
            longer.append(letter)
            lengths[letter] = sizes[letter] * total
    shortest = min(lengths.values(), default=0.0)
    shrinks = [letter for letter in longer if lengths[letter] < _ELONGATED * shortest]
    return tuple(_FACTOR if letter in shrinks else 1 for letter in spec.axes)


def _coarser(spec: ImageSpec, shape: Sequence[int], total: Sequence[int]) -> ImageSpec:
    """Describe a level: its first voxel covers `total` voxels from the same corner."""
    sizes = spec.voxel_size or spec.known_sizes
    if sizes is None:
        return spec.replace(shape=tuple(shape))
    widths = [total[spec.axes.index(letter)] for letter in spec.spatial_axes]
    start = spec.origin or (0.0,) * len(widths)
    return spec.replace(
        shape=tuple(shape),
        voxel_size=None,
        known_sizes=tuple(None if s is None else s * w for s, w in zip(sizes, widths, strict=True)),
        origin=tuple(
            o if s is None else o + (w - 1) / 2 * s
            for o, w, s in zip(start, widths, sizes, strict=True)
        ),
    )


def pyramid_multiple(storage: Storage, spec: ImageSpec) -> tuple[int, ...]:
    """Return the number that block edges are multiples of for a pyramid, an entry an axis.

    A block that covers an axis whole may have any length on it.

    Examples
    --------
    >>> pyramid_multiple(Storage(levels=4), ImageSpec((3, 512, 512), "uint8", "cyx"))
    (1, 8, 8)
    """
    return pyramid_levels(spec, storage)[-1].total


def pyramid_method(spec: ImageSpec, storage: Storage, *, label: bool) -> str:
    """Return the method by which levels are downsampled.

    Raises
    ------
    MetadataError
        If object numbers are to be averaged.
    ParameterError
        If the method is unknown.
    """
    if storage.downsampling is None:
        return "mode" if label or spec.dtype.kind == "b" else "mean"
    check_method(storage.downsampling)
    if label and storage.downsampling == "mean":
        raise MetadataError(
            "object numbers are never averaged",
            value=storage.downsampling,
            place="storage",
            remedy='leave downsampling= out, or give "mode" or "nearest"',
        )
    return storage.downsampling


def check_multiples(
    shards: Sequence[int], levels: Sequence[PyramidLevel], spec: ImageSpec, place: str
) -> None:
    """Raise a `GeometryError` unless each shard holds whole voxels of the coarsest level."""
    for letter, edge, size, total in zip(
        spec.axes, shards, spec.shape, levels[-1].total, strict=True
    ):
        if edge < size and edge % total:
            raise GeometryError(
                "blocks and shards of a pyramid hold whole voxels of its coarsest level",
                value=f"{edge} voxels, of which {total} are one voxel of level {len(levels) - 1}",
                place=f"{place}, axis {letter!r}",
                remedy=f"use a multiple of {total}, such as {max(round(edge / total), 1) * total}, "
                "or fewer levels",
            )
