"""From voxels to cells per brain region: threshold, label, measure, count by an atlas' regions.

    scutoid run examples/cells_by_region.py --image brain.ome.zarr --atlas annotation_25.tif
        --structures structures.csv --atlas-voxel-size 25 --cell-size 300 --store results

The image is cut into blocks, and so is the atlas: neither needs to fit in memory.  The two may
differ in resolution, offset and orientation; `orientation` says which axis of the image each axis
of the atlas is, with a minus where it runs the other way.
"""

from __future__ import annotations

import scutoid as sc


@sc.pipeline
def cells_by_region(
    image: str = "brain.ome.zarr",
    atlas: str = "annotation.tif",
    structures: str = "structures.csv",
    atlas_voxel_size: float = 25.0,
    orientation: str = "z y x",
    sigma: float = 1.0,
    cell_size: float = 300.0,
    min_size: int = 20,
    midplane: str = "x",
    map_voxel_size: float = 100.0,
):
    raw = sc.open(image)
    regions = sc.open(atlas, voxel_size=atlas_voxel_size, unit=raw.unit)
    smooth = sc.gaussian(raw, sigma=sigma)
    mask = sc.threshold(smooth, level=sc.otsu(smooth))
    objects = sc.measure(sc.label(mask), intensity=raw)
    cells = sc.estimate_cells(objects, cell_size=cell_size, min_size=min_size)
    counts = sc.count_by_region(
        cells,
        regions,
        regions=structures,
        transform=tuple(orientation.split()),
        midplane=midplane,
        weights="n_cells",
        intensity="mean",
    )
    where = sc.density(cells, like=raw, voxel_size=map_voxel_size, weights="n_cells")
    return counts, where
