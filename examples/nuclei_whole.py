"""The pipeline of `nuclei.py` in plain scipy and scikit-image, on whole arrays."""

from __future__ import annotations

import numpy as np
from scipy import ndimage
from skimage.filters import threshold_li
from skimage.morphology import local_maxima, reconstruction
from skimage.segmentation import watershed


def foreground(image, *, sigma, factor, around, share, min_size, voxel_size=None):
    """Mark nuclei; returns the mask and its objects, numbered."""
    sizes = np.array(voxel_size or (1.0,) * image.ndim)
    smooth = ndimage.gaussian_filter(image.astype("float32"), sigma / sizes)
    wide = ndimage.gaussian_filter(smooth, around / sizes)
    greys = np.rint(smooth).astype("uint16")
    dark = np.percentile(greys, 50)
    bright = smooth - np.float32(dark)
    mask = bright > np.float32(factor * (threshold_li(greys) - dark))
    mask &= bright > np.float32(share) * (wide - np.float32(dark))
    mask = without_small(ndimage.label(ndimage.binary_fill_holes(mask))[0], min_size) > 0
    return mask, ndimage.label(mask)[0]


def split(mask, *, spread, depth, reach, min_size, voxel_size=None):
    """Number the nuclei, and part those that touch."""
    sizes = np.array(voxel_size or (1.0,) * mask.ndim)
    distance = np.minimum(ndimage.distance_transform_edt(mask, sampling=voxel_size), reach)
    height = ndimage.gaussian_filter(distance, spread / sizes)
    hill = np.where(mask, height, -1.0)
    corners = np.ones((3,) * mask.ndim)
    domes = reconstruction(hill - depth, hill, method="dilation", footprint=corners)
    seeds, _ = ndimage.label(local_maxima(domes) & mask, corners)
    return without_small(watershed(-height, seeds, mask=mask), min_size)


def without_small(labels, min_size):
    """Remove objects of fewer voxels."""
    keep = np.bincount(labels.ravel()) >= min_size
    keep[0] = False
    return np.where(keep[labels], labels, 0)
