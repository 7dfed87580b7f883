"""The pipeline of the demonstration, as a user would write it.

Cells are brighter than the tissue around them; those that touch are split between their brightest
points.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
from numpy.typing import NDArray

import scutoid as sc

REGIONS = {1: "cortex", 2: "hippocampus", 3: "thalamus", 4: "cerebellum"}
"""Names of the regions in the map."""


@sc.blockwise(halo=lambda radius: 2 * radius)
def background(image: NDArray[Any], *, radius: int) -> NDArray[Any]:
    """Estimate the background of objects smaller than a cube of that radius, by an opening."""
    from scipy import ndimage

    behind: NDArray[Any] = ndimage.grey_opening(image, size=2 * radius + 1)
    return behind


@sc.blockwise
def foreground(image: NDArray[Any], behind: NDArray[Any], *, contrast: float) -> NDArray[Any]:
    """Mark voxels that are brighter than their background by `contrast` counts."""
    bright: NDArray[Any] = image > behind + contrast
    return bright


@sc.blockwise(halo=lambda distance: distance)
def peaks(image: NDArray[Any], mask: NDArray[Any], *, distance: int) -> NDArray[Any]:
    """Mark the brightest voxel within `distance`, one or more a cell."""
    from scipy import ndimage

    highest: NDArray[Any] = ndimage.maximum_filter(image, 2 * distance + 1)
    is_peak: NDArray[Any] = mask & (highest == image)
    return is_peak


@sc.blockwise(halo=lambda reach: reach, dtype="uint32", labels=True)
def split(
    image: NDArray[Any], seeds: NDArray[Any], mask: NDArray[Any], *, reach: int
) -> NDArray[Any]:
    """Give each voxel of the mask to the seed from which it is reached first, downhill."""
    from skimage.segmentation import watershed

    del reach  # the halo: larger than a cell
    basins: NDArray[Any] = watershed(  # type: ignore[no-untyped-call]
        -image, seeds.astype("int64"), mask=mask
    )
    return basins


@sc.step(out="table")
def by_region(cells: pd.DataFrame, regions: NDArray[Any]) -> pd.DataFrame:
    """Count cells by the region that their centre lies in."""
    places = cells[["z_voxel", "y_voxel", "x_voxel"]].round().to_numpy().astype(int)
    region = pd.Series(regions[tuple(places.T)]).map(REGIONS).fillna("outside")
    counts = region.value_counts()
    names = [*REGIONS.values(), "outside"]
    return pd.DataFrame({"region": names, "cells": [int(counts.get(name, 0)) for name in names]})


@sc.pipeline
def count_cells(
    image: Path,
    regions: Path,
    sigma: float = 1.0,
    contrast: float = 80.0,
    min_size: int = 12,
) -> tuple[sc.Image, sc.Image, sc.Table, sc.Table]:
    """Count the cells of a volume by region.

    Parameters
    ----------
    image : Path
        The volume, axes zyx.
    regions : Path
        A map of the same shape with the number of a region in each voxel.
    sigma : float
        Width of the smoothing, in voxels.
    contrast : float
        How much brighter than its surroundings a cell is, in counts.
    min_size : int
        Objects of fewer voxels are noise.
    """
    raw = sc.open(image)
    smooth = sc.gaussian(raw, sigma=sigma)
    mask = foreground(smooth, background(smooth, radius=6), contrast=contrast)
    mask = sc.remove_small(mask, min_size=min_size)
    seeds = sc.label.options(name="seeds")(peaks(smooth, mask, distance=2), connectivity=3)
    cells = split.options(name="cells")(smooth, seeds, mask, reach=16)
    table = sc.measure(cells, intensity=raw)
    return smooth, cells, table, by_region(table, sc.open(regions))
