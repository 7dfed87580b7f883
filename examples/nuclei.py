"""Nuclei in two and three dimensions, in one image or a folder: denoise, threshold, split, measure.

    scutoid run examples/nuclei.py --images "plate/*.tif" --sigma 2 --store results
    scutoid run examples/nuclei.py --images stack.tif --voxel-size 1.75 0.8 0.8 --store results

Lengths are in the unit of the voxel size where that is known, and in voxels where it is not.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage
from skimage.segmentation import watershed

import scutoid as sc


def in_voxels(length, voxel_size, ndim):
    """Turn one length into voxels along each axis."""
    sizes = voxel_size or (1.0,) * ndim
    return [length / size for size in sizes]


@sc.blockwise(halo=lambda sigma, voxel_size: _reach(4 * sigma, voxel_size), dtype="float32")
def denoise(image, *, sigma, voxel_size):
    """Smooth by a Gaussian of a physical width."""
    return ndimage.gaussian_filter(
        image.astype("float32"), in_voxels(sigma, voxel_size, image.ndim), truncate=3.9
    )


@sc.blockwise
def foreground(image, *, level, factor):
    """Mark what is brighter than a share of Otsu's level."""
    return image > factor * level


@sc.blockwise(
    halo=lambda spread, spacing, voxel_size: _reach(4 * spread + spacing, voxel_size), dtype=bool
)
def centres(mask, image, *, spread, spacing, voxel_size):
    """Mark one place a nucleus: where the smoothed brightness is highest within a radius."""
    height = ndimage.gaussian_filter(
        mask * image.astype("float32"), in_voxels(spread, voxel_size, mask.ndim), truncate=3.9
    )
    radius = in_voxels(spacing, voxel_size, mask.ndim)
    size = [2 * int(r) + 1 for r in radius]
    return mask & (height == ndimage.maximum_filter(height, size=size)) & (height > 0)


@sc.blockwise(
    halo=lambda spread, reach, voxel_size: _reach(4 * spread + reach, voxel_size),
    dtype="uint32",
    labels=True,
)
def split(seeds, mask, image, *, spread, reach, voxel_size):
    """Give each voxel of the mask to the centre that it belongs to."""
    del reach  # nuclei are smaller: part of the halo
    height = ndimage.gaussian_filter(
        mask * image.astype("float32"), in_voxels(spread, voxel_size, mask.ndim), truncate=3.9
    )
    return watershed(-height, seeds.astype("int64"), mask=mask).astype("uint32")


def _reach(length, voxel_size):
    """Voxels that a length covers on each axis."""
    if voxel_size is None:
        return int(np.ceil(length))
    return [int(np.ceil(length / size)) for size in voxel_size]


@sc.step
def summary(nuclei):
    """One row an image."""
    return {
        "nuclei": len(nuclei),
        "mean_size": float(nuclei["size"].mean()) if len(nuclei) else 0.0,
    }


def segment(
    images, *, sigma, factor=1.0, spread=3.0, spacing=5.0, reach=20.0, min_size=30, keep=True
):
    """Label nuclei; `images` is one image or a collection.

    Parameters
    ----------
    images : Image or Images
        Intensities.
    sigma : float
        Width of the smoothing before the threshold.
    factor : float
        Share of Otsu's level that divides nuclei from background.
    spread, spacing : float
        Width of the smoothing that merges the bumps of one nucleus, and the least distance between
        the centres of two.
    reach : float
        Largest distance from a nucleus's centre to its edge.
    min_size : int
        Objects of fewer voxels are noise.
    keep : bool
        Whether the smoothed image and the masks are stored.
    """
    smooth = denoise.options(keep=keep)(images, sigma=sigma)
    mask = foreground.options(keep=keep)(smooth, level=sc.otsu(smooth), factor=factor)
    seeds = sc.label(centres.options(keep=keep)(mask, smooth, spread=spread, spacing=spacing))
    labels = split(seeds, mask, smooth, spread=spread, reach=reach)
    return sc.remove_small(labels, min_size=min_size)


@sc.pipeline
def nuclei(
    images: str,
    sigma: float = 1.0,
    factor: float = 1.0,
    spread: float = 3.0,
    spacing: float = 5.0,
    reach: float = 20.0,
    min_size: int = 30,
    voxel_size: tuple[float, ...] | None = None,
    keep: bool = True,
):
    """Segment and measure nuclei.

    Parameters
    ----------
    images : str
        A file, a zarr, a folder of planes, or a pattern such as "plate/*.tif" for a collection.
    sigma : float
        Width of the smoothing before the threshold.
    factor : float
        Share of Otsu's level that divides nuclei from background.
    spread : float
        Width of the smoothing that merges the bumps of one nucleus.
    spacing : float
        Least distance between the centres of two nuclei.
    reach : float
        Largest distance from a nucleus's centre to its edge.
    min_size : int
        Objects of fewer voxels are noise.
    voxel_size : tuple of float
        Size of a voxel along each axis, in um, where the file does not say.
    keep : bool
        Whether the smoothed image and the masks are stored.
    """
    unit = None if voxel_size is None else "um"
    opener = sc.open_folder if "*" in images else sc.open
    raw = opener(images, voxel_size=voxel_size, unit=unit)
    labels = segment(
        raw,
        sigma=sigma,
        factor=factor,
        spread=spread,
        spacing=spacing,
        reach=reach,
        min_size=min_size,
        keep=keep,
    )
    table = sc.measure(labels, intensity=raw)
    return labels, table, summary(table)
