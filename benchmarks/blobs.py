"""The volume that the benchmarks of objects read: blobs on smoothed noise, uint16, as a zarr."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
from scipy import ndimage

WORK = Path(__file__).parent / "scratch"
CHUNK = 128
LEVEL = 1500  # between the noise and the middle of the faintest blob
_PER_MEGAVOXEL = 40
_LARGEST = 9


def volume(side):
    """Where the volume of so many voxels a side lies."""
    return WORK / f"blobs_{side}.zarr"


def prepare(side):
    """Write the volume, slab by slab; blobs cross the slabs."""
    import zarr

    path = volume(side)
    if path.exists():
        return
    beside = path.with_suffix(".part")
    shutil.rmtree(beside, ignore_errors=True)
    array = zarr.create_array(beside, shape=(side,) * 3, chunks=(CHUNK,) * 3, dtype="uint16")
    rng = np.random.default_rng(side)
    number = int(side**3 / 1e6 * _PER_MEGAVOXEL)
    centres = rng.integers(0, side, (number, 3))
    radii = rng.integers(2, _LARGEST + 1, number)
    heights = rng.integers(1000, 3000, number)
    for z in range(0, side, CHUNK):
        slab = _noise(rng, (min(CHUNK, side - z), side, side))
        near = (centres[:, 0] > z - 2 * _LARGEST) & (centres[:, 0] < z + CHUNK + 2 * _LARGEST)
        for centre, radius, height in zip(
            centres[near] - (z, 0, 0), radii[near], heights[near], strict=True
        ):
            _add_blob(slab, centre, radius, height)
        array[z : z + CHUNK] = np.clip(slab, 0, 65535).astype("uint16")
    beside.rename(path)


def _noise(rng, shape):
    """Smoothed noise about 1000, with specks that reach above the level."""
    noise = ndimage.gaussian_filter(rng.random(shape, dtype="float32"), 1.2)
    noise -= noise.mean()
    return 1000 + noise * (130 / noise.std())


def _add_blob(slab, centre, radius, height):
    reach = 2 * int(radius)
    low = np.maximum(centre - reach, 0)
    high = np.minimum(centre + reach + 1, slab.shape)
    if np.any(low >= high):
        return
    grid = np.ogrid[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
    apart = sum((g - c) ** 2 for g, c in zip(grid, centre, strict=True))
    slab[tuple(slice(a, b) for a, b in zip(low, high, strict=True))] += height * np.exp(
        -apart / (radius**2), dtype="float32"
    )
