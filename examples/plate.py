"""A plate with a file a well, site and channel: cells found in one channel, measured in another.

    scutoid plan examples/plate.py --files "plate/{well}_s{site:d}_w{channel}.tif" --store results
    scutoid run examples/plate.py --files "plate/{well}_s{site:d}_w{channel}.tif" --store results
    scutoid export wells final --store results
    scutoid export overlay "qc/{well}_{site}.png" --store results

Results are a table for each well, and for each site a picture with the outlines of its cells.
After an edit of one file a second run does its site again, and the tables; the plan names the file.
A file of the measured channel leaves the segmentation as it is.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

import scutoid as sc


@sc.blockwise(
    axes="yx",
    halo=1,
    out_axes="yxc",
    out_sizes={"c": 3},
    dtype="uint8",
    storage=sc.Storage(format="png"),
)
def overlay(image, labels, *, levels):
    """Draw the outlines of cells in red over a grey image."""
    low, high = levels
    grey = (image.astype("float32") - low) / max(high - low, 1)
    picture = np.repeat((np.clip(grey, 0, 1) * 255).astype("uint8")[..., None], 3, axis=-1)
    padded = np.pad(labels, 1, mode="edge")
    beside = (padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:])
    outlines = (labels > 0) & np.any([other != labels for other in beside], axis=0)
    picture[outlines] = (255, 0, 0)
    return picture


@sc.step(out="files")
def wells(cells, *, folder=sc.injected):
    """Write one table a well: the cells of all its sites."""
    by_well: dict[str, list[pd.DataFrame]] = {}
    for key, table in cells.items():
        well, _, site = key.partition("/")
        by_well.setdefault(well, []).append(table.assign(site=int(site)))
    for well, tables in by_well.items():
        pd.concat(tables).to_csv(folder / f"{well}.csv", index=False)


@sc.pipeline
def plate(
    files: str,
    found_in: str = "1",
    measured_in: str = "2",
    sigma: float = 2.0,
    min_size: int = 30,
):
    """Find cells in one channel, and measure them in another.

    Parameters
    ----------
    files : str
        A pattern with the placeholders well, site and channel.
    found_in : str
        The channel in which cells are found, as it stands in the names of files.
    measured_in : str
        The channel whose intensity is measured.
    sigma : float
        Width of the smoothing that removes the noise, in voxels.
    min_size : int
        Objects of fewer voxels are noise.
    """
    images = sc.open_folder(files, stack={"c": "channel"})
    smooth = sc.gaussian.options(keep=False)(images.channel(found_in), sigma=sigma)
    labels = sc.remove_small(sc.label(smooth > sc.otsu(smooth)), min_size=min_size)
    stain = images.channel(measured_in)
    cells = sc.measure.options(name="cells")(labels, intensity=stain)
    levels = sc.percentile(stain, q=(1, 99.8))
    return labels, cells, wells(sc.gather(cells)), overlay(stain, labels, levels=levels)
