"""Operations give, bit for bit, what stores hold of them under the versions that they carry.

The digests were made by the kernels of scipy and scikit-image that the operations called in these
versions; a faster way of the same version has to give the same bytes.  Who changes what an
operation gives raises its version, and makes its digest anew.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from scipy import ndimage

import scutoid as sc


def pattern(shape: tuple[int, ...], values: int) -> np.ndarray:
    """Return numbers below `values` in no order, the same on every machine."""
    places = np.arange(1, 1 + int(np.prod(shape)), dtype=np.uint64)
    mixed = (places * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(33)
    return (mixed % np.uint64(values)).reshape(shape)


NOISE = pattern((17, 30, 41), 50_000).astype("uint16")
SMOOTH = ndimage.uniform_filter(NOISE, 5)
FLOATS = (SMOOTH.astype("float32") - 25_000) / 64
MASK = SMOOTH > 24_000
SPARSE = SMOOTH > 27_500
DENSE = ndimage.uniform_filter(MASK.astype("uint8") * 9, 3) > 1
PLACED = sc.open(SMOOTH, voxel_size=1)
TURNED = ((0.9, 0.2, 0, 1), (-0.2, 0.9, 0.1, 3), (0, -0.1, 1, 0.5))
GAPS = pattern((3, 4, 5), 3).astype(bool)


@dataclass(frozen=True)
class Kept:
    """A call, and the digest of what it gives."""

    call: Callable[[], Any]
    digest: str


KEPT = {
    "median of 27": Kept(lambda: sc.median(NOISE, size=3), "e037867af41e2b6e"),
    "median of 9": Kept(lambda: sc.median(NOISE[8], size=3), "e31610aeef68f217"),
    "median of 9 in planes": Kept(lambda: sc.median(FLOATS, size=(1, 3, 3)), "35b511d057b85141"),
    "median of floats": Kept(lambda: sc.median(FLOATS, size=3), "51bbe3ebfa1cc7e0"),
    "median of 64 bits": Kept(
        lambda: sc.median(NOISE.astype("int64") + 2**60, size=3), "99075b35c8226561"
    ),
    "median of 5": Kept(lambda: sc.median(NOISE, size=(3, 5, 4)), "47bfd6eca55dc0de"),
    "white_tophat": Kept(lambda: sc.white_tophat(NOISE, radius=4), "24ccd93c2d0c6ba8"),
    "white_tophat of a disk": Kept(
        lambda: sc.white_tophat(SMOOTH[8], radius=3), "c2e50c48d3461692"
    ),
    "white_tophat of an ellipsoid": Kept(
        lambda: sc.white_tophat(FLOATS, radius=(1, 3.5, 2)), "c4262bdf833824a2"
    ),
    "white_tophat of a plane": Kept(
        lambda: sc.white_tophat(NOISE, radius=(0, 3, 3)), "47a55322bf843435"
    ),
    "erosion": Kept(lambda: sc.erosion(MASK, footprint=3), "1678d8100c717c7e"),
    "erosion, border": Kept(
        lambda: sc.erosion(MASK, footprint=(1, 2, 3), border=True), "ca2ffad90bb387d2"
    ),
    "erosion by gaps": Kept(lambda: sc.erosion(DENSE, footprint=GAPS), "23856be73809249c"),
    "dilation": Kept(lambda: sc.dilation(MASK, footprint=2), "7a58b8fe64aa88a2"),
    "dilation by gaps": Kept(lambda: sc.dilation(SPARSE, footprint=GAPS), "4e5a14fce115aa45"),
    "opening": Kept(lambda: sc.opening(MASK, footprint=3), "382bff2aeb12b310"),
    "opening by a box": Kept(
        lambda: sc.opening(MASK, footprint=np.ones((2, 3, 4))), "c21253072e1b4bf3"
    ),
    "closing": Kept(lambda: sc.closing(MASK, footprint=3), "b05f288012967076"),
    "closing by gaps": Kept(
        lambda: sc.closing(SPARSE, footprint=GAPS, border=True), "37457cfc07159ee0"
    ),
    "distance_transform": Kept(
        lambda: sc.distance_transform(DENSE, max_distance=6), "93dae9ad1112e05c"
    ),
    "distance_transform, far": Kept(
        lambda: sc.distance_transform(DENSE, max_distance=2.5), "9bd61370ba684e1b"
    ),
    "distance_transform, anisotropic": Kept(
        lambda: sc.distance_transform(DENSE, max_distance=9, voxel_size=(3, 1, 2)),
        "8141ea7e24ed6f22",
    ),
    "distance_transform, halves": Kept(
        lambda: sc.distance_transform(DENSE, max_distance=4.1, voxel_size=(1.5, 0.5, 0.75)),
        "ab2b4341efe05aca",
    ),
    "distance_transform, tenths": Kept(
        lambda: sc.distance_transform(DENSE, max_distance=1.5, voxel_size=(0.3, 0.1, 0.1)),
        "ab4c196fda2bac32",
    ),
    "distance_transform, one size": Kept(
        lambda: sc.distance_transform(DENSE, max_distance=3, voxel_size=(0.65, 0.65, 0.65)),
        "12c13fc3a95116f9",
    ),
    "local_maxima": Kept(lambda: sc.local_maxima(SMOOTH), "8365b4a76553cc07"),
    "local_maxima of faces": Kept(
        lambda: sc.local_maxima(SMOOTH // 512, connectivity=1), "99ecacb0898de397"
    ),
    "local_maxima in labels": Kept(
        lambda: sc.local_maxima(SMOOTH // 64, SMOOTH // 9000, min_distance=3), "0011d93fe593c5c2"
    ),
    "local_maxima of a height": Kept(
        lambda: sc.local_maxima(FLOATS, h=9, max_extent=41), "45a7e25666643b63"
    ),
    "watershed": Kept(
        lambda: sc.watershed(FLOATS, sc.label(sc.local_maxima(SMOOTH)), DENSE, max_extent=41),
        "6fbf3ce830d7bee2",
    ),
    "split_touching": Kept(
        lambda: sc.split_touching(DENSE, min_distance=2, max_extent=41), "9b1ada61236ea2c0"
    ),
    "resample": Kept(lambda: sc.resample(PLACED, voxel_size=0.7), "768fa7ab07f86c9b"),
    "resample, coarser": Kept(
        lambda: sc.resample(PLACED, voxel_size=(2, 1.5, 1.1)), "50858146e31f0af9"
    ),
    "resample of floats": Kept(
        lambda: sc.resample(sc.open(FLOATS, voxel_size=1), voxel_size=(0.8, 2, 1)),
        "d341a7c7c8edaf8b",
    ),
    "resample, nearest": Kept(
        lambda: sc.resample(PLACED, voxel_size=0.7, order=0), "b1049bcd0862eb30"
    ),
    "affine_transform": Kept(
        lambda: sc.affine_transform(SMOOTH, matrix=TURNED), "715d474d87d0a974"
    ),
    "affine_transform of scales": Kept(
        lambda: sc.affine_transform(FLOATS, matrix=(0.7, 1.3, 1), fill="nearest"),
        "099536038dcf1ce0",
    ),
}


@pytest.mark.parametrize("name", KEPT)
def test_gives_the_bytes_that_stores_hold(name: str) -> None:
    found = np.asarray(KEPT[name].call())
    described = f"{found.dtype.str} {found.shape}".encode()
    digest = hashlib.sha256(described + np.ascontiguousarray(found).tobytes()).hexdigest()
    assert digest[:16] == KEPT[name].digest
