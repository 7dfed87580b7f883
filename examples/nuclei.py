"""Nuclei in two and three dimensions, in one image or a folder: denoise, threshold, split, measure.

    scutoid run examples/nuclei.py --images "plate/*.tif" --store results
    scutoid run examples/nuclei.py --images stack.tif --voxel-size 1.75 0.8 0.8 --store results

Lengths are in the unit of the voxel size where that is known, and in voxels where it is not.
"""

from __future__ import annotations

import numpy as np

import scutoid as sc


def in_voxels(length, image):
    """Turn one length into voxels along each spatial axis of an image, or of all in a folder."""
    one = image[image.keys[0]] if isinstance(image, sc.Images) else image
    if one.voxel_size is None:
        return float(length)
    return tuple(length / size for size in one.voxel_size)


@sc.blockwise(dtype=bool)
def standing_out(smooth, around, *, dark, level, factor, share):
    """Mark what is bright in the image, and brighter than what lies around it."""
    bright = smooth - np.float32(dark)
    least = np.float32(factor * (level - dark))
    return (bright > least) & (bright > np.float32(share) * (around - np.float32(dark)))


@sc.blockwise(dtype="uint16")
def whole_greys(image):
    """Round to whole grey values, of which one histogram counts every one."""
    return np.rint(image).astype("uint16")


def foreground(images, *, sigma, factor, around, share, min_size, keep=True):
    """Mark nuclei, without holes and without specks; `images` is one image or a collection.

    Parameters
    ----------
    images : Image or Images
        Intensities.
    sigma : float
        Width of the smoothing that removes the noise.
    factor : float
        Share of the way from the image's median to Li's level that nuclei are brighter than.
    around, share : float
        Width of a wide smoothing, and the share of it that nuclei are brighter than, both counted
        from the median: parts what nearly touches, and holds for dim nuclei and bright ones.
    min_size : int
        Objects of fewer voxels are noise.
    keep : bool
        Whether the smoothed images and the first mask are stored.
    """
    smoothing = sc.gaussian.options(keep=keep)
    smooth = smoothing(images, sigma=in_voxels(sigma, images))
    wide = smoothing(smooth, sigma=in_voxels(around, images))
    greys = whole_greys.options(keep=False)(smooth)
    dark, level = sc.percentile(greys, q=50), sc.li(greys)
    mask = standing_out.options(keep=keep)(
        smooth, wide, dark=dark, level=level, factor=factor, share=share
    )
    return sc.remove_small(sc.fill_holes(mask), min_size=min_size)


def split(mask, *, spread, depth, reach, min_size, keep=True):
    """Number the nuclei of a mask, and part those that touch at their waists.

    Parameters
    ----------
    mask : Image or Images of bool
        Nuclei.
    spread : float
        Width of the smoothing of the distance to the background, which unites its bumps.
    depth : float
        How much narrower than the nuclei on both sides a waist is, as a difference of radii.
    reach : float
        Largest distance to the background that counts.
    min_size : int
        Nuclei of fewer voxels are left out.
    keep : bool
        Whether the distances are stored.
    """
    distance = sc.distance_transform.options(keep=keep)(mask, max_distance=reach)
    height = sc.gaussian.options(keep=keep)(distance, sigma=in_voxels(spread, mask))
    labels = sc.split_touching(mask, height, min_distance=1, h=depth)
    return sc.remove_small(labels, min_size=min_size)


@sc.step
def summary(nuclei):
    """One row an image."""
    return {
        "nuclei": len(nuclei),
        "mean_size": float(nuclei["size"].mean()) if len(nuclei) else 0.0,
    }


@sc.pipeline
def nuclei(
    images: str,
    sigma: float = 0.5,
    factor: float = 0.6,
    around: float = 4.0,
    share: float = 0.9,
    spread: float = 1.0,
    depth: float = 0.75,
    reach: float = 20.0,
    min_size: int = 40,
    voxel_size: tuple[float, ...] | None = None,
    keep: bool = True,
):
    """Segment and measure nuclei.

    Parameters
    ----------
    images : str
        A file, a zarr, a folder of planes, or a pattern for a collection, such as "plate/*.tif" or
        "plate/{well}_s{site:d}.tif".
    sigma : float
        Width of the smoothing that removes the noise.
    factor : float
        Share of the way from the image's median to Li's level that nuclei are brighter than.
    around : float
        Width of the smoothing that nuclei stand out of.
    share : float
        Share of it that they are brighter than, counted from the median.
    spread : float
        Width of the smoothing that unites the bumps of one nucleus.
    depth : float
        How much narrower than two nuclei the waist between them is, as a difference of radii.
    reach : float
        Largest distance from a nucleus's centre to its edge.
    min_size : int
        Objects of fewer voxels are noise.
    voxel_size : tuple of float
        Size of a voxel along each axis, in um, where the file does not say.
    keep : bool
        Whether the smoothed images and the distances are stored.
    """
    unit = None if voxel_size is None else "um"
    opener = sc.open_folder if {"*", "{"} & set(images) else sc.open
    raw = opener(images, voxel_size=voxel_size, unit=unit)
    mask = foreground(
        raw,
        sigma=sigma,
        factor=factor,
        around=around,
        share=share,
        min_size=min_size,
        keep=keep,
    )
    labels = split(mask, spread=spread, depth=depth, reach=reach, min_size=min_size, keep=keep)
    table = sc.measure(labels, intensity=raw)
    return labels, table, summary(table)
