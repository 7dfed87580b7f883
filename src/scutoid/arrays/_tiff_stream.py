"""Write images that memory does not hold to TIFF.

What is worth to be compressed is written page by page, or tile by tile where pages are large;
voxels of other images are copied into a file that has the place for them.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from scutoid.arrays._source import stored_values
from scutoid.arrays._spec import ImageSpec
from scutoid.arrays._tiff_write import (
    as_stored,
    compression_of,
    create_tiff,
    page_shape,
    put_tiff,
    reporting,
    write_tiff,
)
from scutoid.geometry import BlockGrid, Roi

_AT_ONCE = 2**28
"""Bytes of voxels that are held."""
_TILE = 512
_Read: TypeAlias = Callable[[Roi], NDArray[Any]]


def stream_tiff(
    path: str | os.PathLike[str], spec: ImageSpec, read: _Read, chunks: Sequence[int]
) -> None:
    """Write an image as `write_tiff` does, some hundred megabytes at a time.

    Parameters
    ----------
    path : path
        Where nothing is.
    spec : ImageSpec
        Its description.
    read : callable
        Reads a region of it.
    chunks : sequence of int
        Shape of the voxels that are best read together.

    Raises
    ------
    StoreError
        If it cannot be written.
    """
    target = Path(path)
    if spec.nbytes <= _AT_ONCE or spec.ndim < 2:
        write_tiff(target, read(spec.roi), spec)
        return

    def values(roi: Roi) -> NDArray[Any]:
        return as_stored(stored_values(read(roi), spec, str(target)))

    compression = compression_of(values(_middle(spec, chunks)))
    if not compression:
        writer = create_tiff(target, spec)
        for roi in _regions(spec, _fitting(spec, chunks)):
            writer.write(roi, read(roi))
        return
    with reporting(target):
        if math.prod(page_shape(spec)) * spec.dtype.itemsize > _AT_ONCE:
            tiles = _tiles(spec, values)
            put_tiff(target, tiles, spec, tile=(_TILE, _TILE), **compression)
        else:
            put_tiff(target, _pages(spec, values, chunks), spec, **compression)


def _middle(spec: ImageSpec, chunks: Sequence[int]) -> Roi:
    """Return the chunk in the middle, by which it is told whether an image shrinks."""
    corner = [n // 2 // c * c for n, c in zip(spec.shape, chunks, strict=True)]
    return Roi(corner, chunks).intersect(spec.roi)


def _regions(spec: ImageSpec, shape: Sequence[int]) -> Iterator[Roi]:
    """Cut an image into regions, in the order of its voxels."""
    grid = BlockGrid(spec.roi, shape)
    return (grid.write_roi(index) for index in range(grid.n_blocks))


def _fitting(spec: ImageSpec, least: Sequence[int], chunks: Sequence[int] = ()) -> list[int]:
    """Return the largest shape that is held at once: of the last axes all, then what fits."""
    shape = [min(n, size) for n, size in zip(least, spec.shape, strict=True)]
    n_bytes = math.prod(shape) * spec.dtype.itemsize
    for axis in reversed(range(spec.ndim)):
        edge = shape[axis]
        n_fit = min(max(_AT_ONCE // max(n_bytes, 1), 1) * edge, spec.shape[axis])
        if chunks and n_fit < spec.shape[axis]:
            n_fit = n_fit // chunks[axis] * chunks[axis] or n_fit
        shape[axis] = n_fit
        n_bytes = n_bytes // edge * n_fit
        if n_fit < spec.shape[axis]:
            break
    return shape


def _pages(
    spec: ImageSpec, values: Callable[[Roi], NDArray[Any]], chunks: Sequence[int]
) -> Iterator[NDArray[Any]]:
    """Go through the pages, of which as many are read together as memory and chunks tell."""
    page = page_shape(spec)
    one = (1,) * (spec.ndim - len(page)) + page
    for roi in _regions(spec, _fitting(spec, one, chunks)):
        yield from values(roi).reshape(-1, *page)


def _tiles(spec: ImageSpec, values: Callable[[Roi], NDArray[Any]]) -> Iterator[NDArray[Any]]:
    """Go through the tiles of all pages; those at an edge are filled up with zeros."""
    _, width, *samples = page_shape(spec)
    n_lead = spec.ndim - 2 - len(samples)
    for roi in _regions(spec, [*(1,) * n_lead, _TILE, width, *samples]):
        band = values(roi).reshape(-1, width, *samples)
        for left in range(0, width, _TILE):
            part = band[:, left : left + _TILE]
            tile = np.zeros((_TILE, _TILE, *samples), part.dtype)
            tile[: part.shape[0], : part.shape[1]] = part
            yield tile
