"""Arrays, regions and comparisons that the tests of images share."""

from __future__ import annotations

import numpy as np
import pytest

from scutoid.geometry import Roi


def _make(shape, dtype="uint16", seed=0):
    rng = np.random.default_rng(seed)
    dtype = np.dtype(dtype)
    if dtype == bool:
        return rng.random(shape) < 0.5
    if dtype.kind == "c":
        return (rng.normal(size=shape) + 1j * rng.normal(size=shape)).astype(dtype)
    if dtype.kind == "f":
        return rng.normal(size=shape).astype(dtype)
    info = np.iinfo(dtype)
    return rng.integers(info.min, info.max, shape, dtype, endpoint=True)


def _regions(shape, n=12, seed=0):
    rng = np.random.default_rng(seed)
    yield Roi((0,) * len(shape), shape)
    yield Roi((0,) * len(shape), (0,) * len(shape))
    yield Roi([n - 1 for n in shape], (1,) * len(shape))
    for _ in range(n):
        start = [int(rng.integers(0, size)) for size in shape]
        yield Roi(start, [int(rng.integers(1, n - a + 1)) for n, a in zip(shape, start)])


def _assert_reads(source, truth, n=12):
    """The source gives what is in the array, for many regions, in arrays of the caller's own."""
    assert source.spec.shape == truth.shape
    assert source.spec.dtype == truth.dtype.newbyteorder("=")
    for roi in _regions(truth.shape, n):
        found = source.read(roi)
        np.testing.assert_array_equal(found, truth[roi.to_slices()])
        assert found.dtype == source.spec.dtype
        assert found.dtype.isnative
        assert found.flags.c_contiguous
        found[...] = 0  # must not change what others read
    np.testing.assert_array_equal(source.read(source.spec.roi), truth)


@pytest.fixture(scope="session")
def make():
    """Returns an array of random values over the whole range of its type."""
    return _make


@pytest.fixture(scope="session")
def regions():
    """Yields regions inside a shape: all of it, none, the last voxel, and random ones."""
    return _regions


@pytest.fixture(scope="session")
def assert_reads():
    """Compares what a source reads with an array, region by region."""
    return _assert_reads
