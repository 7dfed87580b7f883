"""Arrays that are held as their voxels that are not 0, and what is worked out of them."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from scutoid.errors import GeometryError, ParameterError
from scutoid.kernels import (
    SparseArray,
    VoxelSums,
    bounded_distance,
    flood_parts,
    flood_sparse,
    parts_seen,
    sparse_distance,
    sparse_parts,
    voxel_sums,
)

VOXELS = "scutoid.kernels._sparse_watershed"


def planes(array, n):
    """The planes of an array, some at a time."""
    return (array[at : at + n] for at in range(0, len(array), n))


@st.composite
def cuts(draw, shape):
    """A part of an array, how many planes come at a time, and how large slabs are."""
    low = [draw(st.integers(0, n - 1)) for n in shape]
    inner = tuple(slice(a, draw(st.integers(a + 1, n))) for a, n in zip(low, shape, strict=True))
    return inner, draw(st.integers(1, 4)), draw(st.integers(1, 40))


@given(st.data(), hnp.arrays("u2", hnp.array_shapes(max_side=7), elements=st.integers(0, 2)))
def test_an_array_comes_back_from_its_slabs(data, array):
    _, n, voxels = data.draw(cuts(array.shape))
    held = SparseArray.of(planes(array, n), voxels=voxels)
    assert (held.shape, held.dtype) == (array.shape, array.dtype)
    assert np.array_equal(np.concatenate([slab.spread(own) for slab, own in held]), array)


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_floods_are_those_of_whole_arrays(data):
    shape = data.draw(hnp.array_shapes(max_dims=3, max_side=9))
    ndim = len(shape)
    mask, image, seeds = (
        data.draw(hnp.arrays(dtype, shape, elements=st.integers(0, most)))
        for dtype, most in (("u4", 1), (data.draw(st.sampled_from(["f4", "u2"])), 4), ("u4", 5))
    )
    seeds[data.draw(hnp.arrays(bool, shape))] = 0
    hops, descending = data.draw(st.integers(1, ndim)), data.draw(st.booleans())
    inner, n, voxels = data.draw(cuts(shape))
    goes_on = [(data.draw(st.booleans()), data.draw(st.booleans())) for _ in shape]
    parts, reaches, is_cut = parts_seen(mask, inner, goes_on, hops)
    how = {"descending": descending, "unreached": 9}
    expected = flood_parts(image, seeds, parts.copy(), hops, wanted=reaches, **how)[inner]

    where = SparseArray.of(planes(mask, n), keeps_values=False, voxels=voxels)
    heights = SparseArray.of(planes(image, n), where, voxels=voxels)
    planted = SparseArray.of(planes(seeds, n), voxels=voxels)
    with pytest.MonkeyPatch.context() as patch:  # each of the ways in which parts are flooded
        patch.setattr(f"{VOXELS}._GATHERED", data.draw(st.sampled_from([1, 9, 999])))
        patch.setattr(f"{VOXELS}._TOGETHER", data.draw(st.sampled_from([9, 999])))
        patch.setattr(f"{VOXELS}.CALL", data.draw(st.sampled_from([0, 9, 999])))
        held = sparse_parts(where, inner, goes_on, hops)
        found = flood_sparse(heights, planted, held, hops, **how)
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)
    assert held.count_inner(held.is_cut) == np.count_nonzero(is_cut[parts[inner]])


@given(st.data(), hnp.arrays(bool, hnp.array_shapes(max_dims=3, min_side=2, max_side=9)))
@settings(max_examples=60, deadline=None)
def test_distances_are_those_of_the_whole_array(data, mask):
    inner, n, voxels = data.draw(cuts(mask.shape))
    most = data.draw(st.sampled_from([1, 2.5, 64, 300]))
    sizes = [data.draw(st.sampled_from([1, 2, 0.5, 1.3])) for _ in mask.shape]
    expected = bounded_distance(mask, most, sizes, "f4")[inner]
    held = SparseArray.of(planes(mask, n), keeps_values=False, voxels=voxels)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("scutoid.kernels._sparse_near._VOXELS", voxels)
        found = sparse_distance(held, inner, most, sizes, "f4")
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)


@given(st.data(), st.sampled_from(["u1", "f4", "f8"]))
def test_sums_of_parts_are_those_of_the_array(data, dtype):
    array = np.arange(70_001 if dtype == "u1" else 40_001).astype(dtype)
    sums, at = VoxelSums(), 0
    for stop in sorted(data.draw(st.lists(st.integers(0, len(array)), max_size=5))):
        sums.add(array[at:stop])
        at = stop
    sums.add(array[at:])
    assert sums.end() == voxel_sums(array).tobytes()


def test_nothing_is_as_large_as_the_whole_array():
    shape = (96, 256, 256)
    mask = np.zeros(shape, bool)
    mask[8:20, 8:20, 8:40] = mask[50:60, 100:120, 100:110] = True
    inner = (slice(16, 48), slice(64, 192), slice(64, 192))
    seeds = np.zeros(shape, "u4")
    seeds[52, 104, 105], seeds[57, 115, 105] = 1, 2
    slabs = [mask[at : at + 4] for at in range(0, len(mask), 4)]
    tracemalloc.start()
    where = SparseArray.of(slabs, keeps_values=False, voxels=2**16)
    planted = SparseArray.of(planes(seeds, 4), voxels=2**16)
    heights = SparseArray.of(slabs, where, voxels=2**16)
    held = sparse_parts(where, inner, [(True, True)] * 3, 3)
    found = flood_sparse(heights, planted, held, 3)
    distance = sparse_distance(where, inner, 16, dtype="f4")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < found.nbytes + distance.nbytes + 2 * mask.size  # numbers alone would take 4


def test_what_cannot_be_flooded_is_refused():
    mask = SparseArray.of([np.ones((3, 3), bool)], keeps_values=False)
    parts = sparse_parts(mask, (slice(0, 3),) * 2, [(False, False)] * 2)
    seeds = SparseArray.of([np.eye(3, dtype="u4")])
    outside = SparseArray.of([np.zeros((3, 3), bool)])
    with pytest.raises(ParameterError, match="order"):
        flood_sparse(SparseArray.of([np.full((3, 3), np.nan)], outside), seeds, parts)
    with pytest.raises(GeometryError, match="shape"):
        flood_sparse(SparseArray.of([np.ones((2, 3))]), seeds, parts)
